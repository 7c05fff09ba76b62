//! One signed message to a URL, without a server: made, signed and sent by the code that delivers.

use std::{collections::BTreeSet, process::ExitCode};

use bytes::Bytes;
use countersign_core::{
    account::Account,
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountGuid, AccountId, EnvelopeId, EventId, IdSource, SubscriptionId, UserId},
    message::{Contents, Message},
    subscription::MessageShape,
};
use countersign_egress::{Answer, Clock as _, Request, SystemClock, Target};
use countersign_signature::{SIGNATURES_MAX, sign};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json, value::RawValue};
use url::Url;
use uuid::Uuid;

use super::Trigger;
use crate::{
    commands::verify::hmac_key,
    input::{BODY_BYTES_MAX, Inputs},
    misuse::Misuse,
    outbound::Outbound,
    output::{self, Paint, Tone, cut, escape},
    wire,
};

/// As Countersign names itself in deliveries.
const USER_AGENT: &str = concat!("Countersign/", env!("CARGO_PKG_VERSION"));
/// `configurationId` of a message that no configuration asked for: the first number that Connect's own are counted from.
const CONFIGURATION: SubscriptionId = SubscriptionId(10_000_000);
/// Longest part of a body shown to people, in characters.
const BODY_CHARS_MAX: usize = 2_000;

/// Sends the message and shows request and answer; exit code 1 unless the answer is 2xx.
pub(super) async fn run(given: &Trigger, to: &str) -> anyhow::Result<ExitCode> {
    let mut inputs = Inputs::default();
    if given.key.len() > SIGNATURES_MAX {
        return Err(Misuse::error(format!(
            "--key is given {} times; a message carries at most {SIGNATURES_MAX} signatures",
            given.key.len()
        )));
    }
    let mut keys = Vec::with_capacity(given.key.len());
    for (number, source) in (1..).zip(&given.key) {
        keys.push(hmac_key(&mut inputs, source, number)?);
    }
    // Addresses and ports are judged at dial, by the policy asked for.
    let url = Url::parse(to).map_err(|error| Misuse::error(format!("--to: {error}; write it like https://listener.example/connect")))?;
    let target = Target::try_new(&url).map_err(|refused| Misuse::error(format!("--to: {refused}")))?;
    let (body, content_type) = message(given, &mut inputs)?;
    let mut headers = further_headers(&given.headers)?;
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in sign(&keys, &body).iter() {
        headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
    }
    let mut request = Request::post(target, body.clone());
    request.headers.clone_from(&headers);
    request.profile = given.outbound.profile()?;
    let sent = given.outbound.egress()?.send(request).await;

    let shown = Shown { url: to, headers: &headers, body: &body };
    let delivered = sent.as_ref().is_ok_and(|answer| (200..300).contains(&answer.status));
    if given.json {
        let answer = sent.as_ref().ok().map(answer_for_programs);
        let error = sent.as_ref().err().map(ToString::to_string);
        output::json(&json!({"request": shown.for_programs(), "answer": answer, "error": error}))?;
    } else {
        let paint = Paint::stdout();
        let mut text = shown.for_people(paint);
        match &sent {
            Ok(answer) => text.push_str(&answer_for_people(answer, paint)),
            Err(failure) => text.push_str(&format!("{}: {}\n", paint.paint(Tone::Bad, "no answer"), escape(&failure.to_string()))),
        }
        if let Some(refusal) = Outbound::server_refusal(to) {
            text.push_str(&format!("{}: a server without --dev refuses this URL: {refusal}\n", paint.paint(Tone::Odd, "note")));
        }
        output::print(&text)?;
    }
    Ok(if delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The body and its media type.
fn message(given: &Trigger, inputs: &mut Inputs) -> anyhow::Result<(Bytes, &'static str)> {
    let now = SystemClock.now();
    let name = given.event.clone().unwrap_or(EventName::ENVELOPE_COMPLETED);
    let account = Account {
        id: AccountId(1),
        guid: AccountGuid(Uuid::new_v4()),
        name: "trigger".to_owned(),
        created_at: now,
        recipient_domains: BTreeSet::new(),
        time_zone: "UTC".to_owned(),
        time_zone_offset_hours: 0,
    };
    let (user, envelope) = (UserId(Uuid::new_v4()), EnvelopeId(Uuid::new_v4()));
    let data = match &given.data {
        Some(file) => {
            let bytes = inputs.file(file, "--data", BODY_BYTES_MAX)?;
            serde_json::from_slice::<&RawValue>(bytes.trim_ascii())
                .map_err(|error| Misuse::error(format!("--data: {file} is not JSON: {error}")))?;
            Bytes::from(bytes.trim_ascii().to_vec())
        }
        None => Bytes::from(json!({"accountId": account.guid, "userId": user, "envelopeId": envelope}).to_string()),
    };
    let uri = is_about_an_envelope(&name).then(|| format!("/restapi/v2.1/accounts/{}/envelopes/{envelope}", account.guid));
    let event = Event {
        id: EventId::from_raw(IdSource::new(0).next(now)),
        account: account.id,
        name: name.clone(),
        at: now,
        user: None,
        envelope: None,
        detail: EventDetail { uri, ..EventDetail::default() },
        snapshot: Snapshot::Posted(data),
    };
    let message = Message {
        account: &account,
        configuration: CONFIGURATION,
        shape: MessageShape::JsonSim,
        include: &BTreeSet::new(),
        generated_at: now,
        event: &event,
    };
    let body = message.prepare(&Contents::new())?;
    Ok((body.render(0), body.content_type()))
}

fn is_about_an_envelope(name: &EventName) -> bool {
    name.as_str().starts_with("envelope-") || name.as_str().starts_with("recipient-")
}

fn further_headers(lines: &[String]) -> anyhow::Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for line in lines {
        // The line itself may hold a token and is not repeated.
        let refused = || Misuse::error("--header: write it like 'Name: value'");
        let (name, value) = line.split_once(':').ok_or_else(refused)?;
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| refused())?;
        if [header::HOST, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(&name) {
            return Err(Misuse::error(format!("--header: {name} frames the message and cannot be set")));
        }
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| refused())?;
        value.set_sensitive(name == header::AUTHORIZATION);
        headers.append(name, value);
    }
    Ok(headers)
}

/// The request, ready to be shown.
struct Shown<'a> {
    url: &'a str,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

impl Shown<'_> {
    fn for_programs(&self) -> Value {
        let headers: Map<String, Value> = self.headers().into_iter().map(|(name, value)| (name, value.into())).collect();
        json!({"method": "POST", "url": self.url, "headers": headers, "body": String::from_utf8_lossy(self.body)})
    }

    fn for_people(&self, paint: Paint) -> String {
        let mut text = format!("{} {}\n", paint.paint(Tone::Strong, "POST"), escape(self.url));
        for (name, value) in self.headers() {
            text.push_str(&format!("  {} {}\n", paint.paint(Tone::Dim, &format!("{name}:")), escape(&value)));
        }
        text.push_str(&format!("  {}\n\n", escape(&cut(&String::from_utf8_lossy(self.body), BODY_CHARS_MAX))));
        text
    }

    /// Credentials masked.
    fn headers(&self) -> Vec<(String, String)> {
        let shown = self.headers.iter().map(|(name, value)| {
            let value = if value.is_sensitive() { "********".to_owned() } else { String::from_utf8_lossy(value.as_bytes()).into_owned() };
            (wire::title_case(name.as_str()), value)
        });
        shown.collect()
    }
}

fn answer_for_programs(answer: &Answer) -> Value {
    let headers: Map<String, Value> = wire::headers(&answer.headers).into_iter().map(|(name, value)| (name, value.into())).collect();
    json!({
        "status": answer.status,
        "headers": headers,
        "body": String::from_utf8_lossy(&answer.body_head),
        "truncated": answer.truncated,
        "remote": answer.remote.to_string(),
        "timings": wire::timings(&answer.timings),
    })
}

fn answer_for_people(answer: &Answer, paint: Paint) -> String {
    let mut text = wire::status_line(answer, paint);
    for (name, value) in wire::headers(&answer.headers) {
        text.push_str(&format!("  {} {}\n", paint.paint(Tone::Dim, &format!("{name}:")), escape(&value)));
    }
    if !answer.body_head.is_empty() {
        text.push_str(&format!("  {}\n", escape(&cut(&String::from_utf8_lossy(&answer.body_head), BODY_CHARS_MAX))));
    }
    text
}
