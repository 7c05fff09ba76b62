//! How much of an envelope is shown, and in which form.

use std::collections::BTreeSet;

use super::object::DateStyle;
use crate::subscription::Include;

/// How an envelope is written as JSON.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// How dates are written.
    pub dates: DateStyle,
    /// What is shown beyond the base.
    pub include: &'a BTreeSet<Include>,
    /// Whether the access codes of recipients are shown: to their sender, never in a message.
    pub access_codes: bool,
}

impl<'a> View<'a> {
    /// As messages show it.
    #[must_use]
    pub fn message(include: &'a BTreeSet<Include>) -> Self {
        Self { dates: DateStyle::ShortFraction, include, access_codes: false }
    }

    /// As REST answers show it.
    #[must_use]
    pub fn rest(include: &'a BTreeSet<Include>) -> Self {
        Self { dates: DateStyle::SevenDigits, include, access_codes: true }
    }

    pub(super) fn shows(&self, what: Include) -> bool {
        self.include.contains(&what)
    }

    /// `tabs` and `payment_tabs` are inside recipients, who are shown with them.
    pub(super) fn shows_recipients(&self) -> bool {
        [Include::Recipients, Include::Tabs, Include::PaymentTabs].iter().any(|&what| self.shows(what))
    }

    /// Everything that stands inside `envelopeDocuments` brings that list along.
    pub(super) fn shows_documents(&self) -> bool {
        [Include::Documents, Include::PrefillTabs, Include::DocumentFields, Include::CertificateOfCompletion]
            .iter()
            .any(|&what| self.shows(what))
    }
}

/// True when `eventData.includeData` named something, which is what brings the envelope into a SIM message. The switches
/// beside it (certificate, document fields, void reason, time zone, sender's account) only add to it.
pub(super) fn asks_for_summary(include: &BTreeSet<Include>) -> bool {
    include.iter().any(|what| match what {
        Include::CustomFields
        | Include::Documents
        | Include::Attachments
        | Include::Extensions
        | Include::Folders
        | Include::Recipients
        | Include::Tabs
        | Include::PaymentTabs
        | Include::PowerForm
        | Include::PrefillTabs => true,
        Include::CertificateOfCompletion
        | Include::DocumentFields
        | Include::VoidReason
        | Include::TimeZone
        | Include::SenderAccountAsCustomField => false,
    })
}
