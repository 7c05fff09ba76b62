//! All documents in one zip.

use std::{
    collections::HashSet,
    io::{Cursor, Write},
};

use zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};

use super::{File, file_name};

/// A zip of these files, each under its name; a name that is taken gets a number.
///
/// # Errors
/// When a single entry or the whole is beyond what a zip holds.
pub fn archive(files: &[File]) -> Result<Vec<u8>, ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut taken = HashSet::new();
    for file in files {
        let name = free_name(&file_name(&file.name, &file.extension), &mut taken);
        // Without a date: the same documents make the same bytes, which are then stored once.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        zip.start_file(name, options)?;
        zip.write_all(&file.bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn free_name(name: &str, taken: &mut HashSet<String>) -> String {
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let mut free = name.to_owned();
    let mut number = 1;
    while !taken.insert(free.to_lowercase()) {
        number += 1;
        free = format!("{stem} ({number}).{extension}");
    }
    free
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use bytes::Bytes;

    use super::*;

    #[test]
    fn files_of_one_name_are_all_there() {
        let file = |name: &str, bytes: &'static [u8]| File { name: name.into(), extension: "txt".into(), bytes: Bytes::from_static(bytes) };
        let bytes = archive(&[file("a", b"one"), file("A.txt", b"two"), file("b", b"three")]).expect("small files");
        let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a zip");
        for (name, expected) in [("a.txt", "one"), ("A (2).txt", "two"), ("b.txt", "three")] {
            let mut text = String::new();
            zip.by_name(name).expect(name).read_to_string(&mut text).expect("text");
            assert_eq!(text, expected);
        }
    }
}
