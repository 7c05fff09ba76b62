//! `authority`: the development authorization server alone.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, str::FromStr, time::Duration};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use countersign_authority::{ActiveFault, Authority as Server, Client, Settings, SigningAlgorithm};
use countersign_core::Secret;
use countersign_server::serving;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    client_certificates,
    dev_tls::{self, ClientCertificates},
    input::{FileOrStdin, Inputs, Source, duration},
    misuse::Misuse,
    output,
    signals::stopped,
};

/// Longest file of clients, in bytes: a thousand clients with a key set each.
const CLIENTS_BYTES_MAX: usize = 4 << 20;

/// Run the development authorization server: client credentials, JWKS, introspection, and faults on request.
///
/// For development and tests. It forgets everything when it ends, and it is not hardened for the internet.
#[derive(Debug, Args)]
pub(crate) struct Authority {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8401")]
    listen: SocketAddr,
    /// Serve https with this certificate (PEM, chain) and ask clients for theirs: tls_client_auth and bound tokens work
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Issuer identifier [default: http:// or https:// and the address]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Client as ID:SECRET; the secret may be env:NAME, @FILE or -; may be repeated [default: one with a random secret]
    #[arg(long = "client", value_name = "ID:SECRET")]
    clients: Vec<IdAndSecret>,
    /// TOML file with [[clients]]: client_id, client_secret, token_endpoint_auth_method, scope, audiences, ...
    #[arg(long = "clients", value_name = "FILE")]
    clients_file: Option<PathBuf>,
    /// Scopes of the clients given by --client, separated by blanks
    #[arg(long, value_name = "SCOPES")]
    scope: Option<String>,
    /// Fail on request: [ENDPOINT:]FAULT[*TIMES], such as slow, server-error*3 or jwks:html; may be repeated
    #[arg(long = "fault", value_name = "FAULT")]
    faults: Vec<String>,
    /// How long the fault slow waits, up to 10m
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    fault_delay: Duration,
    /// List the faults and end
    #[arg(long, exclusive = true)]
    list_faults: bool,
    /// How long tokens live, 1s to 24h
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = duration)]
    token_lifetime: Duration,
    /// How JWT access tokens are signed
    #[arg(long, value_name = "ALGORITHM", default_value = "es256", ignore_case = true)]
    signing: Signing,
    /// Let anyone who can connect switch faults and rotate keys, under /control/
    #[arg(long)]
    control: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Signing {
    /// ECDSA on P-256
    Es256,
    /// RSA, 2048 bits
    Rs256,
}

/// A client on the command line.
#[derive(Debug, Clone)]
struct IdAndSecret {
    id: String,
    secret: Source,
}

impl FromStr for IdAndSecret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, secret) = text.split_once(':').ok_or("write it like ID:SECRET")?;
        if id.is_empty() || secret.is_empty() {
            return Err("write it like ID:SECRET");
        }
        Ok(Self { id: id.to_owned(), secret: secret.parse()? })
    }
}

/// The file of `--clients`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientsFile {
    #[serde(default)]
    clients: Vec<Client>,
}

/// Serves until Ctrl-C.
pub(crate) async fn run(given: &Authority) -> anyhow::Result<ExitCode> {
    if given.list_faults {
        let lines: String = countersign_authority::Fault::ALL.iter().map(|fault| format!("{fault}\n")).collect();
        output::print(&lines)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (clients, made) = clients(given)?;
    let faults = given.faults.iter().map(|text| text.parse::<ActiveFault>()).collect::<Result<Vec<_>, _>>();
    let faults = faults.map_err(|fault| Misuse::error(format!("--fault: {fault}; --list-faults shows them all")))?;

    let tls = match (&given.tls_cert, &given.tls_key) {
        (Some(certificate), Some(key)) => Some(dev_tls::listener_from_files(certificate, key, &ClientCertificates::Asked)?),
        _ => None,
    };
    let listener = TcpListener::bind(given.listen).await.with_context(|| format!("listening on {}", given.listen))?;
    let address = listener.local_addr().context("learning the own address")?;
    let settings = Settings {
        signing: match given.signing {
            Signing::Es256 => SigningAlgorithm::Es256,
            Signing::Rs256 => SigningAlgorithm::Rs256,
        },
        token_lifetime: given.token_lifetime,
        control_endpoints: given.control,
        clients,
        ..Settings::new(given.issuer.clone().unwrap_or_else(|| format!("{}://{address}", if tls.is_some() { "https" } else { "http" })))
    };
    let ids: Vec<String> = settings.clients.iter().map(|client| client.id().to_owned()).collect();
    let server = Server::try_new(settings).map_err(|error| Misuse::error(error.to_string()))?;
    server.faults().set_delay(given.fault_delay);
    for fault in faults {
        server.faults().switch_on(fault)?;
    }
    if !address.ip().is_loopback() {
        output::note("note: this server is for development and is not hardened; others than this machine can reach it");
    }
    announce(given, &server, &ids, made.as_ref())?;
    match tls {
        None => server.serve_until(listener, until_stopped()).await.context("serving")?,
        // The other server knows TLS and certificates; a reset by fault is then a connection closed without an answer.
        Some(tls) => {
            let stop = CancellationToken::new();
            let ended = stop.clone();
            tokio::spawn(async move {
                until_stopped().await;
                ended.cancel();
            });
            serving::serve(listener, client_certificates::told(server.standalone()), Some(tls), stop).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The clients, and the secret of one that was made because none was given.
fn clients(given: &Authority) -> anyhow::Result<(Vec<Client>, Option<Secret>)> {
    let mut inputs = Inputs::default();
    let scopes: Vec<&str> = given.scope.as_deref().unwrap_or_default().split_ascii_whitespace().collect();
    let mut clients = Vec::new();
    for client in &given.clients {
        let secret = inputs.secret(&client.secret, "--client")?;
        clients.push(Client::with_secret_basic(client.id.as_str(), secret.expose_secret()).scopes(scopes.iter().copied()));
    }
    if let Some(path) = &given.clients_file {
        let text = inputs.text(&FileOrStdin::File(path.clone()), "--clients", CLIENTS_BYTES_MAX)?;
        // Only the message: the error's display quotes the line, and with it a secret.
        let file: ClientsFile =
            toml::from_str(&text).map_err(|error| Misuse::error(format!("--clients: {}: {}", path.display(), error.message())))?;
        clients.extend(file.clients);
    }
    if !clients.is_empty() {
        return Ok((clients, None));
    }
    let mut random = [0; 16];
    getrandom::fill(&mut random).context("the operating system gives no random bytes")?;
    let secret = Secret::new(random.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    Ok((vec![Client::with_secret_basic("countersign", secret.expose_secret()).scopes(scopes)], Some(secret)))
}

fn announce(given: &Authority, server: &Server, ids: &[String], made: Option<&Secret>) -> anyhow::Result<()> {
    let secret = made.map(Secret::expose_secret);
    let faults: Vec<String> = server.faults().active().iter().map(ToString::to_string).collect();
    if given.json {
        return output::json(&json!({
            "issuer": server.issuer(),
            "tokenUrl": server.token_endpoint(),
            "jwksUrl": server.jwks_uri(),
            "introspectionUrl": server.introspection_endpoint(),
            "revocationUrl": server.revocation_endpoint(),
            "clients": ids,
            "clientSecret": secret,
            "faults": faults,
        }));
    }
    let mut lines = vec![
        ("issuer", server.issuer().to_owned()),
        ("token URL", server.token_endpoint()),
        ("keys (JWKS)", server.jwks_uri()),
        ("introspection", server.introspection_endpoint()),
        ("revocation", server.revocation_endpoint()),
        ("clients", ids.join(", ")),
    ];
    lines.extend(secret.map(|secret| ("client secret", secret.to_owned())));
    if !faults.is_empty() {
        lines.push(("faults", faults.join(", ")));
    }
    let paint = output::Paint::stdout();
    let text: String = lines
        .iter()
        .map(|(name, value)| format!("{} {}\n", paint.paint(output::Tone::Dim, &format!("{name:<14}")), output::escape(value)))
        .collect();
    output::print(&text)
}

/// Ready at Ctrl-C or when a service manager says so; without a signal to wait for, never.
async fn until_stopped() {
    if stopped().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_an_id_and_a_secret() {
        let client: IdAndSecret = "sender:s3:cret".parse().expect("a client");
        assert_eq!(client.id, "sender");
        assert!(matches!(&client.secret, Source::Value(secret) if secret.expose_secret() == "s3:cret"));
        assert!(matches!("a:env:NAME".parse::<IdAndSecret>(), Ok(IdAndSecret { secret: Source::Environment(_), .. })));
        for text in ["", "a", ":s", "a:"] {
            assert!(text.parse::<IdAndSecret>().is_err(), "{text}");
        }
    }
}
