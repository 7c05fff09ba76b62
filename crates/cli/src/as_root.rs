//! What root does to the folder of a service: the files it makes there are its own, and the service can read none of them.

use std::path::Path;

use crate::output;

/// Says so, on standard error, when this process is root and the folder belongs to somebody else.
pub(crate) fn note(folder: &Path) {
    if let Some(owner) = another_owner(folder) {
        output::note(&format!(
            "note: files made now in {} belong to root, and the service may not be able to read them; run this as its user (uid {owner}), \
             with sudo -u",
            folder.display()
        ));
    }
}

/// The user whose folder it is, when that is not root and this process is.
#[cfg(unix)]
fn another_owner(folder: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    // A process's own entry belongs to the user it acts as.
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
    std::fs::metadata(folder).ok().map(|about| about.uid()).filter(|owner| is_root && *owner != 0)
}

#[cfg(not(unix))]
fn another_owner(_: &Path) -> Option<u32> {
    None
}
