//! Inspections: what is due by the schedule of types, and where a bad result proposes to re-open an
//! outlet. Results come from devices; re-opening is a decision on the outlet.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use outlet_core::time::Day;
use outlet_core::worklist::DueState;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::Refusals;
use super::etag::tagged;
use super::parameters::Parameters;
use super::{Answer, Api, Asker, Problem};
use crate::inspecting::{self, AHEAD, DueLine, InspectingError, MOST_AHEAD, Proposal};
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(due)).routes(routes!(proposals))
}

/// A page of what is due.
#[derive(Serialize, ToSchema)]
pub(super) struct DuePage {
    /// Version of the schedule; null while none is loaded: then nothing can be due.
    schedule: Option<String>,
    /// The most overdue first: outlet, kind (routine | supervisory), the day, state, days overdue, the
    /// last one.
    #[schema(value_type = Vec<Object>)]
    inspections: Vec<DueLine>,
    /// How many there are on all pages.
    total: usize,
    /// Address of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Where a line stands in the list: its cursor.
fn place(line: &DueLine) -> String {
    format!("{}_{}_{:?}", line.due.on, line.due.outlet.id, line.due.kind).to_lowercase()
}

/// Could [`place`] have answered this?
fn is_place(cursor: &str) -> bool {
    let parts: Vec<&str> = cursor.split('_').collect();
    matches!(parts[..], [on, outlet, kind] if on.parse::<Day>().is_ok()
        && outlet.parse::<outlet_core::ids::OutletId>().is_ok()
        && ["routine", "supervisory"].contains(&kind))
}

/// Routine inspections (日常检查) and supervisory sampling (监督性监测) that are due or overdue by the
/// schedule of outlet types, in the account's collections.
#[utoipa::path(
    get,
    path = "/inspections/due",
    tag = "inspections",
    params(
        ("on" = Option<String>, Query, format = Date, description = "Count from this day; today unless said."),
        ("ahead" = Option<u32>, Query, description = "Days to look ahead; 7 unless said.", maximum = 3660),
        ("state" = Option<String>, Query, description = "due | overdue; both unless said."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500),
        ("cursor" = Option<String>, Query, description = "As `next` has it."),
    ),
    responses((status = 200, body = DuePage), (status = 304, description = "As the client has it"), Refusals)
)]
async fn due(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["on", "ahead", "state", "limit", "cursor"])?;
    let today = api.engine.folder.now().day_in_shanghai();
    let on = asked.parsed("on", "write a day such as 2026-03-01")?.unwrap_or(today);
    let days = format!("write a number of days from 0 to {MOST_AHEAD}");
    let ahead = asked.parsed("ahead", &days)?.unwrap_or(AHEAD);
    if !(0..=MOST_AHEAD).contains(&ahead) {
        return Err(Problem::parameter("ahead", days));
    }
    let state = match asked.get("state") {
        None => None,
        Some("due") => Some(DueState::Due),
        Some("overdue") => Some(DueState::Overdue),
        Some(_) => return Err(Problem::parameter("state", "write due or overdue")),
    };
    let limit = usize::try_from(asked.limit(100, 500)?).unwrap_or(usize::MAX);
    if asked.get("cursor").is_some_and(|cursor| !is_place(cursor)) {
        return Err(Problem::parameter("cursor", "give it as `next` has it"));
    }
    api.blocking(move |api| {
        let (schedule, mut lines) = match inspecting::due_lines(&api.engine, &asker.scope(), on, ahead) {
            Ok((schedule, lines)) => (Some(schedule), lines),
            Err(InspectingError::NoSchedule) => (None, Vec::new()),
            Err(InspectingError::Engine(error)) => return Err(error.into()),
            Err(InspectingError::Schedule(error)) => return Err(Problem::unprocessable(error.to_string())),
        };
        lines.retain(|line| state.is_none_or(|state| line.due.state == state));
        lines.sort_by_cached_key(place);
        let total = lines.len();
        if let Some(cursor) = asked.get("cursor") {
            lines.retain(|line| place(line).as_str() > cursor);
        }
        let more = lines.len() > limit;
        lines.truncate(limit);
        let next = lines.last().filter(|_| more).map(|last| {
            let mut next = form_urlencoded::Serializer::new(String::new());
            for name in ["on", "ahead", "state", "limit"] {
                asked.get(name).map(|value| next.append_pair(name, value));
            }
            next.append_pair("cursor", &place(last));
            format!("{}/inspections/due?{}", super::BASE, next.finish())
        });
        tagged(&headers, &DuePage { schedule, inspections: lines, total, next })
    })
    .await
}

/// Outlets whose inspection was bad.
#[derive(Serialize, ToSchema)]
pub(super) struct Proposals {
    /// The oldest first.
    #[schema(value_type = Vec<Object>)]
    proposals: Vec<Proposal>,
}

/// Outlets whose inspection was bad and whose re-opening nobody has decided; a decision `reopen` on the
/// outlet does.
#[utoipa::path(
    get,
    path = "/inspections/proposals",
    tag = "inspections",
    responses((status = 200, body = Proposals), (status = 304, description = "As the client has it"), Refusals)
)]
async fn proposals(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let proposals = inspecting::proposals(&api.engine, &asker.scope())?;
        tagged(&headers, &Proposals { proposals })
    })
    .await
}
