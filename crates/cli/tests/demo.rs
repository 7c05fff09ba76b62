//! The demo, as a newcomer runs it: piped, so that it ends by itself.

use std::process::{Command, Stdio};

#[test]
fn the_demo_shows_an_envelope_through_to_completed_with_every_message_verified() {
    let output = Command::new(env!("CARGO_BIN_EXE_countersign")).arg("demo").stdin(Stdio::null()).output().expect("the binary starts");
    let text = String::from_utf8(output.stdout).expect("the demo writes text");
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{complaints}");
    assert!(text.contains("completed: 11 messages, 11 verified, 0 refused, 1 token request"), "{text}\n{complaints}");
    assert_eq!(text.matches("HMAC fits key 1, header 1  token of countersign-demo").count(), 11, "{text}");
    let shown: Vec<&str> = text.lines().filter_map(|line| line.trim_start().strip_prefix("\u{2713} ")?.split(' ').next()).collect();
    assert_eq!(
        shown,
        [
            ["envelope-sent", "recipient-sent", "recipient-delivered"].as_slice(),
            &["recipient-completed", "recipient-sent", "recipient-delivered"],
            &["recipient-completed", "recipient-sent", "recipient-completed", "envelope-delivered", "envelope-completed"],
        ]
        .concat(),
        "in the order in which things happened"
    );
    assert!(!text.contains('\u{1b}'), "plain lines when piped: {text:?}");
    assert_eq!(complaints, "", "a demo that goes well has nothing to complain of");
}
