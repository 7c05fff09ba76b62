//! XML written event by event: nothing in it is ever put together by hand, so nothing can break out of its element.

use std::{borrow::Cow, time::Duration};

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};

use super::super::body::Pieces;
use crate::time::Timestamp;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// An XML text in the making.
pub(super) struct Sheet {
    writer: Writer<Pieces>,
    zone_offset_hours: i8,
}

impl Sheet {
    pub(super) fn new(zone_offset_hours: i8) -> Self {
        let mut writer = Writer::new(Pieces::default());
        // .NET, which writes Connect's messages, has that space.
        writer.config_mut().add_space_before_slash_in_empty_elements = true;
        let mut sheet = Self { writer, zone_offset_hours };
        sheet.write(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)));
        sheet
    }

    pub(super) fn open(&mut self, name: &'static str) {
        self.write(Event::Start(BytesStart::new(name)));
    }

    pub(super) fn open_with<const N: usize>(&mut self, name: &'static str, attributes: [(&'static str, &'static str); N]) {
        self.write(Event::Start(BytesStart::new(name).with_attributes(attributes)));
    }

    pub(super) fn close(&mut self, name: &'static str) {
        self.write(Event::End(BytesEnd::new(name)));
    }

    pub(super) fn empty(&mut self, name: &'static str) {
        self.write(Event::Empty(BytesStart::new(name)));
    }

    /// An element that says that there is no value.
    pub(super) fn nil(&mut self, name: &'static str) {
        self.write(Event::Empty(BytesStart::new(name).with_attributes([("xsi:nil", "true")])));
    }

    /// An element with this text; an empty element when there is none.
    pub(super) fn text(&mut self, name: &'static str, text: &str) {
        let text = representable(text);
        if text.is_empty() {
            return self.empty(name);
        }
        self.open(name);
        self.write(Event::Text(BytesText::new(&text)));
        self.close(name);
    }

    /// `2020-03-28T23:56:33.873`: in the account's zone, up to three fraction digits; nothing when there is no date.
    pub(super) fn time(&mut self, name: &'static str, at: Option<Timestamp>) {
        if let Some(at) = at {
            let text = self.local(at).to_short_fraction();
            self.text(name, text.trim_end_matches('Z'));
        }
    }

    /// `2020-03-28T23:57:15.1085476`: as above with seven digits.
    pub(super) fn full_time(&mut self, name: &'static str, at: Timestamp) {
        let text = self.local(at).to_seven_digits();
        self.text(name, text.trim_end_matches('Z'));
    }

    /// An element with the Base64 of these bytes.
    pub(super) fn base64(&mut self, name: &'static str, bytes: &[u8]) {
        self.open(name);
        self.writer.get_mut().push_base64(bytes);
        self.close(name);
    }

    pub(super) fn finish(self) -> Pieces {
        self.writer.into_inner()
    }

    fn local(&self, at: Timestamp) -> Timestamp {
        let offset = HOUR * u32::from(self.zone_offset_hours.unsigned_abs());
        if self.zone_offset_hours < 0 { at.minus(offset) } else { at + offset }
    }

    fn write(&mut self, event: Event<'_>) {
        self.writer.write_event(event).expect("memory takes every event");
    }
}

/// The text with every character that XML 1.0 cannot hold (§2.2, Char) replaced: a name with a stray control character must
/// not make a message that no parser reads.
fn representable(text: &str) -> Cow<'_, str> {
    let fits = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if text.chars().all(fits) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if fits(c) { c } else { '\u{fffd}' }).collect())
}
