//! Compression of what is stored: snapshots of events, and the exchanges of attempts. Off unless a setting turns it on; what was
//! stored before, either way, is read as it is.
//!
//! Zstandard at its first level: on JSON of 2 KiB it makes a third of it in 7 µs and takes 2.4 µs back, where deflate takes 20 and 5 for
//! the same size and LZ4 is faster (2 µs) and leaves more than half (measured). It pays where the disk is dear; where the
//! processor is, it costs about an eighth more for a delivery (measured).
//!
//! An exchange is short, and mostly the same from one to the next: alone it hardly compresses. So it is compressed with a dictionary,
//! a typical one, which is part of this program. **What was stored with a dictionary can be read with it alone**: it is never changed,
//! another one gets another mark. Compressed, it is written as Base64 behind its mark, since the column holds text; as JSON it begins
//! with a brace, so that neither is taken for the other.

use std::{borrow::Cow, cell::RefCell, sync::OnceLock};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use zstd::{
    bulk::{Compressor, Decompressor},
    dict::{DecoderDictionary, EncoderDictionary},
};

/// Whether what is stored is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    #[default]
    Off,
    /// Where it makes it smaller.
    On,
}

/// `codec`: the bytes as they are.
pub(crate) const RAW: u8 = 0;
/// `codec`: one frame of Zstandard (RFC 8878).
pub(crate) const ZSTD: u8 = 1;

/// Shorter ones stay as they are: a frame has a head, and the row around them is as long.
const BYTES_MIN: usize = 128;
/// How much of it must go for compressing to be worth reading it back: an eighth.
const GAIN_MIN: usize = 8;
/// Zstandard's level: the next ones take longer and gain nothing on a few KiB.
const LEVEL: i32 = 1;
/// What a text begins with that was compressed with [`EXCHANGE`].
const EXCHANGE_MARK: &str = "z1:";
/// The longest exchange that is read back; they are bounded when they are made.
const EXCHANGE_BYTES_MAX: usize = 8 << 20;
/// A typical exchange. Frozen: see the head of this file.
const EXCHANGE: &[u8] = include_bytes!("codec/exchange-1.json");

thread_local! {
    static TOOLS: RefCell<Option<Tools>> = const { RefCell::new(None) };
}

/// What one thread compresses with: each holds some hundred KiB, which are not made anew for each call.
struct Tools {
    bytes: Compressor<'static>,
    exchange: Compressor<'static>,
    bytes_back: Decompressor<'static>,
    exchange_back: Decompressor<'static>,
}

impl Tools {
    fn new() -> std::io::Result<Self> {
        static ENCODER: OnceLock<EncoderDictionary<'static>> = OnceLock::new();
        static DECODER: OnceLock<DecoderDictionary<'static>> = OnceLock::new();
        let mut bytes = Compressor::new(LEVEL)?;
        // The length stands in the row, and its checksum guards the frame.
        bytes.include_contentsize(false)?;
        bytes.include_checksum(false)?;
        let mut exchange = Compressor::with_prepared_dictionary(ENCODER.get_or_init(|| EncoderDictionary::copy(EXCHANGE, LEVEL)))?;
        exchange.include_dictid(false)?;
        let exchange_back = Decompressor::with_prepared_dictionary(DECODER.get_or_init(|| DecoderDictionary::copy(EXCHANGE)))?;
        Ok(Self { bytes, exchange, bytes_back: Decompressor::new()?, exchange_back })
    }
}

/// Works with this thread's tools; `None` when they cannot be made or the work fails.
fn with_tools<T>(work: impl FnOnce(&mut Tools) -> std::io::Result<T>) -> Option<T> {
    TOOLS.with_borrow_mut(|tools| {
        if tools.is_none() {
            *tools = Tools::new().ok();
        }
        work(tools.as_mut()?).ok()
    })
}

/// The bytes as one frame ([`ZSTD`]); `None` when that is hardly shorter.
pub(crate) fn packed(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < BYTES_MIN {
        return None;
    }
    let packed = with_tools(|tools| tools.bytes.compress(bytes))?;
    (packed.len() + bytes.len() / GAIN_MIN < bytes.len()).then_some(packed)
}

/// What was stored with this codec, whose length was `length`; `None` when it cannot be.
pub(crate) fn unpacked(codec: u8, stored: Vec<u8>, length: usize) -> Option<Vec<u8>> {
    match codec {
        RAW => Some(stored),
        ZSTD => with_tools(|tools| tools.bytes_back.decompress(&stored, length)).filter(|bytes| bytes.len() == length),
        _ => None,
    }
}

/// An exchange (JSON) as it is stored.
pub(crate) fn packed_exchange(json: String, compression: Compression) -> String {
    if compression == Compression::Off {
        return json;
    }
    let Some(packed) = with_tools(|tools| tools.exchange.compress(json.as_bytes())) else { return json };
    let text = EXCHANGE_MARK.to_owned() + &STANDARD_NO_PAD.encode(packed);
    if text.len() < json.len() { text } else { json }
}

/// An exchange (JSON) as it was; `None` when it cannot be read back.
pub(crate) fn unpacked_exchange(stored: &str) -> Option<Cow<'_, str>> {
    let Some(text) = stored.strip_prefix(EXCHANGE_MARK) else { return Some(Cow::Borrowed(stored)) };
    let packed = STANDARD_NO_PAD.decode(text).ok()?;
    let json = with_tools(|tools| {
        let length = zstd::zstd_safe::get_frame_content_size(&packed)
            .ok()
            .flatten()
            .map_or(EXCHANGE_BYTES_MAX, |length| usize::try_from(length).unwrap_or(EXCHANGE_BYTES_MAX).min(EXCHANGE_BYTES_MAX));
        tools.exchange_back.decompress(&packed, length)
    })?;
    String::from_utf8(json).ok().filter(|json| !json.is_empty()).map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exchange(number: u64) -> String {
        format!(
            "{{\"url\":\"https://hooks.example.com/in\",\"request_headers\":[[\"user-agent\",\"Countersign/0.1.0\"],[\"content-type\",\
             \"application/json; charset=utf-8\"],[\"x-docusign-signature-1\",\"{number:043x}=\"]],\"body_sha256\":\"{number:064x}\",\
             \"body_bytes\":2255,\"answer_headers\":[[\"content-length\",\"0\"]],\"answer_truncated\":false,\"remote\":null,\"phases_us\":[]}}"
        )
    }

    #[test]
    fn json_becomes_shorter_and_comes_back() {
        let body = "{\"recipientId\":\"1\",\"status\":\"completed\",\"email\":\"anna@example.com\"},".repeat(30).into_bytes();
        let packed = packed(&body).expect("is worth it");
        assert!(packed.len() * 3 < body.len(), "{}", packed.len());
        assert_eq!(unpacked(ZSTD, packed, body.len()), Some(body));
    }

    #[test]
    fn what_would_not_become_shorter_stays_as_it_is() {
        assert_eq!(packed(b"{\"amount\":1}"), None);
        let noise: Vec<u8> = (0..4_096_u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8 ^ ((n * n) >> 3) as u8).collect();
        assert_eq!(packed(&noise), None);
    }

    #[test]
    fn an_exchange_becomes_a_fraction_with_its_dictionary() {
        let json = exchange(7);
        let stored = packed_exchange(json.clone(), Compression::On);
        assert!(stored.starts_with(EXCHANGE_MARK) && stored.len() * 3 < json.len(), "{} of {}", stored.len(), json.len());
        assert_eq!(unpacked_exchange(&stored).as_deref(), Some(&*json));
        assert_eq!(packed_exchange(json.clone(), Compression::Off), json);
        assert_eq!(unpacked_exchange(&json).as_deref(), Some(&*json), "what was stored before is read as it is");
    }

    /// Stored values must be read by later versions: these were written by the first that compressed.
    #[test]
    fn what_the_first_version_stored_is_read_for_ever() {
        assert_eq!(unpacked_exchange(STORED_EXCHANGE).as_deref(), Some(&*exchange(7)));
        let bytes = STANDARD_NO_PAD.decode(STORED_BYTES).expect("Base64");
        assert_eq!(unpacked(ZSTD, bytes, 600), Some(b"{\"status\":\"sent\"}, ".repeat(32)[..600].to_vec()));
    }

    const STORED_EXCHANGE: &str =
        "z1:KLUv/WCdABUCAFhpbjc9N251bGxdfRIA3ytT9UVCJgjpcndodcD0SnCOxBpBeF4NjgsNh0QBFIQNGiUByCLA54gTHYmLOuICRogAAg";
    const STORED_BYTES: &str = "KLUv/QAA1QAAmHsic3RhdHVzIjoic2VudCJ9LCABAIVYNcM";

    #[test]
    fn damage_is_noticed_and_nothing_grows_beyond_what_was_stored() {
        let body = vec![b'x'; 100_000];
        let packed = packed(&body).expect("is worth it");
        assert_eq!(unpacked(ZSTD, packed.clone(), 99_999), None, "a frame that holds more than it should");
        assert_eq!(unpacked(ZSTD, packed.clone(), 100_001), None, "or less");
        assert_eq!(unpacked(ZSTD, packed[..packed.len() - 1].to_vec(), 100_000), None);
        assert_eq!(unpacked(9, packed, 100_000), None, "a codec of a later version");
        for stored in ["z1:", "z1:@@", "z1:AAAA"] {
            assert_eq!(unpacked_exchange(stored), None, "{stored}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_packed_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), times in 1_usize..5) {
            let bytes = bytes.repeat(times);
            if let Some(packed) = packed(&bytes) {
                prop_assert!(packed.len() < bytes.len());
                prop_assert_eq!(unpacked(ZSTD, packed, bytes.len()), Some(bytes));
            }
        }

        #[test]
        fn any_exchange_comes_back(text in "\\{.{0,600}") {
            let stored = packed_exchange(text.clone(), Compression::On);
            let back = unpacked_exchange(&stored).map(Cow::into_owned);
            prop_assert_eq!(back, Some(text));
        }

        #[test]
        fn no_stored_text_makes_a_panic(text in "(z1:)?.{0,200}") {
            unpacked_exchange(&text);
        }
    }
}
