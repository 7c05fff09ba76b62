//! The form of the signing page as it was sent.

use countersign_core::envelope::{Recipient, TabKind, TabValues};

use super::fields::{TAB_PREFIX, is_open};

/// What was sent.
pub(super) struct Form {
    /// The button: `finish`, `later`, `decline`; anything else closes the page.
    pub(super) button: String,
    reason: String,
    tabs: TabValues,
}

impl Form {
    pub(super) fn read(body: &[u8]) -> Self {
        let mut form = Self { button: String::new(), reason: String::new(), tabs: TabValues::new() };
        for (name, value) in url::form_urlencoded::parse(body) {
            match &*name {
                "do" => form.button = value.into_owned(),
                "reason" => form.reason = value.into_owned(),
                // A check box sends `false` always and `true` after it when ticked: the later one counts.
                name => {
                    if let Some(label) = name.strip_prefix(TAB_PREFIX) {
                        form.tabs.insert(label.to_owned(), value.into_owned());
                    }
                }
            }
        }
        form
    }

    /// Why somebody declines, if they said so.
    pub(super) fn reason(&self) -> Option<String> {
        Some(self.reason.clone()).filter(|reason| !reason.trim().is_empty())
    }

    /// Values for the tabs that the page offered. A list left alone is no choice, rather than an impossible one.
    pub(super) fn values(&self, recipient: &Recipient) -> TabValues {
        let offered = |label: &str, value: &str| {
            recipient
                .tabs
                .iter()
                .filter(|tab| tab.label.as_deref() == Some(label))
                .any(|tab| is_open(tab) && !(value.is_empty() && matches!(tab.kind, TabKind::List | TabKind::RadioGroup)))
        };
        let values = self.tabs.iter().filter(|(label, value)| offered(label, value));
        values.map(|(label, value)| (label.clone(), value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_reads_tabs_and_the_last_of_a_repeated_one() {
        let form = Form::read(b"do=finish&tab.city=Riga&tab.agree=false&tab.agree=true&reason=+&other=x");
        assert_eq!((form.button.as_str(), form.reason()), ("finish", None));
        assert_eq!(form.tabs, TabValues::from([("agree".into(), "true".into()), ("city".into(), "Riga".into())]));
    }
}
