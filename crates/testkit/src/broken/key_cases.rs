//! What happens to a key between the Connect Keys page and the HMAC.

use super::{
    BrokenMessage, KEY, Message, OTHER_KEY, body,
    coding::{from_standard, hex, hmac_sha256, percent, standard, utf16_le_with_mark},
    indicated, proved,
};

/// Keys that are not what was shown, on the receiver's side and on the signer's.
pub(super) fn all() -> Vec<BrokenMessage> {
    let sim = || Message::signed(body::minimal(1, 0));
    let full = || Message::signed(body::summary(2, 0)).with_all_headers("application/json; charset=utf-8");
    // Signed with a key in another form; the key at hand is the right one.
    let signed_with = |key: Vec<u8>| {
        let message = Message::signed(body::minimal(3, 0));
        let signature = standard(&hmac_sha256(&key, &message.body));
        message.with_signature(signature)
    };
    let raw = from_standard(KEY);
    vec![
        indicated("the key of another account", "key-wrong", full().with_key(OTHER_KEY)),
        indicated("the key of another account, the signature alone at hand", "key-wrong", sim().with_key(OTHER_KEY)),
        proved("another key of the account signed", "key-other", full().with_key(OTHER_KEY).with_other_key(KEY)),
        proved(
            "the seventh of ten keys signed",
            "key-other",
            (0..9).fold(sim().with_key(OTHER_KEY), |message, n| {
                message.with_other_key(if n == 6 { KEY.to_owned() } else { format!("a key of account {n} 0123456789=") })
            }),
        ),
        proved("key read from a file with its line feed", "key-whitespace", sim().with_key(format!("{KEY}\n"))),
        proved("key read from a file made on Windows", "key-whitespace", full().with_key(format!("{KEY}\r\n"))),
        proved("key pasted with a blank before it", "key-whitespace", sim().with_key(format!(" {KEY}"))),
        proved("key pasted with a tab behind it", "key-whitespace", sim().with_key(format!("{KEY}\t"))),
        proved("key copied from a web page with a no-break space", "key-whitespace", sim().with_key(format!("{KEY}\u{a0}"))),
        proved("key copied with a zero-width space", "key-whitespace", sim().with_key(format!("\u{200b}{KEY}"))),
        proved("key broken over two lines by a mail", "key-whitespace", full().with_key(format!("{}\n {}", &KEY[..30], &KEY[30..]))),
        proved("line feed written as backslash n in an environment file", "key-whitespace", sim().with_key(format!("{KEY}\\n"))),
        proved("signer made its key file with echo", "key-whitespace", signed_with(format!("{KEY}\n").into_bytes())),
        proved("quotes kept by docker's env file", "key-quotes", sim().with_key(format!("\"{KEY}\""))),
        proved("single quotes kept by a shell", "key-quotes", full().with_key(format!("'{KEY}'"))),
        proved("quotes of a word processor", "key-quotes", sim().with_key(format!("\u{201c}{KEY}\u{201d}"))),
        proved("signer's key has quotes", "key-quotes", signed_with(format!("\"{KEY}\"").into_bytes())),
        proved("key file saved with a byte order mark", "key-bom", sim().with_key(format!("\u{feff}{KEY}"))),
        proved("key file saved as Unicode by an old editor", "key-bom", full().with_key(utf16_le_with_mark(KEY))),
        proved("double click left the last character out", "key-missing-padding", sim().with_key(KEY.trim_end_matches('='))),
        proved("signer's key lacks its padding", "key-missing-padding", signed_with(KEY.trim_end_matches('=').into())),
        proved("listener decodes the key", "key-base64-decoded", signed_with(raw.clone())),
        proved("bytes of the decoded key at hand", "key-base64-decoded", full().with_key(raw.clone())),
        proved("key in hexadecimal", "key-hex-decoded", sim().with_key(hex(KEY))),
        proved("bytes of the key in hexadecimal", "key-hex-decoded", full().with_key(hex(&raw))),
        proved("signer uses the key in hexadecimal", "key-hex-decoded", signed_with(hex(KEY).into_bytes())),
        proved("key percent-encoded for a URL", "key-url-encoded", sim().with_key(percent(KEY.as_bytes(), "%20"))),
        proved(
            "key percent-encoded in small letters",
            "key-url-encoded",
            full().with_key(KEY.replace('+', "%2b").replace('/', "%2f").replace('=', "%3d")),
        ),
        proved("key went through a form", "key-url-encoded", sim().with_key(KEY.replace('+', " "))),
    ]
}
