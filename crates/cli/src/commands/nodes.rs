//! `nodes`: the processes of an installation, its backlog, the lanes of the one that answers, and its store.

use std::process::ExitCode;

use clap::Args;

use crate::{
    client::ServerArgs,
    output::{self, Tone},
    table::{Cell, Fields, Table, list, moment, text},
};

/// Show the processes of the installation and the state of its store.
#[derive(Debug, Args)]
pub(crate) struct Nodes {
    #[command(flatten)]
    server: ServerArgs,
}

/// Talks to the server.
pub(crate) async fn run(given: &Nodes) -> anyhow::Result<ExitCode> {
    let answer = given.server.client()?.get("/api/v1/nodes").await?;
    if given.server.json {
        output::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["NODE", "NUMBER", "STATE", "STARTED", "LEASE UNTIL"]);
    for node in list(&answer, "nodes")? {
        let live = node["live"].as_bool() == Some(true);
        let state = if live { Cell::toned(Tone::Good, "live") } else { Cell::toned(Tone::Odd, "gone") };
        table.row([
            text(node, "name").into(),
            text(node, "number").into(),
            state,
            moment(node, "startedAt").into(),
            moment(node, "expiresAt").into(),
        ]);
    }
    table.print("there is no node")?;
    let mut fields = Fields::default();
    let backlog = &answer["backlog"];
    fields.add("waiting", text(backlog, "waiting"));
    fields.add("oldest due", moment(backlog, "oldestDueAt"));
    fields.add("held", text(backlog, "held"));
    fields.add("in flight", text(backlog, "leased"));
    fields.add("given up", text(backlog, "parked"));
    // Of the node that answers alone: the others keep theirs in memory.
    let lanes = &answer["lanes"];
    if lanes.is_object() {
        let answering = list(&answer, "nodes")?.iter().find(|node| node["incarnation"] == lanes["incarnation"]);
        fields.add("lanes of", answering.map_or_else(|| "the node that answers".to_owned(), |node| text(node, "name")));
        fields.add("  lanes", text(lanes, "count"));
        fields.add("  with backlog", text(lanes, "backlogged"));
        let open = lanes["breakerOpen"].as_u64().unwrap_or_default();
        fields.toned("  breaker open", if open == 0 { Tone::Plain } else { Tone::Odd }, text(lanes, "breakerOpen"));
    }
    let store = &answer["store"];
    fields.add("store", text(store, "backend"));
    let writable = store["writable"].as_bool() == Some(true);
    fields.toned("writable", if writable { Tone::Good } else { Tone::Bad }, text(store, "writable"));
    fields.add("disk bytes", text(store, "diskBytes"));
    fields.add("schema", text(store, "schema"));
    fields.add("last commit", store["lastCommitMs"].as_f64().map_or_else(String::new, |ms| format!("{ms:.3} ms")));
    fields.toned("warnings", Tone::Odd, text(store, "warnings"));
    output::line("")?;
    fields.print()?;
    Ok(ExitCode::SUCCESS)
}
