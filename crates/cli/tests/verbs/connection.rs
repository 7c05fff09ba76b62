//! `account oauth` and `account certificates`.

use crate::{authorization::Authority, program::closed_address, server::Server};

#[tokio::test(flavor = "multi_thread")]
async fn an_oauth_connection_is_set_tested_shown_and_deleted() {
    let authority = Authority::start(&["--client", "sender:canary-secret", "--scope", "notify read", "--control"]);
    let server = Server::start();
    let folder = server.folder_handle();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "canary-secret\n").unwrap();
    let secret = format!("@{}", secret.display());

    server.run(&["account", "oauth"]).refused(1, "404");
    server.run(&["account", "oauth", "test"]).refused(1, "404");
    server.run(&["account", "oauth", "set"]).refused(2, "there is nothing to set");
    let wrong =
        ["account", "oauth", "set", "--token-url", authority.token_url(), "--client-id", "sender", "--client-secret", "canary-wrong"];
    let refused = server.run(&wrong);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("invalid_client") && refused.err.contains("nothing was saved"), "{refused:?}");
    server.run(&["account", "oauth"]).refused(1, "404");

    let set = [
        "account",
        "oauth",
        "set",
        "--token-url",
        authority.token_url(),
        "--client-id",
        "sender",
        "--client-secret",
        &secret,
        "--scope",
        "notify",
        "--param",
        "audience=https://hooks.example/",
    ];
    let saved = server.json(&set);
    assert_eq!((&saved["scope"], &saved["customParameters"]["audience"]), (&"notify".into(), &"https://hooks.example/".into()), "{saved}");
    assert!(saved["verifiedAt"].is_string() && !saved.to_string().contains("canary"), "{saved}");
    let changed = server.json(&["account", "oauth", "set", "--scope", "read", "--no-params"]);
    assert_eq!((&changed["scope"], &changed["clientId"]), (&"read".into(), &"sender".into()), "what is not given stays");
    assert_eq!(changed["customParameters"], serde_json::json!({}));
    let shown = server.text(&["account", "oauth"]);
    assert!(shown.contains("client_secret_basic") && shown.contains(authority.token_url()) && !shown.contains("canary"), "{shown}");

    assert!(server.text(&["account", "oauth", "test"]).contains("gave a token"));
    authority.control("PUT", "faults/unavailable");
    let unreachable = server.run(&["account", "oauth", "test"]);
    assert_eq!(unreachable.code, 1);
    assert!(unreachable.err.contains("there is no token: ") && unreachable.err.contains("503"), "{unreachable:?}");
    authority.control("DELETE", "faults");
    assert_eq!(server.json(&["account", "oauth", "test"])["token"], true);

    let dead = format!("http://{}/token", closed_address());
    let unverified = server.run(&["account", "oauth", "set", "--token-url", &dead]);
    assert_eq!(unverified.code, 0, "an unreachable server is saved: {unverified:?}");
    assert!(unverified.err.contains("note: "), "and said to be: {unverified:?}");
    let key = ["account", "oauth", "set", "--auth-method", "basic", "--key-id", "k"];
    server.run(&key).refused(2, "belong to --auth-method private-key-jwt alone");
    assert_eq!(server.text(&["account", "oauth", "delete"]), "deleted the OAuth connection\n");
    server.run(&["account", "oauth"]).refused(1, "404");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_added_listed_and_deleted() {
    let server = Server::start();
    let folder = server.folder_handle();
    let made = rcgen::generate_simple_self_signed(["sender.example".to_owned()]).unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = (write("client.pem", &made.cert.pem()), write("client.key", &made.signing_key.serialize_pem()));
    let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = write("ca.pem", &ca.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem());

    assert_eq!(server.text(&["account", "certificates"]), "there is no certificate\n");
    let add = ["account", "certificates", "add", "--name", "sender", "--cert", &certificate, "--key", &format!("@{key}")];
    let added = server.json(&add);
    assert_eq!((&added["kind"], &added["name"]), (&"client".into(), &"sender".into()), "{added}");
    assert!(!added.to_string().contains("PRIVATE"), "{added}");
    assert_eq!(server.json(&["account", "certificates", "add", "--name", "inner", "--ca", &ca])["kind"], "ca");
    let table = server.text(&["account", "certificates", "list"]);
    assert!(
        table.contains("sender") && table.contains("inner") && table.contains(&added["fingerprint"].as_str().unwrap()[..16]),
        "{table}"
    );
    let id = added["id"].as_str().unwrap();
    assert_eq!(server.text(&["account", "certificates", "delete", id]), format!("deleted certificate {id}\n"));
    server.run(&["account", "certificates", "delete", id]).refused(1, "404");
    server.run(&["account", "certificates", "add", "--name", "x"]).refused(2, "give --cert and --key, or --ca");
    server
        .run(&["account", "certificates", "add", "--name", "x", "--cert", &certificate, "--key", &format!("@{certificate}")])
        .refused(1, "400");
}
