//! A file held against its own hashes, and the keys at hand against its secrets.

use std::path::{Path, PathBuf};

use super::{
    block::{Block, BlockKind, BlockReader, Chain},
    fault::TransferError,
    manifest::{Header, Manifest, Summing, TableSum},
    progress::{Progress, Stage},
    row::{self, Row},
    secrets,
    table::{TABLES, Table},
};
use crate::vault::Vault;

/// A file that was read from its beginning to its end and is as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    file: PathBuf,
    bytes: u64,
    manifest: Manifest,
    /// The last chain, which names the whole.
    pub(super) name: Chain,
    /// Where the blocks with rows begin, and the chain before them.
    pub(super) first: (u64, Chain),
}

impl Checked {
    /// The file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Its length.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What it holds.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// Reads a file from its beginning to its end: whole, unaltered, of tables that this program knows, with the counts and hashes of
/// its manifest. With a vault every secret in it is opened, so that nothing is imported that cannot be read afterwards. Blocks.
///
/// # Errors
/// [`TransferError`], which says where in the file.
pub fn check(file: &Path, vault: Option<&Vault>, progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Checked, TransferError> {
    let mut reader = BlockReader::open(file)?;
    let header = reader.next()?.ok_or_else(|| reader.truncated())?;
    read_header(&reader, &header)?;
    let first = reader.place();
    let mut sums: Vec<Summing> = TABLES.iter().map(Summing::of).collect();
    let mut last = 0;
    let manifest = loop {
        let block = reader.next()?.ok_or_else(|| reader.truncated())?;
        progress(Progress { stage: Stage::Checking, done: block.to, total: reader.length() });
        match block.kind {
            BlockKind::Header => return Err(reader.damaged(block.from, block.to, "a second header")),
            BlockKind::Manifest => break block,
            BlockKind::Rows => {
                let (number, rows) = rows_of(&reader, &block)?;
                if number < last {
                    return Err(reader.damaged(block.from, block.to, "rows of a table that came before"));
                }
                last = number;
                sums[number].add_written(rows.len() as u64, &block.payload[1..]);
                if let Some(vault) = vault {
                    all_open(file, vault, &TABLES[number], &rows)?;
                }
            }
        }
    };
    let sums: Vec<TableSum> = sums.into_iter().map(Summing::end).collect();
    let read: Manifest =
        serde_json::from_slice(&manifest.payload).map_err(|_| reader.damaged(manifest.from, manifest.to, "its manifest"))?;
    if read.tables != sums {
        return Err(reader.damaged(manifest.from, manifest.to, "its rows are not those of its manifest"));
    }
    let (end, name) = reader.place();
    if end != reader.length() {
        return Err(reader.damaged(end, reader.length(), "something stands behind its end"));
    }
    Ok(Checked { file: file.to_owned(), bytes: end, manifest: read, name, first })
}

fn read_header(reader: &BlockReader, block: &Block) -> Result<(), TransferError> {
    let damaged = || reader.damaged(block.from, block.to, "its header");
    if block.kind != BlockKind::Header {
        return Err(damaged());
    }
    let header: Header = serde_json::from_slice(&block.payload).map_err(|_| damaged())?;
    match header.difference() {
        None => Ok(()),
        Some(what) => Err(reader.other_tables(header.program, what)),
    }
}

/// The rows of a block, and the number of their table.
pub(super) fn rows_of(reader: &BlockReader, block: &Block) -> Result<(usize, Vec<Row>), TransferError> {
    let damaged = |what: &str| reader.damaged(block.from, block.to, what);
    let (&number, mut rest) = block.payload.split_first().ok_or_else(|| damaged("a block without a table"))?;
    let number = usize::from(number);
    let table = TABLES.get(number).ok_or_else(|| damaged("rows of a table that there is not"))?;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        rows.push(row::read(table, &mut rest).ok_or_else(|| damaged(&format!("a row of table {}", table.name)))?);
    }
    Ok((number, rows))
}

fn all_open(file: &Path, vault: &Vault, table: &Table, rows: &[Row]) -> Result<(), TransferError> {
    rows.iter().try_for_each(|row| {
        secrets::open(vault, table, row).map_err(|(what, reason)| TransferError::WrongKey { file: file.to_owned(), what, reason })
    })
}
