//! The verdict and its explanation, for people and for programs.

use countersign_signature::{
    Match, Mismatch,
    explain::{Cause, Certainty, Difference, Finding},
};
use serde_json::{Value, json};

use crate::output::{Paint, Tone, escape};

/// Bytes in a line of a hex dump.
const DUMP_BYTES: usize = 16;
/// Columns that words in a terminal go to; lines of a pipe are not broken, so that they can be searched.
const COLUMNS: usize = 80;
/// Where the words of a finding begin.
const MARGIN: usize = 11;

/// `{"match": bool, "matched": {"key": n, "header": n} | null, "findings": [...]}`, best finding first.
pub(super) fn for_programs(verdict: &Result<Match, Mismatch>, findings: &[Finding]) -> Value {
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "causes": finding.causes.iter().map(|cause| cause.id()).collect::<Vec<_>>(),
                "certainty": finding.certainty.id(),
                "evidence": finding.evidence,
                "fix": finding.fix,
            })
        })
        .collect();
    // Keys are counted from 1, as headers are and as the evidence does.
    let matched = verdict.as_ref().ok().map(|found| json!({"key": found.key + 1, "header": found.header}));
    json!({"match": verdict.is_ok(), "matched": matched, "findings": findings})
}

/// A line for the verdict, then what is proved, or else what is only indicated, under a line that says which.
pub(super) fn for_people(verdict: &Result<Match, Mismatch>, findings: &[Finding], body_bytes: usize, paint: Paint) -> String {
    let mut text = match verdict {
        Ok(found) => {
            let word = paint.paint(Tone::Good, "match");
            format!("{word}: key {} fits X-DocuSign-Signature-{} over a body of {body_bytes} bytes\n", found.key + 1, found.header)
        }
        Err(mismatch) => format!("{}: {mismatch}\n", paint.paint(Tone::Bad, "no match")),
    };
    for certainty in [Certainty::Proved, Certainty::Indicated] {
        let mut those = findings.iter().filter(|finding| finding.certainty == certainty).peekable();
        if those.peek().is_some() {
            let line = match certainty {
                Certainty::Proved => "Proved: computed again with this undone, the signature fits.",
                Certainty::Indicated => "Not proved, only indicated; the most telling sign first.",
            };
            text.push_str(&format!("\n{}\n", paint.paint(Tone::Strong, line)));
        }
        for finding in those {
            text.push('\n');
            text.push_str(&paragraph(finding, paint));
        }
    }
    text
}

fn paragraph(finding: &Finding, paint: Paint) -> String {
    let causes = finding.causes.iter().map(|cause| cause.id()).collect::<Vec<_>>().join(" + ");
    let tone = match finding.certainty {
        _ if finding.causes == [Cause::Unknown] => Tone::Dim,
        Certainty::Proved => Tone::Bad,
        Certainty::Indicated => Tone::Odd,
    };
    let certainty = finding.certainty.id();
    let blank = " ".repeat(MARGIN.saturating_sub(certainty.len()));
    let mut text = format!("{}{blank}{}\n", paint.paint(tone, certainty), paint.paint(Tone::Strong, &causes));
    text.push_str(&words("evidence", &finding.evidence, paint));
    text.push_str(&words("fix", &finding.fix, paint));
    if let Some(difference) = &finding.difference {
        text.push('\n');
        text.push_str(&shown_difference(difference, paint));
    }
    text
}

/// A name in the margin and words beside it.
fn words(name: &str, words: &str, paint: Paint) -> String {
    let words = escape(words);
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let is_full =
            lines.last().is_some_and(|line| !line.is_empty() && MARGIN + line.chars().count() + 1 + word.chars().count() > COLUMNS);
        if is_full && paint.is_on() {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    let margin = " ".repeat(MARGIN);
    format!("{}{}{}\n", paint.paint(Tone::Dim, name), " ".repeat(MARGIN - name.len()), lines.join(&format!("\n{margin}")))
}

/// Both bodies around the first byte that differs: as text, then in hexadecimal.
fn shown_difference(difference: &Difference, paint: Paint) -> String {
    let mut text = format!("           the body at hand and the body that was signed differ from byte {} on:\n\n", difference.at);
    let sides = [("- at hand", &difference.given, Tone::Bad), ("+ signed ", &difference.signed, Tone::Good)];
    for (name, bytes, tone) in sides {
        text.push_str(&as_text(name, bytes, difference, paint, tone));
    }
    for (name, bytes, tone) in sides {
        text.push('\n');
        text.push_str(&dump(&name[..1], bytes, difference, paint, tone));
    }
    text
}

/// One line of text, whose part from the first difference on is in the tone. Control characters are shown as what they are.
fn as_text(name: &str, bytes: &[u8], difference: &Difference, paint: Paint, tone: Tone) -> String {
    let (same, other) = bytes.split_at(difference.at.saturating_sub(difference.from).min(bytes.len()));
    let shown = |bytes: &[u8]| escape(&String::from_utf8_lossy(bytes)).into_owned();
    let before = if difference.from > 0 { "..." } else { "" };
    let other = if other.is_empty() { "(ends here)".to_owned() } else { shown(other) };
    format!("           {name}  {before}{}{}\n", paint.paint(Tone::Dim, &shown(same)), paint.paint(tone, &other))
}

/// A hex dump whose bytes from the first difference on are in the tone.
fn dump(sign: &str, bytes: &[u8], difference: &Difference, paint: Paint, tone: Tone) -> String {
    let mut text = String::new();
    for (row, line) in bytes.chunks(DUMP_BYTES).enumerate() {
        let offset = difference.from + row * DUMP_BYTES;
        let same = difference.at.saturating_sub(offset).min(line.len());
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
        let ascii =
            |bytes: &[u8]| bytes.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }).collect::<String>();
        let (before, after) = line.split_at(same);
        text.push_str(&format!(
            "{} {offset:08x}  {}{}{} |{}{}|\n",
            paint.paint(tone, sign),
            hex(before),
            paint.paint(tone, &hex(after)),
            "   ".repeat(DUMP_BYTES - line.len()),
            ascii(before),
            paint.paint(tone, &ascii(after)),
        ));
    }
    if bytes.is_empty() {
        text.push_str(&format!("{} {:08x}  (ends here)\n", paint.paint(tone, sign), difference.from));
    }
    text
}

#[cfg(test)]
mod tests {
    use countersign_signature::{
        HmacKey,
        explain::{Candidate, explain},
        sign,
    };

    use super::*;

    const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=";

    fn shown(signed: &[u8], at_hand: &[u8], key: &str, paint: Paint) -> String {
        let headers = sign(&[HmacKey::try_new(KEY).expect("a key")], signed);
        let findings = explain(&Candidate::new(at_hand).key(key.as_bytes()).signature(headers.signatures()[0].as_str().as_bytes()));
        for_people(&Err(Mismatch::NoMatch { keys: 1, headers: 1 }), &findings, at_hand.len(), paint)
    }

    #[test]
    fn a_proved_finding_is_shown_with_the_bytes_that_differ() {
        let signed = br#"{"event":"envelope-sent","retryCount":0}"#;
        let text = shown(signed, &[signed.as_slice(), b"\n"].concat(), KEY, Paint::off());
        assert_eq!(text.lines().next(), Some("no match: none of 1 signatures fits any of 1 keys over the body as received"));
        assert!(text.contains("\nproved     body-trailing-newline\nevidence   HMAC-SHA256 with key 1"), "{text}");
        assert!(text.contains("differ from byte 40 on:\n"), "{text}");
        assert!(text.contains("           - at hand  ...tryCount\":0}\\n\n           + signed   ...tryCount\":0}(ends here)\n"), "{text}");
        assert!(text.contains("\n- 0000001c  74 72 79 43 6f 75 6e 74 22 3a 30 7d 0a           |tryCount\":0}.|\n"), "{text}");
        assert!(text.contains("\n+ 0000001c  74 72 79 43 6f 75 6e 74 22 3a 30 7d              |tryCount\":0}|\n"), "{text}");
        assert!(!text.contains("indicated"), "{text}");
    }

    #[test]
    fn what_is_only_indicated_is_kept_apart_from_proof() {
        let text = shown(b"{\"a\":1}", b"{\"a\":", "some other key of the account", Paint::off());
        let (line, rest) = text.split_once("\nNot proved, only indicated; the most telling sign first.\n").expect("the line that says so");
        assert!(!line.contains("roved") && !rest.contains("roved"), "{text}");
        assert!(rest.starts_with("\nindicated  body-truncated\n"), "{text}");
        assert!(rest.contains("\nindicated  unknown\n"), "{text}");
    }

    #[test]
    fn words_are_broken_for_a_terminal_and_not_for_a_pipe() {
        let signed = br#"{"event":"envelope-sent","retryCount":0}"#;
        let longest = |text: &str| text.lines().map(|line| line.chars().count()).max().expect("lines");
        let at_hand = br#"{"event": "envelope-sent", "retryCount": 0}"#;
        let coloured = shown(signed, at_hand, KEY, Paint::on());
        let plain: String = coloured
            .split('\u{1b}')
            .enumerate()
            .map(|(n, part)| if n == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) })
            .collect();
        assert!(longest(&plain) <= 80, "{plain}");
        assert!(longest(&shown(signed, at_hand, KEY, Paint::off())) > 120);
        assert_ne!(coloured, plain);
    }

    #[test]
    fn programs_count_keys_and_headers_from_one() {
        let value = for_programs(&Ok(Match { key: 0, header: 1 }), &[]);
        assert_eq!(value.to_string(), r#"{"match":true,"matched":{"key":1,"header":1},"findings":[]}"#);
        let value = for_programs(&Err(Mismatch::NoHeader), &[]);
        assert_eq!(value.to_string(), r#"{"match":false,"matched":null,"findings":[]}"#);
    }
}
