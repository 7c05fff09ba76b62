//! `explain` answers whatever it is given, and agrees with `verify` about what fits.
//!
//! An input reads as a message with two lines before it: the key, a further key, headers as lines, an empty line, the body.

#![no_main]

mod message;

use countersign_signature::{
    HmacKey, SIGNATURES_MAX,
    explain::{Candidate, Cause, Certainty, explain},
    verify,
};
use libfuzzer_sys::fuzz_target;
use message::Message;

/// More findings than this would be no answer.
const FINDINGS_MAX: usize = 64;

fuzz_target!(|input: &[u8]| {
    let message = Message::read(input);
    let mut candidate = Candidate::new(message.body).key(message.key);
    if !message.other_key.is_empty() {
        candidate = candidate.other_key(message.other_key);
    }
    for (name, value) in &message.headers {
        candidate = candidate.header(name, value);
    }
    let findings = explain(&candidate);
    assert!(findings.len() <= FINDINGS_MAX);
    for finding in &findings {
        assert!(!finding.causes.is_empty() && !finding.evidence.is_empty() && !finding.fix.is_empty(), "{finding:?}");
        assert!(finding.certainty == Certainty::Proved || finding.matched.is_none(), "{finding:?}");
        assert!(finding.certainty == Certainty::Indicated || !finding.causes.contains(&Cause::Unknown), "{finding:?}");
    }
    // A key that is not text cannot be configured at all, and `explain` reads only so many headers.
    if message.headers.len() <= SIGNATURES_MAX
        && let Some(key) = std::str::from_utf8(message.key).ok().and_then(|key| HmacKey::try_new_of_any_length(key).ok())
    {
        let verdict = verify(&[key], message.headers.iter().map(|(name, value)| (*name, *value)), message.body);
        assert_eq!(verdict.is_ok(), findings.is_empty(), "{verdict:?}: {findings:?}");
    }
});
