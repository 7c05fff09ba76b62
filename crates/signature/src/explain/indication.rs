//! Signs of what may be wrong when nothing could be recomputed: what the bytes look like. None of it is proof.

use super::{
    candidate::Candidate,
    finding::{Cause, Finding},
    header::{Reading, is_digest_value},
    look::look_of_body,
};

/// What a Connect key looks like (Connect: 44 characters of Base64).
const KEY_CHARS: usize = 44;

/// All that can be seen, the most telling first.
pub(super) fn indications(candidate: &Candidate<'_>, readings: &[Reading]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(digest_taken_for_signature(candidate));
    findings.extend(other_hash(readings));
    let body = look_of_body(candidate);
    let length = length_differs(candidate);
    let looks_intact = body.is_none() && length.is_none() && findings.is_empty() && !readings.is_empty();
    // That bytes are missing is best told by the length that was announced; what else was done to them, by their look.
    let is_cut = length.as_ref().is_some_and(|finding| finding.causes == [Cause::BodyTruncated])
        && body.as_ref().is_none_or(|finding| finding.causes == [Cause::BodyTruncated]);
    findings.extend(if is_cut { [length, body] } else { [body, length] }.into_iter().flatten());
    let keys: Vec<Finding> = candidate.keys.iter().zip(1..).filter_map(|(key, number)| look_of_key(key, number)).collect();
    let keys_look_right = keys.is_empty();
    findings.extend(keys);
    findings.extend(key_wrong(candidate, looks_intact && keys_look_right));
    findings.extend((!readings.is_empty()).then(|| later_attempt(candidate.body)).flatten());
    if looks_intact && keys_look_right {
        findings.sort_by_key(|finding| finding.causes != [Cause::KeyWrong]);
    }
    let mut seen = Vec::new();
    findings.retain(|finding| {
        !seen.contains(&finding.causes) && {
            seen.push(finding.causes.clone());
            true
        }
    });
    findings
}

fn digest_taken_for_signature(candidate: &Candidate<'_>) -> Option<Finding> {
    let taken = candidate.signatures.iter().find(|signature| is_digest_value(signature.value))?;
    Some(Finding::indicated(
        Cause::HeaderDigest,
        format!("signature {} is the word HMACSHA256, the value of X-Authorization-Digest", taken.number),
        "compare the value of X-DocuSign-Signature-1; X-Authorization-Digest only names the algorithm",
    ))
}

fn other_hash(readings: &[Reading]) -> Option<Finding> {
    if readings.iter().any(|reading| reading.mac.len() == 32) {
        return None;
    }
    let (cause, name, bytes) = match readings.first()?.mac.len() {
        20 => (Cause::AlgorithmSha1, "SHA-1", 20),
        _ => (Cause::AlgorithmSha512, "SHA-512", 64),
    };
    Some(Finding::indicated(
        cause,
        format!("the signature has {bytes} bytes, the length of {name}; an HMAC-SHA256 has 32"),
        "compute HMAC with SHA-256: Connect uses no other hash",
    ))
}

fn length_differs(candidate: &Candidate<'_>) -> Option<Finding> {
    let (announced, bytes) = (candidate.content_length()?, candidate.body.len());
    if candidate.header_value("content-encoding").is_some() || announced == bytes {
        return None;
    }
    Some(if bytes < announced {
        Finding::indicated(
            Cause::BodyTruncated,
            format!("the body at hand ends at byte {bytes}, Content-Length says {announced}"),
            "read the body to its full Content-Length; look for a limit or an early close",
        )
    } else {
        Finding::indicated(
            Cause::BodyReserialised,
            format!("the body at hand has {bytes} bytes, Content-Length says {announced}: it was changed after it arrived"),
            "verify the raw bytes of the request before any parser sees them",
        )
    })
}

fn look_of_key(key: &[u8], number: usize) -> Option<Finding> {
    let (cause, what, fix) = match key {
        [0xef, 0xbb, 0xbf, ..] | [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            (Cause::KeyBom, "begins with a byte order mark", "save it without one")
        }
        [b'"' | b'\'' | b'`', ..] => (Cause::KeyQuotes, "begins with a quote", "remove the quotes"),
        _ if key.iter().any(u8::is_ascii_whitespace) => (Cause::KeyWhitespace, "has white space in it", "remove spaces and line ends"),
        _ if key.contains(&b'%') => (Cause::KeyUrlEncoded, "has percent signs in it", "use the key as it is shown"),
        _ if std::str::from_utf8(key).is_err() => (Cause::KeyBase64Decoded, "is not text", "use the key as it is shown, not decoded"),
        _ if key.len() == KEY_CHARS - 1 => {
            (Cause::KeyMissingPadding, "has 43 characters; keys of Connect have 44 and end with =", "copy the whole key")
        }
        _ => return None,
    };
    Some(Finding::indicated(cause, format!("key {number} {what}"), format!("{fix}; it is compared byte for byte")))
}

fn key_wrong(candidate: &Candidate<'_>, all_looks_right: bool) -> Option<Finding> {
    if candidate.keys.is_empty() {
        return Some(Finding::indicated(Cause::KeyWrong, "no key was given", "give the key of the Connect account that sent the message"));
    }
    all_looks_right.then(|| {
        Finding::indicated(
            Cause::KeyWrong,
            "key, signature and body are well formed and the body looks as Connect sends it, but they do not belong together",
            "compare the account: demo and production have different keys, and a deleted key stays deleted; create a new key, and give it here",
        )
    })
}

fn later_attempt(body: &[u8]) -> Option<Finding> {
    const NAME: &[u8] = b"\"retryCount\":";
    let name = body.windows(NAME.len()).position(|window| window == NAME)?;
    let count: Vec<u8> = body[name + NAME.len()..].iter().copied().take_while(u8::is_ascii_digit).take(6).collect();
    let count = String::from_utf8(count).ok().filter(|count| !count.is_empty() && count != "0")?;
    Some(Finding::indicated(
        Cause::BodyOtherAttempt,
        format!("the body is that of a repeated attempt (retryCount {count}); each attempt has a signature of its own"),
        "compare body and header of the same attempt",
    ))
}
