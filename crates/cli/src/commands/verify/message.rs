//! What `verify` is given: keys, headers and body from wherever they are.

use countersign_core::Secret;
use countersign_signature::{
    HmacKey, SIGNATURES_MAX,
    explain::{Candidate, KEYS_MAX},
    signature_header_name, signature_header_number,
};

use super::{Verify, note_what_is_odd};
use crate::{
    input::{BODY_BYTES_MAX, Contents, FileOrStdin, Inputs, Source},
    message_file::{self, Data, HEAD_BYTES_MAX, Headers, Saved, Unreadable},
    misuse::Misuse,
    output,
};

/// What is at hand.
pub(super) struct Message {
    pub(super) keys: Vec<Key>,
    other_keys: Vec<Secret>,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
}

/// A key as it was given.
pub(super) struct Key {
    /// Ready to check with; `None` when it is not text, as a listener's key must be.
    pub(super) usable: Option<HmacKey>,
    /// Its bytes, which are looked at for mistakes.
    bytes: KeyBytes,
}

enum KeyBytes {
    Text(Secret),
    /// Decoded, or in UTF-16: `explain` says which.
    Binary(Vec<u8>),
}

impl Key {
    fn read(inputs: &mut Inputs, source: &Source, number: usize) -> anyhow::Result<Self> {
        match inputs.given_bytes(source, "--key")? {
            Ok(given) => {
                let key = Self::of_text(given.secret.clone())?;
                note_what_is_odd(&given, source, number);
                Ok(key)
            }
            Err(bytes) => {
                output::note(&format!("note: key {number}: what {source} holds is not UTF-8 text, as every key of Connect is"));
                Ok(Self { usable: None, bytes: KeyBytes::Binary(bytes) })
            }
        }
    }

    fn of_text(text: Secret) -> anyhow::Result<Self> {
        let usable = HmacKey::try_new_of_any_length(text.expose_secret()).map_err(|refused| Misuse::error(format!("--key: {refused}")))?;
        Ok(Self { usable: Some(usable), bytes: KeyBytes::Text(text) })
    }

    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            KeyBytes::Text(text) => text.expose_secret().as_bytes(),
            KeyBytes::Binary(bytes) => bytes,
        }
    }
}

impl Message {
    /// Reads everything, or says what is missing.
    pub(super) fn read(given: &Verify, inputs: &mut Inputs) -> anyhow::Result<Self> {
        let (keys, other_keys) = read_keys(given, inputs)?;
        let (mut headers, body) = read_headers_and_body(given, inputs)?;
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

    /// For the explanation.
    pub(super) fn candidate(&self) -> Candidate<'_> {
        let mut candidate = Candidate::new(&self.body);
        for key in &self.keys {
            candidate = candidate.key(key.bytes());
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

fn read_keys(given: &Verify, inputs: &mut Inputs) -> anyhow::Result<(Vec<Key>, Vec<Secret>)> {
    let mut keys = Vec::with_capacity(given.key.len());
    for (number, source) in (1..).zip(&given.key) {
        keys.push(Key::read(inputs, source, number)?);
    }
    let listed: Vec<Secret> = match &given.all_keys {
        Some(file) => {
            let text = String::from_utf8(inputs.contents(file, "--all-keys", BODY_BYTES_MAX)?)
                .map_err(|_| Misuse::error(format!("--all-keys: {file} is not UTF-8 text")))?;
            text.lines().filter(|line| !line.is_empty()).map(Secret::new).collect()
        }
        None => Vec::new(),
    };
    let count = keys.len() + listed.len();
    if count > KEYS_MAX {
        return Err(Misuse::error(format!("there are {count} keys; at most {KEYS_MAX} are tried")));
    }
    if !given.key.is_empty() {
        return Ok((keys, listed));
    }
    if listed.is_empty() {
        return Err(Misuse::error("there is no key; give one with --key, as a value, env:NAME, @FILE or -"));
    }
    Ok((listed.into_iter().map(Key::of_text).collect::<anyhow::Result<_>>()?, Vec::new()))
}

fn read_headers_and_body(given: &Verify, inputs: &mut Inputs) -> anyhow::Result<(Headers, Vec<u8>)> {
    let unreadable = |what: &'static str| move |reason: Unreadable| Misuse::error(format!("{what}: {reason}"));
    match (&given.request, &given.headers, &given.body) {
        (Some(request), ..) => {
            let bytes = inputs.contents(request, "--request", BODY_BYTES_MAX + HEAD_BYTES_MAX)?;
            let Saved { headers, body } = message_file::whole(&bytes).map_err(unreadable("--request"))?;
            Ok((headers, assembled(body, inputs)?))
        }
        (None, headers, Some(body)) => {
            let headers = match headers {
                Some(file) => {
                    message_file::headers(&inputs.contents(file, "--headers", HEAD_BYTES_MAX)?).map_err(unreadable("--headers"))?
                }
                None => Headers::new(),
            };
            Ok((headers, inputs.contents(body, "--body", BODY_BYTES_MAX)?))
        }
        (None, _, None) => Err(Misuse::error("there is no body; give the file with --body (or the whole request with --request)")),
    }
}

/// The body that the pieces make, with the files that a `curl` command names.
fn assembled(pieces: Vec<Data>, inputs: &mut Inputs) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    for piece in pieces {
        match piece {
            Data::Bytes(bytes) => body.extend(bytes),
            Data::File { path, is_text } => {
                let file = if path == "-" { FileOrStdin::Stdin } else { FileOrStdin::File(path.into()) };
                let bytes = inputs.contents(&Contents::Place(file), "the curl command's data", BODY_BYTES_MAX)?;
                // As curl does for -d: what it reads from a file loses line ends and NUL.
                body.extend(bytes.into_iter().filter(|byte| !is_text || !matches!(byte, b'\r' | b'\n' | 0)));
            }
        }
        if body.len() > BODY_BYTES_MAX {
            return Err(Misuse::error(format!("--request: the body is longer than {BODY_BYTES_MAX} bytes")));
        }
    }
    Ok(body)
}
