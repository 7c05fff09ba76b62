//! How long a certificate holds: `notAfter` out of its DER form (RFC 5280 §4.1.2.5). What else is in a certificate is the
//! business of the TLS library.

use countersign_core::Timestamp;

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0]`, which holds the version.
const VERSION: u8 = 0xa0;

/// The end of a certificate; `None` when the bytes are not one.
pub(super) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (_, whole, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut to_be_signed, _) = element(whole).filter(|(tag, ..)| *tag == SEQUENCE)?;
    if let Some((VERSION, _, rest)) = element(to_be_signed) {
        to_be_signed = rest;
    }
    // serialNumber, signature, issuer
    for _ in 0..3 {
        (_, _, to_be_signed) = element(to_be_signed)?;
    }
    let (_, validity, _) = element(to_be_signed).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, _, after_not_before) = element(validity)?;
    let (tag, text, _) = element(after_not_before)?;
    time(tag, std::str::from_utf8(text).ok()?)
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // Four bytes hold any length that fits into memory here.
        let count = usize::from(first & 0x7f);
        let (digits, rest) = (1..=4).contains(&count).then(|| rest.split_at_checked(count)).flatten()?;
        (digits.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// `YYMMDDHHMMSSZ`, where years from 50 on are of the last century, or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let (year, rest) = digits.split_at(2);
            let century = if year < "50" { "20" } else { "19" };
            (format!("{century}{year}"), rest)
        }
        (GENERALIZED_TIME, 14) => (digits[..4].to_owned(), &digits[4..]),
        _ => return None,
    };
    let part = |at: usize| &rest[at..at + 2];
    Timestamp::parse_generous(&format!("{year}-{}-{}T{}:{}:{}Z", part(0), part(2), part(4), part(6), part(8))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms() {
        for (year, seven) in [(2031, "2031-05-06T00:00:00.0000000Z"), (2087, "2087-05-06T00:00:00.0000000Z")] {
            let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
            params.not_after = rcgen::date_time_ymd(year, 5, 6);
            let certificate = params.self_signed(&rcgen::KeyPair::generate().expect("a key")).expect("signed");
            assert_eq!(not_after(certificate.der()).map(Timestamp::to_seven_digits).as_deref(), Some(seven));
            for cut in 0..certificate.der().len() {
                assert_eq!(not_after(&certificate.der()[..cut]), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn times_of_the_last_century_and_nonsense_are_told_apart() {
        let read = |tag, text| time(tag, text).map(Timestamp::to_seven_digits);
        assert_eq!(read(UTC_TIME, "991231235959Z").as_deref(), Some("1999-12-31T23:59:59.0000000Z"));
        for (tag, text) in [
            (UTC_TIME, "991331235959Z"),
            (UTC_TIME, "99123123595Z"),
            (UTC_TIME, "991231235959"),
            (GENERALIZED_TIME, "991231235959Z"),
            (0x04, "991231235959Z"),
            (UTC_TIME, "99123123é59Z"),
        ] {
            assert_eq!(read(tag, text), None, "{text}");
        }
    }
}
