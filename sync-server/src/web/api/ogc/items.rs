//! Features: page by page, by box, time and property; or one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use outlet_core::export::{self, Style};
use outlet_core::time::{Day, Timestamp};
use serde_json::{Value, json};

use super::super::who::Scheme;
use super::super::{Answer, Api, Asker, ETag, Problem, outlets};
use super::{Asked, BASE, COLLECTION, Format, GEOJSON, check};
use crate::inventory::{self, BoundingBox, Cursor, DateColumn, Dimension, Entry, Query, Scope, Sort, Span, Total};
use crate::tokens::TokenScope;

/// Features of a page when nobody says.
pub(super) const DEFAULT_LIMIT: usize = 100;

/// Features of a page at most; whoever asks for more gets so many (/req/core/fc-limit-response-1).
pub(super) const MAX_LIMIT: usize = 1_000;

/// Properties that can be filtered by, with their column.
pub(super) const QUERYABLE: [(&str, Dimension); 19] = [
    ("collection", Dimension::Collection),
    ("county", Dimension::County),
    ("management_unit", Dimension::Unit),
    ("township", Dimension::Township),
    ("waterbody", Dimension::Waterbody),
    ("basin", Dimension::Basin),
    ("section", Dimension::Section),
    ("classification", Dimension::Class),
    ("classification_proposed", Dimension::Proposed),
    ("state", Dimension::State),
    ("review_state", Dimension::Review),
    ("outlet_type", Dimension::Type),
    ("scale", Dimension::Scale),
    ("entry_mode", Dimension::EntryMode),
    ("discharge_state", Dimension::Discharge),
    ("dry_weather_discharge", Dimension::DryWeather),
    ("sign_state", Dimension::Sign),
    ("approval_status", Dimension::Approval),
    ("set_up", Dimension::SetUp),
];

/// Parameters of the list, besides the properties.
const KNOWN: [&str; 5] = ["limit", "bbox", "datetime", "primary_party", "cursor"];

pub(super) async fn list(
    State(api): State<Arc<Api>>,
    asker: Asker,
    scheme: Scheme,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    asker.need(TokenScope::Read)?;
    check(uri.path())?;
    let known: Vec<&str> = KNOWN.into_iter().chain(QUERYABLE.iter().map(|(name, _)| *name)).collect();
    let asked = Asked::read(scheme, &headers, uri.query(), &known)?;
    api.blocking(move |api| {
        let query = read(asker.scope(), uri.query().unwrap_or_default())?;
        api.engine.database().read(|tx| {
            let version = inventory::version(tx)?;
            let form = if asked.format == Format::Html { "html" } else { "json" };
            let own = [&asked.base, form, &version.to_string(), &asker.scope().tag(), &query.text()];
            let tag = ETag::of(&own.map(AsRef::as_ref));
            if tag.is_known(&headers) {
                return Ok(tag.not_modified());
            }
            let page = inventory::page(tx, &query)?;
            let stamp = api.engine.folder.now();
            let (path, body) = collection_of(&asked, &query, &page, stamp);
            Ok(tag.on(asked.answer("入河排污口", &path, body, GEOJSON)))
        })
    })
    .await
}

fn collection_of(asked: &Asked, query: &Query, page: &inventory::Page, stamp: Timestamp) -> (String, Value) {
    let address = |after: Option<Cursor>| {
        let mut text = form_urlencoded::Serializer::new(String::new());
        text.extend_pairs(parameters(query));
        text.append_pair("limit", &query.limit.to_string());
        if let Some(after) = after {
            text.append_pair("cursor", &after.encode(&query.list()));
        }
        format!("/collections/{COLLECTION}/items?{}", text.finish())
    };
    let path = address(query.after.clone());
    let mut links =
        vec![asked.link(&format!("/collections/{COLLECTION}"), "collection", "application/json", "入河排污口")];
    if let Some(next) = page.next.clone() {
        let form = if asked.format == Format::Html { ("f=html", "text/html") } else { ("f=json", GEOJSON) };
        links.push(asked.link(&format!("{}&{}", address(Some(next)), form.0), "next", form.1, "Next page"));
    }
    let features: Vec<Value> = page.entries.iter().map(feature).collect();
    let mut body = json!({
        "type": "FeatureCollection",
        "timeStamp": stamp.to_string(),
        "numberReturned": features.len(),
        "features": features,
        "links": links,
    });
    if let Total::Exactly(total) = page.total {
        body["numberMatched"] = json!(total);
    }
    (path, body)
}

fn feature(entry: &Entry) -> Value {
    export::ledger_feature(&entry.row, Style::CODES)
}

/// Parameters of the list in the words of this interface.
fn parameters(query: &Query) -> Vec<(&'static str, String)> {
    let mut list = Vec::new();
    for (name, dimension) in QUERYABLE {
        let values = query.filter.values.get(&dimension).into_iter().flatten();
        list.extend(values.map(|value| (name, value.clone())));
    }
    list.extend(query.filter.party.clone().map(|party| ("primary_party", party)));
    list.extend(query.filter.bbox.map(|bbox| ("bbox", bbox.to_string())));
    if let Some(span) = query.filter.dates.get(&DateColumn::Surveyed) {
        let end = |day: Option<Day>| day.map_or_else(|| "..".to_owned(), |day| day.to_string());
        list.push(("datetime", format!("{}/{}", end(span.from), end(span.to))));
    }
    list
}

/// Reads the parameters of the list, as they stand behind the `?`.
///
/// # Errors
/// [`Problem`] for what is unknown or not usable.
pub fn read(scope: Scope, text: &str) -> Result<Query, Problem> {
    let mut query = Query::new(scope);
    query.limit = DEFAULT_LIMIT;
    // A stable order, in which nothing moves while pages are read.
    query.sort = Sort::default_for_reading();
    let mut cursor = None;
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        if value.len() > 4_096 {
            return Err(Problem::parameter(&name, "the value is too long"));
        }
        match name.as_ref() {
            "f" => {}
            "limit" => query.limit = limit(&value)?,
            "bbox" => query.filter.bbox = Some(bbox(&value)?),
            "datetime" => {
                if let Some(span) = datetime(&value)? {
                    query.filter.dates.insert(DateColumn::Surveyed, span);
                }
            }
            "primary_party" => query.filter.party = Some(value.into_owned()),
            "cursor" => cursor = Some(value.into_owned()),
            name => {
                let column = QUERYABLE.iter().find(|(own, _)| *own == name);
                let (_, dimension) = column.ok_or_else(|| Problem::parameter(name, "there is no such property"))?;
                query.filter.values.entry(*dimension).or_default().insert(value.into_owned());
            }
        }
    }
    let list = query.list();
    query.after = match cursor {
        Some(cursor) => {
            let decoded = Cursor::decode(&cursor, &list);
            Some(decoded.map_err(|error| Problem::parameter("cursor", error.to_string()))?)
        }
        None => None,
    };
    Ok(query)
}

fn limit(text: &str) -> Result<usize, Problem> {
    match text.parse::<u64>() {
        Ok(0) | Err(_) => Err(Problem::parameter("limit", "write a whole number from 1")),
        Ok(limit) => Ok(usize::try_from(limit).unwrap_or(MAX_LIMIT).min(MAX_LIMIT)),
    }
}

/// Four numbers, or six with heights, which no outlet has.
fn bbox(text: &str) -> Result<BoundingBox, Problem> {
    let wrong = || Problem::parameter("bbox", "write four numbers: west,south,east,north in degrees (CRS84)");
    let numbers: Vec<f64> =
        text.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>().ok_or_else(wrong)?;
    match numbers.as_slice() {
        [west, south, east, north] | [west, south, _, east, north, _] => {
            BoundingBox::around(*west, *south, *east, *north).ok_or_else(wrong)
        }
        _ => Err(wrong()),
    }
}

/// An instant or an interval (RFC 3339), open at either end with `..` or nothing.
fn datetime(text: &str) -> Result<Option<Span>, Problem> {
    let wrong =
        || Problem::parameter("datetime", "write a date, a date-time (RFC 3339), or an interval such as 2021-01-01/..");
    let day = |text: &str| -> Result<Option<Day>, Problem> {
        match text {
            "" | ".." => Ok(None),
            text => match text.parse::<Day>() {
                Ok(day) if text.len() == 10 => Ok(Some(day)),
                _ => text.parse::<Timestamp>().map(|at| Some(at.day_in_shanghai())).map_err(|_| wrong()),
            },
        }
    };
    let span = match text.split_once('/') {
        Some((from, to)) => Span { from: day(from)?, to: day(to)? },
        None => {
            let at = day(text)?.ok_or_else(wrong)?;
            Span { from: Some(at), to: Some(at) }
        }
    };
    if span.from.zip(span.to).is_some_and(|(from, to)| from > to) {
        return Err(Problem::parameter("datetime", "the interval ends before it begins"));
    }
    Ok((span.from.is_some() || span.to.is_some()).then_some(span))
}

pub(super) async fn one(
    State(api): State<Arc<Api>>,
    asker: Asker,
    scheme: Scheme,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    asker.need(TokenScope::Read)?;
    check(uri.path())?;
    let asked = Asked::read(scheme, &headers, uri.query(), &[])?;
    let id = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    api.blocking(move |api| {
        api.engine.database().read(|tx| {
            let entry = outlets::find(tx, &asker, &id)?;
            let form = if asked.format == Format::Html { "html" } else { "json" };
            let tag = ETag::of(&[BASE, &asked.base, form, &id, &entry.version.to_string()]);
            if tag.is_known(&headers) {
                return Ok(tag.not_modified());
            }
            let mut body = feature(&entry);
            let collection =
                asked.link(&format!("/collections/{COLLECTION}"), "collection", "application/json", "入河排污口");
            body["links"] = json!([collection]);
            let path = format!("/collections/{COLLECTION}/items/{}", entry.key.id);
            Ok(tag.on(asked.answer("入河排污口", &path, body, GEOJSON)))
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_boxes_and_limits_are_read_as_the_standard_writes_them() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let span = |text: &str| datetime(text).unwrap();
        let (from, to) = (Some(day("2021-03-05")), Some(day("2021-03-06")));
        assert_eq!(span("2021-03-05"), Some(Span { from, to: from }));
        assert_eq!(span("2021-03-05/2021-03-06"), Some(Span { from, to }));
        assert_eq!(span("2021-03-05T00:00:00Z/.."), Some(Span { from, to: None }));
        assert_eq!(span("/2021-03-05T23:00:00Z"), Some(Span { from: None, to }), "23:00Z is the next day in Bazhong");
        assert_eq!(span("../.."), None);
        for wrong in ["", "..", "x", "2021", "2021-03-06/2021-03-05", "2021-03-05/x", "2021-13-01", "a/b/c"] {
            assert!(datetime(wrong).is_err(), "{wrong}");
        }
        assert_eq!(bbox("106,31,0,107,32,9").unwrap(), bbox("106,31,107,32").unwrap());
        assert!(bbox("170,-10,-170,10").unwrap().holds(-179.0, 0.0));
        for wrong in ["", "1,2,3", "1,2,3,4,5", "106,32,107,31", "NaN,0,0,0", "0,0,inf,0", "200,0,210,0"] {
            assert!(bbox(wrong).is_err(), "{wrong}");
        }
        assert_eq!(limit("99999999").unwrap(), MAX_LIMIT);
        assert!(limit("0").is_err() && limit("-1").is_err() && limit("x").is_err());
    }
}
