//! A database that is being filled from an export is not opened.

use tokio_postgres::Client;

use super::{
    fault::{OpenError, words},
    value::p,
};
use crate::transfer::MARK;

/// Refuses a database that an import has begun to fill.
pub(super) async fn refuse_incomplete(client: &Client) -> Result<(), OpenError> {
    match mark_of(client).await.map_err(|error| OpenError::Failed(words(&error)))? {
        Some(_) => Err(OpenError::Importing),
        None => Ok(()),
    }
}

/// How far the import is, as it is stored.
pub(super) async fn mark_of(client: &Client) -> Result<Option<Vec<u8>>, tokio_postgres::Error> {
    let rows = client.query_typed("SELECT value FROM fact WHERE name = $1", &[p(&MARK)]).await?;
    rows.first().map(|row| row.try_get(0)).transpose()
}
