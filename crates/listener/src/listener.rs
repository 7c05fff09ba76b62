//! A listener: the checks a message must pass, and the one place where they are put in order.

use std::{fmt, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{Extensions, HeaderMap, request::Parts};
use subtle::Choice;

use crate::{
    answer::{Challenges, answer, status_of},
    basic::BasicCheck,
    bearer::BearerCheck,
    body::BodyLimits,
    certificate::{AcceptedCertificate, CertificateRefused, CertificateSource, ClientCertificateCheck, PeerCertificate},
    clock::Clock,
    credential::{BasicPair, Credential, has_token_in_form},
    hmac::{HmacCheck, StandardCheck},
    proxy::TrustedProxies,
    refusal::Refusal,
    replay::{ReplayGuard, ReplayKey, Seen},
    verdict::{Authorized, Checked, Freshness, Verdict},
};

/// The header with the account (Connect: `X-DocuSign-AccountId`).
const ACCOUNT_HEADER: &str = "x-docusign-accountid";

pub(crate) type Observe = dyn Fn(&Parts, &Verdict) + Send + Sync;
pub(crate) type FindPeer = dyn Fn(&Extensions) -> Option<IpAddr> + Send + Sync;

/// The checks a message must pass. Cheap to clone.
#[derive(Clone)]
pub struct Listener(pub(crate) Arc<Configured>);

/// What a listener checks, and with what; put together by its builder.
pub(crate) struct Configured {
    pub(crate) certificate: Option<ClientCertificateCheck>,
    pub(crate) proxies: TrustedProxies,
    pub(crate) find_peer: Arc<FindPeer>,
    pub(crate) hmac: Option<HmacCheck>,
    pub(crate) standard: Option<StandardCheck>,
    pub(crate) basic: Vec<BasicCheck>,
    pub(crate) bearer: Option<BearerCheck>,
    pub(crate) accounts: Option<Vec<String>>,
    pub(crate) replay: Option<Arc<dyn ReplayGuard>>,
    pub(crate) observer: Option<Arc<Observe>>,
    pub(crate) clock: Clock,
    pub(crate) challenges: Challenges,
    pub(crate) body: BodyLimits,
}

/// The certificate of the sender, as far as it is known; or why it cannot be.
type Shown = Result<Option<(PeerCertificate, CertificateSource)>, CertificateRefused>;

impl Listener {
    /// Runs every check but the replay guard over a message that is at hand whole, the later ones even when an earlier one refuses: for
    /// showing what is wrong with a message. The layer stops at the first refusal.
    pub async fn examine(&self, head: &Parts, body: &Bytes) -> Verdict {
        let shown = self.certificate(head);
        let authorization = self.check_authorization(head, &shown).await;
        let mut verdict = Verdict { certificate: self.check_certificate(&shown), authorization, ..Verdict::default() };
        verdict.body = self.check_length(body.len());
        self.check_body(head, body, &mut verdict);
        verdict
    }

    /// The sender's certificate: the one that a trusted proxy names, or else the one of this connection. Behind such a proxy the
    /// connection's own certificate is the proxy's and says nothing about the sender.
    pub(crate) fn certificate(&self, head: &Parts) -> Shown {
        let Some((peer, named)) = self.0.proxies.certificate(&head.headers, (self.0.find_peer)(&head.extensions)) else {
            let own = head.extensions.get::<PeerCertificate>().cloned();
            // Whoever forgot to trust the proxy looks for the certificate in vain.
            if own.is_none() && self.0.certificate.is_some() && self.0.proxies.is_named_in(&head.headers) {
                let peer = (self.0.find_peer)(&head.extensions);
                return Err(peer.map_or(CertificateRefused::Missing, CertificateRefused::UntrustedProxy));
            }
            return Ok(own.map(|certificate| (certificate, CertificateSource::Connection)));
        };
        Ok(named?.map(|certificate| (certificate, CertificateSource::Proxy(peer))))
    }

    /// Checks whose certificate it is. A proxy's header that cannot be read refuses the message even when no certificate is asked for.
    pub(crate) fn check_certificate(&self, shown: &Shown) -> Checked<AcceptedCertificate> {
        match (shown, &self.0.certificate) {
            (Err(refused), _) => Checked::Refused((*refused).into()),
            (Ok(shown), Some(check)) => Checked::from_result(check.check(shown.as_ref())),
            (Ok(_), None) => Checked::NotAsked,
        }
    }

    /// Leaves in the request what is known of the sender's certificate, and takes out what a stranger claims of it.
    pub(crate) fn settle_certificate(&self, head: &mut Parts, shown: Shown) {
        let peer = (self.0.find_peer)(&head.extensions);
        self.0.proxies.strip(&mut head.headers, peer);
        head.extensions.remove::<PeerCertificate>();
        if let Ok(Some((certificate, _))) = shown {
            head.extensions.insert(certificate);
        }
    }

    /// Checks the `Authorization` header: Basic or bearer.
    pub(crate) async fn check_authorization(&self, head: &Parts, shown: &Shown) -> Checked<Authorized> {
        if self.0.basic.is_empty() && self.0.bearer.is_none() {
            return Checked::NotAsked;
        }
        Checked::from_result(match Credential::read(&head.headers, &head.uri) {
            Credential::Several => Err(Refusal::SeveralCredentials),
            Credential::Basic(pair) if !self.0.basic.is_empty() => self.check_basic(pair.as_ref()),
            Credential::Bearer(token) if self.0.bearer.is_some() => {
                self.check_bearer(shown, token.as_ref().map(|token| token.as_str())).await
            }
            Credential::None | Credential::Basic(_) | Credential::Bearer(_) => Err(Refusal::NoCredentials),
        })
    }

    fn check_basic(&self, pair: Option<&BasicPair>) -> Result<Authorized, Refusal> {
        let pair = pair.ok_or(Refusal::Basic)?;
        let fitting: Vec<(Choice, &BasicCheck)> = self.0.basic.iter().map(|check| (check.fits(pair), check)).collect();
        let found = fitting.into_iter().find(|(fits, _)| bool::from(*fits)).ok_or(Refusal::Basic)?;
        Ok(Authorized::Basic { user: found.1.user().to_owned() })
    }

    async fn check_bearer(&self, shown: &Shown, token: Option<&str>) -> Result<Authorized, Refusal> {
        use crate::token::TokenRefused;
        let token = token.ok_or(TokenRefused::Malformed("not the characters or length of a token"))?;
        let bearer = self.0.bearer.as_ref().ok_or(Refusal::NoCredentials)?;
        let certificate = shown.as_ref().ok().and_then(Option::as_ref).map(|(certificate, _)| certificate);
        let claims = bearer.check(token, certificate, self.0.clock.now()).await?;
        Ok(Authorized::Bearer(Box::new(claims)))
    }

    pub(crate) fn check_length(&self, bytes: usize) -> Checked<usize> {
        let bytes_max = self.0.body.bytes_max;
        if bytes > bytes_max { Checked::Refused(Refusal::BodyTooLarge { bytes_max }) } else { Checked::Passed(bytes) }
    }

    /// Checks what needs the raw body: the signatures, and the account they are said to be of.
    pub(crate) fn check_body(&self, head: &Parts, body: &[u8], verdict: &mut Verdict) {
        let headers = &head.headers;
        if matches!(verdict.authorization, Checked::Passed(Authorized::Bearer(_))) && has_token_in_form(headers, body) {
            verdict.authorization = Checked::Refused(Refusal::SeveralCredentials);
        }
        if let Some(check) = &self.0.hmac {
            verdict.hmac = Checked::from_result(check.check(headers, body));
        }
        if let Some(check) = &self.0.standard {
            verdict.standard_webhooks = Checked::from_result(check.check(headers, body, self.0.clock.now()));
        }
        if let Some(accounts) = &self.0.accounts {
            verdict.account = Checked::from_result(account_of(headers, accounts).ok_or(Refusal::Account));
        }
    }

    /// Asks the replay guard about a message whose other checks all passed; the key is that of a message to be finished later.
    pub(crate) async fn begin(&self, body: &[u8], verdict: &mut Verdict) -> Option<ReplayKey> {
        let guard = self.0.replay.as_ref()?;
        let key = match verdict.standard_webhooks.passed() {
            Some(matched) => ReplayKey::of_delivery(&matched.id),
            None => ReplayKey::of_body(body),
        };
        verdict.replay = Checked::from_result(match guard.begin(key, self.0.clock.now()).await {
            Ok(Seen::New) => Ok(Freshness::New),
            Ok(Seen::Before) => Ok(Freshness::Duplicate),
            Ok(Seen::InProgress) => Err(Refusal::ReplayInProgress),
            Err(failed) => Err(Refusal::ReplayGuard(failed.0)),
        });
        (verdict.replay == Checked::Passed(Freshness::New)).then_some(key)
    }

    /// Tells the replay guard how the application took a message.
    pub(crate) async fn finish(&self, key: ReplayKey, handled: crate::replay::Handled) {
        let Some(guard) = &self.0.replay else { return };
        if let Err(failed) = guard.finish(key, handled, self.0.clock.now()).await {
            tracing::error!(reason = %failed, "the replay guard could not note how a message was handled; it may come twice");
        }
    }

    pub(crate) fn body_limits(&self) -> &BodyLimits {
        &self.0.body
    }

    /// Passes a verdict on to whoever watches.
    pub(crate) fn observe(&self, head: &Parts, verdict: &Verdict) {
        if let Some(refusal) = verdict.refusal() {
            tracing::info!(status = status_of(refusal).as_u16(), reason = %refusal, "a message was refused");
        }
        if let Some(observer) = &self.0.observer {
            observer(head, verdict);
        }
    }

    pub(crate) fn answer<B>(&self, refusal: &Refusal, body: B) -> http::Response<B> {
        answer(refusal, &self.0.challenges, body)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("certificate", &self.0.certificate.is_some())
            .field("hmac", &self.0.hmac.is_some())
            .field("standard_webhooks", &self.0.standard.is_some())
            .field("basic", &self.0.basic.len())
            .field("bearer", &self.0.bearer.is_some())
            .field("accounts", &self.0.accounts)
            .field("replay_guard", &self.0.replay.is_some())
            .field("body", &self.0.body)
            .finish_non_exhaustive()
    }
}

/// The account that the one header names, when it is expected.
fn account_of(headers: &HeaderMap, accounts: &[String]) -> Option<String> {
    let mut values = headers.get_all(ACCOUNT_HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let account = value.to_str().ok()?;
    accounts.iter().any(|known| known.eq_ignore_ascii_case(account)).then(|| account.to_owned())
}
