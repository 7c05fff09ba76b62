//! `trigger --to`: one message to a listener.

use countersign_signature::{HmacKey, verify};
use countersign_testkit::Listener;

use crate::program::{Run, closed_address, program, run};

const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=";

async fn triggered(arguments: &[&str]) -> Run {
    let mut command = tokio::process::Command::from(program(arguments));
    command.output().await.unwrap().into()
}

#[tokio::test]
async fn one_signed_message_arrives_and_is_shown() {
    let listener = Listener::start().await;
    let url = listener.url("/connect");
    let run =
        triggered(&["trigger", "--to", &url, "--key", KEY, "--event", "Envelope-Sent", "--header", "Authorization: Bearer t0ken"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{run:?}");
    assert!(run.out.contains("X-Docusign-Signature-1: ") && run.out.contains("\n200 OK"), "{run:?}");
    assert!(run.out.contains("Authorization: ********") && !run.out.contains("t0ken"), "{run:?}");

    let received = listener.requests();
    assert_eq!(received.len(), 1);
    let message = &received[0];
    let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert!(verify(&[HmacKey::try_new(KEY).unwrap()], headers, &message.body).is_ok());
    let body: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
    assert_eq!((&body["event"], &body["retryCount"]), (&"envelope-sent".into(), &0.into()));
    assert!(body["uri"].as_str().unwrap().starts_with("/restapi/v2.1/accounts/"), "{body}");
}

#[tokio::test]
async fn data_goes_out_byte_for_byte_and_a_refusal_is_a_failure() {
    let listener = Listener::start().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.json");
    std::fs::write(&data, "{\"b\": 1,\n \"a\":2.50}\n").unwrap();
    let run =
        triggered(&["trigger", "--to", &listener.url("/"), "--event", "invoice.paid", "--data", data.to_str().unwrap(), "--json"]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.json()["answer"]["status"], 200);
    let body = String::from_utf8(listener.requests()[0].body.to_vec()).unwrap();
    assert!(body.ends_with("\"data\":{\"b\": 1,\n \"a\":2.50}}"), "{body}");
}

#[test]
fn a_message_that_cannot_be_sent_is_told() {
    for (arguments, words) in [
        (vec!["trigger", "--to", "nowhere"], "write it like https://listener.example/connect"),
        (vec!["trigger", "--to", "http://u:p@127.0.0.1/"], "without user name and password"),
        (vec!["trigger", "--to", "http://127.0.0.1:1/", "--event", "no spaces"], "cannot name an event"),
        (vec!["trigger", "--to", "http://127.0.0.1:1/", "--header", "nonsense"], "write it like 'Name: value'"),
        (vec!["trigger", "--to", "http://127.0.0.1:1/", "--header", "Host: x"], "cannot be set"),
        (vec!["trigger", "--to", "http://127.0.0.1:1/", "--data", "/no/such.json"], "cannot be read"),
    ] {
        run(&arguments).refused(2, words);
    }
    let refused = run(&["trigger", "--to", &format!("http://{}/", closed_address())]);
    assert_eq!(refused.code, 1);
    assert!(refused.out.contains("no answer: ") && refused.out.contains("refused"), "{refused:?}");
}

#[test]
fn a_listener_that_would_verify_nothing_does_not_start() {
    run(&["listen", "--port", "0"]).refused(2, "nothing would be verified");
    run(&["listen", "--port", "0", "--hmac-key", "short"]).refused(2, "--hmac-key: ");
    run(&["listen", "--port", "0", "--basic", "nobody"]).refused(2, "--basic: write it like name:secret");
    run(&["listen", "--port", "0", "--no-verify", "--hmac-key", "k"]).refused(2, "cannot be used with");
    run(&["listen", "--port", "0", "--no-verify", "--store", "inbox"]).refused(2, "--forward");
    run(&["listen", "--port", "0", "--no-verify", "--forward", "nowhere"]).refused(2, "write it like http://");
    run(&["listen", "--port", "0", "--issuer", "https://id.example"]).refused(2, "--audience");
    run(&["listen", "--port", "0", "--issuer", "http://id.example", "--audience", "a"]).refused(2, "--issuer: ");
}
