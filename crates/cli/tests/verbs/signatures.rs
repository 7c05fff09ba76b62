//! `sign` and `verify`.

use tempfile::TempDir;

use crate::program::{program, run, run_with};

const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=";
const OTHER_KEY: &str = "3Zt9eQ8cV2nBqLr5wYx0Tg7UaKpJmHsDfNvCzXiOeR0=";
const BODY: &[u8] = br#"{"event":"envelope-sent","retryCount":0}"#;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn signature(key: &str, body: &str) -> String {
    let run = run(&["sign", "--key", key, "--body", body]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    run.out.trim_end().to_owned()
}

#[test]
fn the_published_vector_is_signed() {
    // RFC 4231, test case 2.
    let run = run_with(b"what do ya want for nothing?", &["sign", "--key", "Jefe", "--body", "-"]);
    assert_eq!((run.code, run.out), (0, format!("{}\n", rfc4231())));
    assert_eq!(run.err.lines().count(), 1, "a key that short is used with a note: {}", run.err);
}

/// The digest of the RFC, 5bdcc146..., in Base64.
fn rfc4231() -> String {
    use base64::Engine as _;
    let hex = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn what_sign_prints_verify_accepts() {
    let files = Files::new();
    let body = files.file("body", BODY);
    let signature = signature(KEY, &body);
    let matching = run(&["verify", "--key", KEY, "--signature", &signature, "--body", &body]);
    assert_eq!((matching.code, matching.out.as_str()), (0, "match: key 1 fits X-DocuSign-Signature-1 over a body of 40 bytes\n"));

    let json =
        run(&["verify", "--key", OTHER_KEY, "--key", KEY, "--signature", "AAAA", "--signature", &signature, "--body", &body, "--json"]);
    assert_eq!((json.code, json.out.as_str()), (0, "{\"match\":true,\"matched\":{\"key\":2,\"header\":2},\"findings\":[]}\n"));
}

#[test]
fn header_lines_of_sign_are_read_by_verify() {
    let files = Files::new();
    let body = files.file("body", BODY);
    let lines = run(&["sign", "--key", OTHER_KEY, "--key", KEY, "--body", &body, "--headers"]).out;
    assert_eq!(lines.lines().last(), Some("X-Authorization-Digest: HMACSHA256"));
    let headers = files.file("headers", &lines);
    assert_eq!(run(&["verify", "--key", KEY, "--headers", &headers, "--body", &body]).code, 0);
    let request = [b"POST /connect HTTP/1.1\r\n", lines.as_bytes(), b"\r\n", BODY].concat();
    assert_eq!(run_with(&request, &["verify", "--key", KEY, "--request", "-"]).code, 0);
    let json = run(&["sign", "--key", KEY, "--body", &body, "--json"]).json();
    assert_eq!(json["headers"]["X-DocuSign-Signature-1"], signature(KEY, &body));
}

#[test]
fn a_mismatch_exits_with_1_and_names_its_cause() {
    let files = Files::new();
    let body = files.file("body", BODY);
    let signature = signature(KEY, &body);
    let edited = files.file("edited", [BODY, b"\n"].concat());
    let people = run(&["verify", "--key", KEY, "--signature", &signature, "--body", &edited]);
    assert_eq!(people.code, 1);
    assert!(people.out.contains("proved     body-trailing-newline"), "{people:?}");
    assert_eq!(people.err, "");

    let programs = run(&["verify", "--key", KEY.trim_end_matches('='), "--signature", &signature, "--body", &edited, "--json"]);
    assert_eq!(programs.code, 1);
    let json = programs.json();
    assert_eq!(json["match"], false);
    assert_eq!(json["matched"], serde_json::Value::Null);
    assert_eq!(json["findings"][0]["causes"], serde_json::json!(["key-missing-padding", "body-trailing-newline"]));
    assert_eq!(json["findings"][0]["certainty"], "proved");

    let keys = files.file("keys", format!("{OTHER_KEY}\n{KEY}\n"));
    let other = run(&["verify", "--key", OTHER_KEY, "--all-keys", &keys, "--signature", &signature, "--body", &body, "--json"]);
    assert_eq!((other.code, &other.json()["findings"][0]["causes"][0]), (1, &"key-other".into()));
}

#[test]
fn keys_come_from_the_environment_a_file_or_standard_input_and_are_never_shown() {
    let files = Files::new();
    let body = files.file("body", BODY);
    let signature = signature(KEY, &body);
    let key_file = files.file("key", format!("{KEY}\n"));
    for key in ["env:LISTENER_KEY", &format!("@{key_file}")] {
        let run = program(&["verify", "--key", key, "--signature", &signature, "--body", &body]).env("LISTENER_KEY", KEY).output().unwrap();
        assert_eq!(run.status.code(), Some(0), "{key}");
    }
    let piped = run_with(KEY.as_bytes(), &["verify", "--key", "-", "--signature", &signature, "--body", &body]);
    assert_eq!(piped.code, 0, "{piped:?}");
    for arguments in [vec![], vec!["--json"]] {
        let all = [
            &["verify", "--key", KEY, "--key", "a b\u{1b}[2J c d e f g h", "--signature", "nonsense", "--body", &body],
            arguments.as_slice(),
        ]
        .concat();
        let run = run(&all);
        assert_eq!(run.code, 1);
        assert!(!run.out.contains(&KEY[..8]) && !run.out.contains("d e f") && !run.out.contains('\u{1b}'), "{run:?}");
        assert!(!run.err.contains(&KEY[..8]) && !run.err.contains("d e f"), "{run:?}");
    }
}

#[test]
fn body_headers_and_request_come_from_the_environment_a_file_or_standard_input() {
    let files = Files::new();
    let body = files.file("body", BODY);
    let text = std::str::from_utf8(BODY).unwrap();
    let lines = run(&["sign", "--key", KEY, "--body", &body, "--headers"]).out;
    let request = format!("POST /connect HTTP/1.1\r\n{lines}\r\n{text}");
    let rows: [(&[&str], &str); 5] = [
        (&["--headers", "env:GIVEN", "--body", &body], &lines),
        (&["--headers", &files.file("lines", &lines), "--body", "env:GIVEN"], text),
        (&["--headers", &files.file("lines", &lines), "--body", &format!("@{body}")], ""),
        (&["--request", "env:GIVEN"], &request),
        (&["--request", &format!("@{}", files.file("request", &request))], ""),
    ];
    for (arguments, given) in rows {
        let run = program(&[&["verify", "--key", KEY], arguments].concat()).env("GIVEN", given).output().unwrap();
        assert_eq!(run.status.code(), Some(0), "{arguments:?}");
    }
    assert_eq!(run_with(request.as_bytes(), &["verify", "--key", KEY, "--request", "-"]).code, 0);
}

#[test]
fn a_copied_curl_command_is_a_request() {
    let files = Files::new();
    let body = files.file("body", BODY);
    let text = std::str::from_utf8(BODY).unwrap();
    let signature = signature(KEY, &body);
    let odd = "{\"name\":\"it's\"}";
    let odd_signature = self::signature(KEY, &files.file("odd", odd));
    for command in [
        format!("curl 'https://listener.example/c' \\\n  -H 'X-DocuSign-Signature-1: {signature}' \\\n  --data-raw '{text}' --compressed"),
        format!("curl -sS -XPOST -H\"X-DocuSign-Signature-1: {signature}\" --data-binary @{body} https://listener.example"),
        format!(
            "$ curl --location 'https://a.example' --header 'x-docusign-signature-1: {odd_signature}' --data '{}'",
            odd.replace('\'', "'\\''")
        ),
        format!(
            "curl 'https://a.example' -H 'x-docusign-signature-1: {odd_signature}' --data-raw $'{}'",
            odd.replace('\'', "\\'").replace('n', "\\u006e")
        ),
    ] {
        for flag in ["--request", "--curl"] {
            let run = run_with(command.as_bytes(), &["verify", "--key", KEY, flag, "-"]);
            assert_eq!(run.code, 0, "{command}: {run:?}");
        }
    }
    let command = "curl -H 'X-DocuSign-Signature-1: x' -d \"$BODY\" https://a.example";
    run_with(command.as_bytes(), &["verify", "--key", KEY, "--curl", "-"]).refused(2, "write the value in its place");
}

#[test]
fn keys_from_a_file_alone_are_the_keys_to_check_with() {
    let files = Files::new();
    let body = files.file("body", BODY);
    let keys = files.file("keys", format!("{OTHER_KEY}\r\n\n{KEY}\n"));
    let run =
        run(&["verify", "--all-keys", &keys, "--signature", "AAAA", "--signature", &signature(KEY, &body), "--body", &body, "--json"]);
    assert_eq!((run.code, &run.json()["matched"]), (0, &serde_json::json!({"key": 2, "header": 2})));
}

#[test]
fn a_key_file_that_is_not_text_is_explained_and_not_refused() {
    let files = Files::new();
    let body = files.file("body", BODY);
    let signature = signature(KEY, &body);
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(KEY.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let key = format!("@{}", files.file("key", utf16));
    let only = run(&["verify", "--key", &key, "--signature", &signature, "--body", &body, "--json"]);
    assert_eq!((only.code, &only.json()["findings"][0]["causes"]), (1, &serde_json::json!(["key-bom"])));
    let second = run(&["verify", "--key", &key, "--key", KEY, "--signature", &signature, "--body", &body, "--json"]);
    assert_eq!((second.code, &second.json()["matched"]["key"]), (0, &2.into()));
    run(&["sign", "--key", &key, "--body", &body]).refused(2, "is not UTF-8 text");
}

#[test]
fn misuse_exits_with_2_and_one_line() {
    let files = Files::new();
    let body = files.file("body", BODY);
    for (arguments, words) in [
        (vec!["verify"], "there is no key"),
        (vec!["verify", "--key", KEY], "there is no body"),
        (vec!["verify", "--key", KEY, "--body", &body], "there is no signature"),
        (vec!["verify", "--key", "", "--signature", "x", "--body", &body], "--key: the hmac key is empty"),
        (vec!["verify", "--key", "env:", "--signature", "x", "--body", &body], "behind 'env:'"),
        (vec!["verify", "--key", "env:NO_SUCH_KEY", "--signature", "x", "--body", &body], "no variable NO_SUCH_KEY"),
        (vec!["verify", "--key", "@/no/such", "--signature", "x", "--body", &body], "/no/such cannot be read"),
        (vec!["verify", "--key", KEY, "--signature", "x", "--body", "/no/such"], "--body: /no/such cannot be read"),
        (vec!["verify", "--key", KEY, "--headers", &body, "--body", &body], "line 1 is not a header"),
        (vec!["verify", "--key", KEY, "--headers", &body, "--signature", "x", "--body", &body], "cannot be used with"),
        (vec!["verify", "--key", KEY, "--signatur", "x", "--body", &body], "'--signature'"),
        (vec!["sign", "--key", KEY], "--body <FILE>"),
        (vec!["sign", "--body", &body], "--key <KEY>"),
        (vec!["sing"], "unrecognized subcommand 'sing'"),
    ] {
        run(&arguments).refused(2, words);
    }
    let twice = run_with(KEY.as_bytes(), &["verify", "--key", "-", "--signature", "x", "--body", "-"]);
    twice.refused(2, "standard input is already read by --key");
}
