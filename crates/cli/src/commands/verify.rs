//! `verify`: does a signature fit, and if not, why not?
//!
//! Exit codes: 0 it fits, 1 it does not (with the explanation), 2 the command was called wrongly.

mod report;

use std::process::ExitCode;

use clap::Args;
use countersign_core::Secret;
use countersign_signature::{
    HmacKey, SIGNATURES_MAX,
    explain::{Candidate, KEYS_MAX, explain},
    signature_header_name, signature_header_number, verify,
};

use crate::{
    input::{BODY_BYTES_MAX, FileOrStdin, Inputs, Source},
    message_file::{self, HEAD_BYTES_MAX, Headers},
    misuse::Misuse,
    output,
};

/// Exit code of a signature that does not fit.
const MISMATCH: u8 = 1;

/// Check a signature by hand, and find out why it does not match.
///
/// Exits with 0 when a signature fits, 1 when none does, 2 when the command was called wrongly. Keys are never printed.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// HMAC key: a value, env:NAME, @FILE or -; may be repeated
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: Vec<Source>,
    /// Further keys that might have signed by mistake, one a line: a fit is reported as a mismatch with that cause
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    all_keys: Option<FileOrStdin>,
    /// Value of X-DocuSign-Signature-1, then -2 and so on: a value, env:NAME, @FILE or -; may be repeated
    #[arg(long, value_name = "SIGNATURE", allow_hyphen_values = true)]
    signature: Vec<Source>,
    /// File with the headers as received, a line each
    #[arg(long, value_name = "FILE", conflicts_with = "signature", allow_hyphen_values = true)]
    headers: Option<FileOrStdin>,
    /// File with the body as received, or -
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    body: Option<FileOrStdin>,
    /// File with the whole request as received: head, empty line, body
    #[arg(long, value_name = "FILE", conflicts_with_all = ["headers", "body"], allow_hyphen_values = true)]
    request: Option<FileOrStdin>,
    /// Print JSON: {"match", "matched": {"key", "header"}, "findings"}, keys and headers counted from 1
    #[arg(long)]
    json: bool,
}

/// A key as it was given.
pub(crate) struct GivenKey {
    pub(crate) key: HmacKey,
    /// Its text, which is looked at for mistakes.
    text: Secret,
}

/// Reads the key with this number. One of an unusual length is used all the same, with a note: who checks by hand wants to know
/// what that key signs.
pub(crate) fn hmac_key(inputs: &mut Inputs, source: &Source, number: usize) -> anyhow::Result<GivenKey> {
    let given = inputs.given(source, "--key")?;
    let text = given.secret;
    let key = HmacKey::try_new_of_any_length(text.expose_secret()).map_err(|refused| Misuse::error(format!("--key: {refused}")))?;
    if let Err(refused) = HmacKey::try_new(text.expose_secret()) {
        output::note(&format!("note: key {number}: {refused}"));
    }
    if given.line_end_left_out && !matches!(source, Source::Stdin) {
        output::note(&format!("note: key {number}: the line end at the end of {source} is not taken as part of the key"));
    }
    Ok(GivenKey { key, text })
}

/// Checks, prints and gives the exit code.
pub(crate) fn run(given: &Verify) -> anyhow::Result<ExitCode> {
    let mut inputs = Inputs::default();
    let message = Message::read(given, &mut inputs)?;
    let named = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
    let keys: Vec<HmacKey> = message.keys.iter().map(|given| given.key.clone()).collect();
    let verdict = verify(&keys, named, &message.body);
    let findings = if verdict.is_ok() { Vec::new() } else { explain(&message.candidate()) };
    if given.json {
        output::json(&report::for_programs(&verdict, &findings))?;
    } else {
        output::print(&report::for_people(&verdict, &findings, message.body.len(), output::Paint::stdout()))?;
    }
    Ok(if verdict.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(MISMATCH) })
}

/// What is at hand.
struct Message {
    keys: Vec<GivenKey>,
    other_keys: Vec<Secret>,
    headers: Headers,
    body: Vec<u8>,
}

impl Message {
    fn read(given: &Verify, inputs: &mut Inputs) -> anyhow::Result<Self> {
        if given.key.is_empty() {
            return Err(Misuse::error("there is no key; give one with --key, as a value, env:NAME, @FILE or -"));
        }
        let mut keys = Vec::with_capacity(given.key.len());
        for (number, source) in (1..).zip(&given.key) {
            keys.push(hmac_key(inputs, source, number)?);
        }
        let other_keys = match &given.all_keys {
            Some(file) => inputs
                .text(file, "--all-keys", BODY_BYTES_MAX)?
                .lines()
                .filter(|line| !line.is_empty())
                .map(Secret::new)
                .collect::<Vec<_>>(),
            None => Vec::new(),
        };
        if keys.len() + other_keys.len() > KEYS_MAX {
            return Err(Misuse::error(format!("there are {} keys; at most {KEYS_MAX} are tried", keys.len() + other_keys.len())));
        }
        let (mut headers, body) = match (&given.request, &given.headers, &given.body) {
            (Some(request), ..) => {
                let bytes = inputs.file(request, "--request", BODY_BYTES_MAX + HEAD_BYTES_MAX)?;
                let (headers, body) = message_file::request(&bytes, "--request")?;
                (headers, body.to_vec())
            }
            (None, headers, Some(body)) => {
                let headers = match headers {
                    Some(file) => message_file::headers(&inputs.file(file, "--headers", HEAD_BYTES_MAX)?, "--headers")?,
                    None => Headers::new(),
                };
                (headers, inputs.file(body, "--body", BODY_BYTES_MAX)?)
            }
            (None, _, None) => {
                return Err(Misuse::error("there is no body; give the file with --body (or the whole request with --request)"));
            }
        };
        if given.signature.is_empty() {
            if given.headers.is_none() && given.request.is_none() {
                return Err(Misuse::error("there is no signature; give it with --signature, or the headers with --headers"));
            }
        } else {
            // Those typed in stand for those of a captured request.
            headers.retain(|(name, _)| signature_header_number(name).is_none());
            for (number, source) in (1..).zip(&given.signature) {
                let name = signature_header_name(number)
                    .ok_or_else(|| Misuse::error(format!("--signature is given more than {SIGNATURES_MAX} times")))?;
                headers.push((name.to_owned(), inputs.secret(source, "--signature")?.expose_secret().as_bytes().to_vec()));
            }
        }
        Ok(Self { keys, other_keys, headers, body })
    }

    fn candidate(&self) -> Candidate<'_> {
        let mut candidate = Candidate::new(&self.body);
        for given in &self.keys {
            candidate = candidate.key(given.text.expose_secret().as_bytes());
        }
        for other in &self.other_keys {
            candidate = candidate.other_key(other.expose_secret().as_bytes());
        }
        for (name, value) in &self.headers {
            candidate = candidate.header(name, value);
        }
        candidate
    }
}
