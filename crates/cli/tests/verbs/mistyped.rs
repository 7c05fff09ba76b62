//! What was typed wrongly is refused in one line, before anything is made, and a password in it is not repeated.

use crate::program::{Run, closed_address, program, run};

const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=";

#[test]
fn a_password_in_a_url_that_cannot_be_used_is_not_repeated() {
    for arguments in [
        &["listen", "--no-verify", "--forward", "http://anna:hush@127.0.0.1:1/"][..],
        &["listen", "--no-verify", "--forward", "envelope-*=http://anna:hush@127.0.0.1:99999/"],
        &["listen", "--no-verify", "--forward", "anna:hush@127.0.0.1:1/"],
        &["listen", "--issuer", "https://id.example", "--audience", "a", "--jwks", "http://anna:hush@127.0.0.1:1/keys"],
        &["listen", "--issuer", "https://id.example", "--audience", "a", "--jwks", "http://anna:hush@127.0.0.1:99999999999/keys"],
        &["nodes", "--server", "http://anna:hush@127.0.0.1:99999"],
        &["nodes", "--server", "http://anna:hush@127.0.0.1:1"],
        &["nodes", "http://anna:hush@127.0.0.1:1"],
        &["trigger", "--to", "http://anna:hush@127.0.0.1:99999/"],
    ] {
        let run = run(arguments);
        run.refused(2, "");
        assert!(!run.err.contains("hush"), "{arguments:?}: {run:?}");
    }
    // It explains what a token URL is refused for, on its output.
    let token = run(&["token", "--token-url", "http://anna:hush@127.0.0.1:99999/", "--client-id", "c", "--client-secret", "s"]);
    assert!(token.code == 1 && token.out.starts_with("no token: ") && !token.out.contains("hush") && token.err.is_empty(), "{token:?}");
}

#[test]
fn listen_does_not_start_with_what_would_refuse_every_message() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("inbox");
    let store = ["--forward", "http://127.0.0.1:1/", "--store", store.to_str().unwrap()];
    let issuer = ["--issuer", "https://id.example", "--audience", "a"];
    let proxy = ["--trusted-proxy", "127.0.0.1", "--client-cert-header", "nginx=X-Cert"];
    for (further, words) in [
        ([&issuer[..], &["--introspect", "nonsense", "--introspect-client", "a:b"]].concat(), "--introspect: it is asked over https"),
        ([&issuer[..], &["--jwks", "http://anna:hush@id.example/keys"]].concat(), "--jwks: a user name and password in a URL"),
        ([&issuer[..], &["--jwks", "http://id.example/keys"]].concat(), "--jwks: it is asked over https"),
        (vec!["--body-bytes-max", "0"], "--body-bytes-max is 0; give it 1024 to 268435456 (256 MiB)"),
        (vec!["--account", "foo"], "--account: 'foo' is no account id"),
        ([&store[..], &["--retention", "0s"]].concat(), "--retention is 0s; give it 1m to 3660d"),
        ([&store[..], &["--disk-budget-mib", "1"]].concat(), "--disk-budget-mib is 1; give it 128 or more"),
        ([&proxy[..], &["--client-cert-verify-header", "x-cert"]].concat(), "are both x-cert"),
    ] {
        run(&[&["listen", "--port", "0", "--hmac-key", KEY], &further[..]].concat()).refused(2, words);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
    run(&["listen", "--audience", "a"]).refused(2, "--standard-webhooks-key");
}

#[test]
fn no_store_is_made_where_none_is_and_no_stream_is_taken_for_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let run_in = |arguments: &[&str]| -> Run { program(arguments).current_dir(folder.path()).output().unwrap().into() };
    run_in(&["migrate", "--data-dir", "nowhere"]).refused(2, "there is no store in nowhere; name its data directory with --data-dir");
    run_in(&["export", "-"]).refused(2, "name one in place of -");
    run_in(&["import", "-"]).refused(2, "name its file in place of -");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn a_database_that_cannot_be_used_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let run_with = |url: &str, arguments: &[&str]| -> Run {
        program(arguments).current_dir(folder.path()).env("COUNTERSIGN_DATABASE_URL", url).output().unwrap().into()
    };
    run_with("", &["migrate"]).refused(1, "database-url is empty");
    std::fs::write(folder.path().join("text.pem"), "no certificate").unwrap();
    let url = format!("postgresql://anna@{}/d", closed_address());
    run_with(&url, &["migrate", "--database-ca", "text.pem"]).refused(1, "database-ca text.pem holds no certificate");
    let checked = run_with(&url, &["doctor", "--no-listeners", "--json"]);
    let checked = checked.json();
    let of = |name: &str| checked["checks"].as_array().unwrap().iter().find(|check| check["check"] == name).unwrap().clone();
    assert!(of("database")["message"].as_str().unwrap().contains("cannot be reached"), "{checked}");
    assert_eq!(of("data directory")["message"], "the store is in the database", "{checked}");
}
