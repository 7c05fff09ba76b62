//! What the disk itself takes: a page written into a file and brought to the disk, again and again.
//!
//! The file is there beforehand, as the store's log is once it has been written through: a page that makes a file longer takes longer,
//! and would flatter what is set beside it.

use std::{
    fs::File,
    io::{Seek, SeekFrom, Write},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;

/// What is written each time: a page of the embedded store.
const PAGE_BYTES: usize = 16_384;
/// Pages in the file; they are written in turn.
const PAGES: u32 = 256;

/// Writes `count` pages, `per_second` of them, into a file in `folder`; answers how long each took to be on the disk. At the rate of
/// the run, since a disk that rests between two writes takes longer for the second.
///
/// # Errors
/// The file's.
pub(crate) async fn probe(folder: &Path, count: u32, per_second: u32) -> anyhow::Result<Vec<Duration>> {
    let path = folder.join("fsync-probe");
    tokio::task::spawn_blocking(move || {
        let mut file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let writing = || format!("writing {}", path.display());
        let page = vec![0x5a_u8; PAGE_BYTES];
        for _ in 0..PAGES {
            file.write_all(&page).with_context(writing)?;
        }
        file.sync_all().with_context(writing)?;
        let began = Instant::now();
        let mut times = Vec::with_capacity(count as usize);
        for number in 0..count {
            let due = began + Duration::from_secs(1) * number / per_second.max(1);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            file.seek(SeekFrom::Start(u64::from(number % PAGES) * PAGE_BYTES as u64)).with_context(writing)?;
            let at = Instant::now();
            file.write_all(&page).and_then(|()| file.sync_data()).with_context(writing)?;
            times.push(at.elapsed());
        }
        std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        Ok(times)
    })
    .await
    .context("the probe panicked")?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_probe_keeps_its_rate_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let began = Instant::now();
        let times = probe(folder.path(), 5, 100).await.expect("written");
        assert_eq!(times.len(), 5);
        assert!(began.elapsed() >= Duration::from_millis(40));
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }
}
