//! Files that only their owner reads, written so that a crash leaves the old content or the new.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::Path,
};

/// Opens for reading and writing, making it readable by its owner alone.
pub(crate) fn private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Writes a small private file so that either the old or the new content is there after a crash.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = private_file(&beside)?;
    file.set_len(0)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// Puts the folder's entries on stable storage: a new file is not safe before that.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    // Other systems have no such call; there the file system orders it.
    if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
}
