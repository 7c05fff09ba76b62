//! The `curl` command that sends a message, as "Copy as cURL" of browsers, test sites and API clients writes it.

use super::{Saved, head, shell, unreadable::Unreadable};

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Data {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// What a file holds; `-` is standard input.
    File {
        /// The path, as the command has it.
        path: String,
        /// Whether line ends and NUL are left out, as `-d` does.
        is_text: bool,
    },
}

/// Short options with a value; what stands behind one of these letters is the value.
const SHORT_WITH_VALUE: &str = "AbcCdDeEFHKmoPQrtTuUwxXyYz";

/// Whether this is a `curl` command, perhaps with a prompt before it.
pub(super) fn is_command(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    let text = text.strip_prefix(b"$ ").unwrap_or(text);
    [&b"curl "[..], b"curl\t", b"curl\\", b"curl.exe "].iter().any(|start| text.starts_with(start))
}

/// The headers and the body of the request that the command makes.
pub(super) fn read(bytes: &[u8]) -> Result<Saved, Unreadable> {
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::NotText)?.trim_start();
    let words = shell::words(text.strip_prefix("$ ").unwrap_or(text))?;
    let mut saved = Saved { headers: Vec::new(), body: Vec::new() };
    let mut head_bytes = 0;
    let mut options = Options { words: words.into_iter().skip(1).peekable() };
    while let Some((option, value)) = options.next() {
        match option.as_str() {
            "-H" | "--header" => {
                head_bytes += value.len();
                if head_bytes > head::HEAD_BYTES_MAX {
                    return Err(Unreadable::HeadTooLong(head::HEAD_BYTES_MAX));
                }
                if value.starts_with(b"@") {
                    return Err(Unreadable::HeaderOption);
                }
                // `Name;` is a header without a value, and `Name:` takes one of curl's own away.
                saved.headers.extend(head::header(&value).filter(|(_, value)| !value.is_empty()));
            }
            "-d" | "--data" | "--data-ascii" => push(&mut saved.body, data(&value, true), true),
            "--data-binary" => push(&mut saved.body, data(&value, false), true),
            "--json" => push(&mut saved.body, data(&value, false), false),
            "--data-raw" => push(&mut saved.body, Data::Bytes(value), true),
            "-T" | "--upload-file" => {
                saved.body = vec![Data::File { path: String::from_utf8_lossy(&value).into_owned(), is_text: false }];
            }
            "-F" | "--form" | "--form-string" => return Err(Unreadable::Unrepeatable("--form")),
            "--data-urlencode" => return Err(Unreadable::Unrepeatable("--data-urlencode")),
            _ => {}
        }
    }
    if saved.body.is_empty() {
        saved.body.push(Data::Bytes(Vec::new()));
    }
    Ok(saved)
}

/// `@` names a file, except where the data is raw.
fn data(value: &[u8], is_text: bool) -> Data {
    match value.strip_prefix(b"@") {
        Some(path) => Data::File { path: String::from_utf8_lossy(path).into_owned(), is_text },
        None => Data::Bytes(value.to_vec()),
    }
}

/// Several pieces are joined with `&`, except those of `--json`.
fn push(body: &mut Vec<Data>, data: Data, is_form: bool) {
    if is_form && !body.is_empty() {
        body.push(Data::Bytes(b"&".to_vec()));
    }
    body.push(data);
}

/// Takes options off the words, with their values where the option matters here. What is no option is a URL, or the value of an option
/// that does not matter, and passed over.
struct Options<I: Iterator<Item = Vec<u8>>> {
    words: std::iter::Peekable<I>,
}

impl<I: Iterator<Item = Vec<u8>>> Options<I> {
    fn next(&mut self) -> Option<(String, Vec<u8>)> {
        loop {
            let word = self.words.next()?;
            if word.starts_with(b"--") {
                let name = String::from_utf8_lossy(&word).into_owned();
                let value = if MATTERING.contains(&name.as_str()) { self.words.next().unwrap_or_default() } else { Vec::new() };
                return Some((name, value));
            }
            if word.len() > 1
                && word[0] == b'-'
                && let Some(at) = word[1..].iter().position(|letter| SHORT_WITH_VALUE.as_bytes().contains(letter))
            {
                // Letters without a value may stand before it: -sSH.
                let option = format!("-{}", char::from(word[1 + at]));
                let attached = &word[2 + at..];
                let value = if attached.is_empty() { self.words.next().unwrap_or_default() } else { attached.to_vec() };
                return Some((option, value));
            }
        }
    }
}

/// Long options whose value is read here.
const MATTERING: [&str; 10] = [
    "--header",
    "--data",
    "--data-ascii",
    "--data-binary",
    "--data-raw",
    "--data-urlencode",
    "--json",
    "--upload-file",
    "--form",
    "--form-string",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<Data> {
        vec![Data::Bytes(text.as_bytes().to_vec())]
    }

    #[test]
    fn what_browsers_and_tools_copy_is_read() {
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Vec<Data>);
        let rows: [Row<'_>; 6] = [
            (
                "curl 'https://a.example/c' \\\n  -X POST \\\n  -H 'accept: */*' \\\n  -H 'x-docusign-signature-1: a+/=' \\\n  --data-raw '{\"a\":\"it'\\''s\"}' \\\n  --compressed",
                &[("accept", "*/*"), ("x-docusign-signature-1", "a+/=")],
                bytes("{\"a\":\"it's\"}"),
            ),
            (
                r#"curl 'https://a.example/c' -H 'A: 1' --data-raw $'{\n  \"a\": \"\u0021 it\'s\"\n}'"#,
                &[("A", "1")],
                bytes("{\n  \"a\": \"! it's\"\n}"),
            ),
            ("curl -sSi -XPOST -H\"A: 1\" -d'{}' https://a.example", &[("A", "1")], bytes("{}")),
            (
                "$ curl --location --request POST 'https://a.example' --header 'A: 1' --header 'B;' --header 'Accept:' --data '{\"x\":1}' | jq .",
                &[("A", "1")],
                bytes("{\"x\":1}"),
            ),
            (
                "curl https://a.example --data-binary @body.json -d @text",
                &[],
                vec![
                    Data::File { path: "body.json".into(), is_text: false },
                    Data::Bytes(b"&".to_vec()),
                    Data::File { path: "text".into(), is_text: true },
                ],
            ),
            ("curl https://a.example -H 'A: 1'", &[("A", "1")], bytes("")),
        ];
        for (command, headers, body) in rows {
            assert!(is_command(command.as_bytes()), "{command}");
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
            assert_eq!(read(command.as_bytes()), Ok(Saved { headers, body }), "{command}");
        }
    }

    #[test]
    fn a_body_that_the_command_does_not_tell_is_refused() {
        for (command, reason) in [
            ("curl -F a=b https://a.example", Unreadable::Unrepeatable("--form")),
            ("curl --data-urlencode a=b https://a.example", Unreadable::Unrepeatable("--data-urlencode")),
            ("curl -H @headers https://a.example", Unreadable::HeaderOption),
            ("curl -d \"$BODY\" https://a.example", Unreadable::Expansion),
            ("curl -d '{} https://a.example", Unreadable::OpenQuote),
        ] {
            assert_eq!(read(command.as_bytes()), Err(reason), "{command}");
        }
        assert_eq!(read(b"curl \xff"), Err(Unreadable::NotText));
    }

    #[test]
    fn a_request_is_no_command() {
        for text in ["POST / HTTP/1.1\r\n\r\n", "curly: 1\n\n", "", "Host: curl \n\n"] {
            assert!(!is_command(text.as_bytes()), "{text:?}");
        }
    }
}
