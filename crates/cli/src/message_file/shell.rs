//! The words of a command line, as a shell that quotes like bash takes them apart.
//!
//! Only quoting is undone. Where a shell would put in a value, reading on would give other bytes than were sent, so that is refused.

use std::{iter::Peekable, str::Chars};

use super::unreadable::Unreadable;

/// The words of the first command in `text`, as bytes: `$'..'` can name any.
pub(super) fn words(text: &str) -> Result<Vec<Vec<u8>>, Unreadable> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' => words.extend(word.take()),
            '\\' => match rest.next() {
                // The command goes on in the next line.
                Some('\n') => {}
                Some('\r') if rest.next_if_eq(&'\n').is_some() => {}
                Some(c) => push(word.get_or_insert_default(), c),
                None => {}
            },
            '\n' if words.is_empty() && word.is_none() => {}
            // What follows is another command.
            '\n' | ';' | '|' | '&' | '<' | '>' => break,
            '\'' => single_quoted(&mut rest, word.get_or_insert_default())?,
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '$' if rest.next_if_eq(&'\'').is_some() => ansi_quoted(&mut rest, word.get_or_insert_default())?,
            '^' if matches!(rest.peek(), Some('"' | '\n' | '\r')) => return Err(Unreadable::OtherShell),
            '`' => return Err(Unreadable::Expansion),
            '$' if is_expansion(rest.peek()) => return Err(Unreadable::Expansion),
            c => push(word.get_or_insert_default(), c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn push(word: &mut Vec<u8>, c: char) {
    word.extend(c.encode_utf8(&mut [0; 4]).bytes());
}

/// `$NAME`, `${..}`, `$(..)`, `$1` and the like.
fn is_expansion(next: Option<&char>) -> bool {
    next.is_some_and(|c| c.is_ascii_alphanumeric() || "_{(?!@*#$-\"".contains(*c))
}

fn single_quoted(rest: &mut Peekable<Chars<'_>>, word: &mut Vec<u8>) -> Result<(), Unreadable> {
    loop {
        match rest.next().ok_or(Unreadable::OpenQuote)? {
            '\'' => return Ok(()),
            c => push(word, c),
        }
    }
}

fn double_quoted(rest: &mut Peekable<Chars<'_>>, word: &mut Vec<u8>) -> Result<(), Unreadable> {
    loop {
        match rest.next().ok_or(Unreadable::OpenQuote)? {
            '"' => return Ok(()),
            '\\' => match rest.next().ok_or(Unreadable::OpenQuote)? {
                '\n' => {}
                c @ ('$' | '`' | '"' | '\\') => push(word, c),
                c => {
                    word.push(b'\\');
                    push(word, c);
                }
            },
            '`' => return Err(Unreadable::Expansion),
            '$' if rest.peek() != Some(&'"') && is_expansion(rest.peek()) => return Err(Unreadable::Expansion),
            c => push(word, c),
        }
    }
}

/// `$'..'`, with the escapes of C: what browsers write when a body has quotes or control characters in it.
fn ansi_quoted(rest: &mut Peekable<Chars<'_>>, word: &mut Vec<u8>) -> Result<(), Unreadable> {
    loop {
        match rest.next().ok_or(Unreadable::OpenQuote)? {
            '\'' => return Ok(()),
            '\\' => {
                let c = rest.next().ok_or(Unreadable::OpenQuote)?;
                match c {
                    'a' => word.push(0x07),
                    'b' => word.push(0x08),
                    'e' | 'E' => word.push(0x1b),
                    'f' => word.push(0x0c),
                    'n' => word.push(b'\n'),
                    'r' => word.push(b'\r'),
                    't' => word.push(b'\t'),
                    'v' => word.push(0x0b),
                    // Bytes and not characters: \303\253 is one letter.
                    'x' => word.extend(number(rest, 16, 2).map(|byte| byte as u8)),
                    'u' => push(word, number(rest, 16, 4).and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)),
                    'U' => push(word, number(rest, 16, 8).and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)),
                    '0'..='7' => {
                        let first = c.to_digit(8).unwrap_or_default();
                        let value = match rest.peek().and_then(|c| c.to_digit(8)) {
                            Some(_) => octal(rest, first),
                            None => first,
                        };
                        word.push(value as u8);
                    }
                    'c' => word.extend(rest.next().map(|c| c as u8 & 0x1f)),
                    '\\' | '\'' | '"' | '?' => push(word, c),
                    other => {
                        word.push(b'\\');
                        push(word, other);
                    }
                }
            }
            c => push(word, c),
        }
    }
}

/// Up to two further octal digits behind the first.
fn octal(rest: &mut Peekable<Chars<'_>>, first: u32) -> u32 {
    let mut value = first;
    for _ in 0..2 {
        let Some(digit) = rest.peek().and_then(|c| c.to_digit(8)) else { break };
        rest.next();
        value = value * 8 + digit;
    }
    value
}

/// A number of up to `digits_max` digits; `None` without one.
fn number(rest: &mut Peekable<Chars<'_>>, radix: u32, digits_max: usize) -> Option<u32> {
    let mut value = None;
    for _ in 0..digits_max {
        let Some(digit) = rest.peek().and_then(|c| c.to_digit(radix)) else { break };
        rest.next();
        value = Some(value.unwrap_or(0_u32).wrapping_mul(radix).wrapping_add(digit));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<String>, Unreadable> {
        words(text).map(|words| words.into_iter().map(|word| String::from_utf8(word).expect("UTF-8")).collect())
    }

    #[test]
    fn every_way_to_quote_is_undone() {
        let rows: [(&str, &[&str]); 10] = [
            ("a  b\tc", &["a", "b", "c"]),
            ("a'b c'\"d e\"f", &["ab cd ef"]),
            ("'' \"\"", &["", ""]),
            (r#"'it'\''s' "say \"x\" \\ \n \$5""#, &["it's", r#"say "x" \ \n $5"#]),
            (r"$'it\'s\n\t\u0021\x41\101\303\253\\'", &["it's\n\t!AAë\\"]),
            ("a \\\n  b \\\r\n c", &["a", "b", "c"]),
            (r"a\ b", &["a b"]),
            ("a | b", &["a"]),
            ("a 2>&1", &["a", "2"]),
            ("\n a\nb", &["a"]),
        ];
        for (text, expected) in rows {
            assert_eq!(shown(text), Ok(expected.iter().map(|word| (*word).to_owned()).collect()), "{text}");
        }
    }

    #[test]
    fn what_a_shell_would_put_in_is_refused() {
        for text in ["a $KEY", "a \"$KEY\"", "a ${x}", "a $(date)", "a `date`", "a \"`date`\"", "a $1"] {
            assert_eq!(words(text), Err(Unreadable::Expansion), "{text}");
        }
        assert_eq!(shown("'$KEY' \"5 $ a$\" $"), Ok(vec!["$KEY".into(), "5 $ a$".into(), "$".into()]));
        for text in ["'", "\"", "$'", "a 'b", "\"\\", "$'\\"] {
            assert_eq!(words(text), Err(Unreadable::OpenQuote), "{text}");
        }
        assert_eq!(words("curl ^\"http://a^\" ^\n -H x"), Err(Unreadable::OtherShell));
    }
}
