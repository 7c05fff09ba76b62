//! The bodies that are posted: JSON of a fixed size with a number in it, by which the sink knows them again.
//!
//! They look like what Connect sends: an envelope with its signers, each with ids, names, addresses and times of its own. So
//! they compress as such messages do, about three times; random letters would make a store that compresses look useless, one
//! letter repeated would flatter it.

/// Where the number stands.
pub(crate) const MARK: &[u8] = b"\"benchNumber\":";
/// The event that the subscriptions of most profiles want.
pub(crate) const EVENT: &str = "envelope-completed";

const FIRST_NAMES: [&str; 8] = ["Anna", "Ben", "Chidi", "Dagmar", "Emre", "Fatima", "Grace", "Hiro"];
const LAST_NAMES: [&str; 8] = ["Okafor", "Lindqvist", "Meyer", "Nakamura", "Ortiz", "Petrov", "Quinn", "Rossi"];
const HEX: &[u8; 16] = b"0123456789abcdef";

/// A JSON object of `bytes` bytes (or the least that holds its parts) that carries `number`.
pub(crate) fn data(number: u64, bytes: usize) -> String {
    let mut text = Text { text: String::with_capacity(bytes + 64), chance: number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1 };
    text.text.push_str("{\"benchNumber\":");
    text.text.push_str(&number.to_string());
    text.text.push_str(",\"accountId\":\"8b411bfe-54f5-47fc-bbf2-55d9a71a200f\",\"envelopeId\":\"");
    text.guid();
    text.text.push_str("\",\"signers\":[");
    let end = "],\"note\":\"\"}".len();
    let mut signers = 0_u64;
    while text.text.len() + SIGNER_BYTES_MAX + end <= bytes {
        signers += 1;
        text.signer(signers);
    }
    text.text.push_str("],\"note\":\"");
    while text.text.len() + 2 < bytes {
        let left = bytes - text.text.len() - 2;
        text.word(left);
    }
    text.text.push_str("\"}");
    text.text
}

/// One posted event.
pub(crate) fn event(number: u64, bytes: usize, name: &str) -> String {
    format!("{{\"event\":\"{name}\",\"data\":{}}}", data(number, bytes))
}

/// The number in a body.
pub(crate) fn number_in(body: &[u8]) -> Option<u64> {
    let at = body.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let digits = body[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&body[at..at + digits]).ok()?.parse().ok()
}

/// More than a signer takes.
const SIGNER_BYTES_MAX: usize = 520;

struct Text {
    text: String,
    chance: u64,
}

impl Text {
    /// The next of a sequence that depends on the number alone (a linear congruential generator; its upper bits are good).
    fn next(&mut self) -> u64 {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.chance ^ self.chance >> 29
    }

    fn hex(&mut self, digits: u32) {
        let word = self.next();
        for digit in 0..digits {
            self.text.push(char::from(HEX[(word >> (4 * digit + 2) & 15) as usize]));
        }
    }

    fn guid(&mut self) {
        for (at, digits) in [8, 4, 4, 4, 12].into_iter().enumerate() {
            if at > 0 {
                self.text.push('-');
            }
            self.hex(digits);
        }
    }

    fn time(&mut self) {
        let word = self.next() >> 20;
        let (minute, second, fraction) = (word % 60, word / 60 % 60, word / 3_600 % 1_000);
        self.text.push_str(&format!("2026-11-28T06:{minute:02}:{second:02}.{fraction:03}0000Z"));
    }

    fn signer(&mut self, number: u64) {
        let chance = self.next();
        let first = FIRST_NAMES[(chance >> 10 & 7) as usize];
        let last = LAST_NAMES[(chance >> 13 & 7) as usize];
        let comma = if number > 1 { "," } else { "" };
        self.text.push_str(&format!(
            "{comma}{{\"creationReason\":\"sender\",\"isBulkRecipient\":\"false\",\"recipientId\":\"{number}\",\"recipientIdGuid\":\""
        ));
        self.guid();
        self.text.push_str(
            "\",\"requireIdLookup\":\"false\",\"routingOrder\":\"1\",\"roleName\":\"Signer\",\"status\":\"completed\",\"name\":\"",
        );
        self.text.push_str(&format!("{first} {last}\",\"email\":\"{first}.{last}.{}@example.com\",\"userId\":\"", chance >> 16 & 0xffff));
        self.guid();
        self.text.push_str("\",\"deliveryMethod\":\"email\",\"sentDateTime\":\"");
        self.time();
        self.text.push_str("\",\"signedDateTime\":\"");
        self.time();
        self.text.push_str("\"}");
    }

    /// Up to `left` letters, a space at their end where there is room.
    fn word(&mut self, left: usize) {
        let digits = u32::try_from(left.min(9)).unwrap_or(9);
        self.hex(digits);
        if left > 9 {
            self.text.push(' ');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_the_size_asked_for_and_its_number() {
        for (number, bytes) in [(0, 256), (7, 2_048), (8, 2_049), (u64::MAX, 10_240), (9, 1 << 20)] {
            let text = data(number, bytes);
            assert_eq!(text.len(), bytes, "{number}");
            assert_eq!(number_in(event(number, bytes, EVENT).as_bytes()), Some(number));
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
        }
        assert_eq!(number_in(b"{}"), None);
    }

    #[test]
    fn no_two_bodies_are_the_same_and_each_is_always_the_same() {
        assert_eq!(data(3, 2_048), data(3, 2_048));
        let differing = data(3, 2_048).bytes().zip(data(4, 2_048).bytes()).filter(|(a, b)| a != b).count();
        assert!(differing > 300, "{differing}");
    }

    #[test]
    fn a_signer_takes_no_more_than_is_reckoned_with() {
        for number in 0..500 {
            let mut text = Text { text: String::new(), chance: number };
            text.signer(99_999);
            assert!(text.text.len() <= SIGNER_BYTES_MAX, "{}", text.text.len());
        }
    }
}
