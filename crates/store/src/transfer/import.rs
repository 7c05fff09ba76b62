//! From a checked file into an empty store.

use super::{
    block::{BlockKind, BlockReader},
    check::{Checked, rows_of},
    fault::TransferError,
    manifest::{Summing, TableSum, chain_from_hex, hex},
    progress::{Progress, Stage},
    side::{Mark, Source, Target},
    table::{TABLES, Table},
};

/// Writes the rows of a file into an empty store, or goes on where an interrupted import of the same file stood; then reads all of
/// it back and holds counts and hashes against the file. Answers the bytes that had been imported before.
///
/// # Errors
/// [`TransferError`]. What was written until then stays, and the store remains closed to everything but the import of this file.
pub async fn import<T: Target + ?Sized>(
    checked: &Checked,
    target: &mut T,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<u64, TransferError> {
    let name = hex(&checked.name);
    let mark = |(next, chain): (u64, [u8; 32])| Mark { file: name.clone(), next, chain: hex(&chain) };
    let begun = target.begin(&mark(checked.first)).await?;
    let place = chain_from_hex(&begun.chain).filter(|_| (checked.first.0..=checked.bytes()).contains(&begun.next));
    let Some(chain) = place else { return Err(TransferError::Store("how far the import is cannot be read; empty the target".into())) };
    let mut reader = BlockReader::open_at(checked.file(), begun.next, chain)?;
    let before = begun.next - checked.first.0;
    let mut from = begun;
    loop {
        let block = reader.next()?.ok_or_else(|| reader.truncated())?;
        progress(Progress { stage: Stage::Importing, done: block.to, total: checked.bytes() });
        if block.kind != BlockKind::Rows {
            break;
        }
        let (number, rows) = rows_of(&reader, &block)?;
        let to = mark(reader.place());
        target.load(&TABLES[number], rows, &from, &to).await?;
        from = to;
    }
    compare(checked, target, progress).await?;
    target.finish().await?;
    Ok(before)
}

async fn compare<T: Target + ?Sized>(
    checked: &Checked,
    target: &mut T,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), TransferError> {
    let (mut done, total) = (0, checked.manifest().rows());
    for (table, expected) in TABLES.iter().zip(&checked.manifest().tables) {
        let found = sum_of(target, table, &mut |rows| {
            done += rows;
            progress(Progress { stage: Stage::Comparing, done, total });
        })
        .await?;
        if found != *expected {
            return Err(TransferError::Differs { table: table.name, found: found.rows, expected: expected.rows });
        }
    }
    Ok(())
}

async fn sum_of<S: Source + ?Sized>(
    source: &mut S,
    table: &'static Table,
    count: &mut (dyn FnMut(u64) + Send),
) -> Result<TableSum, TransferError> {
    let mut sum = Summing::of(table);
    let mut after = None;
    loop {
        let rows = source.rows(table, after.as_deref()).await?;
        let Some(last) = rows.last() else { return Ok(sum.end()) };
        after = Some(last[..table.key_columns].to_vec());
        for row in &rows {
            sum.add(row);
        }
        count(rows.len() as u64);
    }
}
