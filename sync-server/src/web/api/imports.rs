//! Lists of other systems over REST: column mappings, dry run, import. The same checks and the same
//! records as `outlet-server import`.

use std::path::Path as FilePath;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use outlet_core::ids::Collection;
use outlet_core::import::{Mapping, suggest};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::deciding::{Refusals, account};
use super::etag::tagged;
use super::parameters::Parameters;
use super::spool::{Spooled, spool};
use super::{Answer, Api, Asker, ParameterError, Problem};
use crate::db::{DbError, meta};
use crate::import::register::{self, Listed, Saved};
use crate::import::{self, Checked, ImportError, Job};
use crate::tokens::TokenScope;

pub(super) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(list, run))
        .routes(routes!(columns))
        .routes(routes!(mappings))
        .routes(routes!(mapping, save_mapping))
}

/// Largest file. 200,000 rows of 60 columns have about 120 MB.
const MOST_BYTES: usize = 512 << 20;
/// Largest mapping.
const MAPPING_BYTES: usize = 256 << 10;
/// Kinds of files; a shapefile is several files and comes as an archive.
const KINDS: [&str; 8] = ["csv", "txt", "tsv", "xlsx", "xlsm", "geojson", "json", "zip"];

/// What was imported.
#[derive(Serialize, ToSchema)]
pub(super) struct Imports {
    /// The newest first.
    #[schema(value_type = Vec<Object>)]
    imports: Vec<Listed>,
}

/// The register of imports; for administrators.
#[utoipa::path(
    get,
    path = "/imports",
    tag = "imports",
    responses((status = 200, body = Imports), (status = 304, description = "As the client has it"), Refusals)
)]
async fn list(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Admin)?;
    api.blocking(move |api| tagged(&headers, &Imports { imports: register::all(&api.engine)? })).await
}

/// A file that is being taken in: one at a time.
struct Upload {
    file: Spooled,
    _permit: OwnedSemaphorePermit,
}

async fn receive(api: &Api, asked: &Parameters, body: Body) -> Result<Upload, Problem> {
    let wanted = "give the file's name, such as points.csv: its end says what it is";
    let name = asked.needed("file_name", wanted)?;
    let extension = FilePath::new(name).extension().map(|end| end.to_string_lossy().to_lowercase());
    if !extension.is_some_and(|end| KINDS.contains(&end.as_str())) {
        let known = KINDS.map(|end| format!(".{end}")).join(", ");
        return Err(Problem::parameter("file_name", format!("its end is none of {known}")));
    }
    let Ok(permit) = Arc::clone(&api.imports).try_acquire_owned() else {
        let mut problem = Problem::unavailable("another import is under way; try again in a minute");
        problem.retry_after = Some(60);
        return Err(problem);
    };
    Ok(Upload { file: spool(api, body, name, MOST_BYTES).await?, _permit: permit })
}

/// Imports a list: the body is the file.
///
/// Every row is checked before the first record is made. With `dry_run=true` nothing is written and
/// the answer says what would be. A file that was imported before makes nothing twice.
#[utoipa::path(
    post,
    path = "/imports",
    tag = "imports",
    params(
        ("file_name" = String, Query, description = "Such as points.csv; .xlsx and .geojson likewise, a shapefile as .zip."),
        ("mapping" = String, Query, description = "Name of a saved mapping."),
        ("dry_run" = Option<bool>, Query, description = "Check only."),
        ("skip_bad" = Option<bool>, Query, description = "Leave bad rows out instead of importing nothing."),
    ),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "Dry run: rows, problems by line, a sample"),
        (status = 201, description = "Imported: records made, known before, rows left out"),
        Refusals,
    )
)]
async fn run(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, body: Body) -> Answer {
    asker.need(TokenScope::Admin)?;
    let asked = Parameters::read(text.as_deref(), &["file_name", "mapping", "dry_run", "skip_bad"])?;
    asked.needed("mapping", "name a saved mapping; `PUT /imports/mappings/{name}` saves one")?;
    let (dry_run, skip_bad) = (asked.flag("dry_run")?, asked.flag("skip_bad")?);
    let upload = receive(&api, &asked, body).await?;
    api.blocking(move |api| {
        let mapping = saved(api, asked.get("mapping").unwrap_or_default())?;
        let by = account(&asker)?.login.clone();
        let names = api.engine.names()?;
        let path = &upload.file.readable()?;
        let job = Job { path, mapping: &mapping, places: names.places(), by: &by, skip_bad };
        let checked = import::check(&api.engine, &job).map_err(not_read)?;
        check_scope(&asker, &checked)?;
        if dry_run {
            return Ok(axum::Json(checked).into_response());
        }
        if checked.bad > 0 && !skip_bad {
            return Err(bad_rows(&checked));
        }
        let done = import::run(&api.engine, &job, &checked, &mut |_| {}).map_err(not_read)?;
        let detail =
            format!("{}: {} records of {}", done.list, done.created, asked.get("file_name").unwrap_or_default());
        let now = api.engine.folder.now();
        api.engine.database().write::<_, DbError>(|tx| meta::audit(tx, now, &by, "import", &detail))?;
        Ok((StatusCode::CREATED, axum::Json(done)).into_response())
    })
    .await
}

/// An administrator of some counties makes no records in others.
fn check_scope(asker: &Asker, checked: &Checked) -> Result<(), Problem> {
    let scope = asker.scope();
    let foreign = |code: &&String| code.parse::<Collection>().is_ok_and(|county| !scope.holds(county));
    match checked.by_collection.keys().find(foreign) {
        None => Ok(()),
        Some(county) => Err(Problem::forbidden(format!("the account has no right in county {county} of this list"))),
    }
}

fn bad_rows(checked: &Checked) -> Problem {
    let error = ImportError::Bad { bad: checked.bad, rows: checked.rows };
    let mut problem = Problem::unprocessable(format!("{error}: correct them, or leave them out with skip_bad=true"));
    problem.errors.extend(checked.problems.iter().filter(|problem| problem.error).map(|row| ParameterError {
        name: format!("line {} {}", row.line, row.column),
        reason: format!("{}: {}", row.code, row.message),
    }));
    problem
}

fn not_read(error: ImportError) -> Problem {
    match error {
        ImportError::Engine(error) => error.into(),
        ImportError::Read(import::ReadError::Io { source, .. }) => Problem::internal(&source),
        // The file lies under a name that the client does not know.
        ImportError::Read(import::ReadError::Form { why, .. }) => {
            Problem::unprocessable(format!("the file cannot be read: {why}"))
        }
        ImportError::Read(import::ReadError::NoHeader(_)) => Problem::unprocessable(
            "the file has no header line: say with skip_rows in the mapping how many lines stand above it",
        ),
        other => Problem::unprocessable(other.to_string()),
    }
}

/// Columns of a file, with a first mapping.
#[derive(Serialize, ToSchema)]
pub(super) struct Columns {
    /// Names of the columns.
    columns: Vec<String>,
    /// About the file as a whole, such as its encoding.
    notes: Vec<String>,
    /// A suggestion as TOML: to be read, corrected and saved, never used unseen.
    mapping: String,
}

/// Shows the columns of a file and suggests a mapping; nothing is written.
#[utoipa::path(
    post,
    path = "/imports/columns",
    tag = "imports",
    params(("file_name" = String, Query, description = "Such as points.csv.")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Columns), Refusals)
)]
async fn columns(State(api): State<Arc<Api>>, asker: Asker, RawQuery(text): RawQuery, body: Body) -> Answer {
    asker.need(TokenScope::Admin)?;
    let asked = Parameters::read(text.as_deref(), &["file_name"])?;
    let upload = receive(&api, &asked, body).await?;
    api.blocking(move |_| {
        let path = &upload.file.readable()?;
        let (columns, notes) = import::columns(path).map_err(|error| not_read(error.into()))?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let mapping = suggest(&name.unwrap_or_default(), &columns).to_toml();
        Ok(axum::Json(Columns { columns, notes, mapping }).into_response())
    })
    .await
}

/// Saved mappings.
#[derive(Serialize, ToSchema)]
pub(super) struct Mappings {
    /// By name: who saved it, and when.
    #[schema(value_type = Vec<Object>)]
    mappings: Vec<Saved>,
}

/// Names of the saved mappings.
#[utoipa::path(
    get,
    path = "/imports/mappings",
    tag = "imports",
    responses((status = 200, body = Mappings), (status = 304, description = "As the client has it"), Refusals)
)]
async fn mappings(State(api): State<Arc<Api>>, asker: Asker, headers: HeaderMap) -> Answer {
    asker.need(TokenScope::Admin)?;
    api.blocking(move |api| tagged(&headers, &Mappings { mappings: register::mappings(&api.engine)? })).await
}

fn saved(api: &Api, name: &str) -> Result<Mapping, Problem> {
    let mapping = register::mapping(&api.engine, name)?.ok_or_else(|| Problem::not_found("mapping"))?;
    mapping.map_err(|error| Problem::unprocessable(error.to_string()))
}

/// A saved mapping as TOML.
#[utoipa::path(
    get,
    path = "/imports/mappings/{name}",
    tag = "imports",
    params(("name" = String, Path)),
    responses((status = 200, description = "TOML", body = String, content_type = "application/toml"), Refusals)
)]
async fn mapping(State(api): State<Arc<Api>>, asker: Asker, Path(name): Path<String>) -> Answer {
    asker.need(TokenScope::Admin)?;
    api.blocking(move |api| {
        let text = register::text(&api.engine, &name)?.ok_or_else(|| Problem::not_found("mapping"))?;
        Ok(([(header::CONTENT_TYPE, "application/toml")], text).into_response())
    })
    .await
}

/// Checks a mapping (TOML) and keeps it under its name; an older one of that name is replaced.
#[utoipa::path(
    put,
    path = "/imports/mappings/{name}",
    tag = "imports",
    params(("name" = String, Path)),
    request_body(content = String, content_type = "application/toml"),
    responses((status = 204, description = "Saved"), Refusals)
)]
async fn save_mapping(State(api): State<Arc<Api>>, asker: Asker, Path(name): Path<String>, text: String) -> Answer {
    asker.need(TokenScope::Admin)?;
    if text.len() > MAPPING_BYTES {
        return Err(Problem::too_large(MAPPING_BYTES));
    }
    api.blocking(move |api| {
        let mapping = Mapping::parse(&text).map_err(|error| Problem::parameter("body", error.to_string()))?;
        if mapping.name != name {
            let reason = format!("the mapping calls itself {:?}, the address {name:?}", mapping.name);
            return Err(Problem::parameter("name", reason));
        }
        register::save(&api.engine, &mapping, &text, &account(&asker)?.login)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await
}
