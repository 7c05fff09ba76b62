//! What a command says: lines and tables for people, JSON for programs.
//!
//! Colours are for terminals alone (and not where `NO_COLOR` is set). Whatever comes from elsewhere goes through [`escape`] or
//! [`json`] first: a terminal obeys control characters, and a server's words must not command it (TM-24).

use std::{
    borrow::Cow,
    io::{IsTerminal as _, Write as _},
};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// What a word means to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Neither good nor bad.
    Plain,
    /// As it should be.
    Good,
    /// On its way, or worth a look.
    Odd,
    /// Not as it should be.
    Bad,
    /// Of less interest.
    Dim,
    /// A heading.
    Strong,
}

/// Gives words their colour, or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// For standard output.
    pub(crate) fn stdout() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let able = std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { on: wanted && able && std::io::stdout().is_terminal() }
    }

    /// Whether there are colours, that is, whether a person looks at a terminal.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// Without colours, for words that are coloured elsewhere.
    pub(crate) fn none() -> Self {
        Self { on: false }
    }

    /// Without colours.
    #[cfg(test)]
    pub(crate) fn off() -> Self {
        Self { on: false }
    }

    /// With colours.
    #[cfg(test)]
    pub(crate) fn on() -> Self {
        Self { on: true }
    }

    /// The words in their colour. They must have been escaped.
    pub(crate) fn paint(self, tone: Tone, words: &str) -> String {
        let style = match tone {
            Tone::Plain => Style::new(),
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Odd => AnsiColor::Yellow.on_default(),
            Tone::Bad => AnsiColor::Red.on_default(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Strong => Style::new().bold(),
        };
        if self.on && tone != Tone::Plain { format!("{style}{words}{style:#}") } else { words.to_owned() }
    }
}

/// Writes text to standard output, whole.
///
/// Not by `print!`, which panics when the reader has gone (and which the lints of this crate refuse): here that is an error,
/// and `main` takes it for the end.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    bytes(text.as_bytes())
}

/// Writes bytes to standard output as they are, whole.
pub(crate) fn bytes(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

/// Writes a line about work that goes on whether or not anybody reads: a server's address, a step of the demo.
pub(crate) fn tell(text: &str) {
    // A reader that went away ends what is said, not what is done.
    let _ = line(text);
}

/// Writes a line to standard output.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    print(&format!("{text}\n"))
}

/// Writes a value as JSON: indented for a terminal, on one line for a program.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let text = if std::io::stdout().is_terminal() { serde_json::to_string_pretty(value)? } else { serde_json::to_string(value)? };
    line(&escape_json(&text))
}

/// A value as JSON on one line, for a stream of them.
pub(crate) fn json_on_one_line(value: &impl Serialize) -> anyhow::Result<String> {
    Ok(escape_json(&serde_json::to_string(value)?).into_owned())
}

/// Says that something was done: in words, or as JSON.
pub(crate) fn done(as_json: bool, words: &str, value: &impl Serialize) -> anyhow::Result<()> {
    if as_json { json(value) } else { line(&escape(words)) }
}

/// Says something beside the result, on standard error.
pub(crate) fn note(text: &str) {
    // Nobody may be listening, which is no reason to fail.
    let _ = writeln!(std::io::stderr(), "{}", escape(text));
}

/// The text on one line: control characters of both sets and characters that turn the direction of writing are shown as what
/// they are.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(commands) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if commands(character) { shown.extend(character.escape_default()) } else { shown.push(character) }
    }
    Cow::Owned(shown)
}

/// Several lines, each of them escaped; a tab becomes blanks.
pub(crate) fn escape_lines(text: &str) -> String {
    text.lines().map(|line| escape(&line.replace('\t', "    ")).into_owned()).collect::<Vec<_>>().join("\n")
}

/// JSON text whose strings hold none of them either; it stays the same value. (JSON itself escapes the first set.)
fn escape_json(text: &str) -> Cow<'_, str> {
    let odd = |character: char| character != '\n' && commands(character);
    if !text.chars().any(odd) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if odd(character) { shown.push_str(&format!("\\u{:04x}", u32::from(character))) } else { shown.push(character) }
    }
    Cow::Owned(shown)
}

/// Characters that a terminal obeys, or that change the order in which others are shown.
fn commands(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{061c}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text cut to `chars_max` characters, with a mark where it was cut.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max.saturating_sub(1)).chain(['\u{2026}']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_and_not_sent() {
        for (text, shown) in [
            ("plain Zo\u{eb}", "plain Zo\u{eb}"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}fdp", "\\u{202e}fdp"),
        ] {
            assert_eq!(escape(text), shown);
        }
        assert_eq!(escape_lines("a\tb\n\u{1b}c\r\n"), "a    b\n\\u{1b}c");
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let value = serde_json::json!({"a": "\u{1b}[2J \u{9b} \u{202e} \n"});
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        let escaped = escape_json(&text);
        assert!(!escaped.chars().any(|c| c != '\n' && commands(c)), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("JSON"), value);
    }

    #[test]
    fn cutting_counts_characters() {
        assert_eq!(cut("Zo\u{eb}", 3), "Zo\u{eb}");
        assert_eq!(cut("Zo\u{eb}s", 3), "Zo\u{2026}");
    }
}
