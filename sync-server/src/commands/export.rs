//! `ledger export|summary`, `problems export`, `parties export`, `explain`.

use std::path::Path;
use std::sync::Arc;

use outlet_core::domain::dictionary::{Dictionaries, Lang};
use outlet_core::export::{self, ExportError, Style};
use outlet_core::ledger::{
    ConditionRow, Explanation, Reading, Reference, SummaryBy as By, SummaryRow, explain_profile, party_list,
    problem_list, summary,
};
use outlet_core::time::Day;

use super::Outcome;
use super::ledger::{word, write_out};
use crate::cli::{ExplainArgs, ExportCommand, ExportFormat, Labels, LedgerExportArgs, SummaryBy};
use crate::engine::Engine;
use crate::error::{CommandError, Exit};
use crate::report;
use crate::ui::{self, Ui};

impl From<ExportError> for CommandError {
    fn from(error: ExportError) -> Self {
        Self::internal(format!("the export cannot be written: {error}"))
    }
}

impl From<SummaryBy> for By {
    fn from(by: SummaryBy) -> Self {
        match by {
            SummaryBy::Type => Self::Type,
            SummaryBy::Unit => Self::Unit,
            SummaryBy::Township => Self::Township,
            SummaryBy::Waterbody => Self::Waterbody,
            SummaryBy::EntryMode => Self::EntryMode,
            SummaryBy::Pattern => Self::Pattern,
        }
    }
}

/// Reference data as loaded: its dictionaries give the labels.
fn reference(engine: &Engine) -> Result<Arc<Reference>, CommandError> {
    Ok(engine.database().read(|tx| engine.reference(tx))?)
}

fn style(labels: Labels, all: &Dictionaries) -> Style<'_> {
    match labels {
        Labels::Codes => Style::CODES,
        Labels::Zh => Style { labels: Some((all, Lang::Zh)) },
        Labels::En => Style { labels: Some((all, Lang::En)) },
    }
}

pub(super) fn ledger(args: &LedgerExportArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let rows = report::rows(engine, args.as_of, args.known_as_of)?;
    let reference = reference(engine)?;
    let style = style(args.labels, &reference.dictionaries);
    let bytes = match args.format {
        ExportFormat::Csv => export::ledger_csv(&rows, style)?,
        ExportFormat::Geojson => export::ledger_geojson(&rows, style).into_bytes(),
    };
    write_out(&args.output, &bytes, ui)?;
    tell(&args.output, rows.len(), ui);
    Ok(Exit::Ok)
}

/// Says what a file holds now; nothing when the data itself went to standard output.
fn tell(output: &Path, rows: usize, ui: &mut Ui) {
    if output.as_os_str() != "-" {
        ui.note(format_args!("{rows} rows in {}", output.display()));
    }
}

pub(super) fn problems(command: &ExportCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    let ExportCommand::Export { output, as_of, labels } = command;
    let list = problem_list(&report::rows(engine, *as_of, None)?);
    let reference = reference(engine)?;
    list_out(output, &list, || export::problems_csv(&list, style(*labels, &reference.dictionaries)), ui)
}

pub(super) fn parties(command: &ExportCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    let ExportCommand::Export { output, as_of, labels } = command;
    let list = party_list(&report::rows(engine, *as_of, None)?);
    let reference = reference(engine)?;
    list_out(output, &list, || export::parties_csv(&list, style(*labels, &reference.dictionaries)), ui)
}

fn list_out<T: serde::Serialize>(
    output: &Path,
    list: &[T],
    csv: impl FnOnce() -> Result<Vec<u8>, ExportError>,
    ui: &mut Ui,
) -> Outcome {
    let bytes = if ui.json {
        let mut text = serde_json::to_vec_pretty(list).map_err(|error| CommandError::internal(error.to_string()))?;
        text.push(b'\n');
        text
    } else {
        csv()?
    };
    write_out(output, &bytes, ui)?;
    tell(output, list.len(), ui);
    Ok(Exit::Ok)
}

pub(super) fn counts(by: SummaryBy, as_of: Option<Day>, engine: &Engine, ui: &mut Ui) -> Outcome {
    let lines = summary(&report::rows(engine, as_of, None)?, by.into());
    ui.show(&lines, |lines| {
        let line = |row: &SummaryRow| {
            let class = |code: &str| row.by_class.get(code).copied().unwrap_or_default().to_string();
            let mut cells = vec![
                row.group.clone().unwrap_or_else(|| "-".to_owned()),
                row.outlets.to_string(),
                row.suspected.to_string(),
                row.above_scale.to_string(),
            ];
            cells.extend(["ban", "merge", "regulate", "none_needed", "undecided"].map(class));
            cells.push(row.problems.to_string());
            cells
        };
        let head =
            ["group", "outlets", "suspected", "above scale", "取缔", "合并", "规范", "无需整治", "未定", "problems"];
        ui::table(&head, &lines.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

pub(super) fn explain(args: &ExplainArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let key = super::find(engine, &args.id)?;
    let as_of = args.as_of.unwrap_or_else(|| ui.env.now().day_in_shanghai());
    let reference = reference(engine)?;
    let set = reference.active_set();
    let milestone = args.milestone.to_uppercase();
    if set.milestone(&milestone).is_none() {
        let known: Vec<&str> = set.milestones.iter().map(|milestone| milestone.id.as_str()).collect();
        return Err(CommandError::user(format!("the milestone set {} has no {milestone}", set.id))
            .hint(format!("it has {}", known.join(", "))));
    }
    let readings = report::readings(engine, set, as_of)?;
    let of = |profiles: &[outlet_core::ledger::Profile], reading: Reading| {
        let profile = profiles.iter().find(|profile| profile.key == key)?;
        explain_profile(profile, set, &milestone, as_of, reading)
    };
    let both: Vec<Explanation> =
        [of(&readings.known_now, Reading::AsKnownNow), of(&readings.as_reported, Reading::AsReported)]
            .into_iter()
            .flatten()
            .collect();
    ui.show(&both, |both| both.iter().map(text).collect::<Vec<_>>().join("\n\n"))?;
    Ok(Exit::Ok)
}

fn text(explanation: &Explanation) -> String {
    let date = |day: Option<Day>| day.map_or_else(|| "-".to_owned(), |day| day.to_string());
    let mut lines = vec![format!(
        "{} {} due {} as of {} ({}): {}",
        explanation.id,
        explanation.milestone,
        explanation.due,
        explanation.as_of,
        word(&explanation.reading),
        if explanation.done { "done" } else { "not done" },
    )];
    lines.push(format!(
        "counted {}; class {}; date {}",
        explanation.counted,
        explanation.classification.as_deref().unwrap_or("not decided"),
        date(explanation.date),
    ));
    if let Some(why) = &explanation.blocked {
        lines.push(format!("blocked: {}", export::label(why, Lang::En)));
    }
    let row = |row: &ConditionRow| {
        let met = match (&row.exempt, row.met) {
            (Some(rule), _) => format!("exempt ({rule})"),
            (None, true) => "met".to_owned(),
            (None, false) => "not met".to_owned(),
        };
        let missing: Vec<&str> = row.missing.iter().map(|code| export::label(code, Lang::En)).collect();
        vec![
            row.condition.code().to_owned(),
            met,
            date(row.date),
            row.grade.as_ref().map(word).unwrap_or_default(),
            row.decided_by.clone().unwrap_or_default(),
            missing.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = explanation.conditions.iter().map(row).collect();
    lines.push(ui::table(&["condition", "state", "date", "evidence", "decided by", "missing"], &rows));
    lines.push(format!("source: {}", explanation.source));
    lines.join("\n")
}
