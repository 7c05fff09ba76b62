//! The `countersign` binary: one verb, one file in `commands`.

// Both panic when whoever reads has gone; `output` writes in their place.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod allocator;
mod as_root;
mod auth_method;
mod bench;
mod caller;
mod client;
mod client_certificates;
mod commands;
mod copying;
mod data_directory;
mod database;
mod delivery_filter;
mod demo;
mod dev_tls;
mod input;
mod listen;
mod logging;
mod message_file;
mod misuse;
mod moved;
mod outbound;
mod output;
mod press;
mod process;
mod settings;
mod signals;
mod span;
mod table;
mod trust;
mod unfinished;
mod wire;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sign, deliver, receive and verify Docusign Connect webhooks.
///
/// Countersign speaks the wire of Docusign Connect; it is not affiliated with Docusign.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, propagate_version = true, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// API, pages and worker in one process
    Serve(Box<commands::serve::Serve>),
    Work(Box<commands::work::Work>),
    /// The whole story in a terminal: an envelope is sent, viewed and signed, every message verified
    Demo(commands::demo::DemoArgs),
    /// Measure this machine, each figure beside the raw limit of the same run and beside its aim
    Bench(commands::bench::Bench),
    Listen(Box<commands::listen::Listen>),
    Verify(commands::verify::Verify),
    Sign(commands::sign::Sign),
    Token(Box<commands::token::Token>),
    Trigger(Box<commands::trigger::Trigger>),
    Authority(commands::authority::Authority),
    Account(Box<commands::account::Account>),
    Config(Box<commands::config::Config>),
    Keys(commands::keys::Keys),
    Envelope(Box<commands::envelope::Envelope>),
    Deliveries(Box<commands::deliveries::Deliveries>),
    Replay(Box<commands::replay::Replay>),
    Nodes(commands::nodes::Nodes),
    Doctor(Box<commands::doctor::Doctor>),
    Migrate(commands::migrate::Migrate),
    Backup(commands::backup::Backup),
    Restore(commands::restore::Restore),
    Export(commands::export::Export),
    Import(commands::import::Import),
    RotateSecretKey(commands::rotate_secret_key::RotateSecretKey),
    /// Write shell completions to stdout
    Completions(commands::completions::Completions),
}

fn main() -> ExitCode {
    if press::is_asked_for() {
        return press::answer();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misuse::refused(&error),
    };
    if matches!(cli.verb, Verb::Serve(_) | Verb::Work(_) | Verb::Listen(_)) {
        allocator::keep_pages();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output::note(&format!("countersign: the runtime does not start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        match cli.verb {
            Verb::Serve(serve) => commands::serve::run(*serve).await,
            Verb::Work(work) => commands::work::run(*work).await,
            Verb::Demo(demo) => commands::demo::run(demo).await,
            Verb::Bench(bench) => commands::bench::run(bench).await,
            Verb::Listen(listen) => commands::listen::run(*listen).await,
            Verb::Verify(verify) => commands::verify::run(&verify),
            Verb::Sign(sign) => commands::sign::run(&sign),
            Verb::Token(token) => commands::token::run(&token).await,
            Verb::Trigger(trigger) => commands::trigger::run(&trigger).await,
            Verb::Authority(authority) => commands::authority::run(&authority).await,
            Verb::Account(account) => commands::account::run(&account).await,
            Verb::Config(config) => commands::config::run(&config).await,
            Verb::Envelope(envelope) => commands::envelope::run(&envelope).await,
            Verb::Deliveries(deliveries) => commands::deliveries::run(&deliveries).await,
            Verb::Replay(replay) => commands::replay::run(&replay).await,
            Verb::Keys(keys) => commands::keys::run(&keys).await,
            Verb::Nodes(nodes) => commands::nodes::run(&nodes).await,
            Verb::Doctor(doctor) => commands::doctor::run(&doctor).await,
            Verb::Migrate(migrate) => commands::migrate::run(&migrate).await,
            Verb::Backup(backup) => commands::backup::run(&backup),
            Verb::Restore(restore) => commands::restore::run(&restore),
            Verb::Export(export) => commands::export::run(&export).await,
            Verb::Import(import) => commands::import::run(&import).await,
            Verb::RotateSecretKey(rotation) => commands::rotate_secret_key::run(&rotation).await,
            Verb::Completions(completions) => commands::completions::run::<Cli>(&completions),
        }
    });
    match done {
        Ok(code) => code,
        Err(error) => misuse::failed(&error),
    }
}
