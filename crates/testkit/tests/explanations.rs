//! `signature::explain` against the broken messages of the kit, which it shares no code with.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use countersign_signature::{
    HmacKey,
    explain::{Candidate, Cause, Certainty, Finding, explain},
    verify,
};
use countersign_testkit::broken::{BrokenMessage, Message, broken, matching};

fn explained(message: &Message) -> Vec<Finding> {
    let mut candidate = Candidate::new(&message.body);
    for key in &message.keys {
        candidate = candidate.key(key);
    }
    for key in &message.other_keys {
        candidate = candidate.other_key(key);
    }
    for (name, value) in &message.headers {
        candidate = candidate.header(name, value);
    }
    explain(&candidate)
}

fn named_first(findings: &[Finding]) -> BTreeSet<&'static str> {
    findings.first().map(|finding| finding.causes.iter().map(|cause| cause.id()).collect()).unwrap_or_default()
}

/// `None` when it is explained rightly, otherwise a line of the table of misses.
fn miss(case: &BrokenMessage) -> Option<String> {
    let findings = explained(&case.message);
    let expected: BTreeSet<&str> = case.causes.iter().copied().collect();
    let is_proved = findings.first().is_some_and(|finding| finding.certainty == Certainty::Proved);
    if named_first(&findings) == expected && is_proved == case.is_provable {
        return None;
    }
    let first = findings.first().map(|finding| format!("{} [{}]", finding.evidence, finding.certainty.id())).unwrap_or_default();
    Some(format!("{}: expected {expected:?}, named {:?}: {first}", case.name, named_first(&findings)))
}

#[test]
fn the_right_cause_of_every_broken_message_is_named_first() {
    let corpus = broken();
    let misses: Vec<String> = corpus.iter().filter_map(miss).collect();
    println!("{} of {} broken messages explained", corpus.len() - misses.len(), corpus.len());
    assert!(corpus.len() >= 100, "{}", corpus.len());
    assert!(misses.is_empty(), "{} of {} missed:\n{}", misses.len(), corpus.len(), misses.join("\n"));
}

#[test]
fn every_cause_there_is_has_a_broken_message() {
    let covered: BTreeSet<&str> = broken().iter().flat_map(|case| case.causes.clone()).collect();
    let all: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.id()).collect();
    assert_eq!(covered, all);
}

#[test]
fn no_broken_message_is_accepted_and_no_two_have_one_name() {
    let mut names = BTreeSet::new();
    for case in broken() {
        assert!(names.insert(case.name), "{}", case.name);
        assert_ne!(explained(&case.message), [], "{}", case.name);
        assert!(accepts(&case.message).is_none_or(|accepted| !accepted), "{}", case.name);
    }
}

#[test]
fn no_matching_message_is_called_broken() {
    for (place, message) in matching(400).iter().enumerate() {
        assert_eq!(accepts(message), Some(true), "message {place}: {message:?}");
        assert_eq!(explained(message), [], "message {place}");
    }
}

#[test]
fn the_same_message_is_explained_the_same_way_again() {
    for case in broken().iter().step_by(7) {
        assert_eq!(explained(&case.message), explained(&case.message), "{}", case.name);
    }
}

#[test]
fn no_explanation_shows_a_key() {
    for case in broken() {
        let shown = format!("{:?}", explained(&case.message));
        for key in case.message.keys.iter().chain(&case.message.other_keys) {
            let text = String::from_utf8_lossy(key);
            let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            assert!(!shown.contains(text.trim()) && !shown.contains(&hex), "{}", case.name);
        }
    }
}

/// What `verify` says; `None` when a key is not text and so cannot be configured.
fn accepts(message: &Message) -> Option<bool> {
    let keys: Option<Vec<HmacKey>> =
        message.keys.iter().map(|key| Some(HmacKey::try_new_of_any_length(String::from_utf8(key.clone()).ok()?).unwrap())).collect();
    Some(verify(&keys?, message.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())), &message.body).is_ok())
}
