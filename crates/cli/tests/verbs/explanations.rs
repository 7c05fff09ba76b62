//! `verify` over the broken and the matching messages of the kit: the contract of its JSON, its exit codes, and that no key is shown.

use std::collections::BTreeSet;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use countersign_testkit::broken::{Message, broken, matching};
use tempfile::TempDir;

use crate::program::{Run, program};

/// A message as files, and the arguments that name them.
struct Saved {
    _folder: TempDir,
    arguments: Vec<String>,
}

impl Saved {
    fn new(message: &Message) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: String, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let mut arguments = vec!["verify".to_owned(), "--body".to_owned(), file("body".into(), &message.body)];
        for (place, key) in message.keys.iter().enumerate() {
            // Of a file of text, one line end is not part of the key; one more is.
            let end: &[u8] = if std::str::from_utf8(key).is_ok() { b"\n" } else { b"" };
            let named = file(format!("key-{place}"), &[key.as_slice(), end].concat());
            arguments.extend(["--key".to_owned(), format!("@{named}")]);
        }
        if !message.other_keys.is_empty() {
            arguments.extend(["--all-keys".to_owned(), file("other-keys".into(), &message.other_keys.join(&b"\n"[..]))]);
        }
        let is_line = |value: &[u8]| !value.contains(&b'\n');
        if message.headers.iter().all(|(_, value)| is_line(value)) {
            let lines: Vec<u8> =
                message.headers.iter().flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\r\n"].concat()).collect();
            arguments.extend(["--headers".to_owned(), file("headers".into(), &lines)]);
        } else {
            let named = file("signature".into(), &[message.headers[0].1.as_slice(), b"\n"].concat());
            arguments.extend(["--signature".to_owned(), format!("@{named}")]);
        }
        Self { _folder: folder, arguments }
    }

    fn verify(&self, further: &[&str]) -> Run {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).chain(further.iter().copied()).collect();
        program(&arguments).output().unwrap().into()
    }
}

/// Every form in which a key might show.
fn canaries(key: &[u8]) -> Vec<String> {
    let mut forms = vec![STANDARD.encode(key), URL_SAFE.encode(key), hex(key), hex(key).to_uppercase()];
    if let Ok(text) = std::str::from_utf8(key) {
        let text = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        forms.push(text.to_owned());
        forms.extend(STANDARD.decode(text).ok().or_else(|| STANDARD.decode(format!("{text}=")).ok()).map(hex));
    }
    // A part is as bad as the whole.
    forms.iter().map(|form| form.chars().take(16).collect()).collect()
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_broken_message_exits_with_1_names_its_cause_and_shows_no_key() {
    let mut misses = Vec::new();
    for case in broken() {
        let saved = Saved::new(&case.message);
        let programs = saved.verify(&["--json"]);
        assert_eq!(programs.code, 1, "{}: {programs:?}", case.name);
        let json = programs.json();
        assert_eq!((&json["match"], &json["matched"]), (&false.into(), &serde_json::Value::Null), "{}", case.name);
        let first = &json["findings"][0];
        let named: BTreeSet<&str> = first["causes"].as_array().unwrap().iter().map(|cause| cause.as_str().unwrap()).collect();
        let certainty = if case.is_provable { "proved" } else { "indicated" };
        if named != case.causes.iter().copied().collect() || first["certainty"] != certainty {
            misses.push(format!("{}: {first}", case.name));
        }
        assert!(!first["evidence"].as_str().unwrap().is_empty() && !first["fix"].as_str().unwrap().is_empty(), "{}", case.name);

        let people = saved.verify(&[]);
        assert_eq!(people.code, 1, "{}", case.name);
        assert!(people.out.contains(certainty) && people.out.contains(case.causes[0]), "{}: {}", case.name, people.out);
        for key in case.message.keys.iter().chain(&case.message.other_keys) {
            for canary in canaries(key) {
                for shown in [&programs.out, &programs.err, &people.out, &people.err] {
                    assert!(!shown.contains(&canary), "{} shows {canary}: {shown}", case.name);
                }
            }
        }
    }
    assert_eq!(misses, Vec::<String>::new());
}

#[test]
fn every_matching_message_exits_with_0_and_has_no_finding() {
    for (place, message) in matching(200).iter().enumerate() {
        let run = Saved::new(message).verify(&["--json"]);
        assert_eq!(run.code, 0, "message {place}: {run:?}");
        let json = run.json();
        assert_eq!((&json["match"], &json["findings"]), (&true.into(), &serde_json::json!([])), "message {place}");
        assert!(json["matched"]["key"].as_u64().is_some_and(|key| (1..=10).contains(&key)), "{json}");
    }
}
