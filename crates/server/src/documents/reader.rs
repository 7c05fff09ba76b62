//! Reading documents that came from outside, bounded in number, memory and time.
//!
//! Whatever does not say that it is a PDF is text or opaque, costs what it is long, and is worked on in this process. The rest goes to
//! the [`Press`]. A file over which that fails counts as no readable PDF from then on, and is remembered, so that it is paid for once.
//! Files are measured when they are uploaded, under places of their own: whoever uploads slow ones delays other uploads and no
//! envelope that is being completed.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use countersign_core::envelope::{ContentHash, PageSize};
use lru::LruCache;
use tokio::{sync::Semaphore, time::Instant};

use super::{
    Drawing, File, InProcess, NotDrawn, Press,
    combined::{says_pdf, stand_in},
    press::{Jam, Order, Product, Task},
};

/// Longest work on one order. The largest real files take a few seconds on a busy machine.
const ORDER_TIME_MAX: Duration = Duration::from_secs(30);
/// Longest work on all orders of one request; an envelope may have 500 documents.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(90);
/// Orders of one kind that are worked on at once: each holds the documents of one envelope in memory, several times.
const AT_ONCE_MAX: usize = 2;
/// Orders that wait for a place, beyond those that have one.
const WAITING_MAX: usize = 128;
/// Files that are remembered as unreadable; one more forgets the one that was asked for longest ago.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("it is not zero");

/// Reads documents that came from outside.
pub struct Reader {
    press: Arc<dyn Press>,
    measuring: Semaphore,
    making: Semaphore,
    in_place: Semaphore,
    waiting: Semaphore,
    unreadable: Mutex<LruCache<ContentHash, NotDrawn>>,
}

/// Why nothing was read; the documents are not to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRead {
    /// Too many wait already.
    #[error("too many documents wait to be read; try again")]
    Busy,
    /// Nobody could be found to read.
    #[error("{0}")]
    Closed(String),
    /// A fault of ours.
    #[error("{0}")]
    Ours(String),
}

/// The time that is left for all documents of one request. Waiting for a place does not count.
#[derive(Debug)]
pub struct Patience {
    left: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { left: REQUEST_TIME_MAX }
    }
}

impl Reader {
    /// One that has PDFs read by this press.
    #[must_use]
    pub fn new(press: Arc<dyn Press>) -> Self {
        Self {
            press,
            measuring: Semaphore::new(AT_ONCE_MAX),
            making: Semaphore::new(AT_ONCE_MAX),
            in_place: Semaphore::new(AT_ONCE_MAX),
            waiting: Semaphore::new(WAITING_MAX),
            unreadable: Mutex::new(LruCache::new(REMEMBERED_MAX)),
        }
    }

    /// Number of pages and the size of the first, as [`super::measure`]; one page of a file that cannot be read.
    ///
    /// # Errors
    /// When nothing was read, see [`NotRead`].
    pub async fn measure(&self, file: &File, patience: &mut Patience) -> Result<(u32, PageSize), NotRead> {
        match self.one(&self.measuring, Task::Measure, file, patience).await? {
            Product::Measured(pages, size) => Ok((pages, size)),
            _ => Ok((1, PageSize::default())),
        }
    }

    /// The document with this on its pages, as [`super::drawn`]; inside, why it stays as it is.
    ///
    /// # Errors
    /// When nothing was read, see [`NotRead`].
    pub async fn drawn(&self, file: &File, drawing: Drawing, patience: &mut Patience) -> Result<Result<Bytes, NotDrawn>, NotRead> {
        if !says_pdf(&file.bytes) {
            return Ok(Err(NotDrawn::NotAPdf));
        }
        match self.one(&self.making, Task::Draw(drawing), file, patience).await? {
            Product::Made(bytes) => Ok(Ok(bytes)),
            Product::NotDrawn(why) => Ok(Err(why)),
            Product::Measured(..) | Product::Failed(_) => Ok(Err(NotDrawn::Unreadable)),
        }
    }

    /// One PDF of all these files, and of `own` ones that we made ourselves, as [`super::combined`]. A file that cannot be read stands as
    /// one page that names it.
    ///
    /// # Errors
    /// When nothing was read, see [`NotRead`].
    pub async fn combined(&self, mut files: Vec<File>, own: Vec<File>, patience: &mut Patience) -> Result<Bytes, NotRead> {
        for file in &mut files {
            if self.remembered(file).is_some() {
                *file = stand_in(file);
            }
        }
        if let Some(made) = self.all(&files, &own, patience).await? {
            return Ok(made);
        }
        // One of them is to blame, or all together.
        for file in &mut files {
            if says_pdf(&file.bytes) && !matches!(self.one(&self.making, Task::Combine, file, patience).await?, Product::Made(_)) {
                *file = stand_in(file);
            }
        }
        if let Some(made) = self.all(&files, &own, patience).await? {
            return Ok(made);
        }
        for file in files.iter_mut().filter(|file| says_pdf(&file.bytes)) {
            *file = stand_in(file);
        }
        self.all(&files, &own, patience).await?.ok_or_else(|| NotRead::Ours("the combined PDF cannot be written".to_owned()))
    }

    /// All of them in one PDF; `None` when that fails over one that came from outside.
    async fn all(&self, files: &[File], own: &[File], patience: &mut Patience) -> Result<Option<Bytes>, NotRead> {
        let order = Order { task: Task::Combine, files: files.iter().chain(own).cloned().collect() };
        if !files.iter().any(|file| says_pdf(&file.bytes)) {
            return match self.in_place(order).await? {
                Product::Made(bytes) => Ok(Some(bytes)),
                other => Err(NotRead::Ours(format!("the combined PDF cannot be written: {other:?}"))),
            };
        }
        match self.pressed(&self.making, order, patience).await? {
            Ok(Product::Made(bytes)) => Ok(Some(bytes)),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// An order about one file.
    async fn one(&self, places: &Semaphore, task: Task, file: &File, patience: &mut Patience) -> Result<Product, NotRead> {
        let order = Order { task, files: vec![file.clone()] };
        if !says_pdf(&file.bytes) {
            return self.in_place(order).await;
        }
        if let Some(why) = self.remembered(file) {
            return Ok(Product::NotDrawn(why));
        }
        let had_its_time = patience.left >= ORDER_TIME_MAX;
        let why = match self.pressed(places, order, patience).await? {
            Ok(product) => return Ok(product),
            Err(why) => why,
        };
        if why != NotDrawn::TooSlow || had_its_time {
            tracing::warn!(bytes = file.bytes.len(), "a document counts as no readable PDF: {why}");
            self.unreadable().put(ContentHash::of(&file.bytes), why);
        }
        Ok(Product::NotDrawn(why))
    }

    /// What the press makes of it; inside, why the documents keep it from making anything.
    async fn pressed(&self, places: &Semaphore, order: Order, patience: &mut Patience) -> Result<Result<Product, NotDrawn>, NotRead> {
        if patience.left.is_zero() {
            return Ok(Err(NotDrawn::TooSlow));
        }
        let waiting = self.waiting.try_acquire().map_err(|_| NotRead::Busy)?;
        let _place = places.acquire().await.map_err(|error| NotRead::Ours(error.to_string()))?;
        drop(waiting);
        let begun = Instant::now();
        let made = self.press.carry_out(order, patience.left.min(ORDER_TIME_MAX)).await;
        patience.left = patience.left.saturating_sub(begun.elapsed());
        match made {
            Ok(product) => Ok(Ok(product)),
            Err(Jam::TooSlow) => Ok(Err(NotDrawn::TooSlow)),
            Err(Jam::Broken) => Ok(Err(NotDrawn::TooLarge)),
            Err(closed @ Jam::Closed(_)) => Err(NotRead::Closed(closed.to_string())),
        }
    }

    async fn in_place(&self, order: Order) -> Result<Product, NotRead> {
        let _place = self.in_place.acquire().await.map_err(|error| NotRead::Ours(error.to_string()))?;
        InProcess.carry_out(order, Duration::MAX).await.map_err(|jam| NotRead::Ours(jam.to_string()))
    }

    /// Why this file is known not to be readable.
    fn remembered(&self, file: &File) -> Option<NotDrawn> {
        // Mostly there is none, and nothing to hash for.
        if self.unreadable().is_empty() || !says_pdf(&file.bytes) {
            return None;
        }
        self.unreadable().get(&ContentHash::of(&file.bytes)).copied()
    }

    fn unreadable(&self) -> std::sync::MutexGuard<'_, LruCache<ContentHash, NotDrawn>> {
        self.unreadable.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
