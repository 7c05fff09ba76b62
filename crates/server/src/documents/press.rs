//! Who reads PDFs that came from outside, and what they are asked.
//!
//! Reading a PDF is the one thing here whose price a stranger sets: a file of 2 MB can be made so that its objects take 12 GB, and an
//! allocation that fails ends the process. No check beforehand tells such a file from others, since telling takes the reading. So the
//! work is put as an [`Order`] that can be carried out anywhere: the binary has it done by a process of its own, with a bound on its
//! memory and its time; tests and whoever trusts their files do it in place.

use bytes::Bytes;
use countersign_core::envelope::PageSize;
use serde::{Deserialize, Serialize};

mod frame;

pub use frame::{BadFrame, FRAME_BYTES_MAX, Frame};

use super::{Drawing, File, NotDrawn};

/// Carries out orders.
#[async_trait::async_trait]
pub trait Press: Send + Sync {
    /// What comes of an order. When the answer is no longer waited for, the work stops.
    ///
    /// # Errors
    /// [`Jam`] when the work came to no end.
    async fn carry_out(&self, order: Order, time_max: std::time::Duration) -> Result<Product, Jam>;
}

/// Why an order came to no end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Jam {
    /// Its time was over.
    #[error("the documents took too long to read")]
    TooSlow,
    /// Whoever worked on it failed over it, mostly for want of memory.
    #[error("reading the documents failed or took too much memory")]
    Broken,
    /// Nobody could begin with it, which is no fault of the documents.
    #[error("nobody can read documents now: {0}; try again")]
    Closed(String),
}

/// Work on documents.
#[derive(Clone, Debug)]
pub struct Order {
    /// What is to be done.
    pub task: Task,
    /// With these, in order.
    pub files: Vec<File>,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Task {
    /// Count the pages of the one file.
    Measure,
    /// Draw this on the one file.
    Draw(Drawing),
    /// Make one PDF of all.
    Combine,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Product {
    /// The pages, and the size of the first.
    Measured(u32, PageSize),
    /// A PDF.
    Made(Bytes),
    /// The document stays as it is.
    NotDrawn(NotDrawn),
    /// The PDF could not be written.
    Failed(String),
}

/// The head of an order.
#[derive(Serialize, Deserialize)]
struct OrderHead {
    task: Task,
    /// Name and extension of each file.
    files: Vec<(String, String)>,
}

/// The head of a product.
#[derive(Serialize, Deserialize)]
enum ProductHead {
    Measured(u32, PageSize),
    Made,
    NotDrawn(NotDrawn),
    Failed(String),
}

impl Order {
    /// Does the work, here and now.
    #[must_use]
    pub fn carry_out(self) -> Product {
        match (self.task, &self.files[..]) {
            (Task::Measure, [file]) => {
                let (pages, size) = super::measure(file);
                Product::Measured(pages, size)
            }
            (Task::Draw(drawing), [file]) => match super::drawn(file, &drawing) {
                Ok(bytes) => Product::Made(bytes.into()),
                Err(why) => Product::NotDrawn(why),
            },
            (Task::Combine, files) => match super::combined(files) {
                Ok(bytes) => Product::Made(bytes.into()),
                Err(error) => Product::Failed(error.to_string()),
            },
            (Task::Measure | Task::Draw(_), files) => Product::Failed(format!("one document is worked on at a time, not {}", files.len())),
        }
    }

    /// As bytes for another process.
    ///
    /// # Errors
    /// [`BadFrame`] when it is too large.
    pub fn frame(self) -> Result<Frame, BadFrame> {
        let (names, parts) = self.files.into_iter().map(|file| ((file.name, file.extension), file.bytes)).unzip();
        Frame::try_new(&OrderHead { task: self.task, files: names }, parts)
    }

    /// From bytes of another process.
    ///
    /// # Errors
    /// [`BadFrame`] when they are no order.
    pub fn parse(bytes: Bytes) -> Result<Self, BadFrame> {
        let (head, parts): (OrderHead, _) = Frame::parse(bytes)?;
        if head.files.len() != parts.len() {
            return Err(BadFrame::Head);
        }
        let files = head.files.into_iter().zip(parts).map(|((name, extension), bytes)| File { name, extension, bytes }).collect();
        Ok(Self { task: head.task, files })
    }
}

impl Product {
    /// As bytes for another process.
    ///
    /// # Errors
    /// [`BadFrame`] when it is too large.
    pub fn frame(self) -> Result<Frame, BadFrame> {
        let (head, parts) = match self {
            Self::Measured(pages, size) => (ProductHead::Measured(pages, size), Vec::new()),
            Self::Made(bytes) => (ProductHead::Made, vec![bytes]),
            Self::NotDrawn(why) => (ProductHead::NotDrawn(why), Vec::new()),
            Self::Failed(why) => (ProductHead::Failed(why), Vec::new()),
        };
        Frame::try_new(&head, parts)
    }

    /// From bytes of another process.
    ///
    /// # Errors
    /// [`BadFrame`] when they are no product.
    pub fn parse(bytes: Bytes) -> Result<Self, BadFrame> {
        let (head, mut parts): (ProductHead, Vec<Bytes>) = Frame::parse(bytes)?;
        match (head, parts.pop(), parts.is_empty()) {
            (ProductHead::Made, Some(bytes), true) => Ok(Self::Made(bytes)),
            (ProductHead::Measured(pages, size), None, _) => Ok(Self::Measured(pages, size)),
            (ProductHead::NotDrawn(why), None, _) => Ok(Self::NotDrawn(why)),
            (ProductHead::Failed(why), None, _) => Ok(Self::Failed(why)),
            _ => Err(BadFrame::Head),
        }
    }
}

/// Carries orders out in this process, where nothing bounds what they take: for files that are our own, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct InProcess;

#[async_trait::async_trait]
impl Press for InProcess {
    async fn carry_out(&self, order: Order, _: std::time::Duration) -> Result<Product, Jam> {
        tokio::task::spawn_blocking(move || order.carry_out()).await.map_err(|_| Jam::Broken)
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::message::placement::{Look, Place};

    use super::*;
    use crate::documents::{Ink, Mark};

    fn whole(frame: &Frame) -> Bytes {
        frame.pieces().flat_map(|piece| piece.to_vec()).collect::<Vec<u8>>().into()
    }

    fn order() -> Order {
        let ink = Ink::Text { lines: vec!["a".into()], look: Look::default() };
        let drawing = Drawing { marks: vec![Mark { place: Place { page: 1, x: 0.5, y: 2.0 }, ink }], stamp: None };
        let file = |name: &str, bytes: &'static [u8]| File { name: name.into(), extension: "pdf".into(), bytes: Bytes::from_static(bytes) };
        Order { task: Task::Draw(drawing), files: vec![file("one", b"%PDF-1"), file("two", b"")] }
    }

    #[test]
    fn an_order_arrives_as_it_was_put() {
        let again = Order::parse(whole(&order().frame().expect("small"))).expect("an order");
        assert_eq!(again.task, order().task);
        let files = |order: Order| order.files.into_iter().map(|file| (file.name, file.extension, file.bytes)).collect::<Vec<_>>();
        assert_eq!(files(again), files(order()));
    }

    #[test]
    fn a_product_arrives_as_it_was_made() {
        for product in [
            Product::Measured(3, PageSize::default()),
            Product::Made(Bytes::from_static(b"%PDF-1.7")),
            Product::Made(Bytes::new()),
            Product::NotDrawn(NotDrawn::Signed),
            Product::Failed("no room".into()),
        ] {
            let again = Product::parse(whole(&product.clone().frame().expect("small"))).expect("a product");
            assert_eq!(again, product);
        }
    }

    #[test]
    fn an_order_is_no_product_and_parts_must_be_those_of_the_head() {
        assert_eq!(Product::parse(whole(&order().frame().expect("small"))), Err(BadFrame::Head));
        for (row, head, parts) in [
            ("a part too few", ProductHead::Made, 0),
            ("a part too many", ProductHead::Made, 2),
            ("a part of nothing", ProductHead::NotDrawn(NotDrawn::Signed), 1),
        ] {
            let frame = Frame::try_new(&head, vec![Bytes::from_static(b"x"); parts]).expect("small");
            assert_eq!(Product::parse(whole(&frame)), Err(BadFrame::Head), "{row}");
        }
        let head = OrderHead { task: Task::Combine, files: vec![("a".into(), "pdf".into())] };
        let frame = Frame::try_new(&head, Vec::new()).expect("small");
        assert_eq!(Order::parse(whole(&frame)).map(|_| ()), Err(BadFrame::Head));
    }
}
