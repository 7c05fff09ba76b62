//! A PDF with marks drawn on its pages.
//!
//! The pages keep what they have: their own contents are put between `q` and `Q`, so that nothing they left set up shifts what is
//! drawn, and ours follow as one more stream. A page that borrows its resources from the page tree gets its own, since others may
//! borrow them too. Marks count from the top left of the page as it is shown: crop box and rotation are taken into account.

use std::{
    collections::{BTreeMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use lopdf::{Dictionary, Document, Object, ObjectId, Stream, dictionary};

use super::{
    File,
    combined::{PagePlan, corners, inherited, plan},
    marks::Drawing,
    pen::{Font, Pen},
};

/// Why a document stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDrawn {
    /// It is a file of another kind, and nothing is drawn on those.
    #[error("it is no PDF")]
    NotAPdf,
    /// It says that it is a PDF, and cannot be read as one: damaged, encrypted, or made to harm.
    #[error("it cannot be read as a PDF")]
    Unreadable,
    /// Somebody signed its bytes; drawing on it would break that signature.
    #[error("it bears a digital signature, which a change would break")]
    Signed,
}

/// The document with this on its pages.
///
/// # Errors
/// Why it must stay as it is.
pub fn drawn(file: &File, drawing: &Drawing) -> Result<Vec<u8>, NotDrawn> {
    if !super::combined::says_pdf(&file.bytes) {
        return Err(NotDrawn::NotAPdf);
    }
    // What was uploaded is a stranger's: should reading it go wrong in a way that nobody thought of, it stays as it is.
    let attempt = catch_unwind(AssertUnwindSafe(|| {
        let PagePlan::Own(mut document) = plan(file) else { return Err(NotDrawn::Unreadable) };
        if is_signed(&document) {
            return Err(NotDrawn::Signed);
        }
        draw(&mut document, drawing);
        let mut bytes = Vec::with_capacity(file.bytes.len() + 4_096);
        document.save_to(&mut bytes).map_err(|_| NotDrawn::Unreadable)?;
        Ok(bytes)
    }));
    attempt.unwrap_or(Err(NotDrawn::Unreadable))
}

/// True when the form of the document says that it holds signatures (ISO 32000-1 §12.7.2, `SigFlags` bit 1).
fn is_signed(document: &Document) -> bool {
    let flags = || {
        let form = document.catalog().ok()?.get(b"AcroForm").ok()?;
        let form = document.dereference(form).ok()?.1.as_dict().ok()?;
        document.dereference(form.get(b"SigFlags").ok()?).ok()?.1.as_i64().ok()
    };
    flags().is_some_and(|flags| flags & 1 == 1)
}

fn draw(document: &mut Document, drawing: &Drawing) {
    let pages: Vec<ObjectId> = document.page_iter().collect();
    let save = document.add_object(Stream::new(Dictionary::new(), b"q\n".to_vec()));
    let mut fonts = BTreeMap::new();
    let mut seen = HashSet::new();
    for (number, page) in (1_u32..).zip(pages) {
        let mut marks = drawing.marks.iter().filter(|mark| mark.place.page == number).peekable();
        // A page that stands in the tree twice is one page.
        if (marks.peek().is_none() && drawing.stamp.is_none()) || !seen.insert(page) {
            continue;
        }
        let names = font_names(document, page);
        let mut pen = Pen::new(axes(document, page), names);
        if let Some(stamp) = &drawing.stamp {
            pen.stamp(stamp);
        }
        for mark in marks {
            pen.mark(mark);
        }
        let (content, used) = pen.finish();
        let content = document.add_object(Stream::new(Dictionary::new(), content));
        let used = used.into_iter().map(|(name, font)| (name, *fonts.entry(font).or_insert_with(|| add_font(document, font)))).collect();
        put(document, page, save, content, used);
    }
}

fn add_font(document: &mut Document, font: Font) -> ObjectId {
    document.add_object(dictionary! {
        "Type" => "Font", "Subtype" => "Type1", "BaseFont" => font.base_name(), "Encoding" => "WinAnsiEncoding",
    })
}

/// Puts the content after what the page has, with the fonts it names.
fn put(document: &mut Document, page: ObjectId, save: ObjectId, content: ObjectId, fonts: Vec<(String, ObjectId)>) {
    let mut contents: Vec<Object> = vec![save.into()];
    contents.extend(contents_of(document, page));
    contents.push(content.into());
    let mut resources = resources_of(document, page);
    let mut by_name = dictionary_in(document, &resources, b"Font");
    for (name, font) in fonts {
        by_name.set(name, font);
    }
    resources.set("Font", by_name);
    if let Ok(page) = document.get_dictionary_mut(page) {
        page.set("Contents", contents);
        page.set("Resources", resources);
    }
}

fn contents_of(document: &Document, page: ObjectId) -> Vec<Object> {
    let Ok(contents) = document.get_dictionary(page).and_then(|page| page.get(b"Contents")) else { return Vec::new() };
    match document.dereference(contents) {
        Ok((_, Object::Array(streams))) => streams.clone(),
        Ok((Some(_), Object::Stream(_))) => vec![contents.clone()],
        _ => Vec::new(),
    }
}

fn resources_of(document: &Document, page: ObjectId) -> Dictionary {
    inherited(document, page, b"Resources").and_then(|resources| resources.as_dict().ok().cloned()).unwrap_or_default()
}

fn dictionary_in(document: &Document, within: &Dictionary, key: &[u8]) -> Dictionary {
    let found = within.get(key).ok().and_then(|value| document.dereference(value).ok()).and_then(|(_, value)| value.as_dict().ok());
    found.cloned().unwrap_or_default()
}

/// How our fonts are named on a page: by a beginning that none of its own has.
fn font_names(document: &Document, page: ObjectId) -> String {
    let own = dictionary_in(document, &resources_of(document, page), b"Font");
    let mut names = "Cs".to_owned();
    while own.iter().any(|(name, _)| name.starts_with(names.as_bytes())) {
        names.push('s');
    }
    names
}

/// The matrix that leads from points counted from the top left of the page as it is shown, y upwards, to those of the page itself.
fn axes(document: &Document, page: ObjectId) -> [f32; 6] {
    let area = |key: &[u8]| inherited(document, page, key).and_then(|area| corners(document, &area));
    let [left, bottom, right, top] = match (area(b"MediaBox"), area(b"CropBox")) {
        (Some(media), Some(crop)) => {
            let shown = [media[0].max(crop[0]), media[1].max(crop[1]), media[2].min(crop[2]), media[3].min(crop[3])];
            // Boxes that do not meet show nothing; then the sheet is as good a place as any.
            if shown[0] < shown[2] && shown[1] < shown[3] { shown } else { media }
        }
        (Some(area), None) | (None, Some(area)) => area,
        (None, None) => [0.0, 0.0, 612.0, 792.0],
    };
    let turned = inherited(document, page, b"Rotate").and_then(|turned| turned.as_i64().ok()).unwrap_or(0);
    match turned.rem_euclid(360) {
        90 => [0.0, 1.0, -1.0, 0.0, left, bottom],
        180 => [-1.0, 0.0, 0.0, -1.0, right, bottom],
        270 => [0.0, -1.0, 1.0, 0.0, right, top],
        _ => [1.0, 0.0, 0.0, 1.0, left, top],
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use countersign_core::message::placement::{Look, Place};

    use super::*;
    use crate::documents::{Ink, Mark};

    /// One page with these properties; its resources and boxes are the tree's.
    fn pdf(page: Dictionary, tree: Dictionary) -> File {
        let mut document = Document::with_version("1.7");
        let (parent, font) = (document.new_object_id(), document.new_object_id());
        document.set_object(font, dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Courier" });
        // Leaves the graphics state as it should not be left.
        let content = document.add_object(Stream::new(Dictionary::new(), b"q 3 0 0 3 50 50 cm BT /Cs0 9 Tf (own) Tj ET".to_vec()));
        let mut whole = dictionary! { "Type" => "Page", "Parent" => parent, "Contents" => content };
        whole.extend(&page);
        let page = document.add_object(whole);
        let fonts = dictionary! { "Cs0" => font };
        let mut whole = dictionary! {
            "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1, "Resources" => dictionary! { "Font" => fonts },
        };
        whole.extend(&tree);
        document.set_object(parent, whole);
        let root = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => parent });
        document.trailer.set("Root", root);
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).expect("written");
        File { name: "x".into(), extension: "pdf".into(), bytes: Bytes::from(bytes) }
    }

    fn area(corners: [i64; 4]) -> Object {
        corners.map(Object::Integer).to_vec().into()
    }

    #[test]
    fn the_top_left_of_what_is_shown_is_found_however_the_page_lies() {
        let media = || ("MediaBox", area([10, 20, 210, 320]));
        let boxed = |more: Vec<(&str, Object)>| {
            let mut page = Dictionary::new();
            for (key, value) in more.into_iter().chain([media()]) {
                page.set(key, value);
            }
            page
        };
        for (row, page, expected) in [
            ("plain", boxed(vec![]), [1.0, 0.0, 0.0, 1.0, 10.0, 320.0]),
            ("cropped", boxed(vec![("CropBox", area([30, 40, 900, 300]))]), [1.0, 0.0, 0.0, 1.0, 30.0, 300.0]),
            ("a crop box elsewhere", boxed(vec![("CropBox", area([900, 900, 950, 950]))]), [1.0, 0.0, 0.0, 1.0, 10.0, 320.0]),
            ("turned right", boxed(vec![("Rotate", 90.into())]), [0.0, 1.0, -1.0, 0.0, 10.0, 20.0]),
            ("upside down", boxed(vec![("Rotate", (-180).into())]), [-1.0, 0.0, 0.0, -1.0, 210.0, 20.0]),
            ("turned left", boxed(vec![("Rotate", 630.into())]), [0.0, -1.0, 1.0, 0.0, 210.0, 320.0]),
            ("no boxes", Dictionary::new(), [1.0, 0.0, 0.0, 1.0, 0.0, 792.0]),
        ] {
            let document = Document::load_mem(&pdf(page, Dictionary::new()).bytes).expect("a PDF");
            let first = document.page_iter().next().expect("a page");
            assert_eq!(axes(&document, first), expected, "{row}");
        }
    }

    #[test]
    fn a_page_keeps_what_it_had_and_its_borrowed_fonts() {
        let tree = dictionary! { "MediaBox" => area([0, 0, 595, 842]) };
        let place = Place { page: 1, x: 10.0, y: 10.0 };
        let marks = vec![Mark { place, ink: Ink::Text { lines: vec!["ours (and) \\ more".into()], look: Look::default() } }];
        let drawing = Drawing { marks, stamp: Some("stamped".into()) };
        let bytes = drawn(&pdf(Dictionary::new(), tree), &drawing).expect("drawn");
        let document = Document::load_mem(&bytes).expect("a PDF");
        let page = document.page_iter().next().expect("a page");
        let text = document.extract_text(&[1]).expect("text");
        for words in ["own", "ours (and) \\ more", "stamped"] {
            assert!(text.contains(words), "{words} in {text}");
        }
        let fonts = dictionary_in(&document, &resources_of(&document, page), b"Font");
        assert_eq!(fonts.len(), 3, "its own under its own name, and two of ours");
        assert!(fonts.has(b"Cs0"));
        let content = String::from_utf8_lossy(&document.get_page_content(page)).into_owned();
        let (own, ours) = content.split_once("(own)").expect("its own comes first");
        assert!(own.trim_start().starts_with('q') && ours.contains('Q'), "{content}");
    }

    #[test]
    fn what_is_no_pdf_or_hardly_one_is_left_alone() {
        let drawing = Drawing { marks: Vec::new(), stamp: Some("x".into()) };
        let file = |bytes: &'static [u8]| File { name: "x".into(), extension: "pdf".into(), bytes: Bytes::from_static(bytes) };
        for (bytes, why) in [
            (&b""[..], NotDrawn::NotAPdf),
            (b"PK\x03\x04", NotDrawn::NotAPdf),
            (b"%PDF-1.4", NotDrawn::Unreadable),
            (b"%PDF-1.4\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF", NotDrawn::Unreadable),
        ] {
            assert_eq!(drawn(&file(bytes), &drawing), Err(why), "{bytes:?}");
        }
    }
}
