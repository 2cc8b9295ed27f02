//! Milestones (时限节点): the sets there are, how far they are, and why an outlet is done or not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use outlet_core::ledger::{Explanation, GroupBy, ProgressRow, Reading, explain_profile};
use outlet_core::time::Day;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Answer, Api, Asker, ETag, Problem, outlets};
use crate::inventory;
use crate::report;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(sets)).routes(routes!(table)).routes(routes!(explain))
}

/// Tables kept at most.
const KEPT: usize = 32;

/// What a table depends on: set, day, grouping, version of the ledger, of the reference data, scope.
type Key = (String, Day, String, u64, u64, String);

/// Tables that were made already: one of a past day reads every document.
#[derive(Default)]
pub(super) struct Tables(Mutex<BTreeMap<Key, Arc<Vec<ProgressRow>>>>);

impl Tables {
    fn get(&self, key: &Key) -> Option<Arc<Vec<ProgressRow>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).map(Arc::clone)
    }

    fn keep(&self, key: Key, table: &Arc<Vec<ProgressRow>>) {
        let mut tables = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those of an older ledger are of no more use.
        tables.retain(|known, _| (known.3, known.4) == (key.3, key.4));
        if tables.len() >= KEPT {
            tables.clear();
        }
        tables.insert(key, Arc::clone(table));
    }
}

/// Sets of milestones.
#[derive(Serialize, ToSchema)]
pub(super) struct Sets {
    /// The one that is enabled.
    active: String,
    /// All, as loaded, with their legal sources.
    #[schema(value_type = Vec<Object>)]
    sets: Vec<outlet_core::ledger::MilestoneSet>,
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

struct Asked {
    as_of: Day,
    by: GroupBy,
    by_name: String,
    set: Option<String>,
    milestone: Option<String>,
}

fn read(text: Option<&str>, today: Day, known: &[&str]) -> Result<Asked, Problem> {
    let mut asked = Asked { as_of: today, by: GroupBy::Unit, by_name: "unit".into(), set: None, milestone: None };
    for (name, value) in form_urlencoded::parse(text.unwrap_or_default().as_bytes()) {
        if !known.contains(&name.as_ref()) {
            return Err(Problem::parameter(&name.chars().take(60).collect::<String>(), "there is no such parameter"));
        }
        match name.as_ref() {
            "as_of" => {
                asked.as_of =
                    value.parse().map_err(|_| Problem::parameter("as_of", "write a day such as 2021-12-31"))?;
            }
            "by" => {
                asked.by = value
                    .parse()
                    .map_err(|error: outlet_core::ledger::GroupByError| Problem::parameter("by", error.to_string()))?;
                asked.by_name = value.into_owned();
            }
            "set" => asked.set = Some(value.into_owned()),
            _ => asked.milestone = Some(value.to_uppercase()),
        }
    }
    Ok(asked)
}

/// How far each milestone is, as of a day, in both readings.
#[utoipa::path(
    get,
    path = "/progress",
    tag = "milestones",
    params(
        ("as_of" = Option<String>, Query, format = Date, description = "End of this day (UTC+08:00); today unless said."),
        ("by" = Option<String>, Query, description = "unit | county | township | basin | waterbody | water-function-zone | control-unit | section"),
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
    let asked = read(text.as_deref(), api.engine.folder.now().day_in_shanghai(), &["as_of", "by", "set"])?;
    api.blocking(move |api| {
        let (reference, version) =
            api.engine.database().read::<_, Problem>(|tx| Ok((api.engine.reference(tx)?, inventory::version(tx)?)))?;
        let set = report::set(&reference, asked.set.as_deref()).map_err(|known| {
            Problem::parameter("set", format!("there is no such set; known are {}", known.join(", ")))
        })?;
        let position = report::position(&api.engine)?;
        let scope = asker.scope();
        let key = (set.id.clone(), asked.as_of, asked.by_name.clone(), version, position, scope.tag());
        let tag = ETag::of(&["progress", &format!("{key:?}")]);
        if tag.is_known(&headers) {
            return Ok(tag.not_modified());
        }
        let rows = match api.tables.get(&key) {
            Some(rows) => rows,
            None => {
                let rows = Arc::new(report::table_of(&api.engine, &reference, set, asked.as_of, asked.by, &scope)?);
                api.tables.keep(key, &rows);
                rows
            }
        };
        let body = Progress { set: set.id.clone(), as_of: asked.as_of, rows: rows.to_vec() };
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
    let asked = read(text.as_deref(), api.engine.folder.now().day_in_shanghai(), &["as_of", "set", "milestone"])?;
    api.blocking(move |api| {
        let (entry, reference) = api
            .engine
            .database()
            .read::<_, Problem>(|tx| Ok((outlets::find(tx, &asker, &id)?, api.engine.reference(tx)?)))?;
        let set = report::set(&reference, asked.set.as_deref()).map_err(|known| {
            Problem::parameter("set", format!("there is no such set; known are {}", known.join(", ")))
        })?;
        let known = || {
            let names: Vec<&str> = set.milestones.iter().map(|milestone| milestone.id.as_str()).collect();
            Problem::parameter("milestone", format!("name a milestone of {}: {}", set.id, names.join(", ")))
        };
        let milestone = asked.milestone.filter(|name| set.milestone(name).is_some()).ok_or_else(known)?;
        let profiles = report::profiles_around(&api.engine, set, asked.as_of, &entry.key)?;
        let of = |profiles: &[outlet_core::ledger::Profile], reading: Reading| {
            let profile = profiles.iter().find(|profile| profile.key == entry.key)?;
            explain_profile(profile, set, &milestone, asked.as_of, reading)
        };
        let readings = [of(&profiles.known_now, Reading::AsKnownNow), of(&profiles.as_reported, Reading::AsReported)];
        Ok(Json(Explained { readings: readings.into_iter().flatten().collect() }).into_response())
    })
    .await
}
