//! Seals of ledgers and problem lists: made, listed, checked, and the sealed files.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use outlet_core::domain::reference::Seal;
use outlet_core::ids::{BlobHash, Collection};
use outlet_core::time::Day;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::{Refusals, account, answer, body};
use super::etag::tagged;
use super::once::once;
use super::spool::digest;
use super::{Answer, Api, Asker, Problem};
use crate::db::{DbError, meta};
use crate::seals::{self, SealError, Verified, WHAT};
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new().routes(routes!(list, make)).routes(routes!(verify, verify_file)).routes(routes!(file))
}

/// Largest file that is compared with the seals: no seal names a larger one, which the database could not keep.
const MOST_BYTES: u64 = 1_000_000_000;

/// Seals.
#[derive(Serialize, ToSchema)]
pub(super) struct Seals {
    /// In the order in which they were made.
    #[schema(value_type = Vec<Object>)]
    seals: Vec<Seal>,
}

/// Seals of ledgers and problem lists, of all units: they are circulated.
#[utoipa::path(
    get,
    path = "/seals",
    tag = "seals",
    responses((status = 200, body = Seals), (status = 304, description = "As the client has it"), Refusals)
)]
async fn list(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| tagged(&headers, &Seals { seals: seals::all(&api.engine)? })).await
}

/// A seal to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSeal {
    /// ledger | problem_list.
    what: String,
    /// County code, 511971 for 巴中经开区, or 5119 for the city.
    unit: String,
    /// Day of the seal, not in the future.
    #[schema(value_type = String, format = Date)]
    on: Day,
    /// 文号.
    document: Option<String>,
    /// Sealed on paper only: nothing is kept but that it was. This, and an earlier day, needs a right in all
    /// collections.
    #[serde(default)]
    paper: bool,
}

/// An administrator of some counties seals for these; the city's and 经开区's needs all collections.
fn check_unit(asker: &Asker, unit: &str) -> Result<(), Problem> {
    if !seals::is_unit(unit) {
        return Err(Problem::parameter("unit", "write a county code such as 511902, 511971, or 5119 for the city"));
    }
    let scope = asker.scope();
    let own = unit.parse::<Collection>().is_ok_and(|county| scope.holds(county));
    match own || scope.collections().is_none() {
        true => Ok(()),
        false => Err(Problem::forbidden(format!("the account has no right in unit {unit}"))),
    }
}

/// Seals the ledger or problem list of a unit as of a day: the export is kept with its SHA-256, and the
/// server signs a seal that names it. `GET /seals/{sha256}/file` gives the file.
#[utoipa::path(
    post,
    path = "/seals",
    tag = "seals",
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = NewSeal,
    responses((status = 201, description = "The seal with its hash"), Refusals)
)]
async fn make(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap, sent: Bytes) -> Answer {
    asker.need(TokenScope::Admin)?;
    api.blocking(move |api| {
        once(api, &asker, &headers, &[b"seal", &sent], || {
            let asked: NewSeal = body(&sent)?;
            if !WHAT.contains(&asked.what.as_str()) {
                return Err(Problem::parameter("what", format!("write {}", WHAT.join(" or "))));
            }
            check_unit(&asker, &asked.unit)?;
            let now = api.engine.folder.now();
            if asked.on > now.day_in_shanghai() {
                let reason = format!("{} is in the future: a seal is recorded when it is there", asked.on);
                return Err(Problem::parameter("on", reason));
            }
            let NewSeal { what, unit, on, document, paper } = asked;
            if (paper || on < now.day_in_shanghai()) && asker.scope().collections().is_some() {
                let reason = "what was sealed on another day, or on paper, is recorded with a right in all collections";
                return Err(Problem::forbidden(reason.to_owned()));
            }
            let reference = api.engine.database().read(|tx| api.engine.reference(tx))?;
            let snapshot = || seals::snapshot(&api.engine, &reference, &what, &unit, on);
            let sealed = (!paper).then(snapshot).transpose().map_err(not_sealed)?;
            let seal = seals::seal(&api.engine, (&what, &unit, on), document, sealed.as_ref())?;
            let (by, detail) = (&account(&asker)?.login, format!("{what} of {unit} on {on}"));
            api.engine.database().write::<_, DbError>(|tx| meta::audit(tx, now, by, "seal", &detail))?;
            answer(StatusCode::CREATED, &seal)
        })
    })
    .await
}

fn not_sealed(error: SealError) -> Problem {
    match error {
        SealError::Engine(error) => error.into(),
        SealError::Export(error) => Problem::internal(&error),
    }
}

/// What was checked.
#[derive(Serialize, ToSchema)]
pub(super) struct Checked {
    /// By seal: as_sealed | changed | missing | not_signed, and the key that signed it.
    #[schema(value_type = Vec<Object>)]
    seals: Vec<Verified>,
}

/// Checks the files that are kept against their seals, and the signatures of these.
#[utoipa::path(
    get,
    path = "/seals/verify",
    tag = "seals",
    responses((status = 200, body = Checked), (status = 304, description = "As the client has it"), Refusals)
)]
async fn verify(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Read)?;
    api.blocking(move |api| tagged(&headers, &Checked { seals: seals::verify(&api.engine, None)? })).await
}

/// Looks for the seals of a file: the body is the file, byte by byte as it was handed out.
#[utoipa::path(
    post,
    path = "/seals/verify",
    tag = "seals",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Checked), Refusals)
)]
async fn verify_file(State(api): State<Arc<Api>>, asker: Asker, sent: Body) -> Answer {
    asker.need(TokenScope::Read)?;
    let hash = digest(sent, MOST_BYTES).await?;
    api.blocking(move |api| {
        let seals = seals::verify(&api.engine, Some(hash))?;
        if seals.is_empty() {
            return Err(Problem::unprocessable(format!(
                "no seal names this file (SHA-256 {hash}): it was changed after it was sealed, or never sealed"
            )));
        }
        Ok(axum::Json(Checked { seals }).into_response())
    })
    .await
}

/// A sealed file, byte by byte as it was sealed, for whoever may see its unit and every record in it: a record
/// may count for the unit of one county and be of another's collection.
#[utoipa::path(
    get,
    path = "/seals/{sha256}/file",
    tag = "seals",
    params(("sha256" = String, Path)),
    responses((status = 200, description = "CSV, as it was sealed"), Refusals)
)]
async fn file(State(api): State<Arc<Api>>, asker: Asker, Path(hash): Path<String>) -> Answer {
    asker.need(TokenScope::Read)?;
    let hash: BlobHash = hash.parse().map_err(|_| Problem::parameter("sha256", "write 64 hexadecimal digits"))?;
    api.blocking(move |api| {
        let missing = || Problem::not_found("sealed file");
        let all = seals::all(&api.engine)?;
        // Its rows are those of a unit: who may not see these is not told that there is a file. Problem lists
        // without problems are the same file for all.
        let own = |seal: &&Seal| seal.sha256 == Some(hash) && check_unit(&asker, &seal.unit).is_ok();
        let seal = all.iter().find(own).ok_or_else(missing)?;
        let sealed = seals::file(&api.engine, &hash)?.ok_or_else(missing)?;
        let scope = asker.scope();
        let foreign = match &sealed.collections {
            Some(all) => all.iter().find(|own| !scope.holds(**own)).map(|own| format!("it has records of {own}")),
            None => scope.collections().map(|_| "it was sealed before it was kept whose records are in it".to_owned()),
        };
        if let Some(why) = foreign {
            return Err(Problem::forbidden(format!("the account does not see every record in this file: {why}")));
        }
        let name = format!("attachment; filename=\"{}-{}-{}.csv\"", seal.what, seal.unit, seal.on);
        let headers =
            [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, name)];
        Ok((headers, sealed.bytes).into_response())
    })
    .await
}
