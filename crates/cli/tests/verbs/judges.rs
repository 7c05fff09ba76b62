//! What this binary signs is accepted by programs that others wrote, in the way Docusign publishes for listeners: the HMAC-SHA256 of the
//! raw body under the text of the key, in Base64, compared with the header.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use countersign_testkit::{Listener, broken};

use crate::program::{program, run, run_with};

const PYTHON: &str = r#"
import base64, hashlib, hmac, sys
key, signature, body = sys.argv[1], sys.argv[2], sys.stdin.buffer.read()
made = base64.b64encode(hmac.new(key.encode("utf-8"), body, hashlib.sha256).digest())
sys.exit(0 if hmac.compare_digest(made, signature.encode("utf-8")) else 7)
"#;

const NODE: &str = r#"
const crypto = require("node:crypto");
const [key, signature] = process.argv.slice(1);
const chunks = [];
process.stdin.on("data", (chunk) => chunks.push(chunk)).on("end", () => {
  const made = crypto.createHmac("sha256", key).update(Buffer.concat(chunks)).digest();
  const given = Buffer.from(signature, "base64");
  process.exitCode = given.length === made.length && crypto.timingSafeEqual(made, given) ? 0 : 7;
});
"#;

/// Runs a program of others; `None` says loudly that it is missing, where that may be.
fn foreign(name: &str, arguments: &[&str], stdin: &[u8]) -> Option<(i32, Vec<u8>)> {
    let name = std::env::var("COUNTERSIGN_TEST_PYTHON").ok().filter(|_| name == "python3").unwrap_or_else(|| name.to_owned());
    let started = Command::new(&name).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if std::env::var_os("COUNTERSIGN_TEST_SKIP_NONE").is_some() => panic!("{name} does not start: {error}"),
        Err(error) => {
            eprintln!("SKIPPED: {name} does not start: {error}");
            return None;
        }
    };
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    let output = child.wait_with_output().unwrap();
    Some((output.status.code().unwrap(), output.stdout))
}

/// All judges that are there say the same about a signature.
#[track_caller]
fn judged(what: &str, key: &str, signature: &str, body: &[u8], is_right: bool) {
    let code = if is_right { 0 } else { 7 };
    for (name, flag, script) in [("python3", "-c", PYTHON), ("node", "-e", NODE)] {
        if let Some((said, _)) = foreign(name, &[flag, script, key, signature], body) {
            assert_eq!(said, code, "{name} on {what}");
        }
    }
    if let Some((_, digest)) =
        foreign("openssl", &["dgst", "-sha256", "-binary", "-mac", "HMAC", "-macopt", &format!("hexkey:{}", hex(key))], body)
    {
        use base64::Engine as _;
        assert_eq!(base64::engine::general_purpose::STANDARD.encode(digest) == signature, is_right, "openssl on {what}");
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

const KEYS: [&str; 3] = [broken::KEY, "3Zt9eQ8cV2nBqLr5wYx0Tg7UaKpJmHsDfNvCzXiOeR0=", "a key with spaces, \"quotes\" & \u{eb}"];

#[test]
fn what_sign_makes_is_accepted_by_python_node_and_openssl() {
    // Bodies of every kind: JSON with and without a summary, XML, pretty, gzip, empty, bytes at random.
    for (place, message) in broken::matching(24).iter().enumerate() {
        let mut arguments = vec!["sign", "--body", "-"];
        KEYS.iter().for_each(|key| arguments.extend(["--key", key]));
        let signed = run_with(&message.body, &arguments);
        assert_eq!(signed.code, 0, "{signed:?}");
        let signatures: Vec<&str> = signed.out.lines().collect();
        assert_eq!(signatures.len(), KEYS.len());
        // Each program start costs; the keys take turns.
        let (key, signature) = (KEYS[place % KEYS.len()], signatures[place % KEYS.len()]);
        judged(&format!("body {place}"), key, signature, &message.body, true);
    }
}

#[test]
fn the_judges_refuse_what_is_wrong() {
    let signed = run_with(b"{\"a\":1}", &["sign", "--key", KEYS[0], "--body", "-"]);
    judged("another key", KEYS[1], signed.out.trim_end(), b"{\"a\":1}", false);
    judged("another body", KEYS[0], signed.out.trim_end(), b"{\"a\":1}\n", false);
}

#[tokio::test]
async fn what_trigger_sends_is_accepted_by_python_node_and_openssl() {
    let listener = Listener::start().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.json");
    std::fs::write(&data, "{\"name\": \"Zo\u{eb}\",\n \"amount\":2.50}\n").unwrap();
    let url = listener.url("/connect");
    let sent = [
        vec!["trigger", "--to", &url, "--key", KEYS[0], "--key", KEYS[1]],
        vec!["trigger", "--to", &url, "--key", KEYS[0], "--key", KEYS[1], "--event", "invoice.paid", "--data", data.to_str().unwrap()],
    ];
    for arguments in &sent {
        let output = tokio::process::Command::from(program(arguments)).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let received = listener.requests();
    assert_eq!(received.len(), sent.len());
    for message in &received {
        for (number, key) in (1..).zip(&KEYS[..2]) {
            let signature = message.header(&format!("x-docusign-signature-{number}")).unwrap();
            judged(&format!("header {number}"), key, signature, &message.body, true);
        }
    }
}

#[test]
fn what_they_sign_verify_accepts() {
    let body = broken::matching(3).remove(2).body;
    let Some((0, digest)) = foreign("openssl", &["dgst", "-sha256", "-hmac", KEYS[0], "-binary"], &body) else { return };
    use base64::Engine as _;
    let signature = base64::engine::general_purpose::STANDARD.encode(digest);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    std::fs::write(&file, &body).unwrap();
    let verified = run(&["verify", "--key", KEYS[0], "--signature", &signature, "--body", file.to_str().unwrap()]);
    assert_eq!(verified.code, 0, "{verified:?}");
}
