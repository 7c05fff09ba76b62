//! `connectCustomConfiguration` and a subscription: the one place where one is made of the other (reference: 8.2).
//!
//! A configuration is read by laying what was sent over the form of what is stored and reading the whole again, so that
//! a partial update and a create go the same way. Most properties *are* something of the subscription and are shown from
//! it. The others (spellings such as `Aggregate`, switches of presets) are kept in [`Subscription::extra`] where they
//! differ from what the subscription itself would show, and shown from there.
//!
//! Properties of ours in an answer: `warnings`, a list of texts about what was saved and will not do what it seems to
//! (OAuth and Basic both set, nothing that can fire). It is absent when there is nothing to say, and ignored when sent.

use std::collections::BTreeSet;

use countersign_core::{
    Timestamp,
    auth::{BasicCredentials, OAuthConnection},
    id::{SubscriptionId, UserId},
    subscription::{Activity, Include, OAuthUse, Pace, Proofs, Scope, Subscription, Users, WantedEvents},
};
use serde_json::{Map, Value, json};

use super::{
    basic, connection,
    property::{self, Kind, is_on, text_of, texts},
    vocabulary::{self, Model, OlderList},
};
use crate::{
    failure::Failure,
    restapi::wire::{Wire, flag_text},
    subscription::{self, Terms},
};

/// Where a property lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Home {
    /// In the subscription.
    Subscription,
    /// In its `extra`, where it differs from what the subscription would show.
    Extra,
}

/// Every property of 8.2 that is not a secret, in the order of the schema.
const PROPERTIES: [(&str, Kind, Home); 44] = {
    use Home::{Extra, Subscription};
    use Kind::{Any, Codes, Data, Flag, Text, Texts};
    [
        ("allowEnvelopePublish", Flag, Subscription),
        ("allowSalesforcePublish", Flag, Extra),
        ("allUsers", Flag, Extra),
        ("allUsersExcept", Flag, Extra),
        ("configurationType", Text, Subscription),
        ("deliveryMode", Text, Extra),
        ("enableLog", Flag, Subscription),
        ("enableOAuthPerConfiguration", Flag, Extra),
        ("envelopeEvents", Codes(OlderList::Envelope), Subscription),
        ("eventData", Data, Extra),
        ("events", Texts, Subscription),
        ("externalFolderId", Text, Extra),
        ("externalFolderLabel", Text, Extra),
        ("groupIds", Texts, Extra),
        ("includeCertificateOfCompletion", Flag, Subscription),
        ("includeCertSoapHeader", Flag, Extra),
        ("includeDocumentFields", Flag, Subscription),
        ("includeDocuments", Flag, Extra),
        ("includeEnvelopeVoidReason", Flag, Subscription),
        ("includeHMAC", Flag, Subscription),
        ("includeOAuth", Flag, Subscription),
        ("includeSenderAccountasCustomField", Flag, Subscription),
        ("includeTimeZoneInformation", Flag, Subscription),
        ("integratorManaged", Flag, Subscription),
        ("name", Text, Subscription),
        ("pausePublish", Flag, Subscription),
        ("recipientEvents", Codes(OlderList::Recipient), Subscription),
        ("requireMutualTls", Flag, Extra),
        ("requiresAcknowledgement", Flag, Subscription),
        ("salesforceApiVersion", Text, Extra),
        ("salesforceAuthcode", Text, Extra),
        ("salesforceCallBackUrl", Text, Extra),
        ("salesforceDocumentsAsContentFiles", Flag, Extra),
        ("senderOverride", Text, Extra),
        ("senderSelectableItems", Any, Extra),
        ("sfObjects", Any, Extra),
        ("signMessageWithX509Certificate", Flag, Extra),
        ("soapNamespace", Text, Extra),
        ("urlToPublishTo", Text, Subscription),
        ("userIds", Texts, Extra),
        ("userName", Text, Subscription),
        ("useSoapInterface", Flag, Extra),
        ("disabledBy", Text, Subscription),
        ("connectId", Text, Subscription),
    ]
};

/// Properties that only say again, in another spelling, what the subscription says.
const SPELLINGS: [&str; 9] = [
    "allUsers",
    "allUsersExcept",
    "deliveryMode",
    "enableOAuthPerConfiguration",
    "eventData",
    "includeDocuments",
    "requireMutualTls",
    "signMessageWithX509Certificate",
    "userIds",
];

/// The switches that include something of their own.
const INCLUDE_SWITCHES: [(&str, Include); 5] = [
    ("includeCertificateOfCompletion", Include::CertificateOfCompletion),
    ("includeDocumentFields", Include::DocumentFields),
    ("includeEnvelopeVoidReason", Include::VoidReason),
    ("includeSenderAccountasCustomField", Include::SenderAccountAsCustomField),
    ("includeTimeZoneInformation", Include::TimeZone),
];

/// What was read, and what its author should know.
#[derive(Debug)]
pub(super) struct Read {
    /// The subscription.
    pub(super) subscription: Subscription,
    /// Beside what [`subscription::warnings`] finds.
    pub(super) warnings: Vec<String>,
}

/// Reads a configuration; with `before`, absent properties stay as they are.
///
/// # Errors
/// 400 naming the property and what it can be; 501 for what is not part of the service.
pub(super) fn read(
    wire: &Wire,
    id: SubscriptionId,
    before: Option<&Subscription>,
    terms: &Terms<'_>,
    now: Timestamp,
) -> Result<Read, Failure> {
    let mut form = before.map(form_of).unwrap_or_default();
    lay_over(&mut form, wire)?;
    let scope = match text_of(&form, "configurationType").to_ascii_lowercase().as_str() {
        "" | "custom" => Scope::Account,
        "customrecipient" => Scope::Recipients,
        "salesforce" => return Err(Failure::not_implemented("the Salesforce preset")),
        "eoriginal" => return Err(Failure::not_implemented("the eOriginal preset")),
        other => {
            let other: String = other.chars().take(64).flat_map(char::escape_debug).collect();
            return Err(Failure::invalid_parameter(format!("configurationType is '{other}'; it can be custom or customrecipient")));
        }
    };
    let own_connection = match wire.object("oAuthConfiguration")? {
        Some(object) => Some(connection::read(&object, before.and_then(own_connection))?),
        None => before.and_then(own_connection).cloned(),
    };
    let mut warnings = Vec::new();
    let uses_own = is_on(&form, "includeOAuth") && is_on(&form, "enableOAuthPerConfiguration");
    if own_connection.is_some() && !uses_own {
        warnings.push("oAuthConfiguration is not kept: it is used with includeOAuth and enableOAuthPerConfiguration alone".to_owned());
    }
    let data = form.get("eventData").and_then(|data| data.get("includeData"));
    warnings.extend(vocabulary::unknown_data(&texts(data)));
    let reading = Reading { form, scope, id, before, terms, now, url_property: "urlToPublishTo" };
    let subscription = reading.subscription(Some(wire), own_connection)?;
    Ok(Read { subscription, warnings })
}

/// A form about to become a subscription.
pub(super) struct Reading<'a> {
    /// Properties by their names in a configuration.
    pub(super) form: Map<String, Value>,
    pub(super) scope: Scope,
    pub(super) id: SubscriptionId,
    pub(super) before: Option<&'a Subscription>,
    pub(super) terms: &'a Terms<'a>,
    pub(super) now: Timestamp,
    /// What the target is called where it was written.
    pub(super) url_property: &'static str,
}

impl Reading<'_> {
    /// The subscription. `credentials` holds `userName` and `password` as sent, where the form has them.
    ///
    /// # Errors
    /// As [`read`].
    pub(super) fn subscription(mut self, credentials: Option<&Wire>, own: Option<OAuthConnection>) -> Result<Subscription, Failure> {
        self.refuse_what_is_out_of_scope()?;
        let events = WantedEvents {
            names: vocabulary::read_events(&texts(self.form.get("events")))?,
            envelope: OlderList::Envelope.read(&texts(self.form.get("envelopeEvents")))?,
            recipient: OlderList::Recipient.read(&texts(self.form.get("recipientEvents")))?,
            patterns: self.before.map(|before| before.events.patterns.clone()).unwrap_or_default(),
        };
        let data = self.form.get("eventData").cloned().unwrap_or_default();
        let shape = Model {
            delivery_mode: self.form.get("deliveryMode").and_then(Value::as_str),
            version: data["version"].as_str(),
            format: data["format"].as_str(),
            names_older_events: !(events.envelope.is_empty() && events.recipient.is_empty()),
        }
        .shape()?;
        // What is absent is written down, so that it is told from what the subscription would show in its place.
        let (mode, version) = vocabulary::words_of(shape);
        self.form.entry("deliveryMode").or_insert_with(|| mode.into());
        let data_form = self.form.entry("eventData").or_insert_with(|| event_data(version, &[]));
        if let Some(version) = version
            && data["version"].as_str().is_none_or(str::is_empty)
        {
            data_form["version"] = version.into();
        }
        for flag in ["includeDocuments", "requireMutualTls", "signMessageWithX509Certificate"] {
            self.form.entry(flag).or_insert_with(|| flag_text(false).into());
        }

        let mut include = vocabulary::read_data(&texts(data.get("includeData")));
        include.extend(is_on(&self.form, "includeDocuments").then_some(Include::Documents));
        include.extend(INCLUDE_SWITCHES.iter().filter(|(flag, _)| is_on(&self.form, flag)).map(|(_, include)| *include));

        let text = text_of(&self.form, "urlToPublishTo");
        if text.is_empty() {
            return Err(Failure::invalid_parameter(format!("{} is needed", self.url_property)));
        }
        let before = self.before;
        let (url, userinfo) = subscription::target(self.url_property, text, before.map(|before| &before.url), self.terms.policy)?;
        let basic = match credentials {
            Some(wire) => basic::read(wire, userinfo, before.and_then(|before| before.proofs.basic.as_ref()))?,
            None => userinfo,
        };
        let subscription = Subscription {
            id: self.id,
            account: self.terms.account.id(),
            scope: self.scope,
            name: text_of(&self.form, "name").trim().to_owned(),
            url,
            activity: self.activity(),
            paused: is_on(&self.form, "pausePublish"),
            users: self.users()?,
            events,
            shape,
            include,
            proofs: self.proofs(basic, own)?,
            pace: before.map_or_else(Pace::default, |before| before.pace.clone()),
            headers: before.map(|before| before.headers.clone()).unwrap_or_default(),
            require_acknowledgement: is_on(&self.form, "requiresAcknowledgement"),
            log: is_on(&self.form, "enableLog"),
            created_at: before.map_or(self.now, |before| before.created_at),
            failing_since: before.and_then(|before| before.failing_since),
            times_gone: before.map_or(0, |before| before.times_gone),
            revision: 0,
            extra: Map::new(),
        };
        let subscription = Self::with_extra(subscription, &self.form);
        subscription::check(&subscription, before, self.terms)?;
        Ok(subscription)
    }

    fn refuse_what_is_out_of_scope(&self) -> Result<(), Failure> {
        if !texts(self.form.get("groupIds")).is_empty() {
            return Err(Failure::not_implemented("selecting users by groupIds"));
        }
        if is_on(&self.form, "useSoapInterface") {
            return Err(Failure::not_implemented("the SOAP interface"));
        }
        Ok(())
    }

    /// A configuration is switched off unless it says otherwise (reference: 1.1). What the system disabled shows itself as switched off, so
    /// that saving it as it was shown leaves it disabled.
    fn activity(&self) -> Activity {
        match self.before.map(|before| &before.activity) {
            _ if is_on(&self.form, "allowEnvelopePublish") => Activity::Active,
            Some(disabled @ Activity::Disabled { .. }) => disabled.clone(),
            _ => Activity::Inactive,
        }
    }

    fn users(&self) -> Result<Users, Failure> {
        let ids = texts(self.form.get("userIds"))
            .iter()
            .map(|text| {
                let shown = || text.chars().take(64).flat_map(char::escape_debug).collect::<String>();
                text.trim().parse().map_err(|_| Failure::invalid_parameter(format!("userIds holds '{}', which is not a GUID", shown())))
            })
            .collect::<Result<BTreeSet<UserId>, Failure>>()?;
        Ok(if is_on(&self.form, "allUsersExcept") {
            Users::AllExcept(ids)
        } else if is_on(&self.form, "allUsers") {
            Users::All
        } else {
            Users::Only(ids)
        })
    }

    fn proofs(&self, basic: Option<BasicCredentials>, own: Option<OAuthConnection>) -> Result<Proofs, Failure> {
        let before = self.before.map(|before| before.proofs.clone()).unwrap_or_default();
        let oauth = match (is_on(&self.form, "includeOAuth"), is_on(&self.form, "enableOAuthPerConfiguration")) {
            (false, _) => OAuthUse::Off,
            (true, false) => OAuthUse::Account,
            (true, true) => OAuthUse::Own(Box::new(
                own.ok_or_else(|| Failure::invalid_parameter("enableOAuthPerConfiguration needs an oAuthConfiguration"))?,
            )),
        };
        // An integration key belongs to one account and logs in there alone: the integrator is the account itself.
        let integrator = is_on(&self.form, "integratorManaged").then(|| before.integrator.unwrap_or(self.terms.account.id()));
        Ok(Proofs {
            hmac: is_on(&self.form, "includeHMAC"),
            oauth,
            basic,
            mutual_tls: is_on(&self.form, "requireMutualTls") || is_on(&self.form, "signMessageWithX509Certificate"),
            integrator,
            ..before
        })
    }

    /// Keeps what the subscription itself would not show, or would show otherwise.
    fn with_extra(mut subscription: Subscription, form: &Map<String, Value>) -> Subscription {
        let derived = form_of(&subscription);
        subscription.extra = PROPERTIES
            .iter()
            .filter(|(_, _, home)| *home == Home::Extra)
            .filter_map(|(name, _, _)| form.get(*name).map(|value| (*name, value)))
            .filter(|(name, value)| derived.get(*name) != Some(*value))
            .map(|(name, value)| (name.to_owned(), value.clone()))
            .collect();
        subscription
    }
}

/// Lays what was sent over a form: known properties alone, in their own spelling.
fn lay_over(form: &mut Map<String, Value>, wire: &Wire) -> Result<(), Failure> {
    for (name, kind, _) in PROPERTIES {
        if let Some(value) = property::read(wire, name, kind, form.get(name))? {
            form.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

/// All properties that are not secret, as they stand on the wire.
fn form_of(subscription: &Subscription) -> Map<String, Value> {
    let on = |flag: bool| Value::from(flag_text(flag));
    let (mode, version) = vocabulary::words_of(subscription.shape);
    // Documents are asked for by a word in JSON and by a switch in XML.
    let by_word = version.is_some();
    let documents = subscription.include.contains(&Include::Documents);
    let mut words = vocabulary::data_words(&subscription.include);
    words.retain(|word| *word != "documents" || by_word);
    let (all_users, all_except, user_ids) = match &subscription.users {
        Users::All => (true, false, Vec::new()),
        Users::Only(users) => (false, false, users.iter().map(ToString::to_string).collect()),
        Users::AllExcept(users) => (true, true, users.iter().map(ToString::to_string).collect()),
    };
    let mut form = Map::new();
    for (name, _, home) in PROPERTIES {
        let value = match name {
            "allowEnvelopePublish" => on(subscription.activity == Activity::Active),
            "allowSalesforcePublish" => on(true),
            "allUsers" => on(all_users),
            "allUsersExcept" => on(all_except),
            "configurationType" if subscription.scope == Scope::Recipients => "customrecipient".into(),
            "configurationType" => "custom".into(),
            "connectId" => subscription.id.to_string().into(),
            "deliveryMode" => mode.into(),
            "disabledBy" => match &subscription.activity {
                Activity::Disabled { reason, .. } => reason.as_str().into(),
                Activity::Active | Activity::Inactive => continue,
            },
            "enableLog" => on(subscription.log),
            "enableOAuthPerConfiguration" => on(matches!(subscription.proofs.oauth, OAuthUse::Own(_))),
            "envelopeEvents" => json!(OlderList::Envelope.shown(&subscription.events.envelope)),
            "eventData" => event_data(version, &words),
            "events" => json!(subscription.events.names),
            "groupIds" => json!([]),
            "includeCertSoapHeader" | "salesforceDocumentsAsContentFiles" | "signMessageWithX509Certificate" | "useSoapInterface" => {
                on(false)
            }
            "includeDocuments" => on(documents && !by_word),
            "includeHMAC" => on(subscription.proofs.hmac),
            "includeOAuth" => on(!matches!(subscription.proofs.oauth, OAuthUse::Off)),
            "integratorManaged" => on(subscription.proofs.integrator.is_some()),
            "name" => subscription.name.as_str().into(),
            "pausePublish" => on(subscription.paused),
            "recipientEvents" => json!(OlderList::Recipient.shown(&subscription.events.recipient)),
            "requireMutualTls" => on(subscription.proofs.mutual_tls),
            "requiresAcknowledgement" => on(subscription.require_acknowledgement),
            "urlToPublishTo" => subscription.url.as_str().into(),
            "userIds" => json!(user_ids),
            "userName" => match &subscription.proofs.basic {
                Some(basic) => basic.user.as_str().into(),
                None => continue,
            },
            switch => match INCLUDE_SWITCHES.iter().find(|(flag, _)| *flag == switch) {
                Some((_, include)) => on(subscription.include.contains(include)),
                None => match subscription.extra.get(switch) {
                    Some(value) => value.clone(),
                    None => continue,
                },
            },
        };
        let spelled = subscription.extra.get(name).filter(|_| home == Home::Extra).cloned();
        form.insert(name.to_owned(), spelled.unwrap_or(value));
    }
    form
}

fn event_data(version: Option<&str>, words: &[&str]) -> Value {
    match version {
        Some(version) => json!({"version": version, "format": "json", "includeData": words}),
        None => json!({"includeData": words}),
    }
}

/// The configuration as it is shown. Passwords and client secrets never come back.
pub(super) fn shown(subscription: &Subscription, warnings: &[String]) -> Value {
    let mut form = form_of(subscription);
    if let Some(connection) = own_connection(subscription) {
        form.insert("oAuthConfiguration".to_owned(), connection::shown(connection));
    }
    if !warnings.is_empty() {
        form.insert("warnings".to_owned(), json!(warnings));
    }
    Value::Object(form)
}

/// Forgets how the subscription was spelled by a client of Connect, after something else changed what is spelled.
pub(crate) fn forget_spelling(subscription: &mut Subscription) {
    subscription.extra.retain(|name, _| !SPELLINGS.contains(&name.as_str()));
}

fn own_connection(subscription: &Subscription) -> Option<&OAuthConnection> {
    match &subscription.proofs.oauth {
        OAuthUse::Own(connection) => Some(connection),
        OAuthUse::Off | OAuthUse::Account => None,
    }
}

#[cfg(test)]
mod tests;
