//! Which query parameters each endpoint of envelopes and templates takes. What is not in this table is refused by its name: a
//! parameter that is passed over answers another question than the one that was asked.
//!
//! Three kinds are told apart: those that are *understood*; those that are *idle*, which Docusign reserves for itself or which
//! change nothing that exists here; and those that would change the answer in a way that is not built, of which only the *values*
//! that ask for nothing of the kind are taken. `/connect` has its parameters beside its handlers.

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::envelopes::request::{Parameters, cut};
use crate::failure::Failure;

/// What one endpoint makes of its query.
struct Row {
    method: &'static str,
    /// Below the account.
    path: &'static str,
    understood: &'static [&'static str],
    idle: &'static [&'static str],
    /// Taken with these values alone.
    only: &'static [(&'static str, &'static [&'static str])],
}

/// A row without parameters that are bound to a value.
const fn row(method: &'static str, path: &'static str, understood: &'static [&'static str], idle: &'static [&'static str]) -> Row {
    Row { method, path, understood, idle, only: &[] }
}

const NO: &[&str] = &["false"];

/// Endpoints that are not here take none.
const ROWS: &[Row] = &[
    row(
        "GET",
        "/envelopes",
        &[
            "from_date",
            "to_date",
            "from_to_status",
            "status",
            "count",
            "start_position",
            "envelope_ids",
            "transaction_ids",
            "include",
            "exclude",
            "order",
            "order_by",
            "search_text",
            "custom_field",
            "user_id",
            "user_name",
            "email",
            "user_filter",
            "folder_ids",
            "folder_types",
        ],
        // The state of purging stands in every answer. The others are "reserved for Docusign".
        &["include_purge_information", "cdse_mode", "block", "query_budget"],
    ),
    row(
        "PUT",
        "/envelopes/status",
        &[
            "from_date",
            "to_date",
            "from_to_status",
            "status",
            "count",
            "start_position",
            "envelope_ids",
            "transaction_ids",
            "include",
            "exclude",
            "order",
            "order_by",
            "search_text",
            "custom_field",
            "user_id",
            "user_name",
            "email",
            "user_filter",
            "folder_ids",
            "folder_types",
        ],
        &["include_purge_information", "cdse_mode", "block", "query_budget"],
    ),
    Row {
        method: "POST",
        path: "/envelopes",
        understood: &[],
        // Labels of tabs are always compared whole, and a sender may always say in which order recipients act.
        idle: &["cdse_mode", "change_routing_order", "completed_documents_only", "tab_label_exact_matches"],
        only: &[("merge_roles_on_draft", NO)],
    },
    row("GET", "/envelopes/{envelope_id}", &["include", "exclude"], &["advanced_update", "include_anchor_tab_locations", "user_id"]),
    row(
        "PUT",
        "/envelopes/{envelope_id}",
        &["resend_envelope", "recycle_on_void"],
        // Everything that can be changed can be changed without it.
        &["advanced_update"],
    ),
    row(
        "GET",
        "/envelopes/{envelope_id}/recipients",
        &["include_tabs"],
        &["include_extended", "include_metadata", "include_anchor_tab_locations"],
    ),
    row("POST", "/envelopes/{envelope_id}/recipients", &["resend_envelope"], &[]),
    Row {
        method: "PUT",
        path: "/envelopes/{envelope_id}/recipients",
        understood: &["resend_envelope"],
        idle: &["offline_signing"],
        only: &[("combine_same_order_recipients", NO)],
    },
    row("GET", "/envelopes/{envelope_id}/recipients/{recipient_id}/tabs", &[], &["include_metadata", "include_anchor_tab_locations"]),
    Row {
        method: "GET",
        path: "/envelopes/{envelope_id}/documents",
        understood: &[],
        idle: &["include_metadata", "include_docgen_formfields", "include_agreement_type"],
        only: &[("include_tabs", NO), ("documents_by_userid", NO)],
    },
    Row {
        method: "GET",
        path: "/envelopes/{envelope_id}/documents/{document_id}",
        understood: &["certificate", "encoding"],
        // No account has a watermark, and the certificate is written in English.
        idle: &["watermark"],
        only: &[("encrypt", NO), ("show_changes", NO), ("language", &["en"]), ("documents_by_userid", NO)],
    },
    row("GET", "/envelopes/{envelope_id}/documents/{document_id}/tabs", &["page_numbers"], &["include_metadata"]),
    // Their texts are English.
    Row {
        method: "GET",
        path: "/envelopes/{envelope_id}/audit_events",
        understood: &[],
        idle: &[],
        only: &[("locale", &["en", "en_us", "en-us"])],
    },
    row("GET", "/envelopes/{envelope_id}/templates", &[], &["include"]),
    row("GET", "/templates", &["count", "start_position", "search_text", "include", "order", "order_by", "template_ids"], &[]),
    row("GET", "/templates/{template_id}", &[], &["include"]),
    row("GET", "/templates/{template_id}/recipients", &["include_tabs"], &["include_extended", "include_anchor_tab_locations"]),
    Row { method: "GET", path: "/templates/{template_id}/documents", understood: &[], idle: &[], only: &[("include_tabs", NO)] },
    Row {
        method: "GET",
        path: "/templates/{template_id}/documents/{document_id}",
        understood: &[],
        idle: &[],
        only: &[("encrypt", NO), ("show_changes", NO)],
    },
];

/// Refuses a query that asks for what the endpoint does not do.
pub(super) async fn check(request: Request, next: Next) -> Response {
    match checked(&request) {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn checked(request: &Request) -> Result<(), Failure> {
    let Some(query) = request.uri().query().filter(|query| !query.is_empty()) else { return Ok(()) };
    // Without a matched path the request is on its way to a 404.
    let Some(path) = request.extensions().get::<MatchedPath>() else { return Ok(()) };
    let path = path.as_str().split_once("{account_id}").map_or("", |(_, rest)| rest).trim_end_matches('/');
    let row = ROWS.iter().find(|row| row.method == request.method().as_str() && row.path == path);
    let row = row.unwrap_or(&Row { method: "", path: "", understood: &[], idle: &[], only: &[] });
    refuse_strangers(row, &Parameters::read(query)?)
}

fn refuse_strangers(row: &Row, parameters: &Parameters) -> Result<(), Failure> {
    // An empty value counts as absent, as it does for those who read it.
    for name in parameters.names().filter(|name| parameters.text(name).is_some()) {
        if row.understood.contains(&name) || row.idle.contains(&name) {
            continue;
        }
        let value = parameters.text(name).unwrap_or_default();
        match row.only.iter().find(|(known, _)| *known == name) {
            Some((_, values)) if values.iter().any(|one| one.eq_ignore_ascii_case(value)) => {}
            Some((_, values)) => {
                let values = values.join(" or ");
                return Err(Failure::invalid_parameter(format!(
                    "{name} is '{}', which is not supported here; it can be {values}",
                    cut(value)
                )));
            }
            None => return Err(Failure::invalid_parameter(stranger(row, name))),
        }
    }
    Ok(())
}

fn stranger(row: &Row, name: &str) -> String {
    let known: Vec<&str> = row.understood.iter().chain(row.idle).copied().chain(row.only.iter().map(|(name, _)| *name)).collect();
    let those = if known.is_empty() { "none is".to_owned() } else { format!("these are: {}", known.join(", ")) };
    format!("the query parameter '{}' is not supported here; {those}", cut(name))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_endpoint_has_one_row_and_a_parameter_one_meaning() {
        let mut rows = HashSet::new();
        for row in ROWS {
            assert!(rows.insert((row.method, row.path)), "{} {}", row.method, row.path);
            let names: Vec<&str> = row.understood.iter().chain(row.idle).copied().chain(row.only.iter().map(|(name, _)| *name)).collect();
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len(), "{} {}", row.method, row.path);
            assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()), "names are compared in lower case");
        }
    }

    #[test]
    fn the_guide_names_every_parameter() {
        let page = include_str!("../../../../docs/reference/envelopes.md");
        for row in ROWS {
            for name in row.understood.iter().chain(row.idle).chain(row.only.iter().map(|(name, _)| name)) {
                assert!(page.contains(&format!("`{name}`")) || page.contains(&format!("`{name}=")), "{name} of {}", row.path);
            }
        }
    }
}
