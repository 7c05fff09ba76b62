//! The client of the verbs, against servers that are not as they should be.

use countersign_testkit::{Answer, ClientCertificates, Listener, TestCa};
use serde_json::json;

use crate::program::{Run, closed_address, program, run};

const TOKEN: &str = "s3cret-t0ken";

async fn asked(arguments: &[&str]) -> Run {
    let mut command = tokio::process::Command::from(program(arguments));
    command.env("COUNTERSIGN_API_TOKEN", TOKEN).output().await.unwrap().into()
}

#[tokio::test]
async fn tm_24_what_a_server_says_does_not_command_the_terminal() {
    let server = Listener::start().await;
    let evil = "\u{1b}[2J\u{9b}31m\r\n\u{202e}x";
    server.answer(Answer::json(&json!({"deliveries": [{"id": evil, "state": evil, "event": evil, "lastError": evil}], "next": evil})));
    for arguments in [vec![], vec!["--json"]] {
        let run =
            asked(&[&["deliveries", "--server", &server.url(""), "--account", "1", "--limit", "1"], arguments.as_slice()].concat()).await;
        assert_eq!(run.code, 0, "{run:?}");
        let odd = |text: &str| text.chars().any(|c| (c.is_control() && c != '\n') || c == '\u{202e}');
        assert!(!odd(&run.out) && !odd(&run.err), "{run:?}");
        assert!(run.out.contains("31m"), "{run:?}");
    }
    server.answer(Answer::status(400).body(format!("{{\"message\":{}}}", json!(evil))));
    let run = asked(&["deliveries", "--server", &server.url(""), "--account", "1"]).await;
    run.refused(1, "the server answered 400");
    assert!(!run.err.contains('\u{1b}') && !run.err.contains('\u{9b}'), "{run:?}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_one_clear_line() {
    let server = Listener::start().await;
    let url = server.url("");
    for (answer, words) in [
        (Answer::ok().body("no json"), "something else than JSON"),
        (Answer::json(&json!({})), "has no list 'nodes'"),
        (Answer::close(), "broke off"),
        (Answer::hang(), "did not answer within"),
        (Answer::ok().huge(200 << 20), "reading the answer of"),
        (Answer::status(401), "give another token"),
    ] {
        server.answer(answer);
        // Only who waits for nothing waits a short time: on a busy machine half a second is not enough for the others.
        let timeout = if words == "did not answer within" { "500ms" } else { "60s" };
        asked(&["nodes", "--server", &url, "--timeout", timeout]).await.refused(1, words);
    }
    asked(&["nodes", "--server", &format!("http://{}", closed_address())]).await.refused(1, "is the server running?");
}

#[tokio::test]
async fn https_is_verified_and_a_ca_can_be_given() {
    let ca = TestCa::new();
    let server = Listener::builder().tls(&ca.server(&["localhost", "127.0.0.1"]), ClientCertificates::NotAsked).start().await;
    server.answer(Answer::json(&json!({"nodes": [], "store": {}})));
    let url = server.url("");
    assert!(url.starts_with("https://"), "{url}");
    asked(&["nodes", "--server", &url]).await.refused(1, "TLS with");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca.certificate_pem()).unwrap();
    let run = asked(&["nodes", "--server", &url, "--ca", file.to_str().unwrap()]).await;
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer s3cret-t0ken"));
    std::fs::write(&file, "no pem").unwrap();
    asked(&["nodes", "--server", &url, "--ca", file.to_str().unwrap()]).await.refused(2, "holds no PEM certificate");
}

#[test]
fn a_call_that_cannot_be_made_is_refused_before_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&["keys"]);
    Run::from(command.current_dir(folder.path()).output().unwrap()).refused(2, "there is no API token");
    for (arguments, words) in [
        (vec!["keys", "--token", "", "--server", "http://127.0.0.1:1"], "the API token is empty"),
        (vec!["keys", "--token", "a b"], "holds characters that no token has"),
        (vec!["keys", "--token", "x", "--server", "ftp://127.0.0.1"], "give an http or https address"),
        (vec!["keys", "--token", "x", "--server", "http://u:p@127.0.0.1"], "without user name and password"),
        (vec!["keys", "--token", "x", "--server", "nowhere"], "--server <URL>"),
        (vec!["keys", "--token", "@/no/such"], "/no/such cannot be read"),
        (vec!["deliveries", "--limit", "0"], "--limit <N>"),
        (vec!["deliveries", "--state", "parked", "show", "dlv_1"], "a filter stands behind 'list'"),
        (vec!["trigger", "--key", "abc"], "--to <URL>"),
        (vec!["trigger", "--to", "http://127.0.0.1:1/", "--wait", "1s"], "cannot be used with"),
    ] {
        run(&arguments).refused(2, words);
    }
}

#[tokio::test]
async fn the_token_of_a_first_start_stays_on_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("countersign-data")).unwrap();
    std::fs::write(folder.path().join("countersign-data/first-token"), "from-the-file\n").unwrap();
    let server = Listener::start().await;
    server.answer(Answer::json(&json!({"nodes": [], "store": {}})));
    let mut command = tokio::process::Command::from(program(&["nodes", "--server", &server.url("")]));
    let run: Run = command.current_dir(folder.path()).output().await.unwrap().into();
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(server.requests()[0].header("authorization"), Some("Bearer from-the-file"));
    let mut command = program(&["nodes", "--server", "http://server.example"]);
    let run: Run = command.current_dir(folder.path()).output().unwrap().into();
    run.refused(2, "there is no API token");
}
