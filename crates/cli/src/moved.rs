//! What a move came to, table by table.

use std::path::Path;

use countersign_store::transfer::Manifest;
use serde_json::{Value, json};

use crate::{output, table::Table};

/// A file and what it holds.
#[derive(Debug)]
pub(crate) struct Moved<'a> {
    pub(crate) file: &'a Path,
    pub(crate) bytes: u64,
    pub(crate) manifest: &'a Manifest,
}

impl Moved<'_> {
    /// Says so: as a table and a line for people, or as JSON with `further` members.
    pub(crate) fn print(&self, as_json: bool, words: &str, further: Value) -> anyhow::Result<()> {
        if as_json {
            let mut value = json!({
                "file": self.file,
                "bytes": self.bytes,
                "rows": self.manifest.rows(),
                "tables": self.manifest.tables,
            });
            if let (Some(value), Value::Object(further)) = (value.as_object_mut(), further) {
                value.extend(further);
            }
            return output::json(&value);
        }
        let mut table = Table::new(["TABLE", "ROWS", "SHA-256"]);
        for sum in &self.manifest.tables {
            table.row([sum.name.as_str().into(), sum.rows.to_string().into(), sum.sha256.as_str().into()]);
        }
        table.print("there is no table")?;
        output::line(&output::escape(words))
    }
}
