//! From a store into a file.

use std::{fs, io::ErrorKind, path::Path};

use super::{
    block::{BlockKind, BlockWriter, PAYLOAD_BYTES_MAX},
    fault::TransferError,
    manifest::{Header, Manifest, Summing, TableSum},
    progress::{Progress, Stage},
    row,
    side::Source,
    table::{TABLES, Table},
};
use crate::{
    part,
    private_file::{private_file, sync_folder},
};

/// Rows in one block, and so in one transaction of an import.
const BLOCK_ROWS_MAX: u64 = 2_000;
/// Bytes at which a block ends. A single row may be larger.
const BLOCK_BYTES: usize = 1 << 20;

/// Writes a store to a new file, which appears under its name when it is complete and on stable storage. What a broken-off export
/// left behind is begun anew. Blocks while it writes.
///
/// # Errors
/// [`TransferError`]; no file of that name is left then.
pub async fn export<S: Source + ?Sized>(
    source: &mut S,
    file: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Manifest, TransferError> {
    if file.exists() {
        return Err(TransferError::Exists(file.to_owned()));
    }
    // Otherwise the error would name the part, of which nobody asked.
    if file.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(TransferError::NoFolder(file.to_owned()));
    }
    let part = part::of(file);
    let done = write(source, &part, progress).await.and_then(|manifest| {
        fs::rename(&part, file).map_err(|e| TransferError::file(file, &e))?;
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.map_or(Ok(()), sync_folder).map_err(|e| TransferError::file(file, &e))?;
        Ok(manifest)
    });
    if done.is_err() {
        part::remove(file);
    }
    done
}

async fn write<S: Source + ?Sized>(
    source: &mut S,
    part: &Path,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Manifest, TransferError> {
    let mut total = 0;
    for table in TABLES {
        total += source.count(table).await?;
    }
    let failed = |e: std::io::Error| TransferError::file(part, &e);
    match fs::remove_file(part) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let mut blocks = private_file(part).and_then(BlockWriter::begin).map_err(failed)?;
    let json = |value: serde_json::Result<Vec<u8>>| value.map_err(|e| TransferError::file(part, &e.into()));
    blocks.write(BlockKind::Header, &json(serde_json::to_vec(&Header::ours()))?).map_err(failed)?;
    let mut done = 0;
    let mut sums = Vec::with_capacity(TABLES.len());
    for (number, table) in (0..).zip(TABLES) {
        let mut count = |rows| {
            done += rows;
            progress(Progress { stage: Stage::Exporting, done, total });
        };
        sums.push(write_table(source, table, number, &mut blocks, part, &mut count).await?);
    }
    let manifest = Manifest { tables: sums };
    blocks.write(BlockKind::Manifest, &json(serde_json::to_vec(&manifest))?).map_err(failed)?;
    blocks.end().map_err(failed)?;
    Ok(manifest)
}

/// Where blocks end depends on the rows alone, not on the batches they are read in: the same data makes the same file.
async fn write_table<S: Source + ?Sized>(
    source: &mut S,
    table: &'static Table,
    number: u8,
    blocks: &mut BlockWriter,
    part: &Path,
    count: &mut (dyn FnMut(u64) + Send),
) -> Result<TableSum, TransferError> {
    let failed = |e: std::io::Error| TransferError::file(part, &e);
    let mut sum = Summing::of(table);
    let mut payload = vec![number];
    let mut in_block = 0;
    let mut after = None;
    loop {
        let rows = source.rows(table, after.as_deref()).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last[..table.key_columns].to_vec());
        for row in &rows {
            if let Some(column) = row::misfit(table, row) {
                return Err(TransferError::DamagedRow { table: table.name, column: column.to_owned() });
            }
            payload.extend_from_slice(sum.add(row));
            in_block += 1;
            if payload.len() > PAYLOAD_BYTES_MAX {
                return Err(TransferError::TooLarge { table: table.name, bytes: payload.len() });
            }
            if in_block == BLOCK_ROWS_MAX || payload.len() >= BLOCK_BYTES {
                blocks.write(BlockKind::Rows, &payload).map_err(failed)?;
                payload.truncate(1);
                in_block = 0;
            }
        }
        count(rows.len() as u64);
    }
    if in_block > 0 {
        blocks.write(BlockKind::Rows, &payload).map_err(failed)?;
    }
    Ok(sum.end())
}
