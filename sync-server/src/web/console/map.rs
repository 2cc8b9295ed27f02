//! The map: what the script in `web/src/map.ts` is told, the legend, and a list for who sees no map.

use askama::Template;
use outlet_core::geo::Bounds;

use super::{Answer, Form, Page, show};

/// Classes in the order of the legend.
const CLASSES: [&str; 5] = ["ban", "merge", "regulate", "none_needed", "undecided"];

#[derive(Template)]
#[template(path = "console/map.html")]
struct MapPage {
    page: Page,
    form: Form,
    /// Settings for the script, JSON.
    settings: String,
    classes: Vec<(String, String)>,
    states: Vec<(String, String)>,
    /// The same rows as a list.
    list: String,
}

/// `GET /map?class=…&state=…&at=LON,LAT`.
pub(super) async fn page(page: Page, form: Form) -> Answer {
    let query = form.query_without(&["at", "done"]);
    let point = form.given("at").and_then(|at| {
        let (lon, lat) = at.split_once(',')?;
        Some([lon.parse::<f64>().ok()?, lat.parse::<f64>().ok()?])
    });
    let city = Bounds::BAZHONG;
    let bounds = [city.west, city.south, city.east, city.north];
    let settings = serde_json::json!({ "bounds": bounds, "query": query, "point": point }).to_string();
    let states = [
        "suspected",
        "surveying",
        "submitted",
        "listed",
        "decided",
        "plan_approved",
        "rectifying",
        "completion_reported",
        "county_passed",
        "accepted",
        "in_service",
        "closed",
        "reopened",
    ];
    let view = MapPage {
        classes: CLASSES.map(|code| (code.to_owned(), page.term("classification", code))).to_vec(),
        states: states.map(|code| (code.to_owned(), page.label(code))).to_vec(),
        list: format!("/outlets?{query}"),
        settings,
        form,
        page,
    };
    show(&view)
}
