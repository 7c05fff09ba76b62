//! What a server answers, as tables for people.

use anyhow::bail;
use serde_json::Value;

use crate::output::{Paint, Tone, cut, escape, line, print};

/// Longest cell of a table, in characters; `--json` shows values whole.
const CELL_CHARS_MAX: usize = 64;

/// One cell of a table.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// In a tone of its own.
    pub(crate) fn toned(tone: Tone, text: impl AsRef<str>) -> Self {
        Self { text: cut(&escape(text.as_ref()), CELL_CHARS_MAX), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::toned(Tone::Plain, text)
    }
}

/// A table without rules: columns under their headings, one line for each row.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(headings: impl Into<Vec<&'static str>>) -> Self {
        Self { headings: headings.into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    /// Writes it to standard output; `nothing` when it has no row.
    pub(crate) fn print(&self, nothing: &str) -> anyhow::Result<()> {
        if self.rows.is_empty() { line(nothing) } else { print(&self.render(Paint::stdout())) }
    }

    /// Its lines.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(comfy_table::presets::NOTHING).set_header(self.headings.clone());
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| cell.text.as_str()));
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let mut lines = table.lines();
        let mut text = String::new();
        if let Some(headings) = lines.next() {
            text.push_str(&paint.paint(Tone::Strong, headings.trim_end()));
            text.push('\n');
        }
        for (cells, line) in self.rows.iter().zip(lines) {
            text.push_str(&painted(line.trim_end(), cells, paint));
            text.push('\n');
        }
        text
    }
}

/// The line with its cells in their tones. Between the cells of a line there are only blanks, so that each is found where the one
/// before it ends.
fn painted(line: &str, cells: &[Cell], paint: Paint) -> String {
    let mut shown = String::with_capacity(line.len() + 16);
    let mut rest = line;
    for cell in cells {
        if let Some(at) = rest.find(cell.text.as_str()) {
            shown.push_str(&rest[..at]);
            shown.push_str(&paint.paint(cell.tone, &cell.text));
            rest = &rest[at + cell.text.len()..];
        }
    }
    shown.push_str(rest);
    shown
}

/// Names and values, one under the other. Values are shown whole.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    lines: Vec<(&'static str, String, Tone)>,
}

impl Fields {
    /// Adds a value, unless it is empty.
    pub(crate) fn add(&mut self, name: &'static str, value: impl AsRef<str>) {
        self.toned(name, Tone::Plain, value);
    }

    /// The same in a tone of its own.
    pub(crate) fn toned(&mut self, name: &'static str, tone: Tone, value: impl AsRef<str>) {
        if !value.as_ref().is_empty() {
            self.lines.push((name, escape(value.as_ref()).into_owned(), tone));
        }
    }

    /// Writes them to standard output.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        print(&self.render(Paint::stdout()))
    }

    /// The lines.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let width = self.lines.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or_default();
        let line = |(name, value, tone): &(&str, String, Tone)| {
            format!("{}  {}\n", paint.paint(Tone::Dim, &format!("{name:<width$}")), paint.paint(*tone, value))
        };
        self.lines.iter().map(line).collect()
    }
}

/// A member of an answer as text: empty when it is null, missing or an empty object; the members of a list after each other; JSON
/// for what else there is.
pub(crate) fn text(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(members) if members.is_empty() => String::new(),
        Value::Array(items) => {
            items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// A point in time to the second: `2025-11-01 10:00:00Z` of `2025-11-01T10:00:00.1230000Z`.
pub(crate) fn moment(value: &Value, name: &str) -> String {
    let text = text(value, name);
    let is_moment = text.is_ascii() && text.len() >= 20 && text.as_bytes()[10] == b'T' && text.ends_with('Z');
    if is_moment { format!("{} {}Z", &text[..10], &text[11..19]) } else { text }
}

/// The members of a list in an answer.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> anyhow::Result<&'a [Value]> {
    match value[name].as_array() {
        Some(items) => Ok(items),
        None => bail!("the answer of the server has no list '{name}'; is it of another version?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_columns_under_their_headings() {
        let mut table = Table::new(["ID", "STATE", "NAME"]);
        table.row([Cell::from("1"), Cell::toned(Tone::Good, "delivered"), Cell::from("a\nb")]);
        table.row([Cell::from("22"), Cell::from(""), Cell::from("x".repeat(100))]);
        let long = format!("{}\u{2026}", "x".repeat(CELL_CHARS_MAX - 1));
        assert_eq!(table.render(Paint::off()), format!("ID  STATE      NAME\n1   delivered  a\\nb\n22             {long}\n"));
        let painted = table.render(Paint::on());
        assert!(painted.contains("1   \u{1b}[32mdelivered\u{1b}[0m  a\\nb\n"), "{painted:?}");
    }

    #[test]
    fn fields_stand_under_each_other() {
        let mut fields = Fields::default();
        fields.add("id", "1");
        fields.add("nothing", "");
        fields.toned("longer name", Tone::Good, "a\nb");
        assert_eq!(fields.render(Paint::off()), "id           1\nlonger name  a\\nb\n");
    }

    #[test]
    fn members_of_an_answer_read_as_text() {
        let value = serde_json::json!({"a": "x", "b": 1, "c": null, "d": ["p", 2], "e": {}, "at": "2025-11-01T10:00:00.1230000Z", "odd": "\u{eb}2025-11-01 10:00:00Z"});
        assert_eq!(["a", "b", "c", "d", "e", "f"].map(|name| text(&value, name)), ["x", "1", "", "p, 2", "", ""]);
        assert_eq!(moment(&value, "at"), "2025-11-01 10:00:00Z");
        assert_eq!(moment(&value, "odd"), "\u{eb}2025-11-01 10:00:00Z");
        assert!(list(&value, "d").is_ok() && list(&value, "a").is_err());
    }
}
