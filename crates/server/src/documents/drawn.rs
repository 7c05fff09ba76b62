//! A PDF with marks drawn on its pages.
//!
//! The pages keep what they have: their own contents are put between `q` and `Q`, so that nothing they left set up shifts what is
//! drawn, and ours follow as one more stream. What pages share stays shared: a small file whose thousands of pages have one large object
//! in common must not become a large one. Marks count from the top left of the page as it is shown: crop box and rotation are taken
//! into account.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

use lopdf::{Dictionary, Document, Object, ObjectId, Stream, dictionary};
use serde::{Deserialize, Serialize};

use super::{
    File,
    combined::{PagePlan, corners, held, plan},
    marks::{Drawing, Mark},
    pen::{Font, Pen},
};

/// Streams that the pages have together; pages may share a list of them, and each gets its own.
const STREAMS_MAX: usize = 1_000_000;

/// Why a document stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum NotDrawn {
    /// It is a file of another kind, and nothing is drawn on those.
    #[error("it is no PDF")]
    NotAPdf,
    /// It says that it is a PDF, and cannot be read as one: damaged, encrypted, or made to harm.
    #[error("it cannot be read as a PDF")]
    Unreadable,
    /// Whoever read it was stopped: it had used up its time.
    #[error("reading it as a PDF takes too long")]
    TooSlow,
    /// Whoever read it came to an end over it, which mostly means that it had used up its memory.
    #[error("reading it as a PDF fails or takes too much memory")]
    TooLarge,
    /// Its pages are made of more parts than a real document's.
    #[error("its pages are made of too many parts")]
    TooIntricate,
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
        draw(&mut document, drawing)?;
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

fn draw(document: &mut Document, drawing: &Drawing) -> Result<(), NotDrawn> {
    let mut by_page: BTreeMap<u32, Vec<&Mark>> = BTreeMap::new();
    for mark in &drawing.marks {
        by_page.entry(mark.place.page).or_default().push(mark);
    }
    let pages: Vec<ObjectId> = document.page_iter().collect();
    let save = document.add_object(Stream::new(Dictionary::new(), b"q\n".to_vec()));
    let fonts = Fonts::add(document, drawing);
    let mut named = HashSet::new();
    let mut stamped: HashMap<[u32; 6], ObjectId> = HashMap::new();
    let mut seen = HashSet::new();
    let mut streams = 0;
    for (number, page) in (1_u32..).zip(pages) {
        let marks = by_page.get(&number).map(Vec::as_slice).unwrap_or_default();
        // A page that stands in the tree twice is one page.
        if (marks.is_empty() && drawing.stamp.is_none()) || !seen.insert(page) || document.get_dictionary(page).is_err() {
            continue;
        }
        let axes = axes(document, page);
        let content = if marks.is_empty() {
            // Most pages have the stamp alone, and lie as others do.
            *stamped.entry(axes.map(f32::to_bits)).or_insert_with(|| add_content(document, &fonts, axes, drawing, marks))
        } else {
            add_content(document, &fonts, axes, drawing, marks)
        };
        name_fonts(document, page, &fonts, &mut named);
        let mut contents: Vec<Object> = vec![save.into()];
        contents.extend(contents_of(document, page));
        contents.push(content.into());
        streams += contents.len();
        if streams > STREAMS_MAX {
            return Err(NotDrawn::TooIntricate);
        }
        if let Ok(page) = document.get_dictionary_mut(page) {
            page.set("Contents", contents);
        }
    }
    Ok(())
}

fn add_content(document: &mut Document, fonts: &Fonts, axes: [f32; 6], drawing: &Drawing, marks: &[&Mark]) -> ObjectId {
    let mut pen = Pen::new(axes, &fonts.beginning);
    if let Some(stamp) = &drawing.stamp {
        pen.stamp(stamp);
    }
    for mark in marks {
        pen.mark(mark);
    }
    document.add_object(Stream::new(Dictionary::new(), pen.finish()))
}

/// The typefaces that a drawing needs, in the document.
struct Fonts {
    /// How their names begin. Nothing that was in the file can have a name made of a number it did not reach.
    beginning: String,
    added: BTreeMap<Font, ObjectId>,
}

impl Fonts {
    fn add(document: &mut Document, drawing: &Drawing) -> Self {
        let beginning = format!("Cs{}n", document.max_id);
        let needed = drawing.marks.iter().flat_map(|mark| Font::of_ink(&mark.ink)).chain(drawing.stamp.is_some().then_some(Font::STAMP));
        let needed: HashSet<Font> = needed.collect();
        let font = |font: Font| {
            let object = dictionary! {
                "Type" => "Font", "Subtype" => "Type1", "BaseFont" => font.base_name(), "Encoding" => "WinAnsiEncoding",
            };
            (font, document.add_object(object))
        };
        Self { beginning, added: needed.into_iter().map(font).collect() }
    }
}

/// Puts the fonts into the resources of the page, where these are: their names are in nobody's way, so that pages which share resources
/// go on sharing them. `named` remembers where that was done.
fn name_fonts(document: &mut Document, page: ObjectId, fonts: &Fonts, named: &mut HashSet<ObjectId>) {
    let found = held(document, page, b"Resources").filter(|held| held.value.as_dict().is_ok());
    let place = found.map(|held| (held.node, held.reference));
    if let Some(shared) = place.and_then(|(node, reference)| reference.or((node != page).then_some(node)))
        && !named.insert(shared)
    {
        return;
    }
    let apart = found.and_then(|held| held.value.as_dict().ok()).and_then(|resources| resources.get(b"Font").ok());
    let apart = apart.and_then(|font| document.dereference(font).ok()).filter(|(_, font)| font.as_dict().is_ok()).and_then(|(id, _)| id);
    let add = |by_name: &mut Dictionary| {
        for (font, id) in &fonts.added {
            by_name.set(font.name(&fonts.beginning), *id);
        }
    };
    if let Some(apart) = apart {
        if let Ok(by_name) = document.get_dictionary_mut(apart) {
            add(by_name);
        }
        return;
    }
    let resources = match place {
        Some((_, Some(reference))) => document.get_dictionary_mut(reference).ok(),
        Some((node, None)) => document.get_dictionary_mut(node).ok().and_then(|node| node.get_mut(b"Resources").ok()?.as_dict_mut().ok()),
        None => None,
    };
    if let Some(resources) = resources {
        match resources.get_mut(b"Font").and_then(Object::as_dict_mut) {
            Ok(by_name) => add(by_name),
            Err(_) => {
                let mut by_name = Dictionary::new();
                add(&mut by_name);
                resources.set("Font", by_name);
            }
        }
        return;
    }
    let mut by_name = Dictionary::new();
    add(&mut by_name);
    if let Ok(page) = document.get_dictionary_mut(page) {
        page.set("Resources", dictionary! { "Font" => by_name });
    }
}

fn contents_of(document: &Document, page: ObjectId) -> Vec<Object> {
    let Ok(contents) = document.get_dictionary(page).and_then(|page| page.get(b"Contents")) else { return Vec::new() };
    match document.dereference(contents) {
        // One beyond the limit is enough to tell.
        Ok((_, Object::Array(streams))) => streams.iter().take(STREAMS_MAX + 1).cloned().collect(),
        Ok((Some(_), Object::Stream(_))) => vec![contents.clone()],
        _ => Vec::new(),
    }
}

/// The matrix that leads from points counted from the top left of the page as it is shown, y upwards, to those of the page itself.
fn axes(document: &Document, page: ObjectId) -> [f32; 6] {
    let area = |key: &[u8]| held(document, page, key).and_then(|area| corners(document, area.value));
    let [left, bottom, right, top] = match (area(b"MediaBox"), area(b"CropBox")) {
        (Some(media), Some(crop)) => {
            let shown = [media[0].max(crop[0]), media[1].max(crop[1]), media[2].min(crop[2]), media[3].min(crop[3])];
            // Boxes that do not meet show nothing; then the sheet is as good a place as any.
            if shown[0] < shown[2] && shown[1] < shown[3] { shown } else { media }
        }
        (Some(area), None) | (None, Some(area)) => area,
        (None, None) => [0.0, 0.0, 612.0, 792.0],
    };
    let turned = held(document, page, b"Rotate").and_then(|turned| turned.value.as_i64().ok()).unwrap_or(0);
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
        let resources = held(&document, page, b"Resources").expect("resources").value.as_dict().expect("a dictionary");
        let fonts = resources.get(b"Font").and_then(Object::as_dict).expect("fonts");
        assert_eq!(fonts.len(), 3, "its own under its own name, and two of ours");
        assert!(fonts.has(b"Cs0"));
        let content = String::from_utf8_lossy(&document.get_page_content(page)).into_owned();
        let (own, ours) = content.split_once("(own)").expect("its own comes first");
        assert!(own.trim_start().starts_with('q') && ours.contains('Q'), "{content}");
    }

    /// So many pages that share one dictionary of resources, one list of fonts and one list of contents, each as long as asked for.
    fn sharing(pages: usize, length: usize) -> File {
        let mut document = Document::with_version("1.7");
        let parent = document.new_object_id();
        let font = document.add_object(dictionary! { "Type" => "Font", "Subtype" => "Type1", "BaseFont" => "Courier" });
        let mut by_name = Dictionary::new();
        (0..length).for_each(|n| by_name.set(format!("F{n}"), font));
        let fonts = document.add_object(by_name);
        let content = document.add_object(Stream::new(Dictionary::new(), b" ".to_vec()));
        let contents = document.add_object(Object::Array(vec![content.into(); length]));
        let page =
            || dictionary! { "Type" => "Page", "Parent" => parent, "Contents" => contents, "Resources" => dictionary! { "Font" => fonts } };
        let kids: Vec<Object> = (0..pages).map(|_| document.add_object(page()).into()).collect();
        let count = i64::try_from(pages).expect("few");
        let media = vec![0.into(); length];
        document.set_object(parent, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count, "MediaBox" => media });
        let root = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => parent });
        document.trailer.set("Root", root);
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).expect("written");
        File { name: "x".into(), extension: "pdf".into(), bytes: Bytes::from(bytes) }
    }

    #[test]
    fn what_pages_share_is_not_multiplied() {
        let drawing = Drawing { marks: Vec::new(), stamp: Some("stamped".into()) };
        let file = sharing(2_000, 400);
        let bytes = drawn(&file, &drawing).expect("drawn");
        // The list of contents alone is each page's own afterwards: ten bytes for each of its streams.
        assert!(bytes.len() < file.bytes.len() + 2_000 * 400 * 10, "{} bytes from {}", bytes.len(), file.bytes.len());
        assert!(Document::load_mem(&bytes).expect("a PDF").extract_text(&[2_000]).expect("text").contains("stamped"));
        let combined = crate::documents::combined(std::slice::from_ref(&file)).expect("written");
        assert!(combined.len() < file.bytes.len() * 3, "{} bytes from {}", combined.len(), file.bytes.len());
        assert_eq!(drawn(&sharing(1_500, 1_000), &drawing), Err(NotDrawn::TooIntricate));
    }

    /// Bytes changed here and there, as a seed has it: flipped, cut off, or repeated.
    fn damaged(bytes: &[u8], seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).expect("below a usize")
        };
        let mut damaged = bytes.to_vec();
        for _ in 0..=next(6) {
            let at = next(damaged.len());
            match next(4) {
                0 => damaged[at] ^= 1 << next(8),
                1 => damaged[at] = b"0123456789<>[]()/ R"[next(19)],
                2 => damaged.truncate(at.max(8)),
                _ => damaged.extend_from_within(at..(at + 64).min(bytes.len()).min(damaged.len()).max(at)),
            }
        }
        damaged
    }

    #[test]
    fn damaged_files_are_measured_drawn_on_and_combined_without_a_panic() {
        let place = Place { page: 1, x: 10.0, y: 10.0 };
        let drawing = Drawing { marks: vec![Mark { place, ink: Ink::Tick }], stamp: Some("stamped".into()) };
        let mut outcomes = [0, 0];
        for whole in [sharing(3, 3), pdf(Dictionary::new(), dictionary! { "MediaBox" => area([0, 0, 595, 842]) })] {
            for seed in 1..=300 {
                let file = File { bytes: damaged(&whole.bytes, seed).into(), ..whole.clone() };
                // A panic is caught here, and would not be in the two below, which read the same bytes in the same way.
                let drawn = drawn(&file, &drawing);
                outcomes[usize::from(drawn.is_ok())] += 1;
                assert!(crate::documents::measure(&file).0 >= 1, "seed {seed}");
                assert!(crate::documents::combined(&[file]).is_ok(), "seed {seed}");
            }
        }
        assert!(outcomes.iter().all(|count| *count > 50), "some can be read and some cannot: {outcomes:?}");
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
