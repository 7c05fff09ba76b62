//! What kind of file a document is.

/// Extensions and their media types; what is not here is given out as plain bytes.
const TYPES: &[(&str, &str)] = &[
    ("pdf", "application/pdf"),
    ("txt", "text/plain; charset=utf-8"),
    ("text", "text/plain; charset=utf-8"),
    ("log", "text/plain; charset=utf-8"),
    ("md", "text/markdown; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("xml", "application/xml"),
    ("json", "application/json"),
    ("rtf", "application/rtf"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("zip", "application/zip"),
];

/// The longest extension kept, in bytes.
const EXTENSION_BYTES_MAX: usize = 16;

/// The media type of an extension.
#[must_use]
pub fn content_type(extension: &str) -> &'static str {
    TYPES.iter().find(|(known, _)| *known == extension).map_or("application/octet-stream", |(_, media)| media)
}

/// The extension of a document: the one given, else that of its name, else `pdf` (Connect: `fileExtension` defaults to PDF).
#[must_use]
pub fn extension_of(given: Option<&str>, name: &str) -> String {
    let named =
        || name.rsplit_once('.').map(|(_, extension)| extension).filter(|extension| TYPES.iter().any(|(known, _)| is(known, extension)));
    let extension = given.map(|text| text.trim().trim_start_matches('.')).filter(|text| !text.is_empty()).or_else(named).unwrap_or("pdf");
    let plain = extension.len() <= EXTENSION_BYTES_MAX && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    if plain { extension.to_ascii_lowercase() } else { "bin".to_owned() }
}

fn is(known: &str, extension: &str) -> bool {
    known.eq_ignore_ascii_case(extension)
}

/// A name that can stand in a zip or a header on any system: the document's, without what would lead elsewhere, with its extension.
#[must_use]
pub fn file_name(name: &str, extension: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') { '_' } else { c })
        .collect();
    let plain = plain.trim_matches([' ', '.']);
    let plain = if plain.is_empty() { "document" } else { plain };
    let ending = format!(".{extension}");
    if plain.to_lowercase().ends_with(&ending) { plain.to_owned() } else { format!("{plain}{ending}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_is_given_or_named_or_pdf() {
        for (given, name, expected) in [
            (Some("PDF"), "x.docx", "pdf"),
            (Some(".docx"), "x", "docx"),
            (None, "Lease.TXT", "txt"),
            (None, "Version 1.2", "pdf"),
            (None, "", "pdf"),
            (Some("../etc"), "x", "bin"),
        ] {
            assert_eq!(extension_of(given, name), expected, "{given:?} {name}");
        }
    }

    #[test]
    fn a_file_name_leads_nowhere_else() {
        for (name, expected) in [
            ("Lease", "Lease.pdf"),
            ("Lease.PDF", "Lease.PDF"),
            ("../../etc/passwd", "_.._etc_passwd.pdf"),
            ("...", "document.pdf"),
            ("a\r\nb\"", "a__b_.pdf"),
        ] {
            assert_eq!(file_name(name, "pdf"), expected, "{name:?}");
        }
    }
}
