//! What a command is given: values that may be secret, and files.
//!
//! A value on the command line can be read by every process of the machine. So a secret may also be named: `env:NAME` takes
//! it from the environment, `@FILE` from a file and `-` from standard input. It is held as [`Secret`], and no error or help
//! text shows it.

use std::{fmt, fs::File, io::Read as _, path::PathBuf, str::FromStr, time::Duration};

use anyhow::Context as _;
use countersign_core::Secret;

use crate::misuse::Misuse;

/// Longest secret read from a file or from standard input, in bytes: a chain of certificates with its key fits, a file
/// named by mistake does not.
const SECRET_BYTES_MAX: usize = 256 * 1_024;

/// Longest file read whole, in bytes: the largest message that is ever sent.
pub(crate) const BODY_BYTES_MAX: usize = 64 << 20;

/// Where a value comes from: `value`, `env:NAME`, `@FILE` or `-`.
#[derive(Clone)]
pub(crate) enum Source {
    /// The value itself.
    Value(Secret),
    /// The name of an environment variable.
    Environment(String),
    /// A file; one line end at its end is not part of the value.
    File(PathBuf),
    /// Standard input; likewise.
    Stdin,
}

/// A file, or standard input for `-`.
#[derive(Debug, Clone)]
pub(crate) enum FileOrStdin {
    /// A file.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// A file, standard input for `-`, or the environment for `env:NAME`. `@FILE` names a file as well, as it does for a [`Source`].
#[derive(Debug, Clone)]
pub(crate) enum Contents {
    /// A file or standard input.
    Place(FileOrStdin),
    /// The name of an environment variable.
    Environment(String),
}

/// Reads inputs and sees to it that standard input is taken once.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    stdin_taken_by: Option<String>,
}

/// A value that was read.
#[derive(Debug)]
pub(crate) struct Given {
    /// The value.
    pub(crate) secret: Secret,
    /// True when a line end at the end of a file was left out.
    pub(crate) line_end_left_out: bool,
}

impl Inputs {
    /// The value of a source. `what` names it in errors, such as `--key`.
    pub(crate) fn secret(&mut self, source: &Source, what: &str) -> anyhow::Result<Secret> {
        self.given(source, what).map(|given| given.secret)
    }

    /// The same, and whether a line end was left out.
    pub(crate) fn given(&mut self, source: &Source, what: &str) -> anyhow::Result<Given> {
        self.given_bytes(source, what)?.map_err(|_| Misuse::error(format!("{what}: what {source} holds is not UTF-8 text")))
    }

    /// The same; what is not UTF-8 text comes as its bytes.
    pub(crate) fn given_bytes(&mut self, source: &Source, what: &str) -> anyhow::Result<Result<Given, Vec<u8>>> {
        let (bytes, is_file) = match source {
            Source::Value(value) => return Ok(Ok(Given { secret: value.clone(), line_end_left_out: false })),
            Source::Environment(name) => (variable(name, what)?, false),
            Source::File(path) => (self.file(&FileOrStdin::File(path.clone()), what, SECRET_BYTES_MAX)?, true),
            Source::Stdin => (self.file(&FileOrStdin::Stdin, what, SECRET_BYTES_MAX)?, true),
        };
        let mut text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(refused) => return Ok(Err(refused.into_bytes())),
        };
        let whole = text.len();
        if is_file && text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(Ok(Given { line_end_left_out: text.len() < whole, secret: Secret::new(text) }))
    }

    /// All bytes of a file, of standard input or of a variable, at most `bytes_max` of them.
    pub(crate) fn contents(&mut self, contents: &Contents, what: &str, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
        match contents {
            Contents::Place(file) => self.file(file, what, bytes_max),
            // The system bounds the environment far below any limit here.
            Contents::Environment(name) => variable(name, what),
        }
    }

    /// All bytes of a file, at most `bytes_max` of them.
    pub(crate) fn file(&mut self, file: &FileOrStdin, what: &str, bytes_max: usize) -> anyhow::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = bytes_max as u64 + 1;
        match file {
            FileOrStdin::File(path) => {
                let opened = File::open(path).map_err(|error| unreadable(what, file, &error))?;
                opened.take(limit).read_to_end(&mut bytes).map_err(|error| unreadable(what, file, &error))?;
            }
            FileOrStdin::Stdin => {
                if let Some(earlier) = &self.stdin_taken_by {
                    return Err(Misuse::error(format!("{what}: standard input is already read by {earlier}; use '-' once")));
                }
                self.stdin_taken_by = Some(what.to_owned());
                std::io::stdin().lock().take(limit).read_to_end(&mut bytes).with_context(|| format!("{what}: reading standard input"))?;
            }
        }
        if bytes.len() > bytes_max {
            return Err(Misuse::error(format!("{what}: {file} is longer than {bytes_max} bytes")));
        }
        Ok(bytes)
    }

    /// A file as text.
    pub(crate) fn text(&mut self, file: &FileOrStdin, what: &str, bytes_max: usize) -> anyhow::Result<String> {
        let bytes = self.file(file, what, bytes_max)?;
        String::from_utf8(bytes).map_err(|_| Misuse::error(format!("{what}: {file} is not UTF-8 text")))
    }
}

fn variable(name: &str, what: &str) -> anyhow::Result<Vec<u8>> {
    use std::os::unix::ffi::OsStringExt as _;
    let value = std::env::var_os(name).ok_or_else(|| Misuse::error(format!("{what}: the environment has no variable {name}")))?;
    Ok(value.into_vec())
}

fn unreadable(what: &str, file: &FileOrStdin, error: &std::io::Error) -> anyhow::Error {
    Misuse::error(format!("{what}: {file} cannot be read: {error}"))
}

impl FromStr for Source {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("env:"), text.strip_prefix('@')) {
            ("-", ..) => Ok(Self::Stdin),
            (_, Some(""), _) => Err("give the name of a variable behind 'env:'"),
            (_, Some(name), _) => Ok(Self::Environment(name.to_owned())),
            (_, _, Some("")) => Err("give the name of a file behind '@'"),
            (_, _, Some(path)) => Ok(Self::File(path.into())),
            (value, ..) => Ok(Self::Value(Secret::new(value))),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(_) => f.write_str("the value"),
            Self::Environment(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for FileOrStdin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "-" => Ok(Self::Stdin),
            "" => Err("give the name of a file"),
            path => Ok(Self::File(path.into())),
        }
    }
}

impl fmt::Display for FileOrStdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Stdin => f.write_str("standard input"),
        }
    }
}

impl FromStr for Contents {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text.strip_prefix("env:"), text.strip_prefix('@')) {
            (Some(""), _) => Err("give the name of a variable behind 'env:'"),
            (Some(name), _) => Ok(Self::Environment(name.to_owned())),
            (_, Some("")) => Err("give the name of a file behind '@'"),
            (_, Some(path)) => Ok(Self::Place(FileOrStdin::File(path.into()))),
            _ => text.parse().map(Self::Place),
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(file) => file.fmt(f),
            Self::Environment(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// A duration like `30s`, `500ms` or `2m`, more than zero.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.filter(|duration| !duration.is_zero()).ok_or("write it like 30s, 500ms or 2m")
}

/// A name and a value, split at the first `=`.
pub(crate) fn pair(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it like name=value"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn read(text: &str) -> anyhow::Result<Secret> {
        Inputs::default().secret(&text.parse().expect("a source"), "--key")
    }

    #[test]
    fn a_value_is_given_named_or_filed() {
        let mut file = tempfile::NamedTempFile::new().expect("a temp file");
        file.write_all(b" from a file \r\n").expect("writing");
        for (text, value) in [("plain", "plain"), ("a@b", "a@b"), ("", ""), (&format!("@{}", file.path().display()), " from a file ")] {
            assert_eq!(read(text).expect("readable").expose_secret(), value, "{text}");
        }
        assert!(Source::from_str("@").is_err() && Source::from_str("env:").is_err());
    }

    #[test]
    fn contents_are_named_by_a_path_with_or_without_an_at_sign() {
        let mut file = tempfile::NamedTempFile::new().expect("a temp file");
        file.write_all(b"\xff\n").expect("writing");
        for text in [file.path().display().to_string(), format!("@{}", file.path().display())] {
            let contents: Contents = text.parse().expect("a file");
            assert_eq!(Inputs::default().contents(&contents, "--body", 2).expect("readable"), b"\xff\n", "{text}");
            assert!(Inputs::default().contents(&contents, "--body", 1).is_err(), "{text}");
        }
        assert!(Contents::from_str("@").is_err() && Contents::from_str("env:").is_err() && Contents::from_str("").is_err());
    }

    #[test]
    fn only_one_line_end_is_left_out() {
        let mut file = tempfile::NamedTempFile::new().expect("a temp file");
        file.write_all(b"key\n\n").expect("writing");
        let given = Inputs::default().given(&Source::File(file.path().to_owned()), "--key").expect("readable");
        assert_eq!(given.secret.expose_secret(), "key\n");
        assert!(given.line_end_left_out);
    }

    #[test]
    fn what_is_missing_is_named_and_no_secret_is() {
        let missing = read("env:COUNTERSIGN_NO_SUCH_VARIABLE").expect_err("no such variable");
        assert_eq!(missing.to_string(), "--key: the environment has no variable COUNTERSIGN_NO_SUCH_VARIABLE");
        let missing = read("@/no/such/file").expect_err("no such file").to_string();
        assert!(missing.starts_with("--key: /no/such/file cannot be read: "), "{missing}");
        let source: Source = "s3cret".parse().expect("a source");
        assert!(!format!("{source:?} {source}").contains("s3cret"));
    }

    #[test]
    fn durations_have_a_unit_and_a_length() {
        for (text, millis) in [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1h30m", 5_400_000), ("1.5s", 1_500)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "30", "0s", "-1s", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_that_is_too_long_is_refused() {
        let mut file = tempfile::NamedTempFile::new().expect("a temp file");
        file.write_all(&[b'x'; 11]).expect("writing");
        let named = FileOrStdin::File(file.path().to_owned());
        assert!(Inputs::default().file(&named, "--body", 11).is_ok());
        let refused = Inputs::default().file(&named, "--body", 10).expect_err("too long").to_string();
        assert!(refused.ends_with("is longer than 10 bytes"), "{refused}");
    }
}
