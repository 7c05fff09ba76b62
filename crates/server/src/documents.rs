//! Documents as bytes: how many pages they have, what recipients wrote drawn on them, all of them in one PDF, in one zip, and the
//! certificate of completion.
//!
//! Documents are kept as they came; what recipients wrote is drawn on a copy of those that are PDFs. Countersign converts nothing: in
//! the combined PDF a text file is set in a plain typeface, and any other file that is no readable PDF stands as one page that names it;
//! its own bytes are in the zip and under its id. A damaged, encrypted or hostile PDF is such a file too, so that nothing that is
//! uploaded can keep an envelope from completing.
//!
//! Reading a PDF can take all the memory and time there is, so those that came from outside are read by way of a [`Reader`], which has
//! it done by a [`Press`]: in the binary a process of its own that can be stopped. The rest here is work for the processor and blocks;
//! callers run it aside ([`crate::envelopes`]).

use bytes::Bytes;
use countersign_core::envelope::PageSize;

mod archive;
mod certificate;
mod combined;
mod drawn;
mod marks;
mod media;
mod pen;
pub mod press;
mod reader;
mod sheet;

pub use archive::archive;
pub use certificate::certificate;
pub use combined::{PagePlan, combined, plan};
pub use drawn::{NotDrawn, drawn};
pub use marks::{Drawing, Ink, Mark};
pub use media::{content_type, extension_of, file_name};
pub use press::{InProcess, Press};
pub use reader::{NotRead, Patience, Reader};

/// A document with its bytes.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name, as people see it.
    pub name: String,
    /// The extension of the file it was, without a dot, lower case.
    pub extension: String,
    /// Its bytes, as they came.
    pub bytes: Bytes,
}

/// Number of pages, 1 or more, and the size of the first: of a readable PDF its own, of text as it is set, otherwise one page.
#[must_use]
pub fn measure(file: &File) -> (u32, PageSize) {
    match plan(file) {
        PagePlan::Own(document) => combined::measure(&document),
        PagePlan::Text(lines) => (sheet::page_count(lines.len()), PageSize::default()),
        PagePlan::Placeholder => (1, PageSize::default()),
    }
}
