//! Plain pages of text, made from nothing.

use lopdf::{
    Dictionary, Document, Object, ObjectId, Stream,
    content::{Content, Operation},
    dictionary,
};

/// US letter, in points.
const WIDTH: i64 = 612;
const HEIGHT: i64 = 792;
const MARGIN: i64 = 54;
/// Courier at 10 points is 6 points wide, which fits this often between the margins.
pub(super) const COLUMNS: usize = 84;
const LEADING: i64 = 12;
/// Lines between the margins.
const LINES: usize = 56;
/// Pages made of one file at most; a text of more lines ends with a word that says so.
pub(super) const PAGES_MAX: usize = 1_000;
/// What a tab stop is worth.
const TAB: &str = "    ";

/// How many pages so many lines take.
pub(super) fn page_count(lines: usize) -> u32 {
    u32::try_from(lines.div_ceil(LINES).clamp(1, PAGES_MAX)).unwrap_or(1)
}

/// Breaks text into lines that fit the page.
pub(super) fn wrap(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.replace('\t', TAB);
        let mut rest = line.trim_end();
        loop {
            // Enough for PAGES_MAX pages and one line that tells page_count there is more.
            if lines.len() > LINES * PAGES_MAX {
                return lines;
            }
            let Some((end, _)) = rest.char_indices().nth(COLUMNS) else { break };
            let at = rest[..end].rfind(' ').filter(|&at| at > 0).unwrap_or(end);
            lines.push(rest[..at].to_owned());
            rest = rest[at..].trim_start();
        }
        lines.push(rest.to_owned());
    }
    lines
}

/// Adds pages with these lines to a document; answers their ids. `parent` is the page tree they belong to.
pub(super) fn add_pages(document: &mut Document, parent: ObjectId, lines: &[String]) -> Vec<ObjectId> {
    let font = document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Courier", "Encoding" => "WinAnsiEncoding",
    });
    let resources = document.add_object(dictionary! { "Font" => dictionary! { "F1" => font } });
    let mut sheets: Vec<&[String]> = lines.chunks(LINES).take(PAGES_MAX).collect();
    if sheets.is_empty() {
        sheets.push(&[]);
    }
    sheets
        .into_iter()
        .map(|sheet| {
            let content = document.add_object(Stream::new(Dictionary::new(), text_of(sheet)));
            document.add_object(dictionary! {
                "Type" => "Page",
                "Parent" => parent,
                "MediaBox" => vec![0.into(), 0.into(), WIDTH.into(), HEIGHT.into()],
                "Resources" => resources,
                "Contents" => content,
            })
        })
        .collect()
}

fn text_of(lines: &[String]) -> Vec<u8> {
    let mut operations = vec![
        Operation::new("BT", vec![]),
        Operation::new("Tf", vec!["F1".into(), 10.into()]),
        Operation::new("TL", vec![LEADING.into()]),
        Operation::new("Td", vec![MARGIN.into(), (HEIGHT - MARGIN - LEADING).into()]),
    ];
    for line in lines {
        operations.push(Operation::new("Tj", vec![Object::string_literal(win_ansi(line))]));
        operations.push(Operation::new("T*", vec![]));
    }
    operations.push(Operation::new("ET", vec![]));
    // Encoding fails only for operands that cannot stand in a content stream; numbers and strings can.
    Content { operations }.encode().unwrap_or_default()
}

/// The characters of Windows-1252, which the standard fonts have; a question mark for any other.
pub(super) fn win_ansi(text: &str) -> Vec<u8> {
    text.chars().map(|c| code_of(c).unwrap_or(b'?')).collect()
}

/// Whether the standard fonts have a sign for it.
pub(super) fn is_shown(character: char) -> bool {
    code_of(character).is_some()
}

fn code_of(character: char) -> Option<u8> {
    if matches!(character, ' '..='~' | '\u{a0}'..='\u{ff}') {
        return u8::try_from(u32::from(character)).ok();
    }
    HIGH.iter().find(|(other, _)| *other == character).map(|(_, code)| *code)
}

/// The characters of Windows-1252 between 0x80 and 0x9f, whose codes are not their numbers (ISO 32000-1, annex D.2).
const HIGH: [(char, u8); 27] = [
    ('\u{20ac}', 0x80),
    ('\u{201a}', 0x82),
    ('\u{192}', 0x83),
    ('\u{201e}', 0x84),
    ('\u{2026}', 0x85),
    ('\u{2020}', 0x86),
    ('\u{2021}', 0x87),
    ('\u{2c6}', 0x88),
    ('\u{2030}', 0x89),
    ('\u{160}', 0x8a),
    ('\u{2039}', 0x8b),
    ('\u{152}', 0x8c),
    ('\u{17d}', 0x8e),
    ('\u{2018}', 0x91),
    ('\u{2019}', 0x92),
    ('\u{201c}', 0x93),
    ('\u{201d}', 0x94),
    ('\u{2022}', 0x95),
    ('\u{2013}', 0x96),
    ('\u{2014}', 0x97),
    ('\u{2dc}', 0x98),
    ('\u{2122}', 0x99),
    ('\u{161}', 0x9a),
    ('\u{203a}', 0x9b),
    ('\u{153}', 0x9c),
    ('\u{17e}', 0x9e),
    ('\u{178}', 0x9f),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_broken_at_blanks_and_long_words_anywhere() {
        let text = format!("{} {}\n\nlast", "word ".repeat(20).trim_end(), "x".repeat(200));
        let lines = wrap(&text);
        assert!(lines.iter().all(|line| line.chars().count() <= COLUMNS), "{lines:?}");
        assert_eq!(lines.concat().replace(' ', "").len(), text.replace([' ', '\n'], "").len(), "nothing is lost");
        assert_eq!(lines.last().map(String::as_str), Some("last"));
    }

    #[test]
    fn the_number_of_pages_is_what_is_added() {
        for lines in [0, 1, LINES, LINES + 1, 3 * LINES, LINES * PAGES_MAX + 1] {
            let mut document = Document::with_version("1.7");
            let parent = document.new_object_id();
            let pages = add_pages(&mut document, parent, &vec!["x".to_owned(); lines]);
            assert_eq!(u32::try_from(pages.len()), Ok(page_count(lines)), "{lines} lines");
        }
    }
}
