//! `sign`: the signatures of a body, as Connect would send them.

use std::process::ExitCode;

use clap::Args;
use countersign_signature::{HmacKey, SIGNATURES_MAX, sign};
use serde_json::json;

use super::verify::hmac_key;
use crate::{
    input::{BODY_BYTES_MAX, Contents, Inputs, Source},
    misuse::Misuse,
    output,
};

/// Sign a body: the HMAC-SHA256 over its bytes, in Base64.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// HMAC key: a value, env:NAME, @FILE or -; repeat it for more signatures
    #[arg(long, value_name = "KEY", required = true, allow_hyphen_values = true)]
    key: Vec<Source>,
    /// File with the exact bytes to sign, or -
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    body: Contents,
    /// Print the header lines of a Connect message
    #[arg(long)]
    headers: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "headers")]
    json: bool,
}

/// Prints a signature for each key, in the order given.
pub(crate) fn run(given: &Sign) -> anyhow::Result<ExitCode> {
    let mut inputs = Inputs::default();
    if given.key.len() > SIGNATURES_MAX {
        return Err(Misuse::error(format!(
            "--key is given {} times; a message carries at most {SIGNATURES_MAX} signatures",
            given.key.len()
        )));
    }
    let mut keys: Vec<HmacKey> = Vec::with_capacity(given.key.len());
    for (number, source) in (1..).zip(&given.key) {
        keys.push(hmac_key(&mut inputs, source, number)?);
    }
    let body = inputs.contents(&given.body, "--body", BODY_BYTES_MAX)?;
    let headers = sign(&keys, &body);
    if given.json {
        let named: serde_json::Map<String, serde_json::Value> =
            headers.iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        output::json(&json!({"bytes": body.len(), "headers": named}))?;
    } else if given.headers {
        output::print(&headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>())?;
    } else {
        output::print(&headers.signatures().iter().map(|signature| format!("{signature}\n")).collect::<String>())?;
    }
    Ok(ExitCode::SUCCESS)
}
