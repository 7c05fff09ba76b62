//! Connect's words for events, message models and included data, and what they stand for here (reference: 1.2, 1.5, 2.1).
//! All are compared without case.

use std::collections::BTreeSet;

use countersign_core::{
    event::EventName,
    subscription::{EventPattern, Include, MessageShape, WantedEvents},
};

use crate::failure::Failure;

/// Names that clients were seen to send although Connect's own list lacks them (reference: 2.1). Nothing here causes them; refusing
/// them would refuse the whole configuration.
const SEEN_EVENTS: [&str; 3] = ["sms-opt-in", "sms-opt-out", "extension-executed"];

/// `envelopeEvents`: the code in sentence case, and the event it stands for.
const ENVELOPE_CODES: [(&str, EventName); 6] = [
    ("Draft", EventName::ENVELOPE_CREATED),
    ("Sent", EventName::ENVELOPE_SENT),
    ("Delivered", EventName::ENVELOPE_DELIVERED),
    ("Completed", EventName::ENVELOPE_COMPLETED),
    ("Declined", EventName::ENVELOPE_DECLINED),
    ("Voided", EventName::ENVELOPE_VOIDED),
];

/// `recipientEvents`: the code in sentence case, and the event it stands for.
const RECIPIENT_CODES: [(&str, EventName); 6] = [
    ("Sent", EventName::RECIPIENT_SENT),
    ("AutoResponded", EventName::RECIPIENT_AUTORESPONDED),
    ("Delivered", EventName::RECIPIENT_DELIVERED),
    ("Completed", EventName::RECIPIENT_COMPLETED),
    ("Declined", EventName::RECIPIENT_DECLINED),
    ("AuthenticationFailed", EventName::RECIPIENT_AUTHENTICATION_FAILED),
];

/// `eventData.includeData`.
const DATA_WORDS: [(&str, Include); 10] = [
    ("custom_fields", Include::CustomFields),
    ("documents", Include::Documents),
    ("attachments", Include::Attachments),
    ("extensions", Include::Extensions),
    ("folders", Include::Folders),
    ("recipients", Include::Recipients),
    ("tabs", Include::Tabs),
    ("payment_tabs", Include::PaymentTabs),
    ("powerform", Include::PowerForm),
    ("prefill_tabs", Include::PrefillTabs),
];

/// Unknown words that one warning names.
const NAMED_MAX: usize = 8;

/// One of the two lists of the older models.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OlderList {
    /// `envelopeEvents`
    Envelope,
    /// `recipientEvents`
    Recipient,
}

impl OlderList {
    /// The property it stands in.
    pub(super) fn property(self) -> &'static str {
        match self {
            Self::Envelope => "envelopeEvents",
            Self::Recipient => "recipientEvents",
        }
    }

    /// The property that holds the code where the list is one of objects (`eventNotification`).
    pub(super) fn code_property(self) -> &'static str {
        match self {
            Self::Envelope => "envelopeEventStatusCode",
            Self::Recipient => "recipientEventStatusCode",
        }
    }

    fn codes(self) -> &'static [(&'static str, EventName)] {
        match self {
            Self::Envelope => &ENVELOPE_CODES,
            Self::Recipient => &RECIPIENT_CODES,
        }
    }

    /// The events that codes stand for.
    pub(super) fn read(self, codes: &[String]) -> Result<BTreeSet<EventName>, Failure> {
        codes
            .iter()
            .map(|code| {
                let found = self.codes().iter().find(|(known, _)| known.eq_ignore_ascii_case(code.trim()));
                found.map(|(_, name)| name.clone()).ok_or_else(|| {
                    let known: Vec<_> = self.codes().iter().map(|(known, _)| *known).collect();
                    unknown(self.property(), code, &known)
                })
            })
            .collect()
    }

    /// The codes of events, in sentence case.
    pub(super) fn shown(self, names: &BTreeSet<EventName>) -> Vec<&'static str> {
        self.codes().iter().filter(|(_, name)| names.contains(name)).map(|(code, _)| *code).collect()
    }
}

/// The names in `events`.
pub(super) fn read_events(names: &[String]) -> Result<BTreeSet<EventName>, Failure> {
    names
        .iter()
        .map(|text| {
            let name = EventName::try_new(text.trim()).ok();
            name.filter(is_known).ok_or_else(|| {
                let known: Vec<_> = EventName::CONNECT.iter().map(EventName::as_str).collect();
                unknown("events", text, &known)
            })
        })
        .collect()
}

/// True for a name that `events` may hold.
fn is_known(name: &EventName) -> bool {
    EventName::CONNECT.contains(name) || SEEN_EVENTS.contains(&name.as_str())
}

/// Patterns as the lists that Connect shows: exact names of Connect's own where messages of the shape have a list for them.
pub(crate) fn spread(patterns: Vec<EventPattern>, shape: MessageShape) -> WantedEvents {
    let mut wanted = WantedEvents::default();
    for pattern in patterns {
        let name = EventName::try_new(pattern.as_str()).ok();
        let in_list = |list: OlderList| name.as_ref().filter(|name| list.codes().iter().any(|(_, known)| known == *name));
        if shape == MessageShape::JsonSim {
            match name.filter(is_known) {
                Some(name) => drop(wanted.names.insert(name)),
                None => wanted.patterns.push(pattern),
            }
        } else if let Some(name) = in_list(OlderList::Envelope) {
            wanted.envelope.insert(name.clone());
        } else if let Some(name) = in_list(OlderList::Recipient) {
            wanted.recipient.insert(name.clone());
        } else {
            wanted.patterns.push(pattern);
        }
    }
    wanted
}

fn unknown(property: &str, text: &str, known: &[&str]) -> Failure {
    let shown = excerpt(text);
    Failure::invalid_parameter(format!("{property} names '{shown}', which is no such event; it can hold {}", known.join(", ")))
}

/// A stranger's word as a message quotes it.
fn excerpt(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

/// What `includeData` asks for; words that are not known ask for nothing (reference: 1.5). [`unknown_data`] names those.
pub(super) fn read_data(words: &[String]) -> BTreeSet<Include> {
    words.iter().filter_map(|word| data_of(word)).collect()
}

/// What to say about words in `includeData` that ask for nothing: Connect takes them in silence, and whoever wrote one waits for what never
/// comes. The first few are named.
pub(super) fn unknown_data(words: &[String]) -> Option<String> {
    let unknown: Vec<&String> = words.iter().filter(|word| data_of(word).is_none()).collect();
    let shown: Vec<String> = unknown.iter().take(NAMED_MAX).map(|word| format!("'{}'", excerpt(word))).collect();
    let more = if unknown.len() > NAMED_MAX { " and others" } else { "" };
    let known: Vec<_> = DATA_WORDS.iter().map(|(known, _)| *known).collect();
    (!unknown.is_empty())
        .then(|| format!("includeData names {}{more}, which adds nothing; it can hold {}", shown.join(", "), known.join(", ")))
}

fn data_of(word: &str) -> Option<Include> {
    DATA_WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word.trim())).map(|(_, include)| *include)
}

/// The words for what is included.
pub(super) fn data_words(include: &BTreeSet<Include>) -> Vec<&'static str> {
    DATA_WORDS.iter().filter(|(_, asked)| include.contains(asked)).map(|(word, _)| *word).collect()
}

/// What `deliveryMode`, `eventData` and the event lists say about the form of the body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Model<'a> {
    /// `deliveryMode`
    pub(super) delivery_mode: Option<&'a str>,
    /// `eventData.version`
    pub(super) version: Option<&'a str>,
    /// `eventData.format`
    pub(super) format: Option<&'a str>,
    /// `envelopeEvents` or `recipientEvents` is not empty.
    pub(super) names_older_events: bool,
}

impl Model<'_> {
    /// The form of the body (reference: 1.2). A version decides between JSON and XML. Without one it is XML where one of the older lists is
    /// used and JSON elsewhere: `events` has no meaning outside JSON SIM, and XML that tells of nothing cannot be meant. SIM is the default.
    pub(super) fn shape(&self) -> Result<MessageShape, Failure> {
        let given = |text: Option<&str>| text.map(str::trim).filter(|text| !text.is_empty()).map(str::to_ascii_lowercase);
        let sim = match given(self.delivery_mode).as_deref() {
            None => None,
            Some("sim") => Some(true),
            Some("aggregate") => Some(false),
            Some(_) => {
                let text = self.delivery_mode.unwrap_or_default();
                return Err(Failure::invalid_parameter(format!("deliveryMode is '{text}'; it can be SIM or Aggregate")));
            }
        };
        let json = match given(self.version).as_deref() {
            None => None,
            Some("legacy") => Some(false),
            Some("restv2.1") => Some(true),
            Some(_) => {
                let text = self.version.unwrap_or_default();
                return Err(Failure::invalid_parameter(format!("eventData.version is '{text}'; it can be restv2.1, or absent for XML")));
            }
        };
        if json == Some(true) && given(self.format).as_deref() == Some("xml") {
            return Err(Failure::not_implemented("XML in the restv2.1 form"));
        }
        let json_sim = json.is_none() && sim != Some(false) && !self.names_older_events;
        Ok(match (sim, json.unwrap_or(json_sim)) {
            (Some(true) | None, true) => MessageShape::JsonSim,
            (Some(false), true) => MessageShape::JsonAggregate,
            (Some(true), false) => MessageShape::XmlSim,
            (Some(false) | None, false) => MessageShape::XmlAggregate,
        })
    }
}

/// `deliveryMode` and `eventData.version` of a form of the body.
pub(super) fn words_of(shape: MessageShape) -> (&'static str, Option<&'static str>) {
    match shape {
        MessageShape::JsonSim => ("SIM", Some("restv2.1")),
        MessageShape::JsonAggregate => ("Aggregate", Some("restv2.1")),
        MessageShape::XmlAggregate => ("Aggregate", None),
        // What is passed on as received has no word on this wire; it was JSON SIM or XML when it came.
        MessageShape::XmlSim | MessageShape::AsReceived => ("SIM", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_model_follows_from_mode_version_and_lists() {
        use MessageShape::{JsonAggregate, JsonSim, XmlAggregate, XmlSim};
        for (delivery_mode, version, names_older_events, shape) in [
            (Some("SIM"), Some("restv2.1"), false, JsonSim),
            (Some("sim"), Some("RESTv2.1"), true, JsonSim),
            (Some("Aggregate"), Some("restv2.1"), true, JsonAggregate),
            (Some("aggregate"), None, true, XmlAggregate),
            (Some("aggregate"), Some(""), false, XmlAggregate),
            (Some("aggregate"), Some("legacy"), false, XmlAggregate),
            (Some("SIM"), None, true, XmlSim),
            (Some("SIM"), Some("legacy"), false, XmlSim),
            (Some("SIM"), None, false, JsonSim),
            (None, Some("restv2.1"), true, JsonSim),
            (None, Some("legacy"), false, XmlAggregate),
            (None, None, true, XmlAggregate),
            (None, None, false, JsonSim),
        ] {
            let model = Model { delivery_mode, version, format: Some("json"), names_older_events };
            assert_eq!(model.shape(), Ok(shape), "{model:?}");
        }
        for (model, said) in [
            (Model { delivery_mode: Some("batch"), ..Model::default() }, "deliveryMode is 'batch'"),
            (Model { version: Some("v9"), ..Model::default() }, "eventData.version is 'v9'"),
            (Model { version: Some("restv2.1"), format: Some("xml"), ..Model::default() }, "XML in the restv2.1 form"),
        ] {
            let message = model.shape().expect_err("cannot be").message;
            assert!(message.contains(said), "{message}");
        }
    }

    #[test]
    fn events_are_read_without_case_and_strangers_are_named() {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let read = read_events(&texts(&["Envelope-Sent", " recipient-completed", "sms-opt-in"])).expect("known");
        assert!(read.contains(&EventName::ENVELOPE_SENT) && read.contains(&EventName::RECIPIENT_COMPLETED));
        let refused = read_events(&texts(&["envelope-sent", "envelope-signed"])).expect_err("unknown");
        assert!(refused.message.contains("'envelope-signed'") && refused.message.contains("envelope-completed"), "{refused}");
        for (list, code, name) in [
            (OlderList::Envelope, "completed", EventName::ENVELOPE_COMPLETED),
            (OlderList::Recipient, "AUTHENTICATIONFAILED", EventName::RECIPIENT_AUTHENTICATION_FAILED),
        ] {
            assert_eq!(list.read(&texts(&[code])), Ok(BTreeSet::from([name])), "{code}");
        }
        assert!(OlderList::Recipient.read(&texts(&["Voided"])).is_err(), "recipients are not voided");
        assert_eq!(OlderList::Recipient.shown(&BTreeSet::from([EventName::RECIPIENT_AUTORESPONDED])), ["AutoResponded"]);
    }

    #[test]
    fn unknown_data_words_ask_for_nothing_and_are_named() {
        let words = ["Documents", "status", "PAYMENT_TABS"].map(str::to_owned);
        let include = read_data(&words);
        assert_eq!(include, BTreeSet::from([Include::Documents, Include::PaymentTabs]));
        assert_eq!(data_words(&include), ["documents", "payment_tabs"]);
        let warning = unknown_data(&words).expect("one is unknown");
        assert!(warning.starts_with("includeData names 'status', which adds nothing; it can hold custom_fields, documents"), "{warning}");
        assert_eq!(unknown_data(&["tabs".to_owned(), " Folders ".to_owned()]), None);
        let many = unknown_data(&vec!["\u{1b}x".repeat(500); 500]).expect("all are");
        assert!(many.len() < 4_000 && many.contains(" and others") && !many.contains('\u{1b}'), "{many}");
    }
}
