//! An arrival as a `curl` command that sends it again. Credentials are not known here any more: their place is marked.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::listen::arrival::Arrival;

/// Headers that curl makes itself, or that would contradict the body it sends.
const LEFT_OUT: [&str; 6] = ["host", "content-length", "transfer-encoding", "connection", "accept", "user-agent"];

/// The command, to be run in a POSIX shell.
pub(super) fn command(arrival: &Arrival, origin: &str) -> String {
    let mut command = format!("curl -sS -X POST {}", quoted(&format!("{origin}{}", arrival.path)));
    for (name, value) in arrival.headers.iter().filter(|(name, _)| !LEFT_OUT.contains(&name.as_str())) {
        command.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
    }
    match std::str::from_utf8(&arrival.body) {
        // A leading '@' would name a file.
        Ok(text) if !text.contains('\0') && !text.starts_with('@') => format!("{command} --data-binary {}", quoted(text)),
        _ => format!("printf %s {} | base64 -d | {command} --data-binary @-", quoted(&STANDARD.encode(&arrival.body))),
    }
}

/// In single quotes, in which a shell reads nothing but their end.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::listen::screen::view::tests::arrival;

    #[test]
    fn what_a_sender_wrote_stays_inside_the_quotes() {
        let mut arrival = arrival(1);
        arrival.path = "/a'b".into();
        arrival.headers = vec![("host".into(), "x".into()), ("x-a".into(), "$(id)'".into())];
        arrival.body = Bytes::from_static(b"it's\n{}");
        assert_eq!(
            command(&arrival, "http://127.0.0.1:1"),
            r"curl -sS -X POST 'http://127.0.0.1:1/a'\''b' -H 'x-a: $(id)'\''' --data-binary 'it'\''s".to_owned() + "\n{}'"
        );
        arrival.body = Bytes::from_static(b"\xff");
        assert!(command(&arrival, "http://a").starts_with("printf %s '/w==' | base64 -d | curl -sS -X POST "));
    }
}
