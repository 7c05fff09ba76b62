//! Broken messages and the causes that `explain` must name first.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use countersign_signature::{
    HmacKey,
    explain::{Candidate, Cause, Certainty, DIGESTS_MAX, Finding, WHOLE_BODY_BYTES_MAX, explain},
    sign, standard_webhooks,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256, Sha512};

const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhh+VnHbkvQvKz/vKM=";
const OTHER_KEY: &str = "3Zt9eQ8cV2nBqLr5wYx0Tg7UaKpJmHsDfNvCzXiOeR0=";
const BODY: &str = r#"{"event":"envelope-completed","apiVersion":"v2.1","uri":"/restapi/v2.1/accounts/a/envelopes/e","retryCount":2,"configurationId":10363315,"generatedDateTime":"2022-12-09T18:29:29.7360000Z","data":{"accountId":"a","userId":"u","envelopeId":"e","envelopeSummary":{"status":"completed","emailSubject":"Zoë & Co: 5 < 6","sender":{"userName":"Zoë","userId":"u","accountId":"a","email":"zoe+x@example.com"}}}}"#;

fn signature() -> String {
    signed(KEY, BODY.as_bytes())
}

fn signed(key: &str, body: &[u8]) -> String {
    sign(&[HmacKey::try_new(key).expect("a key")], body).signatures()[0].to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn mac() -> Vec<u8> {
    STANDARD.decode(signature()).expect("Base64")
}

/// What is at hand, with the true values where the test names none.
struct AtHand {
    key: Vec<u8>,
    signature: String,
    body: Vec<u8>,
}

impl Default for AtHand {
    fn default() -> Self {
        Self { key: KEY.into(), signature: signature(), body: BODY.into() }
    }
}

impl AtHand {
    fn explain(&self) -> Vec<Finding> {
        explain(&Candidate::new(&self.body).key(&self.key).signature(self.signature.as_bytes()))
    }
}

fn key(key: impl Into<Vec<u8>>) -> AtHand {
    AtHand { key: key.into(), ..AtHand::default() }
}

fn header(signature: impl Into<String>) -> AtHand {
    AtHand { signature: signature.into(), ..AtHand::default() }
}

fn body(body: impl Into<Vec<u8>>) -> AtHand {
    AtHand { body: body.into(), ..AtHand::default() }
}

fn pretty() -> String {
    serde_json::to_string_pretty(&value()).expect("JSON")
}

fn value() -> serde_json::Value {
    serde_json::from_str(BODY).expect("JSON")
}

fn form_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b' ' => "+".into(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Non-ASCII characters as Python's `json.dumps` writes them.
fn ascii_only(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }).collect()
}

#[test]
fn one_mistake_is_proved() {
    use Cause::*;
    let latin1: Vec<u8> = BODY.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
    let doubled: String = BODY.bytes().map(char::from).collect();
    let raw_key = STANDARD.decode(KEY).expect("Base64");
    let sha512 = Hmac::<Sha512>::new_from_slice(KEY.as_bytes()).expect("any length").chain_update(BODY).finalize().into_bytes();
    let sha1 = Hmac::<sha1::Sha1>::new_from_slice(KEY.as_bytes()).expect("any length").chain_update(BODY).finalize().into_bytes();
    let swapped = Hmac::<Sha256>::new_from_slice(BODY.as_bytes()).expect("any length").chain_update(KEY).finalize().into_bytes();
    let decoded = Hmac::<Sha256>::new_from_slice(&raw_key).expect("any length").chain_update(BODY).finalize().into_bytes();
    let rows: Vec<(&str, AtHand, Cause)> = vec![
        ("newline behind the key", key(format!("{KEY}\n")), KeyWhitespace),
        ("space before the key", key(format!(" {KEY}")), KeyWhitespace),
        ("quoted key", key(format!("\"{KEY}\"")), KeyQuotes),
        ("key with BOM", key(format!("\u{feff}{KEY}")), KeyBom),
        ("key without =", key(&KEY[..43]), KeyMissingPadding),
        ("decoded key", key(raw_key.clone()), KeyBase64Decoded),
        ("decoded by the signer", header(STANDARD.encode(decoded)), KeyBase64Decoded),
        ("key in hexadecimal", key(hex(KEY.as_bytes())), KeyHexDecoded),
        ("key percent-encoded", key(form_encoded(KEY)), KeyUrlEncoded),
        ("key form-decoded", key(KEY.replace('+', " ")), KeyUrlEncoded),
        ("signed with a line feed", header(signed(&format!("{KEY}\n"), BODY.as_bytes())), KeyWhitespace),
        ("hex signature", header(hex(&mac())), HeaderHex),
        ("hex in capitals", header(hex(&mac()).to_uppercase()), HeaderHex),
        ("signature without =", header(&signature()[..43]), HeaderNoPadding),
        ("prefixed signature", header(format!("v1={}", signature())), HeaderPrefix),
        ("percent-encoded signature", header(form_encoded(&signature())), HeaderUrlEncoded),
        ("folded headers", header(format!("{}, {}", signed(OTHER_KEY, b""), signature())), HeaderFolded),
        ("pretty, 2 spaces", body(pretty()), BodyPrettyPrinted),
        ("pretty, tabs", body(pretty().replace("  ", "\t")), BodyPrettyPrinted),
        ("python separators", body(BODY.replace("\":", "\": ").replace(",\"", ", \"")), BodyReserialised),
        ("escaped slashes", body(BODY.replace('/', "\\/")), BodyReserialised),
        ("escaped non-ASCII", body(ascii_only(BODY)), BodyReserialised),
        ("html escapes", body(BODY.replace('&', "\\u0026").replace('<', "\\u003c")), BodyReserialised),
        ("short date", body(BODY.replace(".7360000Z", ".736Z")), BodyReserialised),
        ("float count", body(BODY.replace(":2,", ":2.0,")), BodyReserialised),
        ("plus lost", body(BODY.replace('+', " ")), BodyReserialised),
        ("newline gained", body(format!("{BODY}\n")), BodyTrailingNewline),
        ("newline lost", AtHand { signature: signed(KEY, format!("{BODY}\n").as_bytes()), ..AtHand::default() }, BodyTrailingNewline),
        ("space gained", body(format!("{BODY} ")), BodyTrailingSpace),
        ("CRLF gained", body(BODY.replace(',', ",\r\n")), BodyCrlf),
        ("BOM gained", body(format!("\u{feff}{BODY}")), BodyBom),
        ("Latin-1", body(latin1), BodyCharset),
        ("UTF-8 twice", body(doubled), BodyCharset),
        ("JSON in a string", body(serde_json::to_string(BODY).expect("JSON")), BodyDoubleEncoded),
        ("Base64 body", body(STANDARD.encode(BODY)), BodyBase64),
        ("gzip body", body(gzip(BODY.as_bytes())), BodyGzip),
        ("form body", body(format!("payload={}", form_encoded(BODY))), BodyForm),
        ("all of it a form name", body(format!("{}=", form_encoded(BODY))), BodyForm),
        ("lost brackets", body(&BODY[..BODY.len() - 2]), BodyTruncated),
        ("something appended", body(format!("{BODY}--boundary--")), BodyTruncated),
        ("first attempt", body(BODY.replace("\"retryCount\":2", "\"retryCount\":0")), BodyOtherAttempt),
        ("later attempt", body(BODY.replace("\"retryCount\":2", "\"retryCount\":5")), BodyOtherAttempt),
        ("SHA-1", header(STANDARD.encode(sha1)), AlgorithmSha1),
        ("SHA-512", header(STANDARD.encode(sha512)), AlgorithmSha512),
        ("plain hash", header(STANDARD.encode(Sha256::digest(BODY))), AlgorithmPlainHash),
        ("key and body hashed", header(STANDARD.encode(Sha256::digest(format!("{KEY}{BODY}")))), AlgorithmPlainHash),
        ("swapped", header(STANDARD.encode(swapped)), ArgumentsSwapped),
    ];
    for (row, at_hand, cause) in rows {
        // CRLF between tokens means two things at once: the line ends and the layout.
        let at_hand =
            if row == "CRLF gained" { AtHand { signature: signed(KEY, BODY.replace(',', ",\n").as_bytes()), ..at_hand } } else { at_hand };
        let findings = at_hand.explain();
        assert_eq!(findings.len(), 1, "{row}: {findings:?}");
        assert_eq!(findings[0].causes, [cause], "{row}: {}", findings[0].evidence);
        assert_eq!(findings[0].certainty, Certainty::Proved, "{row}");
        assert!(!findings[0].fix.is_empty(), "{row}");
        assert_eq!(findings[0].difference.is_some(), cause.id().starts_with("body"), "{row}");
    }
}

#[test]
fn two_mistakes_are_proved_together() {
    use Cause::*;
    let base64url = URL_SAFE_NO_PAD.encode(mac());
    let sorted = r#"{"apiVersion":"v2.1","event":"e","retryCount":0}"#;
    let in_order = r#"{"event":"e","apiVersion":"v2.1","retryCount":0}"#;
    let rows: Vec<(&str, AtHand, Vec<Cause>)> = vec![
        ("quotes and newline", key(format!("\"{KEY}\"\n")), vec![KeyWhitespace, KeyQuotes]),
        ("no = and newline", key(format!("{}\n", &KEY[..43])), vec![KeyWhitespace, KeyMissingPadding]),
        ("base64url without padding", header(base64url), vec![HeaderBase64Url, HeaderNoPadding]),
        ("sha256= and hex", header(format!("sha256={}", hex(&mac()))), vec![HeaderPrefix, HeaderHex]),
        ("pretty with a newline", body(format!("{}\n", pretty())), vec![BodyPrettyPrinted, BodyTrailingNewline]),
        ("pretty with CRLF", body(pretty().replace('\n', "\r\n")), vec![BodyPrettyPrinted, BodyCrlf]),
        ("python's json.dumps", body(ascii_only(&BODY.replace("\":", "\": ").replace(",\"", ", \""))), vec![BodyReserialised]),
        ("BOM and newline", body(format!("\u{feff}{BODY}\n")), vec![BodyBom, BodyTrailingNewline]),
        ("gzip in Base64", body(STANDARD.encode(gzip(BODY.as_bytes()))), vec![BodyBase64, BodyGzip]),
        ("key without = and pretty body", AtHand { key: KEY[..43].into(), ..body(pretty()) }, vec![KeyMissingPadding, BodyPrettyPrinted]),
        ("hex and newline", AtHand { signature: hex(&mac()), ..body(format!("{BODY}\n")) }, vec![HeaderHex, BodyTrailingNewline]),
        (
            "sorted and pretty",
            AtHand { signature: signed(KEY, in_order.as_bytes()), ..body(sorted.replace(",", ",\n  ")) },
            vec![BodyPrettyPrinted, BodyReserialised],
        ),
        (
            "SHA-512 and a newline in the key",
            AtHand {
                key: format!("{KEY}\n").into(),
                ..header(hex(&Hmac::<Sha512>::new_from_slice(KEY.as_bytes())
                    .expect("any length")
                    .chain_update(BODY)
                    .finalize()
                    .into_bytes()))
            },
            vec![HeaderHex, KeyWhitespace, AlgorithmSha512],
        ),
    ];
    for (row, at_hand, mut causes) in rows {
        let findings = at_hand.explain();
        let mut found = findings[0].causes.clone();
        found.sort();
        causes.sort();
        assert_eq!(found, causes, "{row}: {}", findings[0].evidence);
        assert_eq!(findings[0].certainty, Certainty::Proved, "{row}");
    }
}

#[test]
fn another_key_is_named_with_the_header_it_fits() {
    let (first, second) = (signed("a key that nobody has here", BODY.as_bytes()), signature());
    let candidate = Candidate::new(BODY.as_bytes())
        .key(b"not the key of this account")
        .other_key(OTHER_KEY.as_bytes())
        .other_key(KEY.as_bytes())
        .header("X-DocuSign-Signature-1", first.as_bytes())
        .header("x-docusign-signature-2", second.as_bytes());
    let findings = explain(&candidate);
    assert_eq!(findings[0].causes, [Cause::KeyOther]);
    let matched = findings[0].matched.expect("proved");
    assert_eq!((matched.key, matched.header), (2, 2));
    assert!(findings[0].evidence.contains("key 3") && findings[0].evidence.contains("signature 2"), "{}", findings[0].evidence);
}

#[test]
fn a_header_that_came_twice_does_not_count_unless_another_fits() {
    let signature = signature();
    let twice = || {
        Candidate::new(BODY.as_bytes())
            .key(KEY.as_bytes())
            .header("X-DocuSign-Signature-1", signature.as_bytes())
            .header("x-docusign-signature-1", signature.as_bytes())
    };
    let findings = explain(&twice());
    assert_eq!((findings[0].causes.as_slice(), findings[0].certainty), (&[Cause::HeaderFolded][..], Certainty::Proved));
    assert_eq!(explain(&twice().header("X-DocuSign-Signature-2", signature.as_bytes())), []);
}

#[test]
fn signatures_of_other_schemes_beside_one_that_fits_are_no_mistake() {
    let signature = signature();
    let github = format!("sha256={}", hex(&mac()));
    let candidate = Candidate::new(BODY.as_bytes()).key(KEY.as_bytes()).header("X-Hub-Signature-256", github.as_bytes());
    assert_eq!(explain(&candidate.clone())[0].causes, [Cause::SchemeGithub]);
    assert_eq!(explain(&candidate.header("X-DocuSign-Signature-1", signature.as_bytes())), []);
}

#[test]
fn a_digest_header_that_verify_refuses_is_named() {
    let signature = signature();
    for value in ["HMACSHA1", " HMACSHA256"] {
        let candidate = Candidate::new(BODY.as_bytes())
            .key(KEY.as_bytes())
            .signature(signature.as_bytes())
            .header("X-Authorization-Digest", b"HMACSHA256")
            .header("x-authorization-digest", value.as_bytes());
        let findings = explain(&candidate);
        assert_eq!((findings[0].causes.as_slice(), findings[0].certainty), (&[Cause::HeaderDigest][..], Certainty::Indicated), "{value}");
    }
}

#[test]
fn signs_are_indicated_and_never_called_proof() {
    use Cause::*;
    let wrong = signed(OTHER_KEY, BODY.as_bytes());
    let rows: Vec<(&str, AtHand, Cause)> = vec![
        ("wrong key", header(wrong.clone()), KeyWrong),
        ("digest header", header("HMACSHA256"), HeaderDigest),
        ("cut in a string", AtHand { signature: wrong.clone(), ..body(&BODY[..50]) }, BodyTruncated),
        ("empty", body(""), BodyTruncated),
        ("XML", body("<?xml version=\"1.0\"?><a/>"), BodyNotJson),
        ("text", body("hello"), BodyNotJson),
        ("broken gzip", body([0x1f, 0x8b, 0, 0, 0]), BodyGzip),
        ("nothing known", header("AAAA"), Unknown),
        ("github", header(format!("sha256={}", hex(&[7; 32]))), SchemeGithub),
        ("stripe", header(format!("t=1492774577,v1={}", hex(&[7; 32]))), SchemeStripe),
        ("standard webhooks", header(format!("v1,{wrong}")), SchemeStandardWebhooks),
    ];
    for (row, at_hand, cause) in rows {
        let findings = at_hand.explain();
        assert_eq!(findings[0].causes, [cause], "{row}: {findings:?}");
        assert!(findings.iter().all(|finding| finding.certainty == Certainty::Indicated && finding.matched.is_none()), "{row}");
        assert_eq!(findings.last().expect("never empty").causes, [Unknown], "{row}");
    }
}

#[test]
fn a_body_shorter_than_its_content_length_is_truncated_at_that_byte() {
    let cut = &BODY.as_bytes()[..77];
    let (length, signature) = (BODY.len().to_string(), signature());
    let candidate = Candidate::new(cut).key(KEY.as_bytes()).signature(signature.as_bytes()).header("Content-Length", length.as_bytes());
    let findings = explain(&candidate);
    assert_eq!(findings[0].causes, [Cause::BodyTruncated]);
    assert!(findings[0].evidence.contains("byte 77"), "{}", findings[0].evidence);
}

#[test]
fn schemes_of_others_are_proved_when_what_they_sign_is_at_hand() {
    let key = standard_webhooks::StandardKey::try_new(KEY).expect("a key");
    let headers = standard_webhooks::sign(&[key], "msg_1", 1_600_000_000, BODY.as_bytes()).expect("an id");
    let mut candidate = Candidate::new(BODY.as_bytes()).key(KEY.as_bytes());
    for (name, value) in headers.iter() {
        candidate = candidate.header(name, value.as_bytes());
    }
    let mac = |text: &str| hex(&STANDARD.decode(signed(KEY, text.as_bytes())).expect("Base64"));
    let stripe = format!("t=1492774577,v1={}", mac(&format!("1492774577.{BODY}")));
    let github = format!("sha256={}", mac(BODY));
    let with = |name, value| explain(&Candidate::new(BODY.as_bytes()).key(KEY.as_bytes()).header(name, value));
    for (findings, cause) in [
        (explain(&candidate), Cause::SchemeStandardWebhooks),
        (with("Stripe-Signature", stripe.as_bytes()), Cause::SchemeStripe),
        (with("X-Hub-Signature-256", github.as_bytes()), Cause::SchemeGithub),
    ] {
        assert_eq!((findings[0].causes.as_slice(), findings[0].certainty), (&[cause][..], Certainty::Proved), "{}", findings[0].evidence);
    }
}

#[test]
fn a_long_body_is_searched_without_being_parsed() {
    let long = format!("{{\"event\":\"e\",\"retryCount\":1,\"data\":\"{}\"}}", "x".repeat(WHOLE_BODY_BYTES_MAX));
    let at_hand = AtHand { signature: signed(KEY, long.as_bytes()), ..body(format!("{long}\n")) };
    assert_eq!(at_hand.explain()[0].causes, [Cause::BodyTrailingNewline]);
    let nothing = AtHand { signature: signed(OTHER_KEY, b""), ..body(long) }.explain();
    assert!(nothing.last().expect("never empty").evidence.contains("too long to be parsed"));
}

#[test]
fn the_work_is_bounded_and_the_answer_says_so() {
    let at_hand = AtHand { signature: signed(OTHER_KEY, b""), ..body(pretty()) };
    let findings = at_hand.explain();
    let evidence = &findings.last().expect("never empty").evidence;
    assert!(evidence.starts_with(&format!("{DIGESTS_MAX} digests")), "{evidence}");
    assert!(evidence.contains("left out"), "{evidence}");
}

#[test]
fn no_finding_contains_a_key() {
    for at_hand in [key(&KEY[..43]), key(format!("\"{KEY}\"\n")), header("HMACSHA256"), header(signed(OTHER_KEY, b""))] {
        let shown = format!("{:?}", at_hand.explain());
        assert!(!shown.contains(&KEY[..12]) && !shown.contains(&KEY[30..43]), "{shown}");
    }
    assert!(!format!("{:?}", Candidate::new(b"").key(KEY.as_bytes())).contains(KEY));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_matching_message_is_never_called_broken(key in "[!-~]{16,64}", body: Vec<u8>, number in 1_usize..101) {
        let signature = signed(&key, &body);
        let name = format!("X-DocuSign-Signature-{number}");
        let candidate = Candidate::new(&body).key(OTHER_KEY.as_bytes()).key(key.as_bytes()).header(&name, signature.as_bytes());
        prop_assert_eq!(explain(&candidate), vec![]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_at_hand_gets_an_answer(key: Vec<u8>, signature: Vec<u8>, body in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "[\\{\\}\\[\\],:\"a1 \\\\/%=&\r\n]{0,60}".prop_map(String::into_bytes),
    ]) {
        let candidate = Candidate::new(&body).key(&key).signature(&signature).header("content-length", &signature);
        prop_assert!(!explain(&candidate).is_empty());
    }
}
