//! Why does this signature not fit? The cause, the evidence and the fix.
//!
//! A mismatch says only that some byte differs: of the key, of the body, in the method or in how the signature is written. But the ways in
//! which they come to differ are few and well known: a key copied without its last `=` or decoded from Base64, a body that went through a
//! JSON parser or a text editor, a signature in hexadecimal. Each of them can be undone and the HMAC computed again. When it then fits,
//! the cause is *proved*, for nothing but the right bytes gives the same 32 bytes. What merely looks wrong is *indicated* and never called
//! more than that.
//!
//! The guesses are tables: `key` and `body` hold steps that undo one mistake each, `header` the ways a value can be read, `method`
//! the ways a digest can be made. `search` combines up to two of them, likeliest first. It computes at most [`DIGESTS_MAX`] digests; above
//! [`WHOLE_BODY_BYTES_MAX`] it makes only the guesses that go through the body once.
//!
//! Findings never contain a key or a part of one.

mod body;
mod candidate;
mod carrier;
mod coding;
mod escapes;
mod finding;
mod header;
mod indication;
mod json;
mod key;
mod layout;
mod literal;
mod look;
mod method;
mod number;
mod order;
mod scheme;
mod search;
mod wrapping;

pub use candidate::{Candidate, KEYS_MAX};
pub use finding::{Cause, Certainty, Difference, Finding};
pub use search::{DIGESTS_MAX, WHOLE_BODY_BYTES_MAX};

use header::readings;
use search::{Outcome, Tried, search};

/// Why the signatures of `candidate` do not fit, the best explanation first; empty when one of them does.
///
/// A proved finding stands alone. Without one, what is indicated follows in the order of how telling it is, and last
/// [`Cause::Unknown`] with what was tried. The work is bounded whatever is given.
///
/// ```
/// use countersign_signature::{HmacKey, sign};
/// use countersign_signature::explain::{Candidate, Cause, Certainty, explain};
///
/// let body = br#"{"event":"envelope-sent"}"#;
/// let headers = sign(&[HmacKey::try_new("bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=")?], body);
/// let signature = headers.signatures()[0].as_str();
///
/// // The key was copied without its last character, and the body went through an editor.
/// let at_hand = Candidate::new(b"{\"event\":\"envelope-sent\"}\n")
///     .key(b"bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM")
///     .signature(signature.as_bytes());
/// let findings = explain(&at_hand);
/// assert_eq!(findings[0].causes, [Cause::KeyMissingPadding, Cause::BodyTrailingNewline]);
/// assert_eq!(findings[0].certainty, Certainty::Proved);
/// # Ok::<(), countersign_signature::KeyRefused>(())
/// ```
#[must_use]
pub fn explain(candidate: &Candidate<'_>) -> Vec<Finding> {
    let readings = readings(&candidate.signatures);
    match search(candidate, &readings) {
        Outcome::Fits => other_digest(candidate).into_iter().collect(),
        Outcome::Proved(finding) => vec![*finding],
        Outcome::Nothing(tried) => {
            let mut schemes = scheme::recognised(candidate);
            if schemes.first().is_some_and(|finding| finding.certainty == Certainty::Proved) {
                schemes.truncate(1);
                return schemes;
            }
            schemes.extend(indication::indications(candidate, &readings));
            schemes.push(unknown(candidate, !readings.is_empty(), &tried));
            schemes
        }
    }
}

/// The signature fits, and `verify` refuses the message all the same when the digest header names another algorithm.
fn other_digest(candidate: &Candidate<'_>) -> Option<Finding> {
    let named = candidate.other_digest()?;
    Some(Finding::indicated(
        Cause::HeaderDigest,
        format!("the signature fits, but X-Authorization-Digest has {} bytes that are not HMACSHA256", named.len()),
        "leave X-Authorization-Digest as Connect sends it; a proxy or a test changed it",
    ))
}

fn unknown(candidate: &Candidate<'_>, is_readable: bool, tried: &Tried) -> Finding {
    const SEND: &str = "capture the request as it arrives, with all headers and the raw body, before any parser or proxy of your own; then try again with \
                        that file and with the key copied once more from the Connect Keys page";
    let mut evidence = match (candidate.signatures.is_empty(), is_readable) {
        (true, _) => "no signature was given".to_owned(),
        (false, false) => "no signature is a digest in Base64 or hexadecimal: it is cut or something else".to_owned(),
        (false, true) => format!(
            "{} digests of {} key forms, {} body forms and {} methods were tried, none fits",
            tried.digests, tried.key_forms, tried.body_forms, tried.methods
        ),
    };
    if tried.cut_short {
        evidence.push_str("; less likely pairs of mistakes were left out");
    }
    if tried.streamed_only {
        evidence.push_str("; the body is too long to be parsed, so that changes of layout, escapes and wrapping were left out");
    }
    Finding::indicated(Cause::Unknown, evidence, SEND)
}
