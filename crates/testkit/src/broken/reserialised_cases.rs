//! Bodies that went through a JSON parser and a writer, on the receiver's side and on the signer's.

use super::{
    BrokenMessage, Message, body, proved,
    writer::{
        DOTNET, GO_MAP, GO_STRUCT, GO_TABS, GSON, JAVASCRIPT, JAVASCRIPT_PRETTY, NEWTONSOFT_PRETTY, PHP, PHP_PRETTY, PHP_UNICODE, POSTGRES,
        PYTHON, PYTHON_COMPACT, PYTHON_PRETTY, PYTHON_SORTED, PYTHON_UNICODE, RAILS, Writer,
    },
};

/// Laid out for reading, written anew, rewritten in part.
pub(super) fn all() -> Vec<BrokenMessage> {
    [laid_out(), written_anew(), rewritten_in_part(), by_the_signer()].concat()
}

fn sim(envelope: usize) -> Message {
    Message::signed(body::minimal(envelope, 0))
}

fn full(envelope: usize) -> Message {
    Message::signed(body::summary(envelope, 2)).with_all_headers("application/json; charset=utf-8")
}

fn through(message: Message, writer: &Writer) -> Message {
    message.map_body(|body| writer.rewrite(body))
}

fn laid_out() -> Vec<BrokenMessage> {
    let jq = |body: &[u8]| [JAVASCRIPT_PRETTY.rewrite(body), b"\n".to_vec()].concat();
    vec![
        proved("JSON.stringify with two spaces", "body-pretty-printed", through(sim(20), &JAVASCRIPT_PRETTY)),
        proved("a viewer's two spaces over a whole summary", "body-pretty-printed", through(full(21), &JAVASCRIPT_PRETTY)),
        proved("Go with tabs", "body-pretty-printed", through(full(22), &GO_TABS)),
        proved("Python with four spaces", "body-pretty-printed", through(sim(23), &PYTHON_PRETTY)),
        proved(
            "an aggregate message in a viewer",
            "body-pretty-printed",
            through(Message::signed(body::aggregate(24)), &JAVASCRIPT_PRETTY),
        ),
        proved("jq . > file", "body-pretty-printed body-trailing-newline", full(25).map_body(jq)),
        proved("Newtonsoft on Windows", "body-pretty-printed body-crlf", through(full(26), &NEWTONSOFT_PRETTY)),
        proved("PHP's pretty print", "body-pretty-printed body-reserialised", through(full(27), &PHP_PRETTY)),
        proved("Python with four spaces and ASCII alone", "body-pretty-printed body-reserialised", through(full(28), &PYTHON_PRETTY)),
    ]
}

fn written_anew() -> Vec<BrokenMessage> {
    vec![
        proved("Python's json.dumps", "body-reserialised", through(full(30), &PYTHON)),
        proved("Python's json.dumps of a minimal message", "body-reserialised", through(sim(31), &PYTHON)),
        proved("Python's json.dumps without ASCII escapes", "body-reserialised", through(full(32), &PYTHON_UNICODE)),
        proved("Python's json.dumps, compact", "body-reserialised", through(full(33), &PYTHON_COMPACT)),
        proved("Python's json.dumps with sorted keys", "body-reserialised", through(full(34), &PYTHON_SORTED)),
        proved("Go's map, sorted and escaped for HTML", "body-reserialised", through(full(35), &GO_MAP)),
        proved("Go's struct, escaped for HTML", "body-reserialised", through(full(36), &GO_STRUCT)),
        proved("PHP's json_encode", "body-reserialised", through(full(37), &PHP)),
        proved("PHP's json_encode of a minimal message", "body-reserialised", through(sim(38), &PHP)),
        proved("PHP with Unicode kept", "body-reserialised", through(full(39), &PHP_UNICODE)),
        proved("System.Text.Json", "body-reserialised", through(full(40), &DOTNET)),
        proved("Rails", "body-reserialised", through(full(41), &RAILS)),
        proved("Gson", "body-reserialised", through(full(42), &GSON)),
        proved("a jsonb column", "body-reserialised", through(full(43), &POSTGRES)),
        proved("a jsonb column with an aggregate message", "body-reserialised", through(Message::signed(body::aggregate(44)), &POSTGRES)),
        proved("Go's map with a document", "body-reserialised", through(Message::signed(body::with_document(45)), &GO_MAP)),
        proved("str() of the parsed body in Python", "body-reserialised", full(46).map_body(|body| python_repr(body).into_bytes())),
    ]
}

fn rewritten_in_part() -> Vec<BrokenMessage> {
    let replaced =
        |message: Message, old: &str, new: &str| message.map_body(|body| String::from_utf8_lossy(body).replace(old, new).into_bytes());
    let invoice = |data: &str| Message::signed(body::posted(50, data));
    vec![
        proved("a date parsed and written with milliseconds", "body-reserialised", replaced(full(51), "29.7360000Z", "29.736Z")),
        proved("a date written with an offset", "body-reserialised", replaced(sim(52), "29.7360000Z", "29.736+00:00")),
        proved("retryCount as a string", "body-reserialised", replaced(full(53), "\"retryCount\":2", "\"retryCount\":\"2\"")),
        proved("numbers as floats", "body-reserialised", replaced(replaced(sim(54), ":0,", ":0.0,"), ":10363315,", ":10363315.0,")),
        proved(
            "1.0 and 20.0 through JavaScript",
            "body-reserialised",
            through(invoice(r#"{"id":"i-1","amount":20.0,"rate":1.0}"#), &JAVASCRIPT),
        ),
        proved(
            "one whole amount of several through JavaScript",
            "body-reserialised",
            through(invoice(r#"{"id":"i-2","amount":20.0,"count":3}"#), &JAVASCRIPT),
        ),
        proved("prices through JavaScript", "body-reserialised", through(invoice(r#"{"net":12.50,"tax":2.30,"sum":14.80}"#), &JAVASCRIPT)),
        proved("+ in the addresses lost", "body-reserialised", replaced(full(55), "+x@", " x@")),
        proved(
            "+ in a document lost",
            "body-reserialised",
            Message::signed(body::with_document(56))
                .map_body(|body| String::from_utf8_lossy(body).replace("+/Zx9Qe", " /Zx9Qe").into_bytes()),
        ),
        proved(
            "every + lost",
            "body-reserialised",
            Message::signed(body::minimal(57, 0).replace("envelope-completed", "a+b+c"))
                .map_body(|body| body.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()),
        ),
        proved("escaped slashes alone", "body-reserialised", replaced(full(58), "/", "\\/")),
    ]
}

/// The body at hand is as it was sent; what was signed had gone through a writer.
fn by_the_signer() -> Vec<BrokenMessage> {
    let signed = |writer: &Writer, envelope| {
        let wire = body::summary(envelope, 0);
        Message::signed(writer.rewrite(wire.as_bytes())).with_body(wire)
    };
    vec![
        proved("signer laid it out by two", "body-pretty-printed", signed(&JAVASCRIPT_PRETTY, 60)),
        proved("signer laid it out by tabs", "body-pretty-printed", signed(&GO_TABS, 61)),
        proved("signer wrote it with blanks", "body-reserialised", signed(&PYTHON_UNICODE, 62)),
        proved("signer escaped non-ASCII characters", "body-reserialised", signed(&PYTHON_COMPACT, 63)),
        proved("signer escaped slashes", "body-reserialised", signed(&PHP_UNICODE, 64)),
        proved("signer escaped for HTML", "body-reserialised", signed(&GO_STRUCT, 65)),
        proved("signer sorted the keys", "body-reserialised", signed(&Writer { order: GO_MAP.order, ..JAVASCRIPT }, 66)),
        proved("signer wrote Python's json.dumps", "body-reserialised", signed(&PYTHON, 67)),
        proved("signer wrote PHP's json_encode", "body-reserialised", signed(&PHP, 68)),
    ]
}

/// `str(request.json)`: single quotes, unless the text has one and no double quote.
fn python_repr(body: &[u8]) -> String {
    fn repr(value: &serde_json::Value, out: &mut String) {
        match value {
            serde_json::Value::Null => out.push_str("None"),
            serde_json::Value::Bool(flag) => out.push_str(if *flag { "True" } else { "False" }),
            serde_json::Value::Number(number) => out.push_str(&number.to_string()),
            serde_json::Value::String(text) => text_repr(text, out),
            serde_json::Value::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    out.push_str(if place > 0 { ", " } else { "" });
                    repr(item, out);
                }
                out.push(']');
            }
            serde_json::Value::Object(members) => {
                out.push('{');
                for (place, (key, item)) in members.iter().enumerate() {
                    out.push_str(if place > 0 { ", " } else { "" });
                    text_repr(key, out);
                    out.push_str(": ");
                    repr(item, out);
                }
                out.push('}');
            }
        }
    }
    fn text_repr(text: &str, out: &mut String) {
        let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
        out.push(quote);
        for c in text.chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if c == quote => out.extend(['\\', c]),
                c => out.push(c),
            }
        }
        out.push(quote);
    }
    let mut out = String::new();
    repr(&serde_json::from_slice(body).expect("a JSON body"), &mut out);
    out
}
