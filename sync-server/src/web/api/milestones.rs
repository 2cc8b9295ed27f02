//! Milestones (时限节点): the sets there are, how far they are, and why an outlet is done or not.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use outlet_core::ledger::{
    Explanation, GroupBy, Milestone, MilestoneSet, ProgressRow, Reading, Reference, explain_profile,
};
use outlet_core::time::Day;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::parameters::Parameters;
use super::{Answer, Api, Asker, ETag, Problem, outlets};
use crate::inventory;
use crate::report;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(sets)).routes(routes!(table)).routes(routes!(explain))
}

/// Sets of milestones.
#[derive(Serialize, ToSchema)]
pub(super) struct Sets {
    /// The one that is enabled.
    active: String,
    /// All, as loaded, with their legal sources.
    #[schema(value_type = Vec<Object>)]
    sets: Vec<MilestoneSet>,
}

/// The milestone sets.
#[utoipa::path(
    get,
    path = "/milestones",
    tag = "milestones",
    responses((status = 200, body = Sets), (status = 401, body = Problem, content_type = "application/problem+json"))
)]
async fn sets(State(api): State<Arc<Api>>, asker: Asker) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let reference = api.engine.database().read(|tx| api.engine.reference(tx))?;
        let active = reference.active_set().id.clone();
        Ok(Json(Sets { active, sets: reference.sets().to_vec() }).into_response())
    })
    .await
}

/// How far the milestones are.
#[derive(Serialize, ToSchema)]
pub(super) struct Progress {
    /// The set.
    set: String,
    /// The day.
    #[schema(value_type = String, format = Date)]
    as_of: Day,
    /// One row per milestone, group and reading (as known now, as reported).
    #[schema(value_type = Vec<Object>)]
    rows: Vec<ProgressRow>,
}

/// The day that is asked for: today unless said.
pub(super) fn as_of(api: &Api, asked: &Parameters) -> Result<Day, Problem> {
    let today = api.engine.folder.now().day_in_shanghai();
    Ok(asked.parsed("as_of", "write a day such as 2021-12-31")?.unwrap_or(today))
}

/// The grouping that is asked for: by unit unless said.
pub(super) fn grouping(asked: &Parameters) -> Result<GroupBy, Problem> {
    let Some(text) = asked.get("by") else { return Ok(GroupBy::Unit) };
    text.parse().map_err(|error: outlet_core::ledger::GroupByError| Problem::parameter("by", error.to_string()))
}

/// The set that is asked for.
pub(super) fn set<'r>(reference: &'r Reference, asked: &Parameters) -> Result<&'r MilestoneSet, Problem> {
    report::set(reference, asked.get("set"))
        .map_err(|known| Problem::parameter("set", format!("there is no such set; known are {}", known.join(", "))))
}

/// The milestone that is asked for, in whatever case.
pub(super) fn milestone<'s>(set: &'s MilestoneSet, asked: &Parameters) -> Result<&'s Milestone, Problem> {
    let wanted = asked.get("milestone").map(str::to_uppercase);
    wanted.and_then(|name| set.milestone(&name)).ok_or_else(|| {
        let names: Vec<&str> = set.milestones.iter().map(|milestone| milestone.id.as_str()).collect();
        Problem::parameter("milestone", format!("name a milestone of {}: {}", set.id, names.join(", ")))
    })
}

/// How far each milestone is, as of a day, in both readings.
#[utoipa::path(
    get,
    path = "/progress",
    tag = "milestones",
    params(
        ("as_of" = Option<String>, Query, format = Date, description = "End of this day (UTC+08:00); today unless said."),
        ("by" = Option<String>, Query, description = "unit | county | township | basin | waterbody | water-function-zone | control-unit | section | reach | chief | party. Units and counties are shown to every account, finer groups of its collections only."),
        ("set" = Option<String>, Query, description = "A milestone set; the enabled one unless said."),
    ),
    responses(
        (status = 200, body = Progress),
        (status = 304, description = "As the client has it"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn table(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["as_of", "by", "set"])?;
    let (as_of, by) = (as_of(&api, &asked)?, grouping(&asked)?);
    api.blocking(move |api| {
        let (reference, version) =
            api.engine.database().read::<_, Problem>(|tx| Ok((api.engine.reference(tx)?, inventory::version(tx)?)))?;
        let set = set(&reference, &asked)?;
        let position = report::position(&api.engine)?.to_string();
        let scope = asker.scope();
        let (day, by_name) = (as_of.to_string(), format!("{by:?}"));
        let tag = ETag::of(&["progress", &set.id, &day, &by_name, &version.to_string(), &position, &scope.tag()]);
        if tag.is_known(&headers) {
            return Ok(tag.not_modified());
        }
        let rows = report::table(&api.engine, set, as_of, by, &scope)?;
        let body = Progress { set: set.id.clone(), as_of, rows: rows.to_vec() };
        Ok(tag.on(Json(body).into_response()))
    })
    .await
}

/// Why an outlet is done or not.
#[derive(Serialize, ToSchema)]
pub(super) struct Explained {
    /// In both readings.
    #[schema(value_type = Vec<Object>)]
    readings: Vec<Explanation>,
}

/// Why an outlet is done or not: each condition, its date, its evidence, who decided.
#[utoipa::path(
    get,
    path = "/outlets/{id}/explain",
    tag = "milestones",
    params(
        ("id" = String, Path, format = Uuid),
        ("milestone" = String, Query, description = "Such as M4."),
        ("as_of" = Option<String>, Query, format = Date),
        ("set" = Option<String>, Query),
    ),
    responses(
        (status = 200, body = Explained),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
    )
)]
async fn explain(
    State(api): State<Arc<Api>>,
    asker: Asker,
    Path(id): Path<String>,
    RawQuery(text): RawQuery,
) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["as_of", "set", "milestone"])?;
    let as_of = as_of(&api, &asked)?;
    api.blocking(move |api| {
        let (entry, reference) = api
            .engine
            .database()
            .read::<_, Problem>(|tx| Ok((outlets::find(tx, &asker, &id)?, api.engine.reference(tx)?)))?;
        let set = set(&reference, &asked)?;
        let milestone = milestone(set, &asked)?;
        let profiles = report::profiles_around(&api.engine, set, as_of, &entry.key)?;
        let of = |profiles: &[outlet_core::ledger::Profile], reading: Reading| {
            let profile = profiles.iter().find(|profile| profile.key == entry.key)?;
            explain_profile(profile, set, &milestone.id, as_of, reading)
        };
        let readings = [of(&profiles.known_now, Reading::AsKnownNow), of(&profiles.as_reported, Reading::AsReported)];
        Ok(Json(Explained { readings: readings.into_iter().flatten().collect() }).into_response())
    })
    .await
}
