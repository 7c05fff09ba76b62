//! How far a copy is, on stderr and only when that is a terminal.

use countersign_store::{
    sqlite::BackupProgress,
    transfer::{Progress, Stage},
};
use indicatif::{ProgressBar, ProgressStyle};

/// A bar of bytes.
pub(crate) fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes}  {eta}") {
        bar.set_style(style);
    }
    bar
}

/// Moves it.
pub(crate) fn show(bar: &ProgressBar, progress: BackupProgress) {
    bar.set_length(progress.total_bytes);
    bar.set_position(progress.done_bytes);
}

/// The stages of a move, one after the other, each with a bar.
pub(crate) struct Stages {
    bar: ProgressBar,
    stage: Option<Stage>,
}

impl Stages {
    /// None of them has begun.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{msg:9} {bar:40} {percent:>3} %  {eta}") {
            bar.set_style(style);
        }
        Self { bar, stage: None }
    }

    /// Moves the bar; a stage that begins gets a new one.
    pub(crate) fn show(&mut self, progress: Progress) {
        if self.stage != Some(progress.stage) {
            self.stage = Some(progress.stage);
            self.bar.reset();
            self.bar.set_message(match progress.stage {
                Stage::Exporting => "exporting",
                Stage::Checking => "checking",
                Stage::Importing => "importing",
                Stage::Comparing => "comparing",
            });
        }
        self.bar.set_length(progress.total);
        self.bar.set_position(progress.done);
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
