//! Writes marks as the content of a PDF page.

use countersign_core::message::placement::{Look, Typeface};
use lopdf::{
    Object,
    content::{Content, Operation},
};

use super::{
    marks::{Ink, Mark},
    sheet::win_ansi,
};

/// Blue-black, as ink is.
const INK: [f32; 3] = [0.05, 0.08, 0.35];
/// The size of a name written as a signature, in points.
const SIGNATURE_SIZE: f32 = 18.0;
/// A longer name is written smaller, down to this.
const SIGNATURE_SIZE_MIN: f32 = 7.0;
/// As wide as a name may become at the usual scale, in points.
const SIGNATURE_WIDTH: f32 = 180.0;
/// About how wide a character of an italic serif face is, in parts of its size.
const ITALIC_CHAR: f32 = 0.45;
/// From the top of a line to its baseline, in parts of its size.
const ASCENT: f32 = 0.8;
/// From line to line, in parts of the size.
const LEADING: f32 = 1.2;

/// One of the typefaces that every reader of PDF has.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Font {
    Mono,
    MonoBold,
    MonoItalic,
    MonoBoldItalic,
    Sans,
    SansBold,
    SansItalic,
    SansBoldItalic,
    Serif,
    SerifBold,
    SerifItalic,
    SerifBoldItalic,
}

impl Font {
    /// What the stamp is set in.
    pub(super) const STAMP: Self = Self::Sans;

    /// What this is set in.
    pub(super) fn of_ink(ink: &Ink) -> Vec<Self> {
        match ink {
            Ink::Text { look, .. } => vec![Self::of(look)],
            Ink::Signature { .. } => vec![Self::SansBold, Self::SerifItalic, Self::Sans],
            Ink::Initials { .. } => vec![Self::SerifItalic],
            Ink::Tick => vec![Self::SansBold],
            Ink::Dot => vec![Self::Sans],
        }
    }

    /// The name under which pages know it.
    pub(super) fn name(self, beginning: &str) -> String {
        format!("{beginning}{}", self.base_name())
    }

    fn of(look: &Look) -> Self {
        match (look.typeface, look.bold, look.italic) {
            (Typeface::Mono, false, false) => Self::Mono,
            (Typeface::Mono, true, false) => Self::MonoBold,
            (Typeface::Mono, false, true) => Self::MonoItalic,
            (Typeface::Mono, true, true) => Self::MonoBoldItalic,
            (Typeface::Sans, false, false) => Self::Sans,
            (Typeface::Sans, true, false) => Self::SansBold,
            (Typeface::Sans, false, true) => Self::SansItalic,
            (Typeface::Sans, true, true) => Self::SansBoldItalic,
            (Typeface::Serif, false, false) => Self::Serif,
            (Typeface::Serif, true, false) => Self::SerifBold,
            (Typeface::Serif, false, true) => Self::SerifItalic,
            (Typeface::Serif, true, true) => Self::SerifBoldItalic,
        }
    }

    /// Its name (ISO 32000-1 §9.6.2.2, the standard 14 fonts).
    pub(super) fn base_name(self) -> &'static str {
        match self {
            Self::Mono => "Courier",
            Self::MonoBold => "Courier-Bold",
            Self::MonoItalic => "Courier-Oblique",
            Self::MonoBoldItalic => "Courier-BoldOblique",
            Self::Sans => "Helvetica",
            Self::SansBold => "Helvetica-Bold",
            Self::SansItalic => "Helvetica-Oblique",
            Self::SansBoldItalic => "Helvetica-BoldOblique",
            Self::Serif => "Times-Roman",
            Self::SerifBold => "Times-Bold",
            Self::SerifItalic => "Times-Italic",
            Self::SerifBoldItalic => "Times-BoldItalic",
        }
    }
}

/// Writes on one page.
pub(super) struct Pen {
    operations: Vec<Operation>,
    /// How the names of fonts begin.
    names: String,
}

impl Pen {
    /// `axes` leads from the top left of what is shown to the page; names of fonts begin with `names`.
    pub(super) fn new(axes: [f32; 6], names: &str) -> Self {
        let mut pen = Self { operations: Vec::new(), names: names.to_owned() };
        // Ends what the page's own content was put into.
        pen.say("Q", []);
        pen.say("q", []);
        pen.say("cm", axes.map(Object::Real));
        pen
    }

    /// The content.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.say("Q", []);
        // Encoding fails only for operands that cannot stand in a content stream; numbers, names and strings can.
        let mut content = b"\n".to_vec();
        content.extend(Content { operations: self.operations }.encode().unwrap_or_default());
        content
    }

    /// The line at the top of a page.
    pub(super) fn stamp(&mut self, text: &str) {
        self.line(Font::STAMP, 6.5, [0.2; 3], 14.0, 13.0, text);
    }

    /// A mark at its place.
    pub(super) fn mark(&mut self, mark: &Mark) {
        let (x, y) = (mark.place.x, mark.place.y);
        match &mark.ink {
            Ink::Text { lines, look } => {
                let mut baseline = y + look.size * ASCENT + 1.0;
                for line in lines {
                    self.line(Font::of(look), look.size, look.color, x, baseline, line);
                    baseline += look.size * LEADING;
                }
            }
            Ink::Signature { name, code, scale } => self.signature(x, y, name, code, *scale),
            Ink::Initials { letters, scale } => self.line(Font::SerifItalic, 15.0 * scale, INK, x, y + 15.0 * scale, letters),
            Ink::Tick => self.line(Font::SansBold, 10.0, [0.0; 3], x + 1.5, y + 9.5, "X"),
            // The bullet is in the middle of its line.
            Ink::Dot => self.line(Font::Sans, 16.0, [0.0; 3], x + 1.0, y + 12.0, "\u{2022}"),
        }
    }

    /// A name in a hand's way, within a bracket that says what it is.
    fn signature(&mut self, x: f32, y: f32, name: &str, code: &str, scale: f32) {
        #[expect(clippy::cast_precision_loss, reason = "the number of characters of a name")]
        let chars = name.chars().count().max(1) as f32;
        let size = (SIGNATURE_WIDTH / (chars * ITALIC_CHAR)).clamp(SIGNATURE_SIZE_MIN, SIGNATURE_SIZE) * scale;
        let at = |down: f32| y + down * scale;
        self.say("RG", INK.map(Object::Real));
        self.say("w", [Object::Real(0.7 * scale)]);
        for (operator, right, down) in [("m", 8.0, 3.0), ("l", 2.0, 3.0), ("l", 2.0, 32.0), ("l", 8.0, 32.0)] {
            self.say(operator, [Object::Real(x + right * scale), Object::Real(-at(down))]);
        }
        self.say("S", []);
        self.line(Font::SansBold, 5.0 * scale, INK, x + 10.0 * scale, at(5.0), "Signed by:");
        self.line(Font::SerifItalic, size, INK, x + 10.0 * scale, at(23.0), name);
        self.line(Font::Sans, 4.5 * scale, INK, x + 10.0 * scale, at(33.5), code);
    }

    /// A line of text, `baseline` below the top.
    fn line(&mut self, font: Font, size: f32, color: [f32; 3], x: f32, baseline: f32, text: &str) {
        if text.is_empty() {
            return;
        }
        let name = font.name(&self.names);
        self.say("BT", []);
        self.say("rg", color.map(Object::Real));
        self.say("Tf", [Object::Name(name.into_bytes()), Object::Real(size)]);
        self.say("Td", [Object::Real(x), Object::Real(-baseline)]);
        self.say("Tj", [Object::string_literal(win_ansi(text))]);
        self.say("ET", []);
    }

    fn say<const N: usize>(&mut self, operator: &str, operands: [Object; N]) {
        self.operations.push(Operation::new(operator, operands.into()));
    }
}
