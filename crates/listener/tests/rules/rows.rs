//! Every rule of the receiving side has a test that bears its id.

use std::{collections::BTreeSet, fs, path::Path};

/// The rules of the security reference, section 2.2, as they begin the names of tests.
const RULES: &str = "
    h_1 h_2 h_3 h_4 h_5 h_6 h_7
    l_6750_1 l_6750_2 l_6750_3 l_6750_4
    l_7662_1 l_7662_2 l_7662_3 l_7662_4 l_7662_5 l_7662_6 l_7662_7
    l_9701_1
    l_8414_1 l_8414_2 l_8414_3 l_8414_4
    l_jwt_1 l_jwt_2 l_jwt_3 l_jwt_4 l_jwt_5 l_jwt_6 l_jwt_7 l_jwt_8 l_jwt_9 l_jwt_10
    l_jwks_1
    l_9068_1 l_9068_2 l_9068_3 l_9068_4 l_9068_5 l_9068_6
    l_8705_1 l_8705_2
    l_9449_1
    l_7617_1
    l_9421_1
    l_9700_8
";

#[test]
fn every_rule_has_a_test_named_after_it() {
    let rules: BTreeSet<&str> = RULES.split_whitespace().collect();
    let names = names_of_tests();
    let of = |name: &str| rules.iter().filter(|rule| name.starts_with(&format!("{rule}_"))).max_by_key(|rule| rule.len()).copied();
    let tested: BTreeSet<&str> = names.iter().filter_map(|name| of(name)).collect();
    let missing: Vec<_> = rules.difference(&tested).collect();
    assert!(missing.is_empty(), "without a test: {missing:?}");
    let looks_like_a_rule = |name: &&String| name.starts_with("l_") || name.starts_with("h_");
    let unknown: Vec<_> = names.iter().filter(looks_like_a_rule).filter(|name| of(name).is_none()).collect();
    assert!(unknown.is_empty(), "named after no rule: {unknown:?}");
}

/// Functions with `#[test]` or `#[tokio::test]` above them, in this crate's sources and tests.
fn names_of_tests() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = [root.join("src"), root.join("tests/rules")];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("the folder is there"));
    let files = files.map(|entry| entry.expect("an entry").path()).filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    let mut names = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file is text");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let (true, Some(at)) = (is_test, line.find("fn ")) {
                names.push(line[at + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
                is_test = false;
            }
        }
    }
    names
}
