//! `verify`: does a signature fit, and if not, why not?
//!
//! Exit codes: 0 it fits, 1 it does not (with the explanation), 2 the command was called wrongly.

mod message;
mod report;

use std::process::ExitCode;

use clap::Args;
use countersign_signature::{HmacKey, Match, Mismatch, explain::explain, verify};

use crate::{
    input::{Contents, Given, Inputs, Source},
    misuse::Misuse,
    output,
};
use message::Message;

/// Exit code of a signature that does not fit.
const MISMATCH: u8 = 1;

/// Check a signature by hand, and find out why it does not match.
///
/// Exits with 0 when a signature fits, 1 when none does, 2 when the command was called wrongly. Keys are never printed. Files may also
/// be given as - for standard input and env:NAME for a variable of the environment.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// HMAC key: a value, env:NAME, @FILE or -; may be repeated
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: Vec<Source>,
    /// Further keys that might have signed by mistake, one a line: a fit is reported as a mismatch with that cause.
    /// Without --key these are the keys to check with
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    all_keys: Option<Contents>,
    /// Value of X-DocuSign-Signature-1, then -2 and so on: a value, env:NAME, @FILE or -; may be repeated
    #[arg(long, value_name = "SIGNATURE", allow_hyphen_values = true)]
    signature: Vec<Source>,
    /// File with the headers as received, a line each
    #[arg(long, value_name = "FILE", conflicts_with = "signature", allow_hyphen_values = true)]
    headers: Option<Contents>,
    /// File with the body as received
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    body: Option<Contents>,
    /// File with the whole request as received (head, empty line, body), or with the curl command that sends it
    #[arg(long, visible_alias = "curl", value_name = "FILE", conflicts_with_all = ["headers", "body"], allow_hyphen_values = true)]
    request: Option<Contents>,
    /// Print JSON: {"match", "matched": {"key", "header"}, "findings"}, keys and headers counted from 1
    #[arg(long)]
    json: bool,
}

/// Reads the key with this number, to sign or check with. One of an unusual length is used all the same, with a note: who checks by
/// hand wants to know what that key signs.
pub(crate) fn hmac_key(inputs: &mut Inputs, source: &Source, number: usize) -> anyhow::Result<HmacKey> {
    let given = inputs.given(source, "--key")?;
    let key = HmacKey::try_new_of_any_length(given.secret.expose_secret()).map_err(|refused| Misuse::error(format!("--key: {refused}")))?;
    note_what_is_odd(&given, source, number);
    Ok(key)
}

fn note_what_is_odd(given: &Given, source: &Source, number: usize) {
    if let Err(refused) = HmacKey::try_new(given.secret.expose_secret()) {
        output::note(&format!("note: key {number}: {refused}"));
    }
    if given.line_end_left_out && !matches!(source, Source::Stdin) {
        output::note(&format!("note: key {number}: the line end at the end of {source} is not taken as part of the key"));
    }
}

/// Checks, prints and gives the exit code.
pub(crate) fn run(given: &Verify) -> anyhow::Result<ExitCode> {
    let message = Message::read(given, &mut Inputs::default())?;
    let verdict = verdict(&message);
    let findings = if verdict.is_ok() { Vec::new() } else { explain(&message.candidate()) };
    if given.json {
        output::json(&report::for_programs(&verdict, &findings))?;
    } else {
        output::print(&report::for_people(&verdict, &findings, message.body.len(), output::Paint::stdout()))?;
    }
    Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(MISMATCH) })
}

/// What a listener with these keys would say.
fn verdict(message: &Message) -> Result<Match, Mismatch> {
    let (places, keys): (Vec<usize>, Vec<HmacKey>) =
        message.keys.iter().enumerate().filter_map(|(place, key)| Some((place, key.usable.clone()?))).unzip();
    let named = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    match verify(&keys, named, &message.body) {
        // Keys that are not text cannot sign for a listener, and are counted all the same.
        Ok(found) => Ok(Match { key: places[found.key], header: found.header }),
        Err(Mismatch::NoKey) => Err(Mismatch::NoMatch { keys: message.keys.len(), headers: message.headers.len() }),
        Err(Mismatch::NoMatch { headers, .. }) => Err(Mismatch::NoMatch { keys: message.keys.len(), headers }),
        Err(other) => Err(other),
    }
}
