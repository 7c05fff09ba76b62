//! What is on the screen, and what keys do to it. No terminal is needed to try it.

use super::book::Book;
use crate::{
    listen::{arrival::Arrival, outlet::Told, told::verdict_words},
    output::Paint,
};

/// Longest filter, in characters.
const FILTER_CHARS_MAX: usize = 100;
/// Lines moved by a page key.
const PAGE: usize = 10;

/// A key, as far as any is used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Escape,
    Backspace,
    /// Control-C.
    Interrupt,
    Char(char),
}

/// What a key asks for that is not done by the view itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    Quit,
    /// Forward this arrival again.
    ForwardAgain(u64),
    /// Show this one as a command, and put it on the clipboard.
    Copy(u64),
}

/// What is on the screen.
#[derive(Debug, Default)]
pub(super) struct View {
    /// The first line.
    pub(super) title: String,
    /// What arrived.
    pub(super) book: Book,
    /// The arrival that is marked; `None` follows the newest.
    marked: Option<u64>,
    /// The detail pane is open.
    pub(super) detail: bool,
    /// Bodies are shown as they are.
    pub(super) raw: bool,
    /// Only arrivals with this in them; lower case.
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) typing: bool,
    /// The first line of the pane that is shown.
    pub(super) scroll: usize,
    /// What was done last, in words; escaped.
    pub(super) note: String,
    /// How many arrivals went untold.
    pub(super) untold: u64,
}

impl View {
    /// With this first line.
    pub(super) fn new(title: String) -> Self {
        Self { title, ..Self::default() }
    }

    /// Takes in what happened.
    pub(super) fn told(&mut self, told: Told) {
        match told {
            Told::Arrived(arrival) => self.book.arrived(*arrival),
            Told::Forwarded(event, forwarded) => self.book.forwarded(event, forwarded),
        }
    }

    /// What fits the filter, newest first.
    pub(super) fn listed(&self) -> Vec<&Arrival> {
        self.book.iter().filter(|arrival| self.filter.is_empty() || haystack(arrival).contains(&self.filter)).collect()
    }

    /// The place of the marked arrival in the list; the first when it is not listed.
    pub(super) fn place(&self) -> usize {
        self.listed().iter().position(|arrival| Some(arrival.number) == self.marked).unwrap_or(0)
    }

    /// The marked arrival.
    pub(super) fn current(&self) -> Option<&Arrival> {
        self.listed().into_iter().nth(self.place())
    }

    /// A key was pressed.
    pub(super) fn pressed(&mut self, key: Key) -> Act {
        if key == Key::Interrupt {
            return Act::Quit;
        }
        if self.typing {
            self.typed(key);
            return Act::Nothing;
        }
        self.note.clear();
        match key {
            Key::Up | Key::Char('k') => self.step(-1),
            Key::Down | Key::Char('j') => self.step(1),
            Key::PageUp => self.step(-(PAGE as isize)),
            Key::PageDown => self.step(PAGE as isize),
            Key::Home => self.jump(0),
            Key::End => self.jump(usize::MAX),
            Key::Enter | Key::Char('d') => {
                self.detail = !self.detail;
                self.scroll = 0;
            }
            Key::Char('r') => {
                self.raw = !self.raw;
                self.scroll = 0;
            }
            Key::Char('/') => {
                self.typing = true;
                self.filter.clear();
            }
            Key::Escape if self.detail => self.detail = false,
            Key::Escape => self.filter.clear(),
            Key::Char('f') => return self.current().map_or(Act::Nothing, |arrival| Act::ForwardAgain(arrival.number)),
            Key::Char('c') => return self.current().map_or(Act::Nothing, |arrival| Act::Copy(arrival.number)),
            Key::Char('q') => return Act::Quit,
            Key::Char(_) | Key::Backspace | Key::Interrupt => {}
        }
        Act::Nothing
    }

    fn typed(&mut self, key: Key) {
        match key {
            Key::Enter => self.typing = false,
            Key::Escape => {
                self.typing = false;
                self.filter.clear();
            }
            Key::Backspace => drop(self.filter.pop()),
            Key::Char(c) if !c.is_control() && self.filter.chars().count() < FILTER_CHARS_MAX => self.filter.extend(c.to_lowercase()),
            _ => {}
        }
    }

    /// Moves the mark, or in the pane the text.
    fn step(&mut self, by: isize) {
        if self.detail {
            self.scroll = self.scroll.saturating_add_signed(by);
        } else {
            self.jump(self.place().saturating_add_signed(by));
        }
    }

    fn jump(&mut self, place: usize) {
        if self.detail {
            self.scroll = place;
            return;
        }
        let listed = self.listed();
        let place = place.min(listed.len().saturating_sub(1));
        // At the top the mark follows what arrives.
        let marked = listed.get(place).filter(|_| place > 0).map(|arrival| arrival.number);
        self.marked = marked;
    }
}

/// What a filter looks through.
fn haystack(arrival: &Arrival) -> String {
    let envelope = arrival.envelope.map(|envelope| envelope.to_string()).unwrap_or_default();
    let verdict = verdict_words(arrival, Paint::none());
    format!("{} {envelope} {} {} {} {verdict}", arrival.event, arrival.path, arrival.fate.as_str(), arrival.status).to_lowercase()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use countersign_core::{Timestamp, event::EventName};

    use super::*;
    use crate::listen::arrival::Fate;

    /// An arrival of an event whose name carries its number.
    pub(in crate::listen::screen) fn arrival(number: u64) -> Arrival {
        Arrival {
            number,
            at: Timestamp::from_millis(1_670_610_569_736),
            peer: None,
            path: "/connect".into(),
            headers: vec![("x-evil".into(), "\u{1b}[2Jred".into())],
            body: Bytes::from_static(b"{\"a\":1}"),
            event: EventName::try_new(&format!("event-{number}")).expect("a name"),
            envelope: None,
            verdict: None,
            findings: Vec::new(),
            fate: Fate::Accepted,
            status: 200,
            took: Duration::from_millis(1),
            forwards: Vec::new(),
            stored: None,
        }
    }

    fn view(arrivals: u64) -> View {
        let mut view = View::new("title".into());
        (1..=arrivals).for_each(|number| view.told(Told::Arrived(Box::new(arrival(number)))));
        view
    }

    fn number(view: &View) -> Option<u64> {
        view.current().map(|arrival| arrival.number)
    }

    #[test]
    fn the_mark_follows_the_newest_until_it_is_moved() {
        let mut view = view(3);
        assert_eq!(number(&view), Some(3));
        view.pressed(Key::Down);
        view.told(Told::Arrived(Box::new(arrival(4))));
        assert_eq!(number(&view), Some(2), "it stays where a person put it");
        for (key, expected) in [(Key::End, 1), (Key::Down, 1), (Key::Up, 2), (Key::Home, 4), (Key::Up, 4)] {
            view.pressed(key);
            assert_eq!(number(&view), Some(expected), "{key:?}");
        }
    }

    #[test]
    fn a_filter_is_typed_applied_and_cleared() {
        let mut view = view(12);
        view.pressed(Key::Char('/'));
        for c in "EVENT-1q".chars() {
            view.pressed(Key::Char(c));
        }
        assert_eq!(view.listed().len(), 0);
        view.pressed(Key::Backspace);
        view.pressed(Key::Enter);
        assert_eq!(view.listed().iter().map(|arrival| arrival.number).collect::<Vec<_>>(), [12, 11, 10, 1]);
        assert_eq!(view.pressed(Key::Char('f')), Act::ForwardAgain(12));
        view.pressed(Key::Escape);
        assert_eq!(view.listed().len(), 12);
    }

    #[test]
    fn keys_ask_for_what_they_say() {
        let mut view = view(1);
        assert_eq!(view.pressed(Key::Char('c')), Act::Copy(1));
        assert_eq!(view.pressed(Key::Enter), Act::Nothing);
        assert!(view.detail);
        view.pressed(Key::Down);
        assert_eq!((view.scroll, number(&view)), (1, Some(1)), "the pane is scrolled, not the list");
        assert_eq!(view.pressed(Key::Char('q')), Act::Quit);
        assert_eq!(View::default().pressed(Key::Char('f')), Act::Nothing, "nothing is marked");
    }
}
