//! What proves something is compared in constant time alone (TM-19): by `subtle`, never by `==`, which stops at the first difference and
//! so tells a forger how far it got.
//!
//! Two halves. The types that hold keys, signatures and passwords have no equality at all, so that the compiler refuses `==` on them. And
//! where such a thing has become text or bytes, no line compares a value that is named like one, unless it stands in the list with its
//! reason.

use std::path::Path;

use crate::sources::{Source, below};

/// File and name of each type that holds what proves something.
const SECRET_TYPES: &[(&str, &str)] = &[
    ("crates/signature/src/key.rs", "HmacKey"),
    ("crates/signature/src/header.rs", "Signature"),
    ("crates/signature/src/header.rs", "SignatureHeaders"),
    ("crates/signature/src/signer.rs", "Signer"),
    ("crates/signature/src/standard_webhooks.rs", "StandardKey"),
    ("crates/core/src/secret.rs", "Secret"),
    ("crates/listener/src/basic.rs", "BasicCheck"),
    ("crates/authority/src/secret.rs", "Secret"),
];

/// Names of values that prove something. The last name before an operator counts, past what only changes its type.
const SECRET_NAMES: &[&str] = &[
    "mac",
    "macs",
    "hmac",
    "digest",
    "signature",
    "own_signature",
    "expected_signature",
    "secret",
    "client_secret",
    "password",
    "token",
    "api_token",
    "access_token",
    "bearer",
    "key_text",
    "hmac_key",
    "expose_secret",
    "expose_text",
    "csrf",
    "nonce",
    "session",
];

/// Calls that change the type of a value and not what it is.
const ADAPTERS: &[&str] =
    &["as_bytes", "as_str", "as_ref", "as_slice", "as_deref", "clone", "to_owned", "to_string", "trim", "bytes", "as_mut_slice", "to_vec"];

/// Calls that compare and stop early.
const COMPARING_CALLS: &[&str] =
    &["eq", "ne", "cmp", "eq_ignore_ascii_case", "starts_with", "ends_with", "contains", "strip_prefix", "strip_suffix"];

/// Lines that may: part of the path, part of the line, and why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("core/src/envelope/correction.rs", "token == Some(lock.token)", "the lock keeps programs apart that have the account's token already"),
    (
        "server/src/restapi/connect/connection.rs",
        "secret != before.client_secret.masked()",
        "compared with the stars that are shown for it",
    ),
    ("signature/src/explain/header.rs", "known.mac == mac", "both were given by the same person, who asks how they differ"),
    ("signature/src/explain/look.rs", "token.starts_with", "a token of JSON"),
    ("signature/src/explain/number.rs", "token", "a token of JSON"),
    ("signature/src/standard_webhooks.rs", "secret.strip_prefix(SECRET_PREFIX)", "the prefix is the same for all"),
];

pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let sources = below(root, Path::new("crates"), &[".rs"])?;
    let mut found = Vec::new();
    for (path, name) in SECRET_TYPES {
        match sources.iter().find(|source| source.path == Path::new(path)) {
            Some(source) => found.extend(equality_of(&source.text, name).map(|why| format!("{path}: {why}"))),
            None => found.push(format!("{path} is gone; name the file that holds {name} now in xtask/src/secrets.rs")),
        }
    }
    let mut used = vec![false; ALLOWED.len()];
    for source in &sources {
        found.extend(comparisons(source, &mut used));
    }
    let stale = ALLOWED.iter().zip(&used).filter(|(_, used)| !**used);
    found.extend(stale.map(|((path, line, _), _)| format!("nothing in {path} has '{line}' any more; take it out of xtask/src/secrets.rs")));
    Ok(found)
}

/// Why this type has an equality, or is not there.
fn equality_of(text: &str, name: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let is_definition = |line: &str| {
        let line = line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ");
        line.strip_prefix("struct ").is_some_and(|rest| rest.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_name_character)))
    };
    let Some(at) = lines.iter().position(|line| is_definition(line)) else {
        return Some(format!("there is no struct {name}; name the type that holds it now in xtask/src/secrets.rs"));
    };
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
    let derived = attributes.filter(|line| line.starts_with("#[derive(")).any(|line| line.contains("PartialEq") || line.contains("Hash"));
    let written = text.contains(&format!("PartialEq for {name}")) || text.contains(&format!("Hash for {name}"));
    (derived || written).then(|| format!("{name} has an equality or a hash; compare what is in it by subtle::ConstantTimeEq"))
}

fn comparisons(source: &Source, used: &mut [bool]) -> Vec<String> {
    let path = source.path.to_string_lossy();
    if path.contains("/tests/") || path.ends_with("/tests.rs") || path.starts_with("crates/testkit/") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (number, line) in outside_of_tests(&source.text) {
        let code = line.split("//").next().unwrap_or_default();
        let Some(name) = compared_secret(code) else { continue };
        let allowed = ALLOWED.iter().position(|(file, part, _)| path.contains(file) && code.contains(part));
        match allowed {
            Some(place) => used[place] = true,
            None => found.push(format!(
                "{path}:{}: '{name}' is compared in a time that tells how much of it is right; use subtle::ConstantTimeEq, or give the \
                 reason in xtask/src/secrets.rs",
                number
            )),
        }
    }
    found
}

/// The lines that are built into the program, with their numbers from 1: all but the items under `#[cfg(test)]`. Formatted source is
/// taken for granted: an item ends in the line in which it begins, or where a brace closes at the same depth.
fn outside_of_tests(text: &str) -> Vec<(usize, &str)> {
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    let mut outside = Vec::new();
    while let Some((number, line)) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            skip_item(&mut lines, depth_of(line));
        } else {
            outside.push((number, line));
        }
    }
    outside
}

/// Takes the item that follows an attribute at this depth.
fn skip_item<'a>(lines: &mut impl Iterator<Item = (usize, &'a str)>, depth: usize) {
    let Some((_, first)) = lines.find(|(_, line)| !line.trim_start().starts_with("#[")) else { return };
    if first.ends_with([';', ',']) || first.contains('{') && first.ends_with('}') {
        return;
    }
    let ends = |line: &str| {
        let code = line.trim_start();
        depth_of(line) == depth && (code.starts_with('}') || code.starts_with([')', ']']) && code.ends_with(';'))
    };
    // Read to its end here, so that what follows is read on from there.
    let _ = lines.find(|(_, line)| ends(line));
}

/// How far a line is set in.
fn depth_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The name of a value that proves something and is compared in this line.
fn compared_secret(code: &str) -> Option<&str> {
    for (at, _) in code.match_indices("==").chain(code.match_indices("!=")) {
        let sides = [last_name(&code[..at]), first_value(&code[at + 2..]).and_then(last_name)];
        if let Some(name) = sides.into_iter().flatten().find(|name| SECRET_NAMES.contains(name)) {
            return Some(name);
        }
    }
    for call in COMPARING_CALLS {
        for (at, _) in code.match_indices(&format!(".{call}(")) {
            if let Some(name) = last_name(&code[..at]).filter(|name| SECRET_NAMES.contains(name)) {
                return Some(name);
            }
        }
    }
    None
}

/// The expression of names, dots and calls at the beginning of `code`.
fn first_value(code: &str) -> Option<&str> {
    let code = code.trim_start().trim_start_matches(['&', '*']);
    let mut depth = 0_usize;
    let end = code.char_indices().find(|(_, c)| {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 || is_name_character(*c) || matches!(c, '.' | ':') => {}
            _ => return true,
        }
        false
    });
    Some(&code[..end.map_or(code.len(), |(at, _)| at)]).filter(|value| !value.is_empty())
}

/// The last name of the expression at the end of `code`: of the field or call that gives the value.
fn last_name(code: &str) -> Option<&str> {
    let mut code = code.trim_end();
    loop {
        let mut is_call = false;
        while code.ends_with(')') {
            code = before_parenthesis(code)?;
            is_call = true;
        }
        let start = code.rfind(|c| !is_name_character(c)).map_or(0, |at| at + 1);
        let name = &code[start..];
        if !(is_call && ADAPTERS.contains(&name)) {
            return (!name.is_empty()).then_some(name);
        }
        code = code[..start].trim_end().strip_suffix('.')?.trim_end();
    }
}

/// What stands before the parenthesis that the last character closes.
fn before_parenthesis(code: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(&code[..at]);
        }
    }
    None
}

fn is_name_character(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_of_what_proves_something_is_found_however_it_is_written() {
        for (code, name) in [
            ("if mac == expected {", "mac"),
            ("if expected == self.mac {", "mac"),
            ("if given.as_bytes() != secret.expose_secret().as_bytes() {", "expose_secret"),
            ("kept.filter(|kept| *kept == client.secret.as_str())", "secret"),
            ("password.eq(&given)", "password"),
            ("key.expose_text().starts_with(x)", "expose_text"),
            ("Some(a) == x.token(3).as_ref()", "token"),
        ] {
            assert_eq!(compared_secret(code), Some(name), "{code}");
        }
        for code in [
            "if mac.len() == 32 {",
            "token_type == \"Bearer\"",
            "if kind == Kind::Token(token) {",
            "let secret = a == b;",
            "mac.ct_eq(&other)",
            "Self::Secret => x",
            "x >= token",
        ] {
            assert_eq!(compared_secret(code), None, "{code}");
        }
    }

    #[test]
    fn what_follows_an_item_for_tests_is_read_and_the_item_is_not() {
        let text = "\
use a;

impl A {
    #[cfg(test)]
    #[must_use]
    pub fn off(
        &self,
    ) -> Self {
        if mac == other {
            Self
        }
    }

    fn real(&self) {}
}

struct B {
    #[cfg(test)]
    fails: bool,
    works: bool,
}

#[cfg(test)]
const ALL: &[u8] = &[
    1,
];
#[cfg(test)]
mod samples;
#[cfg(test)]
fn short() { }

#[cfg(test)]
mod tests {
    fn inside() {
    }
}

fn last() {}
";
        let outside: Vec<&str> = outside_of_tests(text).into_iter().map(|(_, line)| line).filter(|line| !line.is_empty()).collect();
        let wanted = ["use a;", "impl A {", "    fn real(&self) {}", "}", "struct B {", "    works: bool,", "}", "fn last() {}"];
        assert_eq!(outside, wanted);
        assert_eq!(outside_of_tests(text).last(), Some(&(38, "fn last() {}")));
    }

    #[test]
    fn a_secret_type_with_an_equality_is_found() {
        let plain = "/// A key.\n#[derive(Clone)]\npub struct Key(Vec<u8>);\n";
        assert_eq!(equality_of(plain, "Key"), None);
        assert!(equality_of(&plain.replace("Clone", "Clone, PartialEq, Eq"), "Key").is_some());
        assert!(equality_of(&format!("{plain}impl PartialEq for Key {{}}"), "Key").is_some());
        assert!(equality_of("pub struct KeyRing;", "Key").is_some());
    }
}
