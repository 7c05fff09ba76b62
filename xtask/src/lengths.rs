//! A file over 500 lines hides a second noun, or says at its top why it does not.

use std::path::Path;

use crate::sources::below;

/// Lines, tests included, beyond which a file must give its reason.
const LINES_MAX: usize = 500;
/// How the reason begins, within the first lines of the file.
const REASON: &str = "//! Over 500 lines because";

pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in ["crates", "xtask"] {
        for source in below(root, Path::new(folder), &[".rs"])? {
            let lines = source.text.lines().count();
            let reasoned = source.text.lines().take(60).any(|line| line.starts_with(REASON));
            if lines > LINES_MAX && !reasoned {
                found.push(format!("{}: {lines} lines; split it, or begin a line of its head with '{REASON}'", source.path.display()));
            }
        }
    }
    Ok(found)
}
