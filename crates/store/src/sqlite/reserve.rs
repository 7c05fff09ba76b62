//! The reserve: space kept so that what is under way can be settled when the disk is full.
//!
//! A full disk stops intake, which is the caller's to repeat. Settling must go on: a delivery whose outcome cannot be written
//! is sent twice. The file's blocks are really there (it is not sparse); it is deleted when a write finds no space, and
//! made again when there is space enough.

use std::{
    fs, io,
    io::{ErrorKind, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
};

use super::files::{private_file, sync_folder};

/// Written at once; also the pattern that repeats, since a compressing file system would keep no space for zeros.
const BLOCK_BYTES: usize = 1 << 20;

/// The reserve's file.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
}

impl Reserve {
    /// A reserve of `bytes`; 0 keeps none.
    pub(super) fn new(path: PathBuf, bytes: u64) -> Self {
        Self { path, bytes }
    }

    /// Makes it whole. `false` when there is no space for it.
    pub(super) fn keep(&self) -> io::Result<bool> {
        self.grow_to(self.bytes)
    }

    /// Makes it whole after the disk was full. `false` when there is no space for it and half as much again: intake that goes on
    /// with less would be refused again within moments.
    pub(super) fn regain(&self) -> io::Result<bool> {
        let whole = self.grow_to(self.bytes + self.bytes / 2)?;
        if whole && self.bytes > 0 {
            private_file(&self.path)?.set_len(self.bytes)?;
        }
        Ok(whole)
    }

    fn grow_to(&self, bytes: u64) -> io::Result<bool> {
        if bytes == 0 {
            return Ok(true);
        }
        match self.fill(bytes) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                // Half a reserve would only make the disk fuller.
                self.give_up()?;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Gives its space to the file system.
    pub(super) fn give_up(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => self.path.parent().map_or(Ok(()), sync_folder),
        }
    }

    fn fill(&self, bytes: u64) -> io::Result<()> {
        let mut file = private_file(&self.path)?;
        let mut length = file.metadata()?.len();
        if length >= bytes {
            return Ok(());
        }
        let mut block = vec![0; BLOCK_BYTES];
        getrandom::fill(&mut block).map_err(io::Error::other)?;
        file.seek(SeekFrom::Start(length))?;
        while length < bytes {
            let part = usize::try_from(bytes - length).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
            file.write_all(&block[..part])?;
            length += part as u64;
        }
        file.sync_all()?;
        self.path.parent().map_or(Ok(()), sync_folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_takes_its_space_and_gives_it_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("reserve");
        let reserve = Reserve::new(path.clone(), 3 * BLOCK_BYTES as u64 / 2);
        assert!(reserve.keep().expect("written"));
        assert_eq!(fs::metadata(&path).expect("exists").len(), 3 * BLOCK_BYTES as u64 / 2);
        reserve.give_up().expect("removed");
        assert!(!path.exists());
        assert!(reserve.regain().expect("written"));
        assert_eq!(fs::metadata(&path).expect("exists").len(), 3 * BLOCK_BYTES as u64 / 2, "the room to spare is given back");
        reserve.give_up().expect("removed");
        reserve.give_up().expect("nothing to remove is fine");
    }
}
