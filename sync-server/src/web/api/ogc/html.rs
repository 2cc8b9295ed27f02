//! A plain page for people who open an address of the interface in a browser.

use askama::Template;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::super::Problem;

#[derive(Template)]
#[template(path = "ogc.html")]
struct Page<'a> {
    title: &'a str,
    links: Vec<Link>,
    features: Vec<Line>,
    json: String,
}

struct Link {
    href: String,
    title: String,
    rel: String,
}

struct Line {
    href: String,
    name: String,
    place: String,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a body says, for people.
pub(super) fn page(title: &str, body: &Value) -> Response {
    let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
    let links = list("links")
        .iter()
        .map(|link| Link { href: text(&link["href"]), title: text(&link["title"]), rel: text(&link["rel"]) })
        .collect();
    let features = list("features")
        .iter()
        .map(|feature| {
            let own = &feature["properties"];
            let id = text(&feature["id"]);
            let named = [&own["name"], &own["temporary_number"]].into_iter().find_map(Value::as_str);
            Line {
                href: format!("/ogc/collections/outlets/items/{id}?f=html"),
                name: named.unwrap_or(&id).to_owned(),
                place: [text(&own["township"]), text(&own["waterbody"])].join(" "),
            }
        })
        .collect();
    let mut shown = body.clone();
    if let Some(object) = shown.as_object_mut() {
        object.remove("links");
        object.remove("features");
    }
    let json = serde_json::to_string_pretty(&shown).unwrap_or_default();
    match (Page { title, links, features, json }).render() {
        Ok(html) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], html).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}
