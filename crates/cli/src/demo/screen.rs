//! What the demo shows: a line for each hop, with colours in a terminal and plain when piped.

use std::{io::IsTerminal, time::Duration};

use anstyle::{AnsiColor, Style};
use countersign_listener::{Authorized, Checked, Verdict};

use super::receiver::Arrived;
use crate::output;

/// Where lines go.
pub(crate) struct Screen {
    coloured: bool,
}

impl Screen {
    /// Stdout; coloured in a terminal unless `NO_COLOR` is set.
    pub(crate) fn stdout() -> Self {
        Self { coloured: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    /// The title.
    pub(crate) fn title(&self, text: &str) {
        self.line(&format!("\n{}\n", self.paint(text, Style::new().bold())));
    }

    /// Something that is there: a server, a key, a configuration.
    pub(crate) fn thing(&self, name: &str, what: &str) {
        self.line(&format!("  {} {what}", self.paint(&format!("{name:<22}"), Style::new().dimmed())));
    }

    /// What somebody does.
    pub(crate) fn act(&self, text: &str) {
        self.line(&format!("\n  {} {}", self.paint("→", AnsiColor::Cyan.on_default().bold()), self.paint(text, Style::new().bold())));
    }

    /// A message that arrived, with the verdict of each proof and the time since what caused it.
    pub(crate) fn message(&self, arrived: &Arrived, since: Duration) {
        let accepted = arrived.verdict.is_accepted();
        let mark = if accepted {
            self.paint("✓", AnsiColor::Green.on_default().bold())
        } else {
            self.paint("✗", AnsiColor::Red.on_default().bold())
        };
        let who = arrived.recipient.as_deref().map(|id| format!(" (recipient {id})")).unwrap_or_default();
        let name = format!("{}{who}", arrived.event);
        self.line(&format!(
            "    {mark} {name:<36} {}  {}  {}",
            self.signature(&arrived.verdict),
            self.token(&arrived.verdict),
            self.paint(&format!("{:>7.1} ms", since.as_secs_f64() * 1_000.0), Style::new().dimmed()),
        ));
    }

    /// How it ended.
    pub(crate) fn end(&self, good: bool, text: &str) {
        let style = if good { AnsiColor::Green.on_default().bold() } else { AnsiColor::Red.on_default().bold() };
        self.line(&format!("\n  {}", self.paint(text, style)));
    }

    /// A further line.
    pub(crate) fn note(&self, text: &str) {
        self.line(&format!("  {text}"));
    }

    fn signature(&self, verdict: &Verdict) -> String {
        match &verdict.hmac {
            Checked::Passed(found) => self.good(&format!("HMAC fits key {}, header {}", found.key + 1, found.header)),
            other => self.bad(&format!("HMAC: {}", why(other))),
        }
    }

    fn token(&self, verdict: &Verdict) -> String {
        match &verdict.authorization {
            Checked::Passed(Authorized::Bearer(claims)) => self.good(&format!("token of {}", claims.client_id.as_deref().unwrap_or("?"))),
            Checked::Passed(_) => self.good("Basic"),
            other => self.bad(&format!("token: {}", why(other))),
        }
    }

    fn good(&self, text: &str) -> String {
        self.paint(text, AnsiColor::Green.on_default())
    }

    fn bad(&self, text: &str) -> String {
        self.paint(text, AnsiColor::Red.on_default())
    }

    fn paint(&self, text: &str, style: Style) -> String {
        if self.coloured { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn line(&self, text: &str) {
        output::tell(text);
    }
}

fn why<T>(checked: &Checked<T>) -> String {
    checked.refusal().map_or_else(|| "not checked".to_owned(), ToString::to_string)
}
