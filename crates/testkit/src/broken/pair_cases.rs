//! Two causes at once.

use super::{
    BrokenMessage, KEY, Message, OTHER_KEY, body,
    coding::{from_standard, gzip, hex, hmac_sha1, hmac_sha256, hmac_sha512, percent, sha256, standard, url_safe},
    header_cases::{mac, telling},
    proved,
    writer::{GO_TABS, JAVASCRIPT_PRETTY, PHP, PYTHON},
};

const MARK: &[u8] = "\u{feff}".as_bytes();

/// Pairs within one part of the message and across parts.
pub(super) fn all() -> Vec<BrokenMessage> {
    [of_one_part(), of_key_and_another(), of_header_and_body(), of_method_and_form()].concat()
}

fn sim(envelope: usize) -> Message {
    Message::signed(body::minimal(envelope, 0))
}

fn full(envelope: usize) -> Message {
    Message::signed(body::summary(envelope, 0)).with_all_headers("application/json; charset=utf-8")
}

fn in_hex(message: Message) -> Message {
    message.map_signature(|value| hex(mac(value)))
}

fn with_line_feed(message: Message) -> Message {
    message.map_body(|body| [body, b"\n"].concat())
}

fn of_one_part() -> Vec<BrokenMessage> {
    vec![
        proved("key in quotes with a line feed", "key-quotes key-whitespace", sim(200).with_key(format!("\"{KEY}\"\n"))),
        proved(
            "key without padding, with a line feed",
            "key-missing-padding key-whitespace",
            full(201).with_key(format!("{}\n", KEY.trim_end_matches('='))),
        ),
        proved("key with mark and line feed", "key-bom key-whitespace", sim(202).with_key(format!("\u{feff}{KEY}\r\n"))),
        proved(
            "key percent-encoded in quotes",
            "key-quotes key-url-encoded",
            sim(203).with_key(format!("'{}'", percent(KEY.as_bytes(), "%20"))),
        ),
        proved(
            "sha256= and hexadecimal",
            "header-hex header-prefix",
            full(204).map_signature(|value| format!("sha256={}", hex(mac(value)))),
        ),
        proved(
            "URL alphabet without padding",
            "header-base64url header-no-padding",
            telling().map_signature(|value| url_safe(&mac(value)).trim_end_matches('=').to_owned()),
        ),
        proved(
            "folded hexadecimal",
            "header-folded header-hex",
            full(205).map_signature(|value| format!("{}, {}", hex([3; 32]), hex(mac(value)))),
        ),
        proved(
            "percent-encoded with a prefix",
            "header-prefix header-url-encoded",
            telling().map_signature(|value| percent(format!("sha256={value}").as_bytes(), "%20")),
        ),
        proved("Base64 of gzip", "body-base64 body-gzip", full(206).map_body(|body| standard(&gzip(body)).into_bytes())),
        proved("mark and line feed", "body-bom body-trailing-newline", sim(207).map_body(|body| [MARK, body, b"\n"].concat())),
        proved(
            "pretty in a JSON string",
            "body-double-encoded body-pretty-printed",
            sim(208).map_body(|body| {
                serde_json::to_string(&String::from_utf8_lossy(&JAVASCRIPT_PRETTY.rewrite(body))).expect("text").into_bytes()
            }),
        ),
        proved("pretty of another attempt", "body-other-attempt body-pretty-printed", {
            Message::signed(body::minimal(209, 2)).with_body(JAVASCRIPT_PRETTY.rewrite(body::minimal(209, 0).as_bytes()))
        }),
        proved("another attempt with a line feed", "body-other-attempt body-trailing-newline", {
            with_line_feed(Message::signed(body::summary(210, 1)).with_body(body::summary(210, 0)))
        }),
        proved(
            "XML of Windows with a mark",
            "body-bom body-crlf",
            Message::signed(body::xml(211, "\n")).with_body([MARK, body::xml(211, "\r\n").as_bytes()].concat()),
        ),
        proved(
            "Python's json.dumps with a line feed",
            "body-reserialised body-trailing-newline",
            with_line_feed(full(212).map_body(|body| PYTHON.rewrite(body))),
        ),
        proved(
            "Base64 with a line feed inside",
            "body-base64 body-trailing-newline",
            sim(213).map_body(|body| standard(&[body, b"\n"].concat()).into_bytes()),
        ),
        proved(
            "form field of a pretty body",
            "body-form body-pretty-printed",
            sim(214).map_body(|body| format!("payload={}", percent(&GO_TABS.rewrite(body), "+")).into_bytes()),
        ),
    ]
}

fn of_key_and_another() -> Vec<BrokenMessage> {
    let padless = KEY.trim_end_matches('=');
    let decoded = from_standard(KEY);
    vec![
        proved(
            "key without padding, pretty body",
            "body-pretty-printed key-missing-padding",
            full(220).with_key(padless).map_body(|body| JAVASCRIPT_PRETTY.rewrite(body)),
        ),
        proved("key with line feed, hexadecimal", "header-hex key-whitespace", in_hex(sim(221)).with_key(format!("{KEY}\n"))),
        proved("decoded key, hexadecimal", "header-hex key-base64-decoded", {
            let message = full(222);
            let signature = hex(hmac_sha256(&decoded, &message.body));
            message.with_signature(signature)
        }),
        proved(
            "quoted key, trailing line feed",
            "body-trailing-newline key-quotes",
            with_line_feed(sim(223).with_key(format!("\"{KEY}\""))),
        ),
        proved(
            "another key, pretty body",
            "body-pretty-printed key-other",
            full(224).with_key(OTHER_KEY).with_other_key(KEY).map_body(|body| GO_TABS.rewrite(body)),
        ),
        proved("another key, hexadecimal", "header-hex key-other", in_hex(sim(225)).with_key(OTHER_KEY).with_other_key(KEY)),
        proved(
            "key with line feed, Python's json.dumps",
            "body-reserialised key-whitespace",
            full(226).with_key(format!("{KEY}\n")).map_body(|body| PYTHON.rewrite(body)),
        ),
        proved(
            "key without padding, PHP's json_encode",
            "body-reserialised key-missing-padding",
            full(227).with_key(padless).map_body(|body| PHP.rewrite(body)),
        ),
        proved("percent-encoded key and signature", "header-url-encoded key-url-encoded", {
            telling().with_key(percent(KEY.as_bytes(), "%20")).map_signature(|value| percent(value.as_bytes(), "%20"))
        }),
        proved(
            "key with line feed, gateway's Base64",
            "body-base64 key-whitespace",
            sim(228).with_key(format!("{KEY}\n")).map_body(|body| standard(body).into_bytes()),
        ),
        proved("listener decodes the key, body with a line feed", "body-trailing-newline key-base64-decoded", {
            let message = sim(229);
            let signature = standard(&hmac_sha256(&decoded, &[message.body.as_slice(), b"\n"].concat()));
            message.with_signature(signature)
        }),
    ]
}

fn of_header_and_body() -> Vec<BrokenMessage> {
    vec![
        proved("hexadecimal, trailing line feed", "body-trailing-newline header-hex", with_line_feed(in_hex(full(230)))),
        proved(
            "hexadecimal, pretty body",
            "body-pretty-printed header-hex",
            in_hex(full(231)).map_body(|body| JAVASCRIPT_PRETTY.rewrite(body)),
        ),
        proved("padding stripped, Python's json.dumps", "body-reserialised header-no-padding", {
            sim(232).map_signature(|value| value.trim_end_matches('=').into()).map_body(|body| PYTHON.rewrite(body))
        }),
        proved(
            "folded, gateway's Base64",
            "body-base64 header-folded",
            full(233).map_signature(|value| format!("{}, {value}", standard(&[5; 32]))).map_body(|body| standard(body).into_bytes()),
        ),
        proved(
            "line feed behind the signature and behind the body",
            "body-trailing-newline header-prefix",
            with_line_feed(sim(234).map_signature(|value| format!("{value}\n"))),
        ),
    ]
}

fn of_method_and_form() -> Vec<BrokenMessage> {
    let made = |envelope, make: fn(&[u8], &[u8]) -> Vec<u8>| {
        let message = full(envelope);
        let signature = hex(make(KEY.as_bytes(), &message.body));
        message.with_signature(signature)
    };
    vec![
        proved("HMAC-SHA1 in hexadecimal", "algorithm-sha1 header-hex", made(240, hmac_sha1)),
        proved("HMAC-SHA512 in hexadecimal", "algorithm-sha512 header-hex", made(241, hmac_sha512)),
        proved("plain SHA-256 in hexadecimal", "algorithm-plain-hash header-hex", made(242, |_, body| sha256(body))),
        proved("exchanged, in hexadecimal", "arguments-swapped header-hex", made(243, |key, body| hmac_sha256(body, key))),
        proved("HMAC-SHA1 under a decoded key", "algorithm-sha1 key-base64-decoded", {
            let message = sim(244);
            let signature = standard(&hmac_sha1(&from_standard(KEY), &message.body));
            message.with_signature(signature)
        }),
        proved("HMAC-SHA512 over a pretty body", "algorithm-sha512 body-pretty-printed", {
            let message = full(245);
            let signature = standard(&hmac_sha512(KEY.as_bytes(), &message.body));
            message.with_signature(signature).map_body(|body| JAVASCRIPT_PRETTY.rewrite(body))
        }),
    ]
}
