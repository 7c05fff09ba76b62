//! Moving a whole store: out of one backend into a file ([`export`]), and from the file into another ([`check`], [`import`]).
//!
//! The file holds the rows themselves, in one form for all backends, table by table in the order of their keys. So the same
//! data makes the same file, byte for byte, wherever it lies; a store that went from one backend to another and back can be
//! held against the file it came from. Secrets stay sealed.
//!
//! # The file
//!
//! It is written and read from front to back, with memory for one block. All numbers of a frame are big-endian.
//!
//! ```text
//! countersign export 1\n                              the form's name and number
//! kind (1) | length (4) | payload | chain (32)        a block, as often as needed
//! ```
//!
//! | kind | payload |
//! | --- | --- |
//! | `H` | first block: [`Header`] as JSON, the tables with their columns |
//! | `R` | the number of the table in the header (1 byte), then whole rows of it |
//! | `M` | last block: [`Manifest`] as JSON, rows and SHA-256 of each table |
//!
//! `chain` is the SHA-256 of the chain before, kind, length and payload; before the first block it is 32 zeros. So a block that
//! was altered, left out, doubled or moved is noticed where it stands, and the last chain names the whole file.
//!
//! A row is its columns one after the other, each a tag and what it holds: `0` nothing, `1` a number (zigzag, LEB128), `2` false,
//! `3` true, `4` a text in UTF-8 and `5` bytes (both behind their length in LEB128), `6` a GUID (16 bytes). The SHA-256 of a table
//! is over its rows in this form, one after the other.
//!
//! # Going on after an interruption
//!
//! An import writes one block in one transaction, together with a [`Mark`]: how far it is in which file. Killed and given again it
//! goes on at the mark. As long as the mark is there, no store opens the database. An export cannot go on, since the moment that it
//! shows has passed; it is begun anew, and nothing appears under the file's name before it is whole.
//!
//! # What is not carried
//!
//! Leases, and the lives of nodes they belong to: what was under way becomes due. [`LEFT_OUT`] names each table and column with the
//! reason; tests hold it and [`TABLES`] against the schema of every backend.

mod block;
mod check;
mod export;
mod fault;
mod import;
mod manifest;
mod progress;
mod row;
mod secrets;
mod side;
mod table;

pub use check::{Checked, check};
pub use export::export;
pub use fault::TransferError;
pub use import::import;
pub use manifest::{ColumnHead, Header, Manifest, TableHead, TableSum};
pub use progress::{Progress, Stage};
pub use row::{Row, Value};
pub use secrets::keys_in;
pub use side::{Mark, Source, Target};
pub use table::{Column, Kind, LEFT_OUT, TABLES, Table};

pub(crate) use side::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, MARK};
