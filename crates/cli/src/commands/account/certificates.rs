//! `account certificates`: client certificates for mutual TLS, and further CAs.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::{
    client::{Client, segment},
    input::{FileOrStdin, Inputs, Source},
    misuse::Misuse,
    output,
    table::{Fields, Table, list, moment, text},
};

/// Longest file of certificates, in bytes.
const CERTIFICATES_BYTES_MAX: usize = 256 * 1_024;
/// How much of a fingerprint is shown in the table, in characters.
const FINGERPRINT_CHARS: usize = 16;

/// Client certificates that listeners and authorization servers are shown, and CAs of their own.
#[derive(Debug, Args)]
pub(super) struct Certificates {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List certificates and CAs, without private keys (the default)
    List,
    /// Add a client certificate with its key, or a CA
    Add {
        /// What it is for
        #[arg(long)]
        name: String,
        /// The client certificate (PEM, its chain behind it)
        #[arg(long, value_name = "FILE", requires = "key")]
        cert: Option<PathBuf>,
        /// Its private key (PEM, not encrypted): env:NAME, @FILE or -
        #[arg(long, value_name = "KEY", requires = "cert", allow_hyphen_values = true)]
        key: Option<Source>,
        /// In place of both: one or more CA certificates (PEM) to trust for this account
        #[arg(long, value_name = "FILE", conflicts_with_all = ["cert", "key"])]
        ca: Option<PathBuf>,
    },
    /// Delete a certificate or CA; one that a subscription needs stays
    Delete {
        /// Its id
        id: String,
    },
}

pub(super) async fn run(given: &Certificates, client: &Client, json: bool) -> anyhow::Result<()> {
    match given.verb.as_ref().unwrap_or(&Verb::List) {
        Verb::List => {
            let answer = client.get(&client.api("certificates").await?).await?;
            if json {
                return output::json(&answer);
            }
            let mut table = Table::new(["ID", "KIND", "NAME", "FINGERPRINT", "EXPIRES", "CREATED"]);
            for certificate in list(&answer, "certificates")? {
                table.row([
                    text(certificate, "id").into(),
                    text(certificate, "kind").into(),
                    text(certificate, "name").into(),
                    text(certificate, "fingerprint").chars().take(FINGERPRINT_CHARS).collect::<String>().into(),
                    moment(certificate, "notAfter").into(),
                    moment(certificate, "createdAt").into(),
                ]);
            }
            table.print("there is no certificate")
        }
        Verb::Add { name, cert, key, ca } => {
            let mut inputs = Inputs::default();
            let mut read = |path: &PathBuf, what| inputs.text(&FileOrStdin::File(path.clone()), what, CERTIFICATES_BYTES_MAX);
            let form = match (cert, key, ca) {
                (Some(cert), Some(key), None) => {
                    let chain = read(cert, "--cert")?;
                    let key = inputs.secret(key, "--key")?;
                    json!({"name": name, "certificate": chain, "privateKey": key.expose_secret()})
                }
                (None, None, Some(ca)) => json!({"name": name, "ca": read(ca, "--ca")?}),
                _ => return Err(Misuse::error("give --cert and --key, or --ca")),
            };
            let added = client.call(Method::POST, &client.api("certificates").await?, Some(&form)).await?;
            if json { output::json(&added) } else { show(&added) }
        }
        Verb::Delete { id } => {
            client.call(Method::DELETE, &client.api(&format!("certificates/{}", segment(id))).await?, None).await?;
            output::done(json, &format!("deleted certificate {id}"), &json!({"deleted": id}))
        }
    }
}

fn show(certificate: &Value) -> anyhow::Result<()> {
    let mut fields = Fields::default();
    fields.add("id", text(certificate, "id"));
    fields.add("kind", text(certificate, "kind"));
    fields.add("name", text(certificate, "name"));
    fields.add("fingerprint", text(certificate, "fingerprint"));
    fields.add("expires", moment(certificate, "notAfter"));
    fields.print()
}
