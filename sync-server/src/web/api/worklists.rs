//! Work lists: what suspected points have come to, how much bank was walked, who has what to do.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use outlet_core::ids::Collection;
use outlet_core::time::Day;
use outlet_core::worklist::{self, CoverageBy, CoverageRow, ReachCoverage, walked};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::{Refusals, account, answer, body};
use super::etag::tagged;
use super::once::once;
use super::parameters::Parameters;
use super::{Answer, Api, Asker, Problem, outlets};
use crate::assigning::{self, Load, Order, Person, Selection, TASKS};
use crate::engine::EngineError;
use crate::report;
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(covered)).routes(routes!(walks)).routes(routes!(loads, order))
}

/// Outlets named in one request.
const MOST: usize = 10_000;

/// What suspected points have come to (有口皆查).
#[derive(Serialize, ToSchema)]
pub(super) struct Coverage {
    /// By group: surveyed, not an outlet, needs level 3, elsewhere, open.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<CoverageRow>,
}

/// What every suspected point of the account's collections has come to.
#[utoipa::path(
    get,
    path = "/coverage",
    tag = "worklists",
    params(("by" = Option<String>, Query, description = "township | river | county | list; township unless said.")),
    responses((status = 200, body = Coverage), (status = 304, description = "As the client has it"), Refusals)
)]
async fn covered(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    let asked = Parameters::read(text.as_deref(), &["by"])?;
    let by = match asked.get("by").unwrap_or("township") {
        "township" => CoverageBy::Township,
        "river" => CoverageBy::Waterbody,
        "county" => CoverageBy::County,
        "list" => CoverageBy::List,
        _ => return Err(Problem::parameter("by", "write township, river, county or list")),
    };
    api.blocking(move |api| {
        let mut coverage = worklist::Coverage::new(by);
        report::parts_of(&api.engine, &asker.scope(), None, None, |part| {
            part.iter().for_each(|row| coverage.add(row));
            Ok::<_, EngineError>(true)
        })?;
        tagged(&headers, &Coverage { rows: coverage.lines() })
    })
    .await
}

/// Bank walked.
#[derive(Serialize, ToSchema)]
pub(super) struct Walks {
    /// By reach and bank: metres in scope and walked, walks, outlets found or nothing found.
    #[schema(value_type = Vec<Object>)]
    reaches: Vec<ReachCoverage>,
}

/// Bank walked over bank in scope, by reach, as the account's collections recorded it.
#[utoipa::path(
    get,
    path = "/coverage/walks",
    tag = "worklists",
    responses((status = 200, body = Walks), (status = 304, description = "As the client has it"), Refusals)
)]
async fn walks(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let scope = asker.scope();
        let walk_scope = api.engine.walk_scope()?.map_err(|error| Problem::unprocessable(error.to_string()))?;
        let walks = api.engine.walks(|collection| scope.holds(collection))?;
        tagged(&headers, &Walks { reaches: walked(&walk_scope, &walks) })
    })
    .await
}

/// Who has what to do.
#[derive(Serialize, ToSchema)]
pub(super) struct Loads {
    /// By person and task.
    #[schema(value_type = Vec<Object>)]
    loads: Vec<Load>,
}

/// Who has what to do, and how much of it is open.
#[utoipa::path(
    get,
    path = "/assignments",
    tag = "worklists",
    responses((status = 200, body = Loads), (status = 304, description = "As the client has it"), Refusals)
)]
async fn loads(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| {
        let scope = asker.scope();
        tagged(&headers, &Loads { loads: assigning::loads(&api.engine, |collection| scope.holds(collection))? })
    })
    .await
}

/// Which records go to whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewOrder {
    /// Name of the person as in their ticket, or their id; absent takes the records back.
    to: Option<String>,
    /// survey | level_3 | inspection | sampling.
    task: String,
    /// Until when.
    #[schema(value_type = Option<String>, format = Date)]
    due: Option<Day>,
    /// Free text for the person.
    note: Option<String>,
    /// Outlets by UUID.
    #[serde(default)]
    outlets: Vec<String>,
    /// All open points of this list.
    list: Option<String>,
    /// All open points of this township.
    township: Option<String>,
    /// All open points on this river.
    waterbody: Option<String>,
    /// All open points of this county.
    #[schema(value_type = Option<String>)]
    collection: Option<Collection>,
}

/// What was assigned.
#[derive(Serialize, ToSchema)]
pub(super) struct Assigned {
    /// The person; absent when records were taken back.
    to: Option<String>,
    /// Their name.
    name: Option<String>,
    /// How many records.
    assigned: usize,
    /// In which counties.
    collections: Vec<String>,
}

/// Assigns records to a person, or takes them back: named ones, and all open points that every
/// given filter keeps. Their device shows them after its next sync.
#[utoipa::path(
    post,
    path = "/assignments",
    tag = "worklists",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewOrder,
    responses((status = 201, body = Assigned), Refusals)
)]
async fn order(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap, sent: Bytes) -> Answer {
    asker.need(TokenScope::Decide)?;
    api.blocking(move |api| {
        once(api, &asker, &headers, &[b"assign", &sent], || {
            let asked: NewOrder = body(&sent)?;
            if !TASKS.contains(&asked.task.as_str()) {
                return Err(Problem::parameter("task", format!("write one of {}", TASKS.join(", "))));
            }
            if asked.outlets.len() > MOST {
                return Err(Problem::parameter("outlets", format!("at most {MOST} at once")));
            }
            let keys: Result<BTreeSet<_>, Problem> = api
                .engine
                .database()
                .read(|tx| asked.outlets.iter().map(|id| Ok(outlets::find(tx, &asker, id)?.key)).collect());
            let NewOrder { list, township, waterbody, collection, .. } = asked;
            let selection = Selection { outlets: keys?, list, township, waterbody, collection };
            if !selection.filters() && selection.outlets.is_empty() {
                let wanted = "name outlets, or list, township, waterbody or collection";
                return Err(Problem::parameter("outlets", wanted));
            }
            let to = asked.to.as_deref().map(|to| person(api, to)).transpose()?;
            let scope = asker.scope();
            let mut rows = assigning::selected(&api.engine, &selection)?;
            rows.retain(|row| scope.holds(row.collection));
            if rows.is_empty() {
                return Err(Problem::unprocessable("no open point fits; `/coverage` says where points are open"));
            }
            if let Some(person) = &to {
                let foreign = assigning::foreign(person, &rows);
                if let Some(county) = foreign.first() {
                    return Err(Problem::unprocessable(format!("{} may not read county {county}", person.name)));
                }
            }
            let to = to.map(|person| (person.id, person.name));
            let by = account(&asker)?.login.clone();
            let order = Order { to, task: asked.task, due: asked.due, note: asked.note, by };
            let collections = assigning::write(&api.engine, &rows, &order)?;
            let done = Assigned {
                to: order.to.as_ref().map(|(person, _)| person.to_string()),
                name: order.to.map(|(_, name)| name),
                assigned: rows.len(),
                collections: collections.iter().map(Collection::to_string).collect(),
            };
            answer(StatusCode::CREATED, &done)
        })
    })
    .await
}

/// A member by id or by the name on the ticket.
fn person(api: &Api, text: &str) -> Result<Person, Problem> {
    let mut found = assigning::persons(&api.engine)?;
    found.retain(|person| person.name == text || person.id.to_string() == text);
    match (found.pop(), found.is_empty()) {
        (Some(person), true) => Ok(person),
        (None, _) => Err(Problem::parameter("to", format!("no member is called {text:?}"))),
        _ => Err(Problem::parameter("to", format!("several persons are called {text:?}: give the id of one"))),
    }
}
