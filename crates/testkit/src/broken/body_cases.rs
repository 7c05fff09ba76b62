//! Bodies that editors, terminals, gateways and limits changed, without anybody parsing them.

use super::{
    BrokenMessage, Message, body,
    coding::{gzip, in_mime_lines, mojibake, percent, standard, url_safe, utf16_le_with_mark, windows_1252, zlib},
    indicated, proved,
};

const JSON: &str = "application/json; charset=utf-8";
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Ends, line ends, encodings, wrappings, cuts and mix-ups.
pub(super) fn all() -> Vec<BrokenMessage> {
    [ends(), charsets(), wrapped(), truncated(), mixed_up()].concat()
}

fn sim(envelope: usize) -> Message {
    Message::signed(body::minimal(envelope, 0))
}

fn full(envelope: usize) -> Message {
    Message::signed(body::summary(envelope, 1)).with_all_headers(JSON)
}

fn followed_by(message: Message, end: &str) -> Message {
    message.map_body(|body| [body, end.as_bytes()].concat())
}

/// The signature is over more than what is at hand.
fn signed_with_more(before: &[u8], end: &str, wire: String) -> Message {
    Message::signed([before, wire.as_bytes(), end.as_bytes()].concat()).with_body(wire)
}

fn ends() -> Vec<BrokenMessage> {
    let lines = body::xml(79, "\n");
    vec![
        proved("an editor ended the last line", "body-trailing-newline", followed_by(full(70), "\n")),
        proved("an editor on Windows ended the last line", "body-trailing-newline", followed_by(sim(71), "\r\n")),
        proved("two empty lines behind it", "body-trailing-newline", followed_by(sim(72), "\n\n")),
        proved("signer used echo", "body-trailing-newline", signed_with_more(b"", "\n", body::minimal(73, 0))),
        proved("signer's line ended as on Windows", "body-trailing-newline", signed_with_more(b"", "\r\n", body::summary(74, 0))),
        proved("a blank behind it", "body-trailing-space", followed_by(full(75), " ")),
        proved("blanks and a tab behind it", "body-trailing-space", followed_by(sim(76), "  \t")),
        proved("signer's body ends with a blank", "body-trailing-space", signed_with_more(b"", " ", body::minimal(77, 0))),
        proved("XML saved on Windows", "body-crlf", Message::signed(lines.clone()).with_body(body::xml(79, "\r\n"))),
        proved("XML of Windows with line feeds alone", "body-crlf", Message::signed(body::xml(79, "\r\n")).with_body(lines)),
        proved(
            "posted data over several lines, checked out by git on Windows",
            "body-crlf",
            Message::signed(body::posted(78, "{\n \"a\": 1,\n \"b\": 2\n}"))
                .map_body(|body| String::from_utf8_lossy(body).replace('\n', "\r\n").into_bytes()),
        ),
        proved("saved as UTF-8 with a mark", "body-bom", full(80).map_body(|body| [MARK, body].concat())),
        proved("mark lost", "body-bom", signed_with_more(MARK, "", body::xml(81, "\n"))),
    ]
}

fn charsets() -> Vec<BrokenMessage> {
    // Latin-1 has no Chinese and no emoji, so these names stay in Europe.
    let western = |envelope| Message::signed(body::summary(envelope, 0).replace("王小明 😀", "Łukasz")).with_all_headers(JSON);
    let europe = |envelope| Message::signed(body::summary(envelope, 0).replace("王小明 😀", "Renée"));
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).expect("UTF-8");
    vec![
        proved("decoded and written as Windows-1252", "body-charset", europe(90).map_body(|body| windows_1252(&text(body)))),
        proved("XML written as Latin-1", "body-charset", Message::signed(body::xml(91, "\n")).map_body(|body| windows_1252(&text(body)))),
        proved("UTF-8 read as Windows-1252", "body-charset", europe(92).map_body(|body| mojibake(&text(body)).into_bytes())),
        proved("saved as Unicode, that is UTF-16", "body-charset", full(93).map_body(|body| utf16_le_with_mark(&text(body)))),
        proved(
            "signer signed Windows-1252",
            "body-charset",
            Message::signed(windows_1252(&text(&europe(94).body))).with_body(europe(94).body),
        ),
        indicated(
            "decoded as ASCII, what did not fit replaced",
            "body-charset",
            western(95)
                .map_body(|body| text(body).chars().map(|c| if c.is_ascii() { c } else { '\u{fffd}' }).collect::<String>().into_bytes()),
        ),
    ]
}

fn wrapped() -> Vec<BrokenMessage> {
    let string = |text: &[u8]| serde_json::to_string(&String::from_utf8_lossy(text)).expect("text").into_bytes();
    let gateway_event = |body: &[u8], is_base64: bool| {
        let carried = if is_base64 { standard(body) } else { String::from_utf8_lossy(body).into_owned() };
        serde_json::json!({
            "resource": "/connect",
            "httpMethod": "POST",
            "headers": {"content-type": "application/json"},
            "requestContext": {"stage": "prod"},
            "body": carried,
            "isBase64Encoded": is_base64,
        })
        .to_string()
        .into_bytes()
    };
    let field = |name: &str, body: &[u8]| format!("{name}={}", percent(body, "+")).into_bytes();
    vec![
        proved("JSON.stringify of the text", "body-double-encoded", full(100).map_body(string)),
        proved("the same of a minimal message", "body-double-encoded", sim(101).map_body(string)),
        proved("str() of bytes in Python", "body-double-encoded", sim(102).map_body(|body| [b"b'", body, b"'"].concat())),
        proved("a gateway's event with the body as text", "body-double-encoded", full(103).map_body(|body| gateway_event(body, false))),
        proved("a gateway's Base64", "body-base64", full(104).map_body(|body| standard(body).into_bytes())),
        proved("Base64 in MIME lines", "body-base64", sim(105).map_body(|body| in_mime_lines(&standard(body)).into_bytes())),
        proved("Base64 for URLs", "body-base64", full(106).map_body(|body| url_safe(body).into_bytes())),
        proved("a gateway's event with the body in Base64", "body-base64", sim(107).map_body(|body| gateway_event(body, true))),
        proved("gzip", "body-gzip", full(108).with_header("Content-Encoding", "gzip").map_body(gzip)),
        proved("deflate", "body-gzip", full(109).with_header("Content-Encoding", "deflate").map_body(zlib)),
        proved("a form field", "body-form", full(110).map_body(|body| field("payload", body))),
        proved(
            "a form field between others",
            "body-form",
            sim(111).map_body(|body| [b"id=1&".to_vec(), field("data", body), b"&x=".to_vec()].concat()),
        ),
        proved(
            "a form parser took all of it for a name",
            "body-form",
            full(112).map_body(|body| format!("{}=", percent(body, "+")).into_bytes()),
        ),
        proved("percent-encoded as a whole", "body-form", sim(113).map_body(|body| percent(body, "%20").into_bytes())),
        proved(
            "a part of a multipart form",
            "body-form",
            full(114).map_body(|body| {
                let head = "--x7f\r\nContent-Disposition: form-data; name=\"payload\"\r\nContent-Type: application/json\r\n\r\n";
                [head.as_bytes(), body, b"\r\n--x7f--\r\n"].concat()
            }),
        ),
    ]
}

fn truncated() -> Vec<BrokenMessage> {
    let cut = |message: Message, length: usize| message.map_body(|body| body[..length].to_vec());
    let long = || Message::signed(body::posted(120, &format!(r#"{{"text":"{}"}}"#, "lorem ipsum ".repeat(12_000))));
    vec![
        proved("the last bracket lost", "body-truncated", full(121).map_body(|body| body[..body.len() - 1].to_vec())),
        proved("two closing brackets lost", "body-truncated", sim(122).map_body(|body| body[..body.len() - 2].to_vec())),
        proved("something behind it", "body-truncated", followed_by(full(123), "--boundary--")),
        indicated("cut within a string", "body-truncated", cut(sim(124), 200)),
        indicated("cut by a parser's limit of 100 KiB", "body-truncated", cut(long(), 102_400)),
        indicated("cut, and the Content-Length tells", "body-truncated", cut(full(125), 777)),
        indicated("XML cut", "body-truncated", cut(Message::signed(body::xml(126, "\n")), 400)),
        indicated("empty, since something read it before", "body-truncated", cut(full(127), 0)),
        proved("signer read only its first 4096 bytes", "body-truncated", {
            let wire = long().body;
            Message::signed(&wire[..4_096]).with_body(wire)
        }),
    ]
}

fn mixed_up() -> Vec<BrokenMessage> {
    let attempt = |at_hand, signed| Message::signed(body::summary(130, signed)).with_body(body::summary(130, at_hand));
    vec![
        proved("the first attempt's body", "body-other-attempt", attempt(0, 1)),
        proved("the first attempt's body with a late signature", "body-other-attempt", attempt(0, 12)),
        proved("a later attempt's body", "body-other-attempt", attempt(15, 0)),
        proved("the third attempt's body, minimal", "body-other-attempt", {
            Message::signed(body::minimal(131, 3)).with_body(body::minimal(131, 2))
        }),
        indicated("XML where JSON was signed", "body-not-json", sim(132).with_body(body::xml(132, "\n"))),
        indicated("a proxy's error page", "body-not-json", full(133).with_body("<html><body>502 Bad Gateway</body></html>")),
        indicated("an object written as text", "body-not-json", sim(134).with_body("[object Object]")),
        indicated(
            "XML of the right form under another key",
            "key-wrong",
            Message::signed(body::xml(135, "\n")).with_all_headers("text/xml; charset=utf-8").with_key(super::OTHER_KEY),
        ),
    ]
}
