//! The live list in a terminal: what arrived, what each check said, where it went; with a detail pane and a few keys.
//!
//! [`view`] is what is shown and how keys change it, without a terminal; [`draw`] puts it on a frame; [`terminal`] owns the real one.
//! Whatever strangers sent is escaped before it gets there (TM-24).

mod book;
mod curl;
mod detail;
mod draw;
mod terminal;
mod view;

pub(crate) use terminal::run;
