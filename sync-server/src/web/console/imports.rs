//! Lists of other systems: a file is sent, its columns are assigned, its rows are checked and shown
//! line by line, and only then become records. The work itself is [`crate::import`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Multipart, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use outlet_core::import::{Mapping, RowProblem};

use super::mapping_form::{self, Column};
use super::outlet::value_text;
use super::{Answer, Console, Fault, Form, Page, Shared, Visitor, go_on, sent, show_with};
use crate::db::{DbError, imports as rows, meta};
use crate::import::{self, Checked, ImportError, Job};
use crate::uploads::{self, Upload, UploadError};

/// Imports on the page; the command line lists all.
const SHOWN: usize = 20;
/// Problems on the page.
const PROBLEMS: usize = 100;
/// How long a page waits for an import; what takes longer goes on behind it.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Template)]
#[template(path = "console/imports.html")]
struct ImportsPage {
    page: Page,
    form: Form,
    imports: Vec<ImportLine>,
    mappings: Vec<(String, String, String)>,
    running: bool,
    /// Largest file, in bytes and in MB.
    most: u64,
    most_mb: u64,
}

struct ImportLine {
    list: String,
    file: String,
    rows: u64,
    created: u64,
    skipped: u64,
    by: String,
    at: String,
    done: bool,
}

/// `GET /imports`.
pub(super) async fn page(State(console): Shared, page: Page) -> Answer {
    list(&console, page, Form::default()).await
}

async fn list(console: &Arc<Console>, page: Page, form: Form) -> Answer {
    let (imports, mappings) = console
        .ask(|console| {
            Ok(console.engine.database().read::<_, DbError>(|tx| Ok((rows::all(tx)?, rows::mappings(tx)?)))?)
        })
        .await?;
    let now = console.engine.folder.now();
    // One that began yesterday and is not done broke off.
    let running = imports.iter().any(|one| !one.done && now.millis() - one.started_at.millis() < 3_600_000);
    let line = |import: rows::Import| ImportLine {
        list: import.list,
        file: import.file_name,
        rows: import.rows,
        created: import.created,
        skipped: import.skipped,
        by: import.by,
        at: page.moment(&import.started_at),
        done: import.done,
    };
    let status = if form.failed() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let imports = imports.into_iter().take(SHOWN).map(line).collect();
    let mappings = mappings.into_iter().map(|(name, by, at)| (name, by, page.moment(&at))).collect();
    show_with(
        status,
        &ImportsPage {
            page,
            form,
            imports,
            mappings,
            running,
            most: uploads::MOST_BYTES,
            most_mb: uploads::MOST_BYTES >> 20,
        },
    )
}

/// `POST /imports`: a file.
pub(super) async fn send(State(console): Shared, page: Page, visitor: Visitor, multipart: Multipart) -> Answer {
    let sent = sent::receive(&console, &visitor, multipart).await?;
    match sent.file {
        Ok(upload) => Ok(sent::go_to(&format!("/imports/{}", upload.id))),
        Err(error) => {
            let mut form = sent.form;
            form.fail(sent::FILE, sent::sentence(&page, &error)?);
            list(&console, page, form).await
        }
    }
}

/// Columns, what they become, and what the rows would be.
#[derive(Template)]
#[template(path = "console/import.html")]
pub(super) struct ImportPage {
    page: Page,
    form: Form,
    upload: Upload,
    /// What stands in the way of reading the file at all.
    problem: Option<String>,
    notes: Vec<String>,
    columns: Vec<Column>,
    targets: Vec<(String, String)>,
    saved: Vec<(String, String)>,
    counties: Vec<(String, String)>,
    datums: Vec<(String, String)>,
    encodings: Vec<(String, String)>,
    states: Vec<(String, String)>,
    rests: Vec<(String, String)>,
    checked: Option<Checked>,
}

fn mine(console: &Console, visitor: &Visitor, id: &str) -> Result<Upload, UploadError> {
    uploads::get(console.engine.folder.path(), id, &visitor.account.login)
}

/// Back to the start, where the file is gone.
fn gone() -> Response {
    go_on("/imports", "upload-gone")
}

/// `GET /imports/{id}?use=MAPPING`.
pub(super) async fn columns(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path(id): Path<String>,
    form: Form,
) -> Answer {
    let found = console
        .ask(move |console| {
            let Ok(upload) = mine(console, &visitor, &id) else { return Ok(None) };
            let saved = form.given("use").map(|name| saved(console, name)).transpose()?.flatten();
            let filled = mapping_form::begin(&upload, saved.as_ref(), form);
            Ok(Some((upload, filled, names(console)?)))
        })
        .await?;
    let Some((upload, form, saved)) = found else { return Ok(gone()) };
    show_with(StatusCode::OK, &ImportPage::new(page, form, upload, saved))
}

fn saved(console: &Console, name: &str) -> Result<Option<Mapping>, Fault> {
    let text = console.engine.database().read::<_, DbError>(|tx| rows::mapping(tx, name))?;
    Ok(text.and_then(|text| Mapping::parse(&text).ok()))
}

fn names(console: &Console) -> Result<Vec<(String, String)>, Fault> {
    let all = console.engine.database().read::<_, DbError>(|tx| rows::mappings(tx))?;
    Ok(all.into_iter().map(|(name, ..)| (name.clone(), name)).collect())
}

/// `POST /imports/{id}` with `act`: look again at the file, check, save the mapping, run, discard.
pub(super) async fn decide(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path(id): Path<String>,
    mut form: Form,
) -> Answer {
    let look = {
        let (visitor, name) = (visitor.clone(), form.value("base").to_owned());
        console
            .ask(move |console| match mine(console, &visitor, &id) {
                Ok(upload) => Ok(Some((upload, saved(console, &name)?, names(console)?))),
                Err(_) => Ok(None),
            })
            .await?
    };
    let Some((upload, base, saved)) = look else { return Ok(gone()) };
    let act = form.value("act").to_owned();
    match act.as_str() {
        "discard" => {
            console
                .ask(move |console| {
                    uploads::discard(console.engine.folder.path(), &upload);
                    Ok(())
                })
                .await?;
            return Ok(go_on("/imports", "upload-discarded"));
        }
        "look" => {
            let form = mapping_form::begin(&upload, None, form);
            return show_with(StatusCode::OK, &ImportPage::new(page, form, upload, saved));
        }
        "check" | "save" | "run" => {}
        _ => return Err(Fault::BAD_REQUEST),
    }
    let mapping = mapping_form::read(&page, &mut form, &upload, base.as_ref());
    let Some(mapping) = mapping else {
        return show_with(StatusCode::UNPROCESSABLE_ENTITY, &ImportPage::new(page, form, upload, saved));
    };
    if act == "save" {
        let name = mapping.name.clone();
        let by = visitor.account.login.clone();
        console.ask(move |console| keep(console, &mapping, &by)).await?;
        form = form.without("base").with("base", name);
        let saved = console.ask(names).await?;
        let mut view = ImportPage::new(page, form, upload, saved);
        view.page.done = Some("done-mapping-saved".to_owned());
        return show_with(StatusCode::OK, &view);
    }
    let (job_upload, job_mapping) = (upload.clone(), mapping.clone());
    let checked = console.ask(move |console| Ok(check(console, &job_upload, &job_mapping))).await?;
    let mut view = ImportPage::new(page, form, upload, saved);
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => {
            view.problem = Some(import_error(&view.page, error)?);
            return show_with(StatusCode::UNPROCESSABLE_ENTITY, &view);
        }
    };
    let skip = view.form.has("skip_bad", "yes");
    let theirs = |county: &String| county.parse().is_ok_and(|county| visitor.account.covers(county));
    if let Some(foreign) = checked.by_collection.keys().find(|county| !theirs(county)) {
        view.problem = Some(view.page.t1("import-foreign", "county", view.page.place(foreign)));
    } else if act == "run" && checked.bad > 0 && !skip {
        view.problem = Some(view.page.t2("import-bad", ("bad", checked.bad), ("rows", checked.rows)));
    } else if act == "run" && checked.good == 0 {
        view.problem = Some(view.page.t("import-nothing"));
    }
    let refused = view.problem.is_some();
    if act == "check" || refused {
        view.checked = Some(checked);
        let status = if refused { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        return show_with(status, &view);
    }
    let by = visitor.account.login.clone();
    run(&console, view.upload, mapping, checked, by, skip).await
}

fn keep(console: &Console, mapping: &Mapping, by: &str) -> Result<(), Fault> {
    let (text, now) = (mapping.to_toml(), console.engine.folder.now());
    Ok(console.engine.database().write::<_, DbError>(|tx| {
        rows::save_mapping(tx, &mapping.name, &text, by, now)?;
        meta::audit(tx, now, by, "import_mapping", &mapping.name)
    })?)
}

fn check(console: &Console, upload: &Upload, mapping: &Mapping) -> Result<Checked, ImportError> {
    let names = console.engine.names()?;
    let job = Job { path: &upload.path, mapping, places: names.places(), by: "", skip_bad: false };
    import::check(&console.engine, &job)
}

/// Makes the records. A short import is done before the next page; a long one goes on behind it and
/// is seen in the list.
async fn run(
    console: &Arc<Console>,
    upload: Upload,
    mapping: Mapping,
    checked: Checked,
    by: String,
    skip_bad: bool,
) -> Answer {
    let engine = Arc::clone(&console.engine);
    let mut work = tokio::task::spawn_blocking(move || {
        let names = engine.names()?;
        let job = Job { path: &upload.path, mapping: &mapping, places: names.places(), by: &by, skip_bad };
        let done = import::run(&engine, &job, &checked, &mut |_| {})?;
        let (now, detail) =
            (engine.folder.now(), format!("{}: {} records of {}", done.list, done.created, upload.name));
        engine.database().write::<_, DbError>(|tx| meta::audit(tx, now, &by, "import", &detail))?;
        uploads::discard(engine.folder.path(), &upload);
        Ok::<(), ImportError>(())
    });
    match tokio::time::timeout(PATIENCE, &mut work).await {
        Ok(Ok(Ok(()))) => Ok(go_on("/imports", "imported")),
        Ok(Ok(Err(error))) => {
            tracing::error!(%error, "an import broke off");
            Ok(go_on("/imports", "import-broke-off"))
        }
        Ok(Err(error)) => {
            tracing::error!(%error, "an import's task failed");
            Err(Fault::INTERNAL)
        }
        Err(_) => {
            tokio::spawn(async move {
                match work.await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(%error, "an import broke off"),
                    Err(error) => tracing::error!(%error, "an import's task failed"),
                }
            });
            Ok(go_on("/imports", "import-running"))
        }
    }
}

fn import_error(page: &Page, error: ImportError) -> Result<String, Fault> {
    Ok(match error {
        ImportError::Engine(error) => return Err(error.into()),
        ImportError::Changed => page.t("upload-gone"),
        ImportError::Read(error) => mapping_form::read_error(page, &error),
        ImportError::Mapping(error) => mapping_form::mapping_error(page, &error),
        error => error.to_string(),
    })
}

impl ImportPage {
    fn new(page: Page, form: Form, upload: Upload, saved: Vec<(String, String)>) -> Self {
        let looked = mapping_form::look(&upload, &form);
        let (columns, notes, problem) = match looked {
            Ok((columns, notes)) => {
                (columns, notes.iter().map(|note| super::details::noted(&page, note)).collect(), None)
            }
            Err(error) => (Vec::new(), Vec::new(), Some(mapping_form::read_error(&page, &error))),
        };
        let own = |group: &str, codes: &[&str]| -> Vec<(String, String)> {
            codes.iter().map(|code| ((*code).to_owned(), page.t_of(group, code))).collect()
        };
        Self {
            targets: mapping_form::targets(&page),
            counties: super::members::counties(&page),
            datums: own("datum", &["wgs84", "cgcs2000", "gcj02", "bd09"]),
            encodings: own("encoding", &["gbk", "utf-8", "utf-16le", "utf-16be"]),
            states: own("start", &["outlet"]),
            rests: own("rest", &["note"]),
            checked: None,
            page,
            form,
            upload,
            problem,
            notes,
            columns,
            saved,
        }
    }

    fn problems<'a>(&self, checked: &'a Checked) -> &'a [RowProblem] {
        &checked.problems[..checked.problems.len().min(PROBLEMS)]
    }

    fn counts(&self, checked: &Checked) -> Vec<(String, u64)> {
        checked.counts.iter().map(|(code, count)| (self.code(code), *count)).collect()
    }

    fn code(&self, code: &str) -> String {
        self.page.t_of("row", &code.replace('_', "-"))
    }

    fn remedy(&self, problem: &RowProblem) -> String {
        self.page.remedy("row-do", problem.code, &problem.message)
    }

    fn by_county(&self, checked: &Checked) -> String {
        let each = checked.by_collection.iter().map(|(county, count)| format!("{} {count}", self.page.place(county)));
        self.page.list(each)
    }

    fn facts(&self, facts: &BTreeMap<String, serde_json::Value>) -> Vec<(String, String)> {
        let value = |name: &str, value: &serde_json::Value| match value {
            serde_json::Value::Object(place) if place.contains_key("lon") => {
                format!("{}, {}", place["lon"], place["lat"])
            }
            other => value_text(self.page.words(), name, other),
        };
        facts.iter().map(|(name, own)| (self.page.column(name), value(name, own))).collect()
    }

    fn target_of(&self, column: &Column, code: &str) -> bool {
        self.form.has(&column.field, code)
    }
}
