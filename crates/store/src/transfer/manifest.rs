//! The first and the last block: what tables there are, and what each came to.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    row::{self, Row},
    table::{TABLES, Table},
};

/// The first block.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of the program that made the file.
    pub program: String,
    /// The tables, in the order of the file.
    pub tables: Vec<TableHead>,
}

/// A table as the first block tells it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TableHead {
    /// Its name.
    pub name: String,
    /// How many columns, from the first on, its rows are ordered by.
    pub key: usize,
    /// Its columns, in the order of a row.
    pub columns: Vec<ColumnHead>,
}

/// A column as the first block tells it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ColumnHead {
    /// Its name.
    pub name: String,
    /// `number`, `flag`, `text`, `bytes` or `guid`.
    pub kind: String,
}

impl Header {
    /// That of this program.
    pub(super) fn ours() -> Self {
        let tables = TABLES.iter().map(|table| TableHead {
            name: table.name.to_owned(),
            key: table.key_columns,
            columns: table.columns.iter().map(|c| ColumnHead { name: c.name.to_owned(), kind: c.kind.word().to_owned() }).collect(),
        });
        Self { program: env!("CARGO_PKG_VERSION").to_owned(), tables: tables.collect() }
    }

    /// Where another one's tables differ from ours first.
    pub(super) fn difference(&self) -> Option<String> {
        let ours = Self::ours();
        for (number, our) in ours.tables.iter().enumerate() {
            let Some(their) = self.tables.get(number) else { return Some(format!("it lacks table {}", our.name)) };
            if their.name != our.name {
                return Some(format!("table {} stands where {} is expected", their.name, our.name));
            }
            if let Some(their) = their.columns.iter().find(|column| !our.columns.contains(column)) {
                return Some(format!("column {} of table {} is not known", their.name, our.name));
            }
            if let Some(our_column) = our.columns.iter().find(|column| !their.columns.contains(column)) {
                return Some(format!("it lacks column {} of table {}", our_column.name, our.name));
            }
            if their != our {
                return Some(format!("the columns of table {} are in another order", our.name));
            }
        }
        self.tables.get(ours.tables.len()).map(|further| format!("table {} is not known", further.name))
    }
}

/// The last block.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// One for each table, in the order of the header.
    pub tables: Vec<TableSum>,
}

/// What a table came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TableSum {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// SHA-256, in hex, over its rows in the form of the file, in the order of the key.
    pub sha256: String,
}

impl Manifest {
    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }
}

/// Adds up a table.
pub(super) struct Summing {
    table: &'static Table,
    rows: u64,
    hash: Sha256,
    written: Vec<u8>,
}

impl Summing {
    pub(super) fn of(table: &'static Table) -> Self {
        Self { table, rows: 0, hash: Sha256::new(), written: Vec::new() }
    }

    /// Adds a row; answers its form in the file.
    pub(super) fn add(&mut self, row: &Row) -> &[u8] {
        self.written.clear();
        row::write(row, &mut self.written);
        self.rows += 1;
        self.hash.update(&self.written);
        &self.written
    }

    /// Adds rows that stand in the form of the file already.
    pub(super) fn add_written(&mut self, rows: u64, written: &[u8]) {
        self.rows += rows;
        self.hash.update(written);
    }

    pub(super) fn end(self) -> TableSum {
        TableSum { name: self.table.name.to_owned(), rows: self.rows, sha256: hex(&self.hash.finalize()) }
    }
}

/// Bytes in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A chain in hex, read back.
pub(super) fn chain_from_hex(text: &str) -> Option<[u8; 32]> {
    let mut chain = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in chain.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_of_two_headers_is_named() {
        let with = |change: fn(&mut Vec<TableHead>)| {
            let mut header = Header::ours();
            change(&mut header.tables);
            header.difference()
        };
        for (row, found, expected) in [
            ("the same", with(|_| ()), None),
            (
                "a further table",
                with(|t| t.push(TableHead { name: "new".into(), key: 1, columns: Vec::new() })),
                Some("table new is not known"),
            ),
            ("a missing table", with(|t| drop(t.pop())), Some("it lacks table job")),
            ("another table", with(|t| t[2].name = "tenant".into()), Some("table tenant stands where account is expected")),
            (
                "a further column",
                with(|t| t[2].columns.push(ColumnHead { name: "colour".into(), kind: "text".into() })),
                Some("column colour of table account is not known"),
            ),
            ("a missing column", with(|t| drop(t[2].columns.pop())), Some("it lacks column body of table account")),
            ("another kind", with(|t| t[2].columns[0].kind = "text".into()), Some("column id of table account is not known")),
            ("another order", with(|t| t[2].columns.swap(0, 1)), Some("the columns of table account are in another order")),
        ] {
            assert_eq!(found.as_deref(), expected, "{row}");
        }
    }

    #[test]
    fn a_chain_comes_back_from_its_hex() {
        let chain: [u8; 32] = std::array::from_fn(|at| at as u8 * 7);
        assert_eq!(chain_from_hex(&hex(&chain)), Some(chain));
        for text in ["", "00", &"g".repeat(64), &"é".repeat(32), &"0".repeat(65)] {
            assert_eq!(chain_from_hex(text), None, "{text}");
        }
    }
}
