//! Where a tab stands on the pages of its document and how it looks there, read from what the sender gave (Connect: `pageNumber`,
//! `xPosition`, `yPosition`, `font`, `fontSize`, ...).
//!
//! Positions count from the top left of the page as it is shown, in pixels of 72 to the inch, which are points. Tabs that are
//! placed by an anchor string have none of them.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::envelope::{Tab, TabChoice};

/// A coordinate beyond this is nonsense: 200 inches, the side of the largest page that PDF knows.
const COORDINATE_MAX: f32 = 14_400.0;
/// The size of text that does not say, in points (Connect: `Size9`).
const FONT_SIZE: f32 = 9.0;
/// The largest size of text, in points (Connect: `Size72`).
const FONT_SIZE_MAX: f32 = 72.0;

/// A place on a page.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Place {
    /// The page, from 1.
    pub page: u32,
    /// From the left, in points.
    pub x: f32,
    /// From the top, in points.
    pub y: f32,
}

/// The family of a typeface.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Typeface {
    /// Every character as wide as the other (Connect: Lucida Console, the default).
    #[default]
    Mono,
    /// Without serifs, such as Helvetica and Arial.
    Sans,
    /// With serifs, such as Times New Roman.
    Serif,
}

/// How text looks.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Look {
    /// Its family.
    pub typeface: Typeface,
    /// Its size in points, above 0.
    pub size: f32,
    /// Bold.
    pub bold: bool,
    /// Italic.
    pub italic: bool,
    /// Red, green and blue, each 0 to 1.
    pub color: [f32; 3],
}

impl Default for Look {
    fn default() -> Self {
        Self { typeface: Typeface::Mono, size: FONT_SIZE, bold: false, italic: false, color: [0.0; 3] }
    }
}

/// Where a tab stands; `None` when it says no place on a page.
#[must_use]
pub fn of_tab(tab: &Tab) -> Option<Place> {
    place(&tab.extra)
}

/// Where a button of a radio group stands.
#[must_use]
pub fn of_choice(choice: &TabChoice) -> Option<Place> {
    place(&choice.extra)
}

fn place(properties: &Map<String, Value>) -> Option<Place> {
    let page = number(properties, "pageNumber")?;
    let (x, y) = (number(properties, "xPosition")?, number(properties, "yPosition")?);
    let fits = |coordinate: f32| (0.0..=COORDINATE_MAX).contains(&coordinate);
    if !(fits(x) && fits(y) && (1.0..=1e6).contains(&page)) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 1 to a million")]
    let page = page as u32;
    Some(Place { page, x, y })
}

/// How the text of a tab looks.
#[must_use]
pub fn look(tab: &Tab) -> Look {
    let properties = &tab.extra;
    let typeface = match text(properties, "font").map(str::to_ascii_lowercase).as_deref() {
        Some("arial" | "arialnarrow" | "calibri" | "helvetica" | "tahoma" | "trebuchet" | "verdana") => Typeface::Sans,
        Some("garamond" | "georgia" | "timesnewroman") => Typeface::Serif,
        _ => Typeface::Mono,
    };
    let size = text(properties, "fontSize").and_then(|size| size.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<f32>().ok());
    let color = match text(properties, "fontColor").map(str::to_ascii_lowercase).as_deref() {
        Some("brightblue") => [0.0, 0.0, 1.0],
        Some("brightred") => [1.0, 0.0, 0.0],
        Some("darkgreen") => [0.0, 0.39, 0.0],
        Some("darkred") => [0.55, 0.0, 0.0],
        Some("gold") => [0.72, 0.53, 0.04],
        Some("green") => [0.0, 0.5, 0.0],
        Some("navyblue") => [0.0, 0.0, 0.5],
        Some("purple") => [0.5, 0.0, 0.5],
        Some("white") => [1.0; 3],
        _ => [0.0; 3],
    };
    Look {
        typeface,
        size: size.filter(|size| *size >= 1.0).map_or(FONT_SIZE, |size| size.min(FONT_SIZE_MAX)),
        bold: flag(properties, "bold"),
        italic: flag(properties, "italic"),
        color,
    }
}

/// How wide the field is, in points; `None` when its text may run on.
#[must_use]
pub fn width(tab: &Tab) -> Option<f32> {
    number(&tab.extra, "width").filter(|width| (1.0..=COORDINATE_MAX).contains(width))
}

/// How large a signature is drawn, 1 being the usual size (Connect: `scaleValue`, 0.5 to 2; older clients give percent).
#[must_use]
pub fn scale(tab: &Tab) -> f32 {
    let given = number(&tab.extra, "scaleValue").filter(|scale| *scale > 0.0).unwrap_or(1.0);
    let scale = if given > 10.0 { given / 100.0 } else { given };
    scale.clamp(0.5, 2.0)
}

/// True when what stands in it is hidden from those who read the document (Connect: `concealValueOnDocument`).
#[must_use]
pub fn is_concealed(tab: &Tab) -> bool {
    flag(&tab.extra, "concealValueOnDocument")
}

/// The property of this name, compared without case.
fn property<'m>(properties: &'m Map<String, Value>, name: &str) -> Option<&'m Value> {
    properties.get(name).or_else(|| properties.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn text<'m>(properties: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    property(properties, name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A number, written as one or as text; finite.
fn number(properties: &Map<String, Value>, name: &str) -> Option<f32> {
    let number = match property(properties, name)? {
        Value::String(text) => text.trim().parse().ok()?,
        #[expect(clippy::cast_possible_truncation, reason = "a coordinate; what is out of reach is refused by its range")]
        Value::Number(number) => number.as_f64()? as f32,
        _ => return None,
    };
    Some(number).filter(|number: &f32| number.is_finite())
}

fn flag(properties: &Map<String, Value>, name: &str) -> bool {
    match property(properties, name) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::envelope::TabKind;

    fn tab(properties: Value) -> Tab {
        let Value::Object(extra) = properties else { panic!("{properties} is no object") };
        Tab { extra, ..Tab::new(TabKind::Text, Uuid::nil(), None) }
    }

    #[test]
    fn a_place_is_a_page_and_a_point_on_it() {
        let at = |page, x, y| Some(Place { page, x, y });
        for (properties, expected) in [
            (json!({"pageNumber": "1", "xPosition": "100", "yPosition": "200"}), at(1, 100.0, 200.0)),
            (json!({"pagenumber": 2, "XPOSITION": 10.5, "yPosition": " 0 "}), at(2, 10.5, 0.0)),
            (json!({"xPosition": "100", "yPosition": "200"}), None),
            (json!({"pageNumber": "1", "anchorString": "/sn1/"}), None),
            (json!({"pageNumber": "0", "xPosition": "1", "yPosition": "1"}), None),
            (json!({"pageNumber": "1", "xPosition": "-1", "yPosition": "1"}), None),
            (json!({"pageNumber": "1", "xPosition": "NaN", "yPosition": "inf"}), None),
            (json!({"pageNumber": "1e30", "xPosition": "1", "yPosition": "1e30"}), None),
            (json!({"pageNumber": [1], "xPosition": {}, "yPosition": true}), None),
        ] {
            assert_eq!(of_tab(&tab(properties.clone())), expected, "{properties}");
        }
    }

    #[test]
    fn text_looks_as_the_sender_said() {
        let given = json!({"font": "TimesNewRoman", "fontSize": "Size14", "fontColor": "BrightRed", "bold": "true", "italic": true});
        let expected = Look { typeface: Typeface::Serif, size: 14.0, bold: true, italic: true, color: [1.0, 0.0, 0.0] };
        assert_eq!(look(&tab(given)), expected);
        assert_eq!(look(&tab(json!({}))), Look::default());
        for (size, expected) in [("Size7", 7.0), ("12", 12.0), ("Size9999", 72.0), ("Size0", 9.0), ("large", 9.0), ("", 9.0)] {
            assert!((look(&tab(json!({"fontSize": size}))).size - expected).abs() < 0.01, "{size}");
        }
    }

    #[test]
    fn a_signature_is_scaled_within_reason() {
        for (given, expected) in
            [(json!("1"), 1.0), (json!("0.5"), 0.5), (json!(50), 0.5), (json!("9"), 2.0), (json!("x"), 1.0), (json!(-1), 1.0)]
        {
            assert!((scale(&tab(json!({"scaleValue": given}))) - expected).abs() < 0.01, "{given}");
        }
    }
}
