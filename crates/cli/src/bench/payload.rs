//! The bodies that are posted: JSON of a fixed size with a number in it, by which the sink knows them again.

/// Where the number stands.
pub(crate) const MARK: &[u8] = b"\"benchNumber\":";

/// A JSON object of about `bytes` bytes that carries `number`.
pub(crate) fn data(number: u64, bytes: usize) -> String {
    let mut text = format!(
        "{{\"benchNumber\":{number},\"accountId\":\"8b411bfe-54f5-47fc-bbf2-55d9a71a200f\",\"envelopeId\":\"71799c95-8417-4b16-90d5-{number:012x}\",\"filler\":\""
    );
    // Words, not one letter: a body that compresses to nothing would flatter a store that compresses.
    let mut word = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while text.len() + 2 < bytes {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let left = bytes - text.len() - 2;
        let piece = format!("{:x} ", word >> 24);
        text.push_str(&piece[..piece.len().min(left)]);
    }
    text.push_str("\"}");
    text
}

/// One posted event.
pub(crate) fn event(number: u64, bytes: usize) -> String {
    format!("{{\"event\":\"envelope-completed\",\"data\":{}}}", data(number, bytes))
}

/// The number in a body.
pub(crate) fn number_in(body: &[u8]) -> Option<u64> {
    let at = body.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let digits = body[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&body[at..at + digits]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_size_asked_for_and_its_number() {
        for (number, bytes) in [(0, 256), (7, 2_048), (u64::MAX, 10_240)] {
            let text = data(number, bytes);
            assert_eq!(text.len(), bytes, "{number}");
            assert_eq!(number_in(event(number, bytes).as_bytes()), Some(number));
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
        assert_eq!(number_in(b"{}"), None);
    }
}
