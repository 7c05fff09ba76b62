//! The verdict and its explanation, for people and for programs.

use countersign_signature::{
    Match, Mismatch,
    explain::{Certainty, Difference, Finding},
};
use serde_json::{Value, json};

use crate::output::{Paint, Tone, escape};

/// Bytes in a line of a hex dump.
const DUMP_BYTES: usize = 16;

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

/// A line for the verdict, then a paragraph for each finding.
pub(super) fn for_people(verdict: &Result<Match, Mismatch>, findings: &[Finding], body_bytes: usize, paint: Paint) -> String {
    let mut text = match verdict {
        Ok(found) => {
            let word = paint.paint(Tone::Good, "match");
            format!("{word}: key {} fits X-DocuSign-Signature-{} over a body of {body_bytes} bytes\n", found.key + 1, found.header)
        }
        Err(mismatch) => format!("{}: {mismatch}\n", paint.paint(Tone::Bad, "no match")),
    };
    for finding in findings {
        text.push('\n');
        text.push_str(&paragraph(finding, paint));
    }
    text
}

fn paragraph(finding: &Finding, paint: Paint) -> String {
    let causes = finding.causes.iter().map(|cause| cause.id()).collect::<Vec<_>>().join(" + ");
    let tone = match finding.certainty {
        Certainty::Proved => Tone::Bad,
        Certainty::Indicated => Tone::Odd,
    };
    let mut text = format!("{}  {}\n", paint.paint(tone, finding.certainty.id()), paint.paint(Tone::Strong, &causes));
    text.push_str(&format!("  {}  {}\n", paint.paint(Tone::Dim, "seen"), escape(&finding.evidence)));
    text.push_str(&format!("  {}   {}\n", paint.paint(Tone::Dim, "fix"), escape(&finding.fix)));
    if let Some(difference) = &finding.difference {
        text.push_str(&format!("  the body at hand and the body that was signed differ from byte {} on:\n", difference.at));
        text.push_str(&dump("at hand", &difference.given, difference, paint, Tone::Bad));
        text.push_str(&dump("signed", &difference.signed, difference, paint, Tone::Good));
    }
    text
}

/// A hex dump whose bytes from the first difference on are in the tone.
fn dump(name: &str, bytes: &[u8], difference: &Difference, paint: Paint, tone: Tone) -> String {
    let mut text = String::new();
    for (row, line) in bytes.chunks(DUMP_BYTES).enumerate() {
        let offset = difference.from + row * DUMP_BYTES;
        let same = difference.at.saturating_sub(offset).min(line.len());
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>();
        let ascii =
            |bytes: &[u8]| bytes.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }).collect::<String>();
        let (before, after) = line.split_at(same);
        let label = if row == 0 { name } else { "" };
        text.push_str(&format!(
            "    {label:<8}{offset:08x}  {}{}{} |{}{}|\n",
            hex(before),
            paint.paint(tone, &hex(after)),
            "   ".repeat(DUMP_BYTES - line.len()),
            ascii(before),
            paint.paint(tone, &ascii(after)),
        ));
    }
    if bytes.is_empty() {
        text.push_str(&format!("    {name:<8}{:08x}  ends here\n", difference.from));
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

    #[test]
    fn a_proved_finding_is_shown_with_the_bytes_that_differ() {
        let signed = br#"{"event":"envelope-sent","retryCount":0}"#;
        let headers = sign(&[HmacKey::try_new(KEY).expect("a key")], signed);
        let at_hand = [signed.as_slice(), b"\n"].concat();
        let findings = explain(&Candidate::new(&at_hand).key(KEY.as_bytes()).signature(headers.signatures()[0].as_str().as_bytes()));
        let verdict = Err(Mismatch::NoMatch { keys: 1, headers: 1 });
        let text = for_people(&verdict, &findings, at_hand.len(), Paint::off());
        assert_eq!(text.lines().next(), Some("no match: none of 1 signatures fits any of 1 keys over the body as received"));
        assert!(text.contains("proved  body-trailing-newline\n"), "{text}");
        assert!(text.contains("differ from byte 40 on:\n"), "{text}");
        assert!(text.contains("    at hand 0000001c  74 72 79 43 6f 75 6e 74 22 3a 30 7d 0a           |tryCount\":0}.|\n"), "{text}");
        assert!(text.contains("    signed  0000001c  74 72 79 43 6f 75 6e 74 22 3a 30 7d              |tryCount\":0}|\n"), "{text}");
    }

    #[test]
    fn programs_count_keys_and_headers_from_one() {
        let value = for_programs(&Ok(Match { key: 0, header: 1 }), &[]);
        assert_eq!(value.to_string(), r#"{"match":true,"matched":{"key":1,"header":1},"findings":[]}"#);
        let value = for_programs(&Err(Mismatch::NoHeader), &[]);
        assert_eq!(value.to_string(), r#"{"match":false,"matched":null,"findings":[]}"#);
    }
}
