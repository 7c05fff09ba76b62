//! `verify` accepts what `sign` makes and nothing else, whatever the headers hold; Standard Webhooks likewise.

#![no_main]

mod message;

use countersign_signature::{HmacKey, Match, sign, standard_webhooks, verify};
use libfuzzer_sys::fuzz_target;
use message::Message;

/// No input can contain a signature under this key, unless it forges one.
const SECRET: &str = "a key that no seed is signed with, 1f0c7f0e";

fuzz_target!(|input: &[u8]| {
    let message = Message::read(input);
    let headers = || message.headers.iter().map(|(name, value)| (*name, *value));
    let secret = [HmacKey::try_new(SECRET).expect("it has the length of a key")];
    assert!(verify(&secret, headers(), message.body).is_err(), "a forgery");

    // With the own signature as header 7 beside what is there, it fits, unless number 7 is taken or another digest is named.
    let own = sign(&secret, message.body);
    let own = own.signatures()[0].as_str().as_bytes();
    let taken = message.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-docusign-signature-7"));
    let digest = message.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-authorization-digest"));
    let verdict = verify(&secret, headers().chain([("X-DocuSign-Signature-7", own)]), message.body);
    if !taken && !digest {
        assert_eq!(verdict, Ok(Match { key: 0, header: 7 }));
    }

    let standard = [standard_webhooks::StandardKey::try_new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("it is a key")];
    let now = i64::from(u32::from_be_bytes([*input.first().unwrap_or(&0), 1, 2, 3]));
    assert!(standard_webhooks::verify(&standard, headers(), message.body, now).is_err(), "a forgery");
});
