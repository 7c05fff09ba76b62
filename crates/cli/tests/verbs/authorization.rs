//! `authority` and `token`, one talking to the other.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Stdio},
};

use serde_json::Value;

use crate::program::{closed_address, program, run};

/// A running `countersign authority`, killed when the test ends.
pub(crate) struct Authority {
    child: Child,
    facts: Value,
}

impl Authority {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let all = [&["authority", "--listen", "127.0.0.1:0", "--json"], arguments].concat();
        let mut child = program(&all).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, facts: serde_json::from_str(&line).unwrap() }
    }

    pub(crate) fn token_url(&self) -> &str {
        self.facts["tokenUrl"].as_str().unwrap()
    }

    /// A request to `/control/{path}`, which must be answered 200.
    pub(crate) fn control(&self, method: &str, path: &str) {
        let address = self.facts["issuer"].as_str().unwrap().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "{method} /control/{path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_token_is_fetched_and_shown_without_its_secrets() {
    let authority = Authority::start(&["--client", "sender:correct horse", "--scope", "notify"]);
    let arguments = [
        "token",
        "--token-url",
        authority.token_url(),
        "--client-id",
        "sender",
        "--client-secret",
        "correct horse",
        "--scope",
        "notify",
        "--param",
        "audience=https://api.example/",
    ];
    let people = run(&arguments);
    assert_eq!((people.code, people.err.as_str()), (0, ""), "{people:?}");
    for words in [
        "Authorization: Basic ********",
        "grant_type=client_credentials",
        "audience=https://api.example/",
        "200 OK  HTTP/1.1 from 127.0.0.1:",
        "access_token: ********",
        "token: good for 3600 s",
        "aud https://api.example/",
        "a server without --dev refuses this token URL",
    ] {
        assert!(people.out.contains(words), "'{words}' in {}", people.out);
    }
    assert!(!people.out.contains("correct") && !people.out.contains("eyJ"), "{}", people.out);

    let programs = run(&[&arguments[..], &["--json"]].concat());
    let json = programs.json();
    assert_eq!(json["request"]["form"]["scope"], "notify");
    assert_eq!(json["answer"]["status"], 200);
    assert_eq!(json["token"]["jwt"]["claims"]["client_id"], "sender");
    assert_eq!(json["error"], Value::Null);
    assert!(!programs.out.contains("correct"), "{}", programs.out);

    let alone = run(&[&arguments[..], &["--print-token"]].concat());
    assert_eq!(alone.out.trim_end().split('.').count(), 3, "a JWT and nothing else: {alone:?}");
}

#[test]
fn a_refused_token_is_told_with_the_words_of_the_server() {
    let authority = Authority::start(&["--client", "sender:s3cret-one", "--fault", "secret-echoed*1"]);
    for method in ["basic", "body"] {
        let arguments = [
            "token",
            "--token-url",
            authority.token_url(),
            "--client-id",
            "sender",
            "--client-secret",
            "s3cret-one",
            "--auth-method",
            method,
        ];
        for arguments in [arguments.to_vec(), [&arguments[..], &["--json"]].concat()] {
            let run = run(&arguments);
            if run.code == 1 {
                assert!(run.out.contains("401") && run.out.contains("invalid_client"), "{run:?}");
            }
            assert!(!run.out.contains("s3cret-one"), "{run:?}");
        }
    }
    let wrong = run(&["token", "--token-url", authority.token_url(), "--client-id", "sender", "--client-secret", "another", "--json"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.json()["error"].as_str().unwrap().contains("invalid_client"), "{wrong:?}");
}

#[test]
fn an_assertion_takes_the_place_of_a_secret() {
    let pair = rcgen_pair();
    let folder = tempfile::tempdir().unwrap();
    let (key, clients) = (folder.path().join("key.pem"), folder.path().join("clients.toml"));
    std::fs::write(&key, pair.0).unwrap();
    let file =
        format!("[[clients]]\nclient_id = 'signer'\ntoken_endpoint_auth_method = 'private_key_jwt'\npublic_key_pem = '''{}'''\n", pair.1);
    std::fs::write(&clients, file).unwrap();
    let authority = Authority::start(&["--clients", clients.to_str().unwrap()]);
    let key = format!("@{}", key.display());
    let issuer = authority.facts["issuer"].as_str().unwrap();
    let run = run(&[
        "token",
        "--token-url",
        authority.token_url(),
        "--client-id",
        "signer",
        "--auth-method",
        "private-key-jwt",
        "--key",
        &key,
        "--assertion-audience",
        issuer,
        "--json",
    ]);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.json()["request"]["form"]["client_assertion"], "********");
}

#[test]
fn a_client_certificate_takes_the_place_of_a_secret_over_https() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let self_signed = |name: &str| {
        let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let ((server, server_key), (client, client_key), (other, other_key)) =
        (self_signed("127.0.0.1"), self_signed("sender.test"), self_signed("sender.test"));
    let registered = format!(
        "[[clients]]\nclient_id = 'sender'\ntoken_endpoint_auth_method = 'self_signed_tls_client_auth'\n\
         tls_client_certificate_bound_access_tokens = true\ncertificate_pem = \"\"\"{client}\"\"\"\n"
    );
    let (server, server_key) = (write("server.pem", &server), write("server.key", &server_key));
    let clients = write("clients.toml", &registered);
    let authority = Authority::start(&["--clients", &clients, "--tls-cert", &server, "--tls-key", &server_key]);
    assert!(authority.token_url().starts_with("https://127.0.0.1:"));
    for (certificate, key, code) in [(client, client_key, 0), (other, other_key, 1)] {
        let (certificate, key) = (write("client.pem", &certificate), write("client.key", &key));
        let asked = run(&[
            "token",
            "--token-url",
            authority.token_url(),
            "--client-id",
            "sender",
            "--auth-method",
            "mutual-tls",
            "--cert",
            &certificate,
            "--cert-key",
            &key,
            "--ca",
            &server,
            "--json",
        ]);
        assert_eq!(asked.code, code, "{asked:?}");
        if code == 0 {
            assert!(asked.json()["token"]["jwt"]["claims"]["cnf"]["x5t#S256"].is_string(), "bound to it: {asked:?}");
        }
    }
}

/// A fresh P-256 key pair as PEM.
fn rcgen_pair() -> (String, String) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    (pair.serialize_pem(), pair.public_key_pem())
}

#[test]
fn without_a_client_one_is_made_and_its_secret_is_shown_once() {
    let authority = Authority::start(&[]);
    let secret = authority.facts["clientSecret"].as_str().unwrap();
    let run = run(&["token", "--token-url", authority.token_url(), "--client-id", "countersign", "--client-secret", secret, "--json"]);
    assert_eq!(run.code, 0, "{run:?}");
}

#[test]
fn what_cannot_be_asked_for_is_refused() {
    for (arguments, words) in [
        (vec!["token", "--token-url", "http://127.0.0.1:1/token", "--client-id", "a"], "the client secret is empty"),
        (
            vec!["token", "--token-url", "http://127.0.0.1:1/token", "--client-id", "a", "--auth-method", "private-key-jwt"],
            "give it with --key",
        ),
        (vec!["token", "--token-url", "x", "--client-id", "a", "--client-secret", "b", "--param", "scope"], "name=value"),
        (vec!["token", "--token-url", "x", "--client-id", "a", "--client-secret", "b", "--timeout", "soon"], "write it like 30s"),
        (
            vec!["token", "--token-url", "x", "--client-id", "a", "--client-secret", "b", "--param", "grant_type=x"],
            "is set by the token request itself",
        ),
        (vec!["authority", "--fault", "sneezing"], "there is no fault 'sneezing'"),
        (vec!["authority", "--client", "id-alone"], "write it like ID:SECRET"),
        (vec!["authority", "--clients", "/no/such.toml"], "/no/such.toml cannot be read"),
        (vec!["authority", "--listen", "127.0.0.1:0", "--issuer", "nowhere"], "is not an absolute address"),
    ] {
        run(&arguments).refused(2, words);
    }
    let dead = format!("http://{}/token", closed_address());
    let unreachable = run(&["token", "--token-url", &dead, "--client-id", "a", "--client-secret", "b"]);
    assert_eq!(unreachable.code, 1);
    assert!(unreachable.out.contains("no token: the authorization server cannot be reached"), "{unreachable:?}");
    let strict = run(&["token", "--token-url", &dead, "--client-id", "a", "--client-secret", "b", "--strict"]);
    assert!(strict.out.contains("the scheme 'http' is not permitted"), "{strict:?}");
}
