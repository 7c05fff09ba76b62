//! How far a measurement is, on stderr and only for a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the bar moves while nothing is counted.
const TICK: Duration = Duration::from_millis(250);

/// A bar that shows one stage after another. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// On stderr, hidden where that is no terminal.
    pub(crate) fn start() -> Self {
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner} {msg} {bar:30} {human_pos}/{human_len} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(TICK);
        Self { bar }
    }

    /// Something else is done now, in `total` steps.
    pub(crate) fn stage(&self, what: impl Into<String>, total: u64) {
        self.bar.reset();
        self.bar.set_length(total);
        self.bar.set_message(what.into());
    }

    /// So many steps more.
    pub(crate) fn step(&self, steps: u64) {
        self.bar.inc(steps);
    }

    /// So many steps in all.
    pub(crate) fn reached(&self, steps: u64) {
        self.bar.set_position(steps);
    }

    /// Nothing more comes: the line is free for others.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
