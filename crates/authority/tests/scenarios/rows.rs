//! Each rule of a development authorization server has a test named after it.

use std::{collections::BTreeSet, fs, path::Path};

/// The rules, by their ids in lower case.
const RULES: [&str; 15] = [
    "as_6749_1",
    "as_6749_2",
    "as_6749_3",
    "as_6749_4",
    "as_6749_5",
    "as_6749_6",
    "as_7662_1",
    "as_7009_1",
    "as_9068_1",
    "as_jwks_1",
    "as_7523_1",
    "as_8705_1",
    "as_8414_1",
    "as_9700_9",
    "as_fault",
];

#[test]
fn every_rule_has_a_test_named_after_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut tested = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        for name in text.split("fn as_").skip(1) {
            let name = format!("as_{name}");
            tested.extend(RULES.into_iter().filter(|rule| name.strip_prefix(rule).is_some_and(|rest| rest.starts_with('_'))));
        }
    }
    let missing: Vec<&str> = RULES.into_iter().filter(|rule| !tested.contains(rule)).collect();
    assert!(missing.is_empty(), "no test is named after {missing:?}");
}
