//! Blocks: written one after the other, each with the chain of hashes up to it, and read back the same way.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::fault::TransferError;

/// How every file begins, up to the number of its form.
const NAME: &str = "countersign export ";
/// The form that is written.
const FORM: u32 = 1;
/// The longest first line: the name, a number and its end.
const FIRST_LINE_MAX: usize = 32;
/// The largest payload. A record of the store takes up to 128 MiB; its row has a little beside it.
pub(super) const PAYLOAD_BYTES_MAX: usize = 160 << 20;
/// Kind and length before the payload.
const HEAD_BYTES: u64 = 5;
/// The chain behind it.
const CHAIN_BYTES: u64 = 32;

/// SHA-256 over all blocks so far.
pub(super) type Chain = [u8; 32];

/// What a block holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockKind {
    /// The header, as JSON.
    Header,
    /// Rows of one table.
    Rows,
    /// The manifest, as JSON.
    Manifest,
}

impl BlockKind {
    fn letter(self) -> u8 {
        match self {
            Self::Header => b'H',
            Self::Rows => b'R',
            Self::Manifest => b'M',
        }
    }

    fn of(letter: u8) -> Option<Self> {
        [Self::Header, Self::Rows, Self::Manifest].into_iter().find(|kind| kind.letter() == letter)
    }
}

fn next_chain(chain: &Chain, head: &[u8], payload: &[u8]) -> Chain {
    Sha256::new().chain_update(chain).chain_update(head).chain_update(payload).finalize().into()
}

/// Writes blocks.
pub(super) struct BlockWriter {
    file: BufWriter<File>,
    chain: Chain,
}

impl BlockWriter {
    /// Writes the first line.
    pub(super) fn begin(file: File) -> io::Result<Self> {
        let mut file = BufWriter::new(file);
        writeln!(file, "{NAME}{FORM}")?;
        Ok(Self { file, chain: [0; 32] })
    }

    /// Writes a block. The payload is within [`PAYLOAD_BYTES_MAX`].
    pub(super) fn write(&mut self, kind: BlockKind, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?.to_be_bytes();
        let head = [kind.letter(), length[0], length[1], length[2], length[3]];
        self.chain = next_chain(&self.chain, &head, payload);
        self.file.write_all(&head)?;
        self.file.write_all(payload)?;
        self.file.write_all(&self.chain)
    }

    /// Puts everything on stable storage.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}

/// A block that was read and is as it was written.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) kind: BlockKind,
    pub(super) payload: Vec<u8>,
    /// Where it begins.
    pub(super) from: u64,
    /// Where it ends.
    pub(super) to: u64,
}

/// Reads blocks.
pub(super) struct BlockReader {
    path: PathBuf,
    file: BufReader<File>,
    at: u64,
    length: u64,
    chain: Chain,
}

impl BlockReader {
    /// Reads the first line.
    pub(super) fn open(path: &Path) -> Result<Self, TransferError> {
        let mut reader = Self::open_at(path, 0, [0; 32])?;
        let mut start = Vec::new();
        reader.file.by_ref().take(FIRST_LINE_MAX as u64).read_to_end(&mut start).map_err(|e| TransferError::file(path, &e))?;
        let not_ours = || TransferError::NotAnExport(path.to_owned());
        let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let number = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix(NAME)).ok_or_else(not_ours)?;
        if line.len() == start.len() && start.len() < FIRST_LINE_MAX {
            return Err(TransferError::Truncated { file: path.to_owned(), at: reader.length });
        }
        let found: u32 = number.parse().map_err(|_| not_ours())?;
        if found != FORM {
            return Err(TransferError::NewerForm { file: path.to_owned(), found, known: FORM });
        }
        Self::open_at(path, line.len() as u64 + 1, [0; 32])
    }

    /// Goes on where a block begins.
    pub(super) fn open_at(path: &Path, at: u64, chain: Chain) -> Result<Self, TransferError> {
        let failed = |e: io::Error| TransferError::file(path, &e);
        let mut file = File::open(path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file: BufReader::new(file), at, length, chain })
    }

    /// The next block; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Block>, TransferError> {
        let from = self.at;
        if from == self.length {
            return Ok(None);
        }
        let mut head = [0; HEAD_BYTES as usize];
        self.read(&mut head)?;
        let [letter, length @ ..] = head;
        let length = u32::from_be_bytes(length);
        let to = from + HEAD_BYTES + u64::from(length) + CHAIN_BYTES;
        let Some(kind) = BlockKind::of(letter) else { return Err(self.damaged(from, from + HEAD_BYTES, "no block begins here")) };
        if length as usize > PAYLOAD_BYTES_MAX {
            return Err(self.damaged(from, from + HEAD_BYTES, "a block of a length that none has"));
        }
        if to > self.length {
            return Err(self.truncated());
        }
        let mut payload = vec![0; length as usize];
        self.read(&mut payload)?;
        let mut chain = [0; 32];
        self.read(&mut chain)?;
        self.chain = next_chain(&self.chain, &head, &payload);
        if self.chain != chain {
            return Err(self.damaged(from, to, "its hash differs"));
        }
        self.at = to;
        Ok(Some(Block { kind, payload, from, to }))
    }

    fn read(&mut self, into: &mut [u8]) -> Result<(), TransferError> {
        self.file.read_exact(into).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => self.truncated(),
            _ => TransferError::file(&self.path, &error),
        })
    }

    /// The file ends here, and should not.
    pub(super) fn truncated(&self) -> TransferError {
        TransferError::Truncated { file: self.path.clone(), at: self.length }
    }

    /// What is wrong between two places.
    pub(super) fn damaged(&self, from: u64, to: u64, what: &str) -> TransferError {
        TransferError::Damaged { file: self.path.clone(), from, to, what: what.to_owned() }
    }

    /// The tables of the program that made it are others.
    pub(super) fn other_tables(&self, program: String, what: String) -> TransferError {
        TransferError::OtherTables { file: self.path.clone(), program, what }
    }

    /// Where the next block begins, and the chain before it.
    pub(super) fn place(&self) -> (u64, Chain) {
        (self.at, self.chain)
    }

    /// The length of the file, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of three blocks, and where each begins.
    fn written() -> (tempfile::TempDir, PathBuf, Vec<u64>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.export");
        let mut writer = BlockWriter::begin(File::create(&path).expect("made")).expect("begun");
        for (kind, payload) in [(BlockKind::Header, "head"), (BlockKind::Rows, ""), (BlockKind::Manifest, "manifest")] {
            writer.write(kind, payload.as_bytes()).expect("written");
        }
        writer.end().expect("ended");
        let mut reader = BlockReader::open(&path).expect("opens");
        let mut places = vec![reader.place().0];
        while let Some(block) = reader.next().expect("read") {
            assert_eq!(block.from, places[places.len() - 1]);
            places.push(block.to);
        }
        (folder, path, places)
    }

    fn read_all(path: &Path) -> Result<usize, TransferError> {
        let mut reader = BlockReader::open(path)?;
        let mut blocks = 0;
        while reader.next()?.is_some() {
            blocks += 1;
        }
        Ok(blocks)
    }

    #[test]
    fn every_altered_byte_is_noticed_in_its_block() {
        let (_folder, path, places) = written();
        let whole = std::fs::read(&path).expect("read");
        assert_eq!((read_all(&path), whole.len() as u64), (Ok(3), places[3]));
        for at in places[0]..places[3] {
            let mut altered = whole.clone();
            altered[at as usize] ^= 1;
            std::fs::write(&path, altered).expect("written");
            let begin = places.iter().rev().copied().find(|&place| place <= at).expect("a block");
            match read_all(&path) {
                Err(TransferError::Damaged { from, .. }) => assert_eq!(from, begin, "byte {at}"),
                // A length that leads beyond the end.
                Err(TransferError::Truncated { .. }) => assert!((1..5).contains(&(at - begin)), "byte {at}"),
                other => panic!("byte {at}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_file_that_was_cut_says_where_it_ends() {
        let (_folder, path, places) = written();
        let whole = std::fs::read(&path).expect("read");
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).expect("written");
            let at = length as u64;
            let expected = match places.iter().position(|&place| place == at) {
                Some(blocks) => Ok(blocks),
                None if length < NAME.len() => Err(TransferError::NotAnExport(path.clone())),
                None => Err(TransferError::Truncated { file: path.clone(), at }),
            };
            assert_eq!(read_all(&path), expected, "{length} bytes");
        }
    }

    #[test]
    fn blocks_that_change_places_are_noticed() {
        let (_folder, path, places) = written();
        let whole = std::fs::read(&path).expect("read");
        let part = |number: usize| &whole[places[number] as usize..places[number + 1] as usize];
        let first_line = &whole[..places[0] as usize];
        for (row, parts, at) in
            [("changed", [first_line, part(0), part(2), part(1)], 1), ("left out", [first_line, part(1), part(2), &[]], 0)]
        {
            std::fs::write(&path, parts.concat()).expect("written");
            let Err(TransferError::Damaged { from, .. }) = read_all(&path) else { panic!("{row}") };
            assert_eq!(from, places[at], "{row}");
        }
    }

    #[test]
    fn other_files_and_newer_forms_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.export");
        for (text, newer) in [
            (&b"SQLite format 3\0 and more"[..], None),
            (b"", None),
            (b"countersign export one\n", None),
            (b"countersign export 2\nwhatever", Some(2)),
        ] {
            std::fs::write(&path, text).expect("written");
            let expected = match newer {
                Some(found) => TransferError::NewerForm { file: path.clone(), found, known: FORM },
                None => TransferError::NotAnExport(path.clone()),
            };
            assert_eq!(read_all(&path), Err(expected), "{text:?}");
        }
    }
}
