//! Assessment (考核) of a milestone, the outlets behind a figure, and the difference of two days.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse as _;
use outlet_core::export;
use outlet_core::ledger::{Difference, GroupBy, MilestoneSet, OutletLine, Reading, difference, lines};
use outlet_core::time::Day;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::Refusals;
use super::etag::tagged;
use super::exports::XLSX;
use super::milestones::{as_of, grouping, milestone, set};
use super::parameters::Parameters;
use super::{Answer, Api, Asker, Problem};
use crate::report;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(assessment)).routes(routes!(rows)).routes(routes!(changed))
}

fn reading(set: &MilestoneSet, asked: &Parameters) -> Result<Reading, Problem> {
    match asked.get("reading") {
        None => Ok(set.headline.reading),
        Some("as_known_now") => Ok(Reading::AsKnownNow),
        Some("as_reported") => Ok(Reading::AsReported),
        Some(_) => Err(Problem::parameter("reading", "write as_known_now or as_reported")),
    }
}

/// The assessment of a milestone.
///
/// Per reporting unit: share, what is missing and whose, evidence grade, days late, extensions with
/// their 文号. Figures are of all units; the outlets listed are those of the account's collections.
#[utoipa::path(
    get,
    path = "/assess",
    tag = "milestones",
    params(
        ("milestone" = String, Query, description = "Such as M4."),
        ("as_of" = Option<String>, Query, format = Date, description = "End of this day (UTC+08:00); today unless said."),
        ("set" = Option<String>, Query, description = "A milestone set; the enabled one unless said."),
        ("format" = Option<String>, Query, description = "json | xlsx | csv; json unless said."),
    ),
    responses(
        (status = 200, description = "The assessment, as JSON or as a file"),
        (status = 304, description = "As the client has it"),
        Refusals,
    )
)]
async fn assessment(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["milestone", "as_of", "set", "format"])?;
    let day = as_of(&api, &asked)?;
    let format = asked.get("format").unwrap_or("json").to_owned();
    if !["json", "xlsx", "csv"].contains(&format.as_str()) {
        return Err(Problem::parameter("format", "write json, xlsx or csv"));
    }
    api.blocking(move |api| {
        let reference = api.engine.database().read(|tx| api.engine.reference(tx))?;
        let set = set(&reference, &asked)?;
        let milestone = milestone(set, &asked)?;
        let assessment = report::assessment(&api.engine, &reference, set, milestone, day, &asker.scope())?;
        let (kind, bytes) = match format.as_str() {
            "xlsx" => (XLSX, crate::sheets::assessment(&assessment).map_err(|error| Problem::internal(&error))?),
            "csv" => (
                "text/csv; charset=utf-8",
                export::assessment_csv(&assessment).map_err(|error| Problem::internal(&error))?,
            ),
            _ => return tagged(&headers, &assessment),
        };
        let name = format!("attachment; filename=\"assess-{}-{day}.{format}\"", milestone.id);
        let head = [
            (header::CONTENT_TYPE, kind.to_owned()),
            (header::CONTENT_DISPOSITION, name),
            (header::CACHE_CONTROL, "no-store".to_owned()),
        ];
        Ok((head, bytes).into_response())
    })
    .await
}

/// The outlets behind a figure.
#[derive(Serialize, ToSchema)]
pub(super) struct Lines {
    /// In order of their keys; of the account's collections only.
    #[schema(value_type = Vec<Object>)]
    outlets: Vec<OutletLine>,
    /// False when `limit` cut the list.
    whole: bool,
}

/// The outlets behind a figure of `/progress`, each with what is missing and whose.
#[utoipa::path(
    get,
    path = "/progress/rows",
    tag = "milestones",
    params(
        ("milestone" = String, Query, description = "Such as M4."),
        ("as_of" = Option<String>, Query, format = Date),
        ("by" = Option<String>, Query, description = "As for /progress."),
        ("group" = Option<String>, Query, description = "Only outlets of this group."),
        ("figure" = Option<String>, Query, description = "Only outlets counted in this figure, such as open or done."),
        ("reading" = Option<String>, Query, description = "as_known_now | as_reported; the official one unless said."),
        ("set" = Option<String>, Query),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 10_000),
    ),
    responses((status = 200, body = Lines), (status = 304, description = "As the client has it"), Refusals)
)]
async fn rows(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let known = ["milestone", "as_of", "by", "group", "figure", "reading", "set", "limit"];
    let asked = Parameters::read(text.as_deref(), &known)?;
    let (day, by, limit) = (as_of(&api, &asked)?, grouping(&asked)?, asked.limit(500, 10_000)?);
    api.blocking(move |api| {
        let reference = api.engine.database().read(|tx| api.engine.reference(tx))?;
        let set = set(&reference, &asked)?;
        let (milestone, reading) = (milestone(set, &asked)?, reading(set, &asked)?);
        let readings = report::readings(&api.engine, set, day)?;
        let wanted = (asked.get("group"), asked.get("figure"));
        let mut outlets = lines(readings.input(&reference, set, day), milestone, reading, by, wanted);
        let scope = asker.scope();
        outlets.retain(|line| scope.holds(line.key.collection));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let whole = outlets.len() <= limit;
        outlets.truncate(limit);
        report::name_lines(&api.engine, &mut outlets)?;
        tagged(&headers, &Lines { outlets, whole })
    })
    .await
}

/// What differs between two days.
#[derive(Serialize, ToSchema)]
pub(super) struct Changed {
    /// The first day.
    #[schema(value_type = String, format = Date)]
    from: Day,
    /// The second day.
    #[schema(value_type = String, format = Date)]
    to: Day,
    /// Outlets whose place or outcome differs, with the reasons; of the account's collections only.
    #[schema(value_type = Vec<Object>)]
    outlets: Vec<Difference>,
}

/// The difference of two days under a milestone, with reasons.
#[utoipa::path(
    get,
    path = "/progress/difference",
    tag = "milestones",
    params(
        ("milestone" = String, Query, description = "Such as M4."),
        ("from" = String, Query, format = Date, description = "The earlier day."),
        ("to" = Option<String>, Query, format = Date, description = "The later day; today unless said."),
        ("by" = Option<String>, Query, description = "As for /progress."),
        ("reading" = Option<String>, Query, description = "as_known_now | as_reported; the official one unless said."),
        ("set" = Option<String>, Query),
    ),
    responses((status = 200, body = Changed), (status = 304, description = "As the client has it"), Refusals)
)]
async fn changed(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["milestone", "from", "to", "by", "reading", "set"])?;
    let today = api.engine.folder.now().day_in_shanghai();
    let wanted = "write a day such as 2021-12-31";
    asked.needed("from", wanted)?;
    let from: Day = asked.parsed("from", wanted)?.unwrap_or(today);
    let to: Day = asked.parsed("to", wanted)?.unwrap_or(today);
    if from > to {
        return Err(Problem::parameter("from", format!("{from} is after {to}: give the earlier day as `from`")));
    }
    let by: GroupBy = grouping(&asked)?;
    api.blocking(move |api| {
        let reference = api.engine.database().read(|tx| api.engine.reference(tx))?;
        let set = set(&reference, &asked)?;
        let (milestone, reading) = (milestone(set, &asked)?, reading(set, &asked)?);
        let (first, second) = (report::readings(&api.engine, set, from)?, report::readings(&api.engine, set, to)?);
        let (before, after) = (first.input(&reference, set, from), second.input(&reference, set, to));
        let mut outlets = difference(before, after, milestone, reading, by);
        let scope = asker.scope();
        outlets.retain(|one| scope.holds(one.key.collection));
        tagged(&headers, &Changed { from, to, outlets })
    })
    .await
}
