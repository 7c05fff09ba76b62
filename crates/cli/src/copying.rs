//! How far a copy is, on stderr and only when that is a terminal.

use countersign_store::sqlite::BackupProgress;
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
