//! `outlet list` and `outlet near`.

use clap::Args;
use outlet_core::geo::GeoPoint;
use outlet_core::ids::Collection;
use outlet_core::store::Returned;
use serde::Serialize;

use super::Outcome;
use super::add::TWIN_M;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::answer::quantity;
use crate::input::choice::Dictionaries;
use crate::input::half_width;
use crate::input::place::PositionArgs;
use crate::workspace::Row;

/// List the outlets of this device, those of other inspectors included once they were synced.
///
/// Example:
///   outlet list --township 东城街道 --classification ban
///   outlet list --near 106.7692,31.8510 --within 500m --json
///   outlet list --state on_device
///
/// JSON: [{"id", "temporary_number", "name", "lon", "lat", "collection", "classification",
/// "township", "waterbody", "outlet_state", "state", "photos", "returned": {"sections", "reasons",
/// "note"} while it waits to be corrected, "distance_m" with --near}]
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ListArgs {
    /// County (GB/T 2260).
    #[arg(long)]
    collection: Option<Collection>,
    /// Township: code or name.
    #[arg(long)]
    township: Option<String>,
    /// Receiving water: code or name.
    #[arg(long)]
    waterbody: Option<String>,
    /// on_device|sent|stored|in_ledger|held, or suspected|outlet|not_an_outlet|needs_level_3.
    #[arg(long)]
    state: Option<String>,
    /// ban|merge|regulate|none|undecided, or the Chinese word.
    #[arg(long)]
    classification: Option<String>,
    /// Only within --within of this LON,LAT.
    #[arg(long, value_name = "LON,LAT")]
    near: Option<String>,
    /// Distance with its unit: 30m, 1.5km.
    #[arg(long, default_value = "500m", requires = "near")]
    within: String,
    /// Only records that a supervisor returned and that wait to be corrected.
    #[arg(long)]
    returned: bool,
    /// Words that occur in name, number or id.
    text: Option<String>,
}

/// List known outlets around a place, nearest first.
///
/// Example:
///   outlet near --lon 106.7692 --lat 31.8510 --within 30m
///
/// JSON: [{"id", "temporary_number", "name", "lon", "lat", "distance_m"}]
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct NearArgs {
    #[command(flatten)]
    position: PositionArgs,
    /// Distance with its unit: 30m, 1.5km.
    #[arg(long, default_value_t = format!("{TWIN_M}m"))]
    within: String,
}

#[derive(Serialize)]
struct Listed<'r> {
    #[serde(flatten)]
    row: &'r Row,
    #[serde(skip_serializing_if = "Option::is_none")]
    distance_m: Option<f64>,
}

const SYNC_STATES: [&str; 5] = ["on_device", "sent", "stored", "in_ledger", "held"];

/// Runs `outlet list`.
pub(crate) fn list(ctx: &mut Context<'_>, args: &ListArgs) -> Result<Outcome> {
    let filter = Filter::new(ctx, args)?;
    let rows = ctx.rows()?;
    let mut found: Vec<Listed<'_>> = rows
        .iter()
        .filter(|row| filter.keeps(row) && (!args.returned || row.returned.is_some()))
        .filter_map(|row| match filter.near {
            None => Some(Listed { row, distance_m: None }),
            Some((point, within)) => {
                let distance = (point.distance_m(row.point()?) * 10.0).round() / 10.0;
                (distance <= within).then_some(Listed { row, distance_m: Some(distance) })
            }
        })
        .collect();
    // By number as people read it; an id's own time is a device's clock and orders nothing.
    let number = |listed: &Listed<'_>| (listed.row.collection, listed.row.temporary_number.clone(), listed.row.id);
    found.sort_by_cached_key(number);
    if filter.near.is_some() {
        found.sort_by(|a, b| a.distance_m.partial_cmp(&b.distance_m).unwrap_or(std::cmp::Ordering::Equal));
    }
    if ctx.ui.json {
        ctx.ui.data(&found)?;
        return Ok(Outcome::Done);
    }
    for Listed { row, distance_m } in &found {
        let distance = distance_m.map_or_else(String::new, |metres| format!("  {metres} m"));
        ctx.ui.line(format!("{}{distance}", row.line()))?;
        if let Some(returned) = &row.returned {
            let text = returned_text(&*ctx.dictionaries()?, returned);
            ctx.ui.line(format!("    {text}"))?;
        }
    }
    ctx.ui.status(format!("{} outlets.", found.len()));
    Ok(Outcome::Done)
}

/// Why a record came back, for its inspector.
pub(crate) fn returned_text(dictionaries: &Dictionaries, returned: &Returned) -> String {
    let label = |dictionary: &str, code: &String| dictionaries.label(dictionary, code);
    let sections: Vec<String> = returned.sections.iter().map(|code| label("review_section", code)).collect();
    let reasons: Vec<String> = returned.reasons.iter().map(|code| label("return_reason", code)).collect();
    let what = if sections.is_empty() { String::new() } else { format!(" ({})", sections.join(", ")) };
    let note = returned.note.as_ref().map_or_else(String::new, |note| format!("; {note}"));
    format!("returned{what}: {}{note}", reasons.join(", "))
}

struct Filter {
    collection: Option<Collection>,
    township: Option<String>,
    waterbody: Option<String>,
    sync_state: Option<String>,
    outlet_state: Option<String>,
    classification: Option<String>,
    near: Option<(GeoPoint, f64)>,
    text: Option<String>,
}

impl Filter {
    fn new(ctx: &mut Context<'_>, args: &ListArgs) -> Result<Self> {
        // Read only when a filter names one of their terms.
        let terms = [&args.state, &args.township, &args.waterbody, &args.classification];
        let lists = if terms.iter().any(|term| term.is_some()) { Some(ctx.dictionaries()?) } else { None };
        let term = |text: &Option<String>| Some((text.clone()?, lists.clone()?));
        let state = args.state.as_deref().map(|state| state.replace('-', "_"));
        let sync_state = state.clone().filter(|state| SYNC_STATES.contains(&state.as_str()));
        let outlet_state = match term(&state.filter(|_| sync_state.is_none())) {
            Some((text, lists)) => Some(
                lists
                    .code("--state", "outlet_state", &text)
                    .map_err(|error| error.hint("or, by sync: on_device, sent, stored, in_ledger, held"))?,
            ),
            None => None,
        };
        let near = args
            .near
            .as_deref()
            .map(|pair| -> Result<(GeoPoint, f64)> { Ok((crate::input::place::pair(pair)?, distance(&args.within)?)) });
        Ok(Self {
            collection: args.collection,
            township: term(&args.township).map(|(text, lists)| lists.township("--township", &text)).transpose()?,
            waterbody: term(&args.waterbody).map(|(text, lists)| lists.waterbody(&text, &mut Vec::new())),
            sync_state,
            outlet_state,
            classification: term(&args.classification)
                .map(|(text, lists)| lists.code("--classification", "classification", &text))
                .transpose()?,
            near: near.transpose()?,
            text: args.text.as_deref().map(str::to_lowercase),
        })
    }

    fn keeps(&self, row: &Row) -> bool {
        fn same(wanted: Option<&String>, found: Option<&str>) -> bool {
            wanted.is_none_or(|wanted| found == Some(wanted.as_str()))
        }
        self.collection.is_none_or(|collection| collection == row.collection)
            && same(self.township.as_ref(), row.township.as_deref())
            && same(self.waterbody.as_ref(), row.waterbody.as_deref())
            && same(self.sync_state.as_ref(), Some(row.state))
            && same(self.outlet_state.as_ref(), row.outlet_state.as_deref())
            && same(self.classification.as_ref(), row.classification.as_deref())
            && self.text.as_ref().is_none_or(|text| row.mentions(text))
    }
}

/// Runs `outlet near`.
pub(crate) fn near(ctx: &mut Context<'_>, args: &NearArgs) -> Result<Outcome> {
    let Some(point) = args.position.point(ctx.now())? else {
        return Err(CommandError::usage("near what? a place is needed").hint("add --lon and --lat"));
    };
    let found = ctx.near(point, distance(&args.within)?)?;
    if ctx.ui.json {
        ctx.ui.data(&found)?;
        return Ok(Outcome::Done);
    }
    for near in &found {
        ctx.ui.line(format!("{:>7.1} m  {}  {}", near.distance_m, near.id, near.label()))?;
    }
    ctx.ui.status(format!("{} outlets within {}.", found.len(), args.within));
    Ok(Outcome::Done)
}

/// `30m`, `1.5km`, or plain metres.
fn distance(text: &str) -> Result<f64> {
    let plain = half_width(text).to_lowercase();
    let (number, factor) = match plain.strip_suffix("km") {
        Some(number) => (number, 1_000.0),
        None => (plain.strip_suffix('m').unwrap_or(&plain), 1.0),
    };
    let bad = || CommandError::user(format!("{text:?} is not a distance")).hint("write --within 30m or 1.5km");
    Ok(quantity(number.trim(), "--within").map_err(|_| bad())? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_have_units() {
        for (text, metres) in [("30m", 30.0), ("1.5km", 1_500.0), ("250", 250.0), ("３０m", 30.0)] {
            assert_eq!(distance(text).unwrap(), metres, "{text}");
        }
        assert!(distance("far").is_err());
    }
}
