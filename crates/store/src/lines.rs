//! Header lines of an exchange, kept in one piece.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};

/// Names and values, in order; a name may come more than once. There are a dozen for each attempt, so they share one allocation.
/// Serialised as a list of pairs.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct HeaderLines {
    text: String,
    /// For each line where its name ends and where its value does, in bytes of `text`.
    ends: Vec<(usize, usize)>,
}

impl HeaderLines {
    /// Room for so many lines of usual length.
    #[must_use]
    pub fn with_capacity(lines: usize) -> Self {
        Self { text: String::with_capacity(lines * 48), ends: Vec::with_capacity(lines) }
    }

    /// Adds a line.
    pub fn push(&mut self, name: &str, value: &str) {
        self.text.push_str(name);
        let name_end = self.text.len();
        self.text.push_str(value);
        self.ends.push((name_end, self.text.len()));
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, value_end)| {
            let line = (&self.text[start..name_end], &self.text[name_end..value_end]);
            start = value_end;
            line
        })
    }
}

impl fmt::Debug for HeaderLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for HeaderLines {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(lines: I) -> Self {
        let mut all = Self::default();
        lines.into_iter().for_each(|(name, value)| all.push(name.as_ref(), value.as_ref()));
        all
    }
}

impl Serialize for HeaderLines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for HeaderLines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lines;
        impl<'de> Visitor<'de> for Lines {
            type Value = HeaderLines;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of pairs of a name and a value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut lines: A) -> Result<HeaderLines, A::Error> {
                let mut all = HeaderLines::default();
                while let Some((name, value)) = lines.next_element::<(String, String)>()? {
                    all.push(&name, &value);
                }
                Ok(all)
            }
        }
        deserializer.deserialize_seq(Lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_stored_as_a_list_of_pairs_and_read_back() {
        for (row, lines) in [
            ("none", vec![]),
            ("one", vec![("content-type", "application/json")]),
            ("the same name twice, an empty value, more than ASCII", vec![("a", "1"), ("a", ""), ("\u{e9}", "\"\\\u{1f511}")]),
        ] {
            let kept: HeaderLines = lines.iter().copied().collect();
            assert_eq!(kept.iter().collect::<Vec<_>>(), lines, "{row}");
            let text = serde_json::to_string(&kept).expect("it can be written");
            assert_eq!(text, serde_json::to_string(&lines).expect("it can be written"), "{row}");
            assert_eq!(serde_json::from_str::<HeaderLines>(&text).expect("it can be read"), kept, "{row}");
        }
        assert!(serde_json::from_str::<HeaderLines>("[[\"a\"]]").is_err());
    }
}
