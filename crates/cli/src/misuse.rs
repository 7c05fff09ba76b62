//! What the caller of a command did wrong: exit code 2, one line.

use std::{fmt, process::ExitCode};

use clap::error::{ContextKind, ContextValue};

use crate::output;

/// Exit code of a command that was called wrongly, as shells and `clap` have it.
const MISUSE: u8 = 2;

/// The command cannot do what was asked, because of how it was asked. Nothing was done.
#[derive(Debug)]
pub(crate) struct Misuse(String);

impl Misuse {
    /// Says what is wrong, in one clause that ends with what to do.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// As the error of a command.
    pub(crate) fn error(message: impl Into<String>) -> anyhow::Error {
        Self::new(message).into()
    }
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// Help and version go to stdout as they are; everything else that `clap` refuses is put on one line of stderr.
pub(crate) fn refused(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return match error.print() {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            Ok(()) | Err(_) => ExitCode::SUCCESS,
        };
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(MISUSE);
    }
    output::note(&format!("countersign: {}", one_line(&shown(error))));
    ExitCode::from(MISUSE)
}

/// What `clap` says, without the user names and passwords in what was typed: it quotes what it cannot read, a URL with a mistyped port for
/// one.
fn shown(error: &clap::Error) -> String {
    let mut text = error.render().to_string();
    for kind in [ContextKind::InvalidValue, ContextKind::InvalidArg, ContextKind::InvalidSubcommand] {
        if let Some(ContextValue::String(typed)) = error.get(kind)
            && let Some(masked) = without_userinfo(typed)
        {
            text = text.replace(typed.as_str(), &masked);
        }
    }
    text
}

/// Everything from the scheme to the last `@` may be a user name and password; `None` where there is no `@`.
fn without_userinfo(typed: &str) -> Option<String> {
    let (userinfo, host) = typed.rsplit_once('@')?;
    let scheme = userinfo.find("://").map_or("", |at| &userinfo[..at + 3]);
    Some(format!("{scheme}***@{host}"))
}

/// Says on one line of stderr why a command failed, and gives its exit code.
pub(crate) fn failed(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        // Whoever read our output has seen enough (`countersign deliveries | head`).
        return ExitCode::SUCCESS;
    }
    // The causes follow each other after colons.
    output::note(&format!("countersign: {error:#}"));
    if error.is::<Misuse>() { ExitCode::from(MISUSE) } else { ExitCode::FAILURE }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// What `clap` says in paragraphs, without the usage: the message, its list and its tips after each other.
fn one_line(text: &str) -> String {
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let (message, usage) = match text.split_once("\n\nUsage: ") {
        Some((message, usage)) => (message, usage.lines().next()),
        None => (text.split("\n\nFor more information").next().unwrap_or(text), None),
    };
    let mut line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(verb) = usage.and_then(verb_of) {
        line.push_str(&format!("; see '{verb} --help'"));
    }
    line
}

/// `countersign keys create` of `countersign keys create [OPTIONS] --name <NAME>`.
fn verb_of(usage: &str) -> Option<String> {
    let words: Vec<&str> = usage
        .split_whitespace()
        .take_while(|word| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !word.starts_with('-'))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_what_was_typed_is_not_quoted() {
        for (typed, shown) in [
            ("http://anna:hush@127.0.0.1:1/", Some("http://***@127.0.0.1:1/")),
            ("http://anna:hu@sh@127.0.0.1:99999", Some("http://***@127.0.0.1:99999")),
            ("envelope-*=http://anna:hush@h/", Some("envelope-*=http://***@h/")),
            ("anna:hush@host", Some("***@host")),
            ("http://127.0.0.1:99999", None),
        ] {
            assert_eq!(without_userinfo(typed).as_deref(), shown, "{typed}");
        }
    }

    #[test]
    fn what_clap_says_in_paragraphs_becomes_one_line() {
        for (text, line) in [
            (
                "error: unexpected argument '--kee' found\n\n  tip: a similar argument exists: '--key'\n\nUsage: countersign verify --key <KEY>\n\nFor more information, try '--help'.\n",
                "unexpected argument '--kee' found tip: a similar argument exists: '--key'; see 'countersign verify --help'",
            ),
            (
                "error: the following required arguments were not provided:\n  --body <FILE>\n\nUsage: countersign sign --key <KEY> --body <FILE>\n\nFor more information, try '--help'.\n",
                "the following required arguments were not provided: --body <FILE>; see 'countersign sign --help'",
            ),
            ("error: invalid value 'x' for '--count <N>'\n\nFor more information, try '--help'.\n", "invalid value 'x' for '--count <N>'"),
        ] {
            assert_eq!(one_line(text), line);
        }
    }
}
