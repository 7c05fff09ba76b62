//! `/docs/problems/{code}`: the page that the `type` of a problem document names (RFC 9457 §3.1.1), made of the same text as
//! `docs/reference/problems.md`, so that the two cannot differ.

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::{
    Router,
    extract::{Path, State},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};

use crate::App;

/// The reference, as people read it.
const REFERENCE: &str = include_str!("../../../docs/reference/problems.md");
/// Nothing but our own style sheet.
const POLICY: &str = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Every section of the reference, in its order.
static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| sections(REFERENCE));

/// What the reference says of one code.
#[derive(Debug)]
pub struct Section {
    /// The code.
    pub code: &'static str,
    /// Paragraphs, each of pieces.
    paragraphs: Vec<Vec<Piece>>,
}

/// A piece of a paragraph.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Code(String),
}

#[derive(Template)]
#[template(path = "problems/page.html")]
struct Page<'a> {
    code: &'a str,
    paragraphs: &'a [Vec<Piece>],
}

#[derive(Template)]
#[template(path = "problems/index.html")]
struct Index<'a> {
    /// The code that has no page, if one was asked for.
    unknown: bool,
    codes: Vec<&'a str>,
}

/// The routes, from the root.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/docs/problems", get(index))
        .route("/docs/problems/{code}", get(page))
        .route("/docs/problems/style.css", get(style))
}

/// The codes that have a page.
#[must_use]
pub fn codes() -> Vec<&'static str> {
    SECTIONS.iter().map(|section| section.code).collect()
}

async fn index(State(_app): State<Arc<App>>) -> Response {
    shown(StatusCode::OK, &Index { unknown: false, codes: codes() })
}

async fn page(Path(code): Path<String>) -> Response {
    match SECTIONS.iter().find(|section| section.code == code) {
        Some(Section { code, paragraphs }) => shown(StatusCode::OK, &Page { code, paragraphs }),
        None => shown(StatusCode::NOT_FOUND, &Index { unknown: true, codes: codes() }),
    }
}

async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, include_str!("../templates/problems/style.css")).into_response()
}

fn shown(status: StatusCode, page: &impl Template) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Sections begin with `### code`; a blank line ends a paragraph.
fn sections(text: &'static str) -> Vec<Section> {
    let mut sections = Vec::new();
    for part in text.split("\n### ").skip(1) {
        let (code, body) = part.split_once('\n').unwrap_or((part, ""));
        // The last one before a `## ` heading ends there.
        let body = body.split("\n## ").next().unwrap_or_default();
        let paragraphs = body.split("\n\n").map(joined).filter(|paragraph| !paragraph.is_empty()).map(|paragraph| pieces(&paragraph));
        sections.push(Section { code: code.trim(), paragraphs: paragraphs.collect() });
    }
    sections
}

/// The lines of a paragraph as one.
fn joined(paragraph: &str) -> String {
    paragraph.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Text and code. A link becomes its words and the file it leads to, which the reader has beside the program and not here.
fn pieces(paragraph: &str) -> Vec<Piece> {
    let piece = |(index, text): (usize, &str)| if index % 2 == 1 { Piece::Code(text.to_owned()) } else { Piece::Text(unlinked(text)) };
    paragraph.split('`').enumerate().map(piece).filter(|piece| *piece != Piece::Text(String::new())).collect()
}

fn unlinked(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        let Some((words, after)) = link.split_once("](") else {
            rest = link;
            plain.push('[');
            continue;
        };
        let (target, after) = after.split_once(')').unwrap_or((after, ""));
        let file = target.split('#').next().unwrap_or_default().trim_start_matches("../");
        plain.push_str(words);
        if !file.is_empty() {
            plain.push_str(&format!(", docs/{file}"));
        }
        rest = after;
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_cut_into_its_sections() {
        let found = sections(
            "# Title\n\ntext\n\n## Part\n\n### one-code\n\n400. Is `x` and\n     more; see [OAuth](../guide/oauth.md#a).\n\nAgain.\n\n## Next\n\nAside.\n\n### two\n\n5.\n",
        );
        assert_eq!(found.iter().map(|section| section.code).collect::<Vec<_>>(), ["one-code", "two"]);
        assert_eq!(
            found[0].paragraphs,
            [
                vec![
                    Piece::Text("400. Is ".into()),
                    Piece::Code("x".into()),
                    Piece::Text(" and more; see OAuth, docs/guide/oauth.md.".into())
                ],
                vec![Piece::Text("Again.".into())],
            ]
        );
        assert_eq!(found[1].paragraphs.len(), 1);
    }
}
