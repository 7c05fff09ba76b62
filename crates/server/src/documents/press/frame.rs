//! Orders and products as bytes between two processes of one binary: a mark, the length of a head, the head as JSON with the lengths of
//! the parts, and the parts as they are.

use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The most that one frame is long, in bytes, either way: far above the largest request (`envelope-bytes-max`), and a quarter of what
/// whoever reads it may take.
pub const FRAME_BYTES_MAX: usize = 256 << 20;
/// The head of it: what is drawn came as JSON in one request, too.
const HEAD_BYTES_MAX: usize = 64 << 20;
/// What every frame begins with.
const MARK: &[u8; 4] = b"CSP1";
/// The mark and the length of the head, 32 bits, most significant byte first.
const BEGINNING_BYTES: usize = 8;

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// Longer than a frame may be.
    #[error("the documents are larger than {FRAME_BYTES_MAX} bytes together")]
    TooLong,
    /// Cut off, too long for what it says, or something else.
    #[error("this is no frame of documents")]
    Malformed,
    /// Its head says something else than is asked for.
    #[error("the head of the frame of documents is not understood")]
    Head,
}

/// One frame, in pieces so that documents are not copied.
#[derive(Debug)]
pub struct Frame {
    beginning: Bytes,
    parts: Vec<Bytes>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head<T> {
    lengths: Vec<usize>,
    about: T,
}

impl Frame {
    /// Of a head and parts.
    ///
    /// # Errors
    /// [`BadFrame::TooLong`].
    pub(super) fn try_new(about: &impl Serialize, parts: Vec<Bytes>) -> Result<Self, BadFrame> {
        let head = serde_json::to_vec(&Head { lengths: parts.iter().map(Bytes::len).collect(), about }).map_err(|_| BadFrame::Head)?;
        let total = parts.iter().map(Bytes::len).sum::<usize>() + head.len() + BEGINNING_BYTES;
        let length = u32::try_from(head.len()).map_err(|_| BadFrame::TooLong)?;
        if head.len() > HEAD_BYTES_MAX || total > FRAME_BYTES_MAX {
            return Err(BadFrame::TooLong);
        }
        let beginning = [&MARK[..], &length.to_be_bytes(), &head].concat().into();
        Ok(Self { beginning, parts })
    }

    /// Its bytes, in order.
    pub fn pieces(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.beginning).chain(&self.parts)
    }

    /// The head and the parts of these bytes, which are looked at in place.
    ///
    /// # Errors
    /// [`BadFrame`] when they are anything but one whole frame.
    pub(super) fn parse<T: DeserializeOwned>(mut bytes: Bytes) -> Result<(T, Vec<Bytes>), BadFrame> {
        if bytes.len() > FRAME_BYTES_MAX {
            return Err(BadFrame::TooLong);
        }
        let length = match bytes.get(..BEGINNING_BYTES) {
            Some([mark @ .., a, b, c, d]) if mark == MARK => u32::from_be_bytes([*a, *b, *c, *d]),
            _ => return Err(BadFrame::Malformed),
        };
        let length = usize::try_from(length).map_err(|_| BadFrame::Malformed)?;
        let mut rest = bytes.split_off(BEGINNING_BYTES);
        if length > HEAD_BYTES_MAX || length > rest.len() {
            return Err(BadFrame::Malformed);
        }
        let head = rest.split_to(length);
        let Head { lengths, about } = serde_json::from_slice(&head).map_err(|_| BadFrame::Head)?;
        let mut parts = Vec::new();
        for length in lengths {
            if length > rest.len() {
                return Err(BadFrame::Malformed);
            }
            parts.push(rest.split_to(length));
        }
        if rest.is_empty() { Ok((about, parts)) } else { Err(BadFrame::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(length: u32, rest: &str) -> Bytes {
        [&MARK[..], &length.to_be_bytes(), rest.as_bytes()].concat().into()
    }

    #[test]
    fn what_is_no_whole_frame_is_refused() {
        let head = r#"{"lengths":[2,1],"about":7}"#;
        let length = u32::try_from(head.len()).expect("short");
        let good = frame(length, &format!("{head}abc"));
        assert_eq!(Frame::parse::<u32>(good.clone()), Ok((7, vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")])));
        for end in 0..good.len() {
            let cut = Frame::parse::<u32>(good.slice(..end));
            assert_eq!(cut, Err(BadFrame::Malformed), "cut off after {end} bytes");
        }
        for (row, bytes, expected) in [
            ("more than it says", frame(length, &format!("{head}abcd")), BadFrame::Malformed),
            ("another mark", Bytes::from_static(b"CSP2\0\0\0\x02{}"), BadFrame::Malformed),
            ("a head beyond all", frame(u32::MAX, head), BadFrame::Malformed),
            ("a head cut short", frame(length - 1, &format!("{head}abc")), BadFrame::Head),
            ("a head of another kind", frame(2, "{}"), BadFrame::Head),
            ("a length below zero", frame(27, r#"{"lengths":[-1],"about":7 }"#), BadFrame::Head),
            ("a length beyond all", frame(45, r#"{"lengths":[18446744073709551615],"about":77}"#), BadFrame::Malformed),
        ] {
            assert_eq!(Frame::parse::<u32>(bytes), Err(expected), "{row}");
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_not_made() {
        let part = Bytes::from(vec![0; FRAME_BYTES_MAX / 4]);
        let made = Frame::try_new(&7, vec![part; 4]).map(|_| ());
        assert_eq!(made, Err(BadFrame::TooLong));
    }
}
