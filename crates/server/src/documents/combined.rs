//! All documents in one PDF.
//!
//! Pages are copied object by object from what they refer to. What refers to nothing becomes null, what belongs to the whole of
//! the old file (its catalogue, its page tree, its outlines) stays behind, and no id of one file can be mistaken for one of another.

use std::collections::HashMap;

use countersign_core::envelope::PageSize;
use lopdf::{Dictionary, Document, LoadOptions, Object, ObjectId, Stream, dictionary};

use super::{File, sheet};

/// The most that one compressed object stream of an uploaded PDF may unfold to, in bytes: such streams hold page trees and fonts'
/// dictionaries, which are small; a bomb stops here.
const STREAM_BYTES_MAX: usize = 32 << 20;
/// Files set as text.
const TEXT: &[&str] = &["txt", "text", "log", "md", "csv"];
/// How far up a page tree inherited properties are looked for; a deeper tree is a loop.
const TREE_DEPTH_MAX: usize = 64;
/// Page sides beyond this many points (200 inches, the PDF limit) are taken for nonsense.
const SIDE_MAX: f32 = 14_400.0;

/// How the pages of a file come about.
#[derive(Debug)]
pub enum PagePlan {
    /// It is a PDF that can be read.
    Own(Box<Document>),
    /// It is set as text.
    Text(Vec<String>),
    /// One page that names it.
    Placeholder,
}

/// How the pages of this file come about.
#[must_use]
pub fn plan(file: &File) -> PagePlan {
    if says_pdf(&file.bytes) {
        let options = LoadOptions { max_decompressed_size: Some(STREAM_BYTES_MAX), ..LoadOptions::default() };
        return match Document::load_mem_with_options(&file.bytes, options) {
            Ok(document) if !document.is_encrypted() && document.page_iter().next().is_some() => PagePlan::Own(Box::new(document)),
            _ => PagePlan::Placeholder,
        };
    }
    match std::str::from_utf8(&file.bytes) {
        Ok(text) if TEXT.contains(&file.extension.as_str()) => PagePlan::Text(sheet::wrap(text.trim_start_matches('\u{feff}'))),
        _ => PagePlan::Placeholder,
    }
}

/// True when the bytes begin as those of a PDF do; readers look for it in the first kilobyte.
pub(super) fn says_pdf(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(1_024)].windows(5).any(|window| window == b"%PDF-")
}

/// Pages of a PDF and the size of its first.
pub(super) fn measure(document: &Document) -> (u32, PageSize) {
    let pages = u32::try_from(document.page_iter().count()).unwrap_or(u32::MAX).max(1);
    let first = document.page_iter().next().and_then(|page| held(document, page, b"MediaBox"));
    let first = first.and_then(|media| size_of(document, media.value));
    (pages, first.unwrap_or_default())
}

/// A rectangle, its corners in order: left, bottom, right, top.
pub(super) fn corners(document: &Document, area: &Object) -> Option<[f32; 4]> {
    // A list of a million numbers would be read for each of the pages that have it.
    let area = area.as_array().ok().filter(|area| area.len() == 4)?;
    let corners: Vec<f32> = area.iter().filter_map(|o| document.dereference(o).ok()?.1.as_float().ok()).collect();
    let [x1, y1, x2, y2] = corners[..] else { return None };
    Some([x1.min(x2), y1.min(y2), x1.max(x2), y1.max(y2)]).filter(|corners| corners.iter().all(|corner| corner.is_finite()))
}

fn size_of(document: &Document, media: &Object) -> Option<PageSize> {
    let [left, bottom, right, top] = corners(document, media)?;
    let side = |from: f32, to: f32| Some((to - from).round()).filter(|side| *side >= 1.0 && *side <= SIDE_MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded and within 1 to 14,400")]
    let size = PageSize { width: side(left, right)? as u32, height: side(bottom, top)? as u32 };
    Some(size)
}

/// One PDF of all these files in order, 1 page or more.
///
/// # Errors
/// When the PDF cannot be written, which is a fault of ours.
pub fn combined(files: &[File]) -> Result<Vec<u8>, lopdf::Error> {
    let mut target = Document::with_version("1.7");
    let tree = target.new_object_id();
    let mut pages = Vec::new();
    for file in files {
        match plan(file) {
            PagePlan::Own(source) => pages.extend(
                Copier {
                    source: &source,
                    target: &mut target,
                    tree,
                    copied: HashMap::new(),
                    handed_down: HashMap::new(),
                    pending: Vec::new(),
                }
                .copy(),
            ),
            PagePlan::Text(lines) => pages.extend(sheet::add_pages(&mut target, tree, &lines)),
            PagePlan::Placeholder => pages.extend(sheet::add_pages(&mut target, tree, &placeholder(file))),
        }
    }
    if pages.is_empty() {
        pages.extend(sheet::add_pages(&mut target, tree, &[]));
    }
    write(target, tree, &pages)
}

/// A PDF of these lines.
pub(super) fn text(lines: &[String]) -> Result<Vec<u8>, lopdf::Error> {
    let mut target = Document::with_version("1.7");
    let tree = target.new_object_id();
    let pages = sheet::add_pages(&mut target, tree, lines);
    write(target, tree, &pages)
}

fn write(mut target: Document, tree: ObjectId, pages: &[ObjectId]) -> Result<Vec<u8>, lopdf::Error> {
    let count = i64::try_from(pages.len()).unwrap_or(i64::MAX);
    let kids: Vec<Object> = pages.iter().map(|&page| Object::Reference(page)).collect();
    target.set_object(tree, dictionary! { "Type" => "Pages", "Kids" => kids, "Count" => count });
    let catalogue = target.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
    target.trailer.set("Root", catalogue);
    let mut bytes = Vec::new();
    target.save_to(&mut bytes)?;
    Ok(bytes)
}

/// A text of the words that stand for this file where it cannot be shown.
pub(super) fn stand_in(file: &File) -> File {
    // A name must not make a PDF of the text.
    let words = placeholder(file).join("\n").replace("%PDF-", "%PDF ");
    File { name: file.name.clone(), extension: "txt".to_owned(), bytes: words.into() }
}

fn placeholder(file: &File) -> Vec<String> {
    let mut lines = sheet::wrap(&file.name);
    lines.push(String::new());
    lines.extend(sheet::wrap(&format!(
        "This document is a .{} file of {} bytes that cannot be shown here. Its own bytes are in the archive of the envelope and under its document id.",
        file.extension,
        file.bytes.len()
    )));
    lines
}

/// A property of a page, its own or the nearest ancestor's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'d> {
    /// The page or the ancestor that has it.
    pub(super) node: ObjectId,
    /// The object that it is, where it stands apart.
    pub(super) reference: Option<ObjectId>,
    /// What it is, resolved.
    pub(super) value: &'d Object,
}

/// Where a page has a property from. Thousands of pages may have one and the same, so it is looked at and not copied.
pub(super) fn held<'d>(document: &'d Document, page: ObjectId, key: &[u8]) -> Option<Held<'d>> {
    let mut node = page;
    for _ in 0..TREE_DEPTH_MAX {
        let properties = document.get_dictionary(node).ok()?;
        if let Ok(value) = properties.get(key)
            && let Ok((reference, value)) = document.dereference(value)
            && !value.is_null()
        {
            return Some(Held { node, reference, value });
        }
        node = properties.get(b"Parent").ok()?.as_reference().ok()?;
    }
    None
}

/// Copies pages of one PDF into another with everything they refer to.
struct Copier<'a> {
    source: &'a Document,
    target: &'a mut Document,
    /// The page tree they get.
    tree: ObjectId,
    /// Ids there by ids here.
    copied: HashMap<ObjectId, ObjectId>,
    /// Ids there of what nodes of the page tree here hand down, by the node and the property.
    handed_down: HashMap<(ObjectId, &'static str), ObjectId>,
    /// Promised and not copied yet.
    pending: Vec<(ObjectId, ObjectId)>,
}

impl Copier<'_> {
    fn copy(mut self) -> Vec<ObjectId> {
        let pages: Vec<(ObjectId, ObjectId)> = self.source.page_iter().map(|from| (from, self.target.new_object_id())).collect();
        // Known before anything is copied, so that a link to another page leads to that page's copy.
        self.copied.extend(pages.iter().copied());
        for &(from, to) in &pages {
            let page = self.page(from);
            self.target.set_object(to, page);
        }
        while let Some((from, to)) = self.pending.pop() {
            let object = match self.source.get_object(from) {
                Ok(object) => self.object(object),
                Err(_) => Object::Null,
            };
            self.target.set_object(to, object);
        }
        pages.into_iter().map(|(_, to)| to).collect()
    }

    fn page(&mut self, from: ObjectId) -> Dictionary {
        let mut page = Dictionary::new();
        if let Ok(own) = self.source.get_dictionary(from) {
            for (key, value) in own.iter().filter(|(key, _)| !matches!(key.as_slice(), b"Parent" | b"StructParents" | b"B")) {
                page.set(key.clone(), self.object(value));
            }
        }
        for key in ["Resources", "MediaBox", "CropBox", "Rotate"] {
            match held(self.source, from, key.as_bytes()) {
                // Copied above, with the rest of the page.
                Some(held) if held.node == from => {}
                Some(Held { reference: Some(id), .. }) => {
                    let copy = self.reference(id);
                    page.set(key, copy);
                }
                Some(Held { node, value, .. }) => {
                    let copy = self.handed_down(node, key, value);
                    page.set(key, copy);
                }
                None => {}
            }
        }
        if !page.has(b"MediaBox") {
            let PageSize { width, height } = PageSize::default();
            page.set("MediaBox", vec![0.into(), 0.into(), i64::from(width).into(), i64::from(height).into()]);
        }
        page.set("Type", "Page");
        page.set("Parent", self.tree);
        page
    }

    /// One copy for all pages that have it from this node.
    fn handed_down(&mut self, node: ObjectId, key: &'static str, value: &Object) -> ObjectId {
        if let Some(&copy) = self.handed_down.get(&(node, key)) {
            return copy;
        }
        let copy = self.target.new_object_id();
        self.handed_down.insert((node, key), copy);
        let value = self.object(value);
        self.target.set_object(copy, value);
        copy
    }

    /// A copy whose references lead into the new file. The parser bounds how deep objects nest.
    fn object(&mut self, object: &Object) -> Object {
        match object {
            Object::Reference(id) => self.reference(*id),
            Object::Array(items) => Object::Array(items.iter().map(|item| self.object(item)).collect()),
            Object::Dictionary(dictionary) => Object::Dictionary(self.dictionary(dictionary)),
            Object::Stream(stream) => {
                let mut copy = Stream::new(self.dictionary(&stream.dict), stream.content.clone());
                copy.allows_compression = false;
                Object::Stream(copy)
            }
            plain => plain.clone(),
        }
    }

    fn dictionary(&mut self, dictionary: &Dictionary) -> Dictionary {
        let mut copy = Dictionary::new();
        for (key, value) in dictionary.iter() {
            copy.set(key.clone(), self.object(value));
        }
        copy
    }

    fn reference(&mut self, from: ObjectId) -> Object {
        if let Some(&to) = self.copied.get(&from) {
            return Object::Reference(to);
        }
        match self.source.get_object(from) {
            Err(_) => return Object::Null,
            Ok(Object::Dictionary(found))
                if [&b"Catalog"[..], b"Pages", b"Page", b"Outlines", b"StructTreeRoot"].iter().any(|kind| found.has_type(kind)) =>
            {
                return Object::Null;
            }
            Ok(_) => {}
        }
        let to = self.target.new_object_id();
        self.copied.insert(from, to);
        self.pending.push((from, to));
        Object::Reference(to)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn file(name: &str, extension: &str, bytes: impl Into<Bytes>) -> File {
        File { name: name.into(), extension: extension.into(), bytes: bytes.into() }
    }

    fn pdf(text: &str, pages: usize) -> Vec<u8> {
        let lines: Vec<String> = (0..pages * 56).map(|n| format!("{text} {n}")).collect();
        super::text(&lines).expect("a PDF")
    }

    fn pages_of(bytes: &[u8]) -> Vec<String> {
        let document = Document::load_mem(bytes).expect("a PDF");
        let pages = document.get_pages();
        pages.keys().map(|&page| document.extract_text(&[page]).expect("text")).collect()
    }

    #[test]
    fn documents_follow_each_other_page_by_page() {
        let bytes = combined(&[
            file("a", "pdf", pdf("alpha", 2)),
            file("b", "txt", "beta\nline two"),
            file("c", "docx", &b"PK\x03\x04"[..]),
            file("d", "pdf", pdf("delta", 1)),
        ])
        .expect("written");
        let pages = pages_of(&bytes);
        assert_eq!(pages.len(), 5);
        for (page, expected) in pages.iter().zip(["alpha 0", "alpha 56", "line two", ".docx file of 4 bytes", "delta 0"]) {
            assert!(page.contains(expected), "{page} should have {expected}");
        }
    }

    #[test]
    fn what_is_no_readable_pdf_still_has_a_page() {
        let mut cut = pdf("cut", 1);
        cut.truncate(40);
        let nested = [&b"%PDF-1.4\n1 0 obj\n"[..], &b"[".repeat(100_000)].concat();
        for bytes in [Vec::new(), b"%PDF-1.7".to_vec(), cut, nested, b"%PDF-1.4\ntrailer<</Root 1 0 R>>\nstartxref\n0\n%%EOF".to_vec()] {
            let odd = file("odd", "pdf", bytes.clone());
            assert_eq!(super::super::measure(&odd).0, 1, "{} bytes", bytes.len());
            assert_eq!(pages_of(&combined(&[odd]).expect("written")).len(), 1);
        }
    }

    #[test]
    fn inherited_page_size_is_found() {
        let mut document = Document::with_version("1.7");
        let tree = document.new_object_id();
        let page = document.add_object(dictionary! { "Type" => "Page", "Parent" => tree });
        document.set_object(
            tree,
            dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1, "MediaBox" => vec![0.into(), 0.into(), 595.into(), 842.into()] },
        );
        let root = document.add_object(dictionary! { "Type" => "Catalog", "Pages" => tree });
        document.trailer.set("Root", root);
        let mut bytes = Vec::new();
        document.save_to(&mut bytes).expect("written");
        assert_eq!(super::super::measure(&file("a4", "pdf", bytes)), (1, PageSize { width: 595, height: 842 }));
    }
}
