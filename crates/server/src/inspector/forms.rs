//! An arrival in other forms: the request as HTTP/1.1 writes it, and the `curl` command that sends it again.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::arrival::Arrival;

/// Longest body that stands in a command, in bytes. A longer one is downloaded and named by its file.
pub const CURL_BODY_BYTES_MAX: usize = 64 * 1024;

/// Headers that `curl` makes itself, or that belong to the connection.
const OF_THE_CONNECTION: [&str; 7] = ["host", "content-length", "transfer-encoding", "connection", "expect", "keep-alive", "te"];

/// The request as HTTP/1.1 writes it (RFC 9112 §2.1), headers and body byte for byte. What came in chunks is written in one piece, with
/// the header that says so left as it came. `countersign verify` reads this.
#[must_use]
pub fn raw(arrival: &Arrival) -> Vec<u8> {
    let mut raw = format!("{} {} HTTP/1.1\r\n", arrival.method, arrival.target).into_bytes();
    // HTTP/2 names the host in the request itself.
    for (name, value) in &arrival.headers {
        raw.extend_from_slice(name.as_bytes());
        raw.extend_from_slice(b": ");
        raw.extend_from_slice(value);
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(b"\r\n");
    raw.extend_from_slice(&arrival.body);
    raw
}

/// A command for a POSIX shell that sends the request again to `url`. Whatever stands in the request stays a word of the shell: nothing of
/// it is run.
#[must_use]
pub fn curl(arrival: &Arrival, url: &str) -> String {
    let mut command = String::new();
    let mut data = None;
    if !arrival.body.is_empty() {
        match std::str::from_utf8(&arrival.body) {
            _ if arrival.body.len() > CURL_BODY_BYTES_MAX => {
                command.push_str(&format!("# the body is long; download it as {}.body first\n", arrival.id));
                data = Some(format!("--data-binary @{}.body", arrival.id));
            }
            // A zero byte cannot stand in an argument.
            Ok(text) if !text.contains('\0') && !text.starts_with('@') => data = Some(format!("--data-binary {}", quoted(text))),
            _ => {
                command.push_str(&format!("printf %s {} | base64 -d | ", quoted(&STANDARD.encode(&arrival.body))));
                data = Some("--data-binary @-".to_owned());
            }
        }
    }
    command.push_str(&format!("curl -X {} {}", quoted(&arrival.method), quoted(url)));
    for (name, value) in arrival.headers.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.as_str())) {
        let Ok(value) = std::str::from_utf8(value) else {
            command.push_str(&format!(" \\\n  # the header {name} is left out: it is no UTF-8"));
            continue;
        };
        // An empty value needs a semicolon, or curl takes the header away.
        let header = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        command.push_str(&format!(" \\\n  -H {}", quoted(&header)));
    }
    if let Some(data) = data {
        command.push_str(&format!(" \\\n  {data}"));
    }
    command.push('\n');
    command
}

/// One word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{io::Write, process::Command};

    use bytes::Bytes;
    use countersign_core::{Timestamp, id::ArrivalId};
    use proptest::prelude::*;

    use super::*;

    fn arrival(headers: &[(&str, &[u8])], body: &[u8]) -> Arrival {
        let (head, ()) = http::Request::post("/i/x?a=b").body(()).unwrap().into_parts();
        let mut arrival = Arrival::new(Timestamp::from_millis(0), &head, body, true);
        arrival.id = ArrivalId::from_raw(7);
        arrival.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Bytes::copy_from_slice(value))).collect();
        arrival
    }

    #[test]
    fn the_raw_form_keeps_every_byte() {
        let raw = raw(&arrival(&[("x-a", b"1"), ("x-a", b"\xe9")], b"\x00body\r\n"));
        assert_eq!(raw, b"POST /i/x?a=b HTTP/1.1\r\nx-a: 1\r\nx-a: \xe9\r\n\r\n\x00body\r\n");
    }

    /// What the shell makes of the command: `curl` is a function that prints its words, each ended by a zero byte, and then its input.
    fn run_by_a_shell(command: &str) -> Vec<u8> {
        let script = format!("curl() {{ printf '%s\\0' \"$@\"; case \"$*\" in *@-*) cat;; esac; }}\n{command}");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(script.as_bytes()).unwrap();
        let output = Command::new("sh").arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    #[test]
    fn the_command_sends_what_came() {
        let command =
            curl(&arrival(&[("host", b"h"), ("x-a", b"it's $(id) `id`"), ("x-empty", b"")], b"{\"a\":\"it's\"}\n"), "http://h/i/x?a=b");
        let words = run_by_a_shell(&command);
        let words: Vec<&str> = std::str::from_utf8(&words).unwrap().trim_end_matches('\0').split('\0').collect();
        assert_eq!(
            words,
            ["-X", "POST", "http://h/i/x?a=b", "-H", "x-a: it's $(id) `id`", "-H", "x-empty;", "--data-binary", "{\"a\":\"it's\"}\n"]
        );
        let binary = run_by_a_shell(&curl(&arrival(&[], b"\x00\xff\n"), "http://h/"));
        assert!(binary.ends_with(b"@-\0\x00\xff\n"), "{binary:?}");
        let file = run_by_a_shell(&curl(&arrival(&[], b"@/etc/passwd"), "http://h/"));
        assert!(file.ends_with(b"@-\0@/etc/passwd"), "a body that looks like the name of a file is none: {file:?}");
        let long = curl(&arrival(&[], &vec![b'a'; CURL_BODY_BYTES_MAX + 1]), "http://h/");
        assert!(long.contains("--data-binary @arr_0000000000007.body") && long.len() < 500);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn nothing_in_a_request_is_run_by_the_shell(value in "[ -~]{0,40}", body in "\\PC{0,60}") {
            let command = curl(&arrival(&[("x-a", value.as_bytes())], body.as_bytes()), "http://h/");
            let out = run_by_a_shell(&command);
            let header = if value.is_empty() { "x-a;".to_owned() } else { format!("x-a: {value}") };
            let mut expected = format!("-X\0POST\0http://h/\0-H\0{header}\0").into_bytes();
            if !body.is_empty() {
                expected.extend_from_slice(b"--data-binary\0");
                expected.extend_from_slice(if body.starts_with('@') { "@-\0".as_bytes() } else { b"" });
                expected.extend_from_slice(body.as_bytes());
                if !body.starts_with('@') {
                    expected.push(0);
                }
            }
            prop_assert_eq!(out, expected);
        }
    }
}
