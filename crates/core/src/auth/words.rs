//! Words of a stranger, made fit to be stored and shown.

/// Longest text kept of a server's words, in characters: a sentence or two, not a page.
pub const WORDS_CHARS_MAX: usize = 300;

/// What stands in the place of a secret.
const HIDDEN: &str = "********";

/// The text on one line, without the given secrets, control and direction characters escaped, cut to
/// [`WORDS_CHARS_MAX`] characters.
///
/// Secrets are taken out first: a server that echoes what it was sent must not get it into a log by way of its error.
#[must_use]
pub fn escape_words(text: &str, secrets: &[&str]) -> String {
    let mut clean = text.trim().to_owned();
    let mut secrets: Vec<&str> = secrets.iter().copied().filter(|secret| !secret.is_empty()).collect();
    // The longest first: a secret that holds another one is hidden whole.
    secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.dedup();
    for secret in secrets {
        if clean.contains(secret) {
            clean = clean.replace(secret, HIDDEN);
        }
    }
    let mut shown = String::with_capacity(clean.len().min(2 * WORDS_CHARS_MAX));
    for (at, character) in clean.chars().enumerate() {
        if at == WORDS_CHARS_MAX {
            shown.push('\u{2026}');
            break;
        }
        match character {
            '\n' | '\r' | '\t' => shown.push(' '),
            dangerous if dangerous.is_control() || turns_direction(dangerous) => shown.extend(dangerous.escape_unicode()),
            plain => shown.push(plain),
        }
    }
    shown
}

/// Characters that change the order in which others are shown, and so what a person reads.
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_cut_escaped_and_free_of_secrets() {
        for (text, shown) in [
            ("client not found", "client not found"),
            ("  two\r\nlines ", "two  lines"),
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("secret s3cr3t! is wrong", "secret ******** is wrong"),
            ("secret s3cr3t!s3cr3t is wrong", "secret **************** is wrong"),
            ("", ""),
        ] {
            assert_eq!(escape_words(text, &["s3cr3t", "s3cr3t!", ""]), shown, "{text:?}");
        }
        let long = escape_words(&"x".repeat(10_000), &[]);
        assert_eq!(long.chars().count(), WORDS_CHARS_MAX + 1);
    }
}
