//! `outlet add`: a new record, on this device alone until the next sync.

use clap::Args;
use outlet_core::domain::field::{Fact, FieldEntry, Location, fact};
use outlet_core::geo::{GeoPoint, gcj02_contamination};
use outlet_core::ids::Collection;
use serde::Serialize;
use serde_json::json;

use super::Outcome;
use super::facts::{Assertion, FactArgs};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::place::PositionArgs;
use crate::near::Near;
use crate::ui::Warning;

/// Two outlets this close on the same bank are probably one (domain.md 11.6).
pub(crate) const TWIN_M: f64 = 30.0;
/// How close a GCJ-02 shift must hit a known outlet to look like one.
const GCJ_TOLERANCE_M: f64 = 30.0;
/// The farthest that a GCJ-02 shift reaches in Bazhong, with room.
const GCJ_REACH_M: f64 = 550.0;

/// Record a new outlet. Works without any network.
///
/// The record gets a UUID and a temporary number; official codes come later, from the platforms.
/// A known outlet within 30 m is named in a warning, and so is a position that looks as if it had
/// been read from a GCJ-02 map (高德, 腾讯): use --datum for those.
///
/// Example:
///   outlet add --lon 106.769215 --lat 31.851020 --accuracy 5 --name 东兴食品厂排污口
///       --waterbody 巴河 --township 东城街道 --bank left --entry-mode 管道
///   outlet add --lon 106.7731 --lat 31.8486 --datum gcj02 --number BZ-0412
///
/// JSON: {"id", "temporary_number", "state": "on_device", "collection", "change", "lon", "lat",
/// "near": [{"id", "temporary_number", "name", "distance_m"}], "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    position: PositionArgs,
    /// County (GB/T 2260) the record belongs to [default: the only one you may write].
    #[arg(long)]
    collection: Option<Collection>,
    /// Temporary field number [default: the next one of this device].
    #[arg(long)]
    number: Option<String>,
    #[command(flatten)]
    facts: FactArgs,
}

#[derive(Serialize)]
struct Added<'a> {
    id: String,
    temporary_number: &'a str,
    state: &'static str,
    collection: Collection,
    change: String,
    lon: f64,
    lat: f64,
    near: &'a [Near],
    warnings: &'a [Warning],
}

/// Runs `outlet add`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &AddArgs) -> Result<Outcome> {
    let now = ctx.now();
    let mut warnings = Vec::new();
    let Some(location) = args.position.location(now, "typed", &mut warnings)? else {
        return Err(CommandError::user("an outlet needs its position")
            .hint("add --lon and --lat, such as --lon 106.769215 --lat 31.851020"));
    };
    let collection = ctx.collection(args.collection, &args.facts)?;
    let assertions = args.facts.assertions(&*ctx.dictionaries()?, &mut warnings)?;
    let number = ctx.new_temporary_number(args.number.as_deref())?;
    let point = GeoPoint::new(location.lon, location.lat).map_err(CommandError::user)?;
    let near = ctx.near(point, TWIN_M)?;
    if let Some(name) = args.facts.name() {
        warnings.extend(ctx.lint_name(name, collection)?);
    }
    twin_warnings(ctx, &location, point, &near, &mut warnings)?;

    let key = ctx.new_key(collection)?;
    let assertions = with_defaults(assertions, &location, &number, collection)?;
    let entries: Vec<FieldEntry> = assertions
        .into_iter()
        .map(|assertion| {
            FieldEntry::Fact(Fact {
                field: assertion.field.to_owned(),
                value: assertion.value,
                basis: assertion.basis,
                reason: None,
                on: None,
                replaces: Vec::new(),
                at: now,
            })
        })
        .collect();
    let saved = ctx.save_field(&key, &entries, args.facts.remark.as_deref(), warnings)?;
    if ctx.ui.json {
        ctx.ui.data(&Added {
            id: key.id.to_string(),
            temporary_number: &number,
            state: "on_device",
            collection,
            change: saved.change.to_string(),
            lon: location.lon,
            lat: location.lat,
            near: &near,
            warnings: &saved.warnings,
        })?;
        return Ok(Outcome::Done);
    }
    ctx.ui.line(format!("{}  {number}", key.id))?;
    ctx.report(&saved, "new outlet")
}

/// What every record starts with, beside what was typed.
fn with_defaults(
    mut given: Vec<Assertion>,
    location: &Location,
    number: &str,
    collection: Collection,
) -> Result<Vec<Assertion>> {
    let missing = |field: &str, given: &[Assertion]| !given.iter().any(|assertion| assertion.field == field);
    let code = json!(collection.to_string());
    let mut all = vec![
        Assertion { field: fact::LOCATION, value: serde_json::to_value(location)?, basis: location.source.clone() },
        Assertion { field: fact::TEMPORARY_NUMBER, value: json!(number), basis: None },
    ];
    for (field, value) in [(fact::STATE, json!("outlet")), (fact::COUNTY, code.clone()), (fact::MANAGEMENT_UNIT, code)]
    {
        if missing(field, &given) {
            all.push(Assertion { field, value, basis: None });
        }
    }
    all.append(&mut given);
    Ok(all)
}

fn twin_warnings(
    ctx: &mut Context<'_>,
    location: &Location,
    point: GeoPoint,
    near: &[Near],
    warnings: &mut Vec<Warning>,
) -> Result<()> {
    for twin in near {
        warnings.push(Warning::new(
            "near_known_outlet",
            format!(
                "{} is {:.0} m away: if it is the same outlet, work on that record; two records of one outlet are \
                 joined by `outlet case duplicate`.",
                twin.label(),
                twin.distance_m
            ),
        ));
    }
    if location.datum != "wgs84" {
        return Ok(());
    }
    let suspects = ctx.near(point, GCJ_REACH_M)?;
    let twin = suspects.iter().find(|other| {
        other.point().is_some_and(|reference| gcj02_contamination(reference, point, GCJ_TOLERANCE_M).is_some())
    });
    if let Some(twin) = twin {
        warnings.push(Warning::new(
            "maybe_gcj02",
            format!(
                "this is where a GCJ-02 map (高德, 腾讯) shows {}: if the pair comes from such a map, record it with \
                 --datum gcj02.",
                twin.label()
            ),
        ));
    }
    Ok(())
}
