//! `signs text|qr|list`, `consents`, `reports`.

use outlet_core::consent::{Regimes, Required, differences, unapproved};
use outlet_core::domain::dictionary::Lang;
use outlet_core::export::label;
use outlet_core::identity::Role;
use outlet_core::ids::DocKey;
use outlet_core::ledger::{LedgerRow, LifeCycle};
use outlet_core::time::Day;
use serde::Serialize;

use super::Outcome;
use super::ledger::write_out;
use crate::cli::codes::{ConsentsCommand, PromoteTo, QrFormat, ReportsCommand, SignsCommand};
use crate::db::{DbError, reports as rows};
use crate::engine::Engine;
use crate::error::{CommandError, Exit};
use crate::report;
use crate::reports;
use crate::signs::{self, code};
use crate::ui::{self, Ui};

pub(super) fn signs(command: &SignsCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        SignsCommand::Text { id } => text(engine, &row(engine, id)?, ui),
        SignsCommand::Qr { id, format, output } => {
            let bytes = draw(&signs::payload(engine, &row(engine, id)?).ok_or_else(no_code)?, *format)?;
            write_out(output, &bytes, ui)?;
            Ok(Exit::Ok)
        }
        SignsCommand::List { all } => list(engine, *all, ui),
    }
}

fn row(engine: &Engine, id: &str) -> Result<LedgerRow, CommandError> {
    let key = super::find(engine, id)?;
    let found = report::current_rows(engine)?.into_iter().find(|row| row.key == key);
    found.ok_or_else(|| CommandError::user(format!("{id} is not in the ledger")))
}

fn no_code() -> CommandError {
    CommandError::user("the outlet has no code yet, and a sign shows one")
        .hint("record it (`outlet-server codes record`), or assign it (`codes assign`)")
}

fn text(engine: &Engine, row: &LedgerRow, ui: &mut Ui) -> Outcome {
    let sign = signs::sign(engine, row)?;
    ui.show(&sign, |sign| {
        let mut lines: Vec<String> = sign.lines.iter().map(|line| format!("{}：{}", line.label, line.text)).collect();
        lines.extend(sign.url.iter().map(|url| format!("二维码：{url}")));
        lines.join("\n")
    })?;
    if !sign.missing.is_empty() {
        ui.note(format_args!(
            "missing before a sign can be made: {}",
            sign.missing.iter().map(|code| label(code, Lang::En)).collect::<Vec<_>>().join(", ")
        ));
        return Ok(Exit::Incomplete);
    }
    Ok(Exit::Ok)
}

/// Pixels of a module in a picture.
const SCALE: usize = 12;

fn draw(payload: &str, format: QrFormat) -> Result<Vec<u8>, CommandError> {
    let squares = signs::squares(payload)
        .map_err(|error| CommandError::user(format!("{payload:?} does not fit into a QR code: {error}")))?;
    let side = squares.side;
    match format {
        QrFormat::Svg => Ok(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\">\
             <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{}\"/></svg>\n",
            squares.path()
        )
        .into_bytes()),
        QrFormat::Png => {
            let pixels =
                u32::try_from(side * SCALE).map_err(|_| CommandError::internal("a QR code beyond any size"))?;
            let picture = image::GrayImage::from_fn(pixels, pixels, |x, y| {
                image::Luma([if squares.dark(x as usize / SCALE, y as usize / SCALE) { 0 } else { 255 }])
            });
            let mut bytes = std::io::Cursor::new(Vec::new());
            picture
                .write_to(&mut bytes, image::ImageFormat::Png)
                .map_err(|error| CommandError::internal(format!("drawing a picture: {error}")))?;
            Ok(bytes.into_inner())
        }
    }
}

/// `signs list --json`.
#[derive(Serialize)]
struct Sign {
    outlet: DocKey,
    code: Option<String>,
    name: Option<String>,
    sign: String,
    on: Option<Day>,
}

fn list(engine: &Engine, all: bool, ui: &mut Ui) -> Outcome {
    let rows = report::current_rows(engine)?;
    let wanted = rows.into_iter().filter(|row| {
        let in_order = matches!(row.sign_state.as_str(), "erected" | "repaired");
        let coded = code(row).is_some() && row.state != LifeCycle::Closed;
        (coded || row.sign_state != "none") && (all || !in_order)
    });
    let signs: Vec<Sign> = wanted
        .map(|row| Sign {
            outlet: row.key,
            code: code(&row).cloned(),
            name: row.name,
            sign: row.sign_state,
            on: row.sign_on,
        })
        .collect();
    ui.show(&signs, |signs| {
        let line = |sign: &Sign| {
            vec![
                sign.code.clone().unwrap_or_else(|| "-".to_owned()),
                sign.sign.clone(),
                sign.on.map(|day| day.to_string()).unwrap_or_default(),
                sign.name.clone().unwrap_or_default(),
            ]
        };
        ui::table(&["code", "sign", "on", "name"], &signs.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

/// `consents unapproved --json`.
#[derive(Serialize)]
struct Unapproved {
    outlet: DocKey,
    name: Option<String>,
    #[serde(rename = "type")]
    outlet_type: Option<String>,
    required: Required,
    approval_status: Option<String>,
    set_up: Option<String>,
    exists_from: Option<Day>,
    why: String,
}

/// `consents differences --json`.
#[derive(Serialize)]
struct Differs {
    outlet: DocKey,
    name: Option<String>,
    code: &'static str,
    detail: String,
}

pub(super) fn consents(command: &ConsentsCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    let regimes = engine.consent_regimes()?;
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    let asked = |row: &LedgerRow, regimes: &Regimes| {
        let since = row.consent.as_ref().and_then(|consent| consent.on).or(row.exists_from);
        regimes.required(row.outlet_type.as_deref(), row.type_scheme.as_deref(), since, &reference.dictionaries)
    };
    let rows = report::current_rows(engine)?.into_iter().filter(|row| {
        !matches!(
            row.state,
            LifeCycle::Suspected
                | LifeCycle::NeedsLevel3
                | LifeCycle::NotAnOutlet
                | LifeCycle::Duplicate
                | LifeCycle::Moved
                | LifeCycle::Closed
        )
    });
    match command {
        ConsentsCommand::Unapproved => {
            let found: Vec<Unapproved> = rows
                .filter_map(|row| {
                    let required = asked(&row, &regimes);
                    let why = unapproved(&row, &required)?;
                    Some(Unapproved {
                        outlet: row.key,
                        name: row.name,
                        outlet_type: row.outlet_type,
                        required,
                        approval_status: row.approval_status,
                        set_up: row.set_up,
                        exists_from: row.exists_from,
                        why,
                    })
                })
                .collect();
            ui.show(&found, |found| {
                let line = |one: &Unapproved| {
                    let required = match &one.required {
                        Required::Known { regime, .. } => regime.code().to_owned(),
                        Required::Unknown { why } => format!("not known: {why}"),
                    };
                    vec![one.outlet.id.to_string(), required, one.why.clone(), one.name.clone().unwrap_or_default()]
                };
                ui::table(&["outlet", "asked for", "why listed", "name"], &found.iter().map(line).collect::<Vec<_>>())
            })?;
        }
        ConsentsCommand::Differences => {
            let found: Vec<Differs> = rows
                .flat_map(|row| {
                    let found = differences(&row, &asked(&row, &regimes));
                    let (outlet, name) = (row.key, row.name);
                    found.into_iter().map(move |one| Differs {
                        outlet,
                        name: name.clone(),
                        code: one.code,
                        detail: one.detail,
                    })
                })
                .collect();
            ui.show(&found, |found| {
                let line = |one: &Differs| {
                    vec![
                        one.outlet.id.to_string(),
                        one.code.to_owned(),
                        one.detail.clone(),
                        one.name.clone().unwrap_or_default(),
                    ]
                };
                ui::table(&["outlet", "what", "detail", "name"], &found.iter().map(line).collect::<Vec<_>>())
            })?;
        }
    }
    Ok(Exit::Ok)
}

/// `reports list --json`: a list of these; `reports show --json`: one.
#[derive(Serialize)]
struct Shown {
    number: String,
    code: String,
    outlet: Option<DocKey>,
    at: String,
    text: String,
    lon: Option<f64>,
    lat: Option<f64>,
    /// File in the data folder.
    photo: Option<String>,
    state: String,
    answer: Option<String>,
    decided_by: Option<String>,
    promoted_to: Option<String>,
}

impl From<rows::Report> for Shown {
    fn from(report: rows::Report) -> Self {
        Self {
            number: report.number,
            code: report.code,
            outlet: report.outlet,
            at: report.at.to_string(),
            text: report.text,
            lon: report.lon,
            lat: report.lat,
            photo: report.photo.map(|hash| format!("reports/{hash}")),
            state: report.state,
            answer: report.answer,
            decided_by: report.decided_by,
            promoted_to: report.promoted_to,
        }
    }
}

/// A report's text is a stranger's: control characters do not reach the terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(super) fn reports(command: &ReportsCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        ReportsCommand::List { all } => {
            let all = engine.database().read::<_, DbError>(|tx| rows::list(tx, *all))?;
            let all: Vec<Shown> = all.into_iter().map(Shown::from).collect();
            ui.show(&all, |all| {
                let line = |report: &Shown| {
                    let start: String = plain(&report.text).chars().take(40).collect();
                    vec![report.number.clone(), report.state.clone(), report.at.clone(), report.code.clone(), start]
                };
                ui::table(&["number", "state", "received", "code", "text"], &all.iter().map(line).collect::<Vec<_>>())
            })?;
        }
        ReportsCommand::Show { number } => {
            let shown = Shown::from(reports::find(engine, number)?);
            ui.show(&shown, |shown| {
                let place =
                    shown.lon.zip(shown.lat).map_or_else(|| "-".to_owned(), |(lon, lat)| format!("{lon},{lat}"));
                [
                    ("number", shown.number.clone()),
                    ("received", shown.at.clone()),
                    ("code", shown.code.clone()),
                    ("outlet", shown.outlet.map_or_else(|| "-".to_owned(), |key| key.id.to_string())),
                    ("place", place),
                    ("photo", shown.photo.clone().unwrap_or_else(|| "-".to_owned())),
                    ("state", shown.state.clone()),
                    ("became", shown.promoted_to.clone().unwrap_or_else(|| "-".to_owned())),
                    ("answer", shown.answer.clone().unwrap_or_else(|| "-".to_owned())),
                    ("text", plain(&shown.text)),
                ]
                .map(|(label, value)| format!("{label:<9} {value}"))
                .join("\n")
            })?;
        }
        ReportsCommand::Answer { number, text, reject, by } => {
            let by = super::who(engine, by.as_deref(), Role::Supervisor)?;
            reports::answer(engine, &reports::find(engine, number)?, text, *reject, &by)?;
            let shown = Shown::from(reports::find(engine, number)?);
            ui.show(&shown, |shown| format!("{}: {}", shown.number, shown.state))?;
        }
        ReportsCommand::Promote { number, to, collection, by } => {
            let by = super::who(engine, by.as_deref(), Role::Supervisor)?;
            let report = reports::find(engine, number)?;
            match to {
                PromoteTo::Suspected => reports::suspect(engine, &report, *collection, &by)?,
                PromoteTo::Reopen => reports::propose_reopening(engine, &report, &by)?,
            };
            let shown = Shown::from(reports::find(engine, number)?);
            ui.show(&shown, |shown| format!("{}: {}", shown.number, shown.promoted_to.as_deref().unwrap_or("-")))?;
        }
    }
    Ok(Exit::Ok)
}
