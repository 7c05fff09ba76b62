//! How `serve` starts and stops: what is refused before anything is made, and what a second signal does.

use std::sync::Arc;

use countersign_testkit::{Answer, Listener};

use crate::{
    program::{Run, program},
    server::Server,
};

#[test]
fn a_setting_that_cannot_work_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = |arguments: &[&str], variables: &[(&str, &str)]| -> Run {
        let mut command = program(&["serve", "--dev", "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()]);
        command.args(arguments).envs(variables.iter().copied()).current_dir(folder.path()).output().unwrap().into()
    };
    for (arguments, variables, code, words) in [
        (["--delivery-timeout", "0s"].as_slice(), [].as_slice(), 2, "delivery-timeout is 0s; give it 1s to 600s"),
        (&["--memory-mib", "0"], &[], 2, "memory-mib is 0; give it 1 to 1048576"),
        (&["--admin-listen", "nonsense"], &[], 2, "like 127.0.0.1:8400"),
        (&["--retry-schedule", "nonsense"], &[], 1, "retry-schedule: "),
        (&["--tls-cert", "only.pem"], &[], 1, "go together"),
        (&[], &[("COUNTERSIGN_ACCOUNT_ID", "nonsense")], 1, "COUNTERSIGN_ACCOUNT_ID 'nonsense' is not a GUID"),
        (&[], &[("COUNTERSIGN_API_TOKEN", "short")], 1, "COUNTERSIGN_API_TOKEN: the API token given is shorter than 8 characters"),
    ] {
        serve(arguments, variables).refused(code, words);
        assert!(!data.exists(), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_cuts_off_what_hangs_and_loses_nothing() {
    let listener = Listener::start().await;
    listener.answer(Answer::hang());
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let mut server = Server::start_heard(Arc::clone(&folder), &["--grace", "60s", "--delivery-timeout", "600s", "--log", "info"]);
    server.json(&["config", "create", "--url", &listener.url("/"), "--events", "test"]);
    let matches = server.json(&["trigger"]);
    let delivery = matches["matches"][0]["delivery"].as_str().unwrap().to_owned();
    listener.wait_for(1).await;
    let mut log = server.log();
    server.signal("INT");
    assert!(log.any(|line| line.unwrap().contains("up to 60 s; press Ctrl-C again")), "it says what it waits for");
    server.signal("TERM");
    assert!(log.any(|line| line.unwrap().contains("stopping at once")), "it says that it heard");
    assert!(server.ended().success());

    listener.answer(Answer::ok());
    let server = Server::start_in(folder, &[]);
    listener.wait_for(2).await;
    let attempts = server.json(&["deliveries", "show", &delivery])["attempts"].clone();
    assert!(attempts.as_array().unwrap().iter().any(|attempt| attempt["class"] == "interrupted"), "{attempts}");
}
