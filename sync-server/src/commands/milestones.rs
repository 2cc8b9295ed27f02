//! `progress`, `progress rows|diff`, `assess`.

use std::sync::Arc;

use outlet_core::export;
use outlet_core::ledger::{
    Assessment, Difference, Milestone, MilestoneSet, OutletLine, ProgressRow, Reading, Reference, UnitAssessment,
    difference, lines,
};
use outlet_core::time::Day;

use super::Outcome;
use super::ledger::{word, write_out};
use crate::cli::{AssessArgs, DiffArgs, ProgressArgs, ProgressCommand, ReadingArg, RowsArgs};
use crate::engine::Engine;
use crate::error::{CommandError, Exit};
use crate::inventory::Scope;
use crate::report;
use crate::ui::{self, Ui};

pub(super) fn progress(args: &ProgressArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    match &args.command {
        Some(ProgressCommand::Rows(args)) => return rows(args, engine, ui),
        Some(ProgressCommand::Diff(args)) => return diff(args, engine, ui),
        None => {}
    }
    let as_of = args.as_of.unwrap_or_else(|| ui.env.now().day_in_shanghai());
    let reference = reference(engine)?;
    let set = set(&reference, args.set.as_deref())?;
    let table = report::table(engine, set, as_of, args.by.into(), &Scope::everything())?;
    ui.show(&*table, |rows| {
        let head = ["milestone", "due", "reading", "group", "done", "of", "share", "target", "state", "needs"];
        ui::table(&head, &rows.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
}

fn reference(engine: &Engine) -> Result<Arc<Reference>, CommandError> {
    Ok(engine.database().read(|tx| engine.reference(tx))?)
}

fn set<'r>(reference: &'r Reference, name: Option<&str>) -> Result<&'r MilestoneSet, CommandError> {
    report::set(reference, name).map_err(|known| {
        CommandError::user("there is no such milestone set").hint(format!("known are {}", known.join(", ")))
    })
}

fn milestone<'s>(set: &'s MilestoneSet, id: &str) -> Result<&'s Milestone, CommandError> {
    set.milestone(&id.to_uppercase()).ok_or_else(|| {
        let known: Vec<&str> = set.milestones.iter().map(|milestone| milestone.id.as_str()).collect();
        CommandError::user(format!("the milestone set {} has no {id}", set.id))
            .hint(format!("it has {}", known.join(", ")))
    })
}

fn reading(set: &MilestoneSet, reading: Option<ReadingArg>) -> Reading {
    reading.map_or(set.headline.reading, Into::into)
}

fn line(row: &ProgressRow) -> Vec<String> {
    vec![
        row.milestone.clone(),
        row.due.to_string(),
        word(&row.reading),
        row.group.clone(),
        row.done.to_string(),
        row.of.to_string(),
        row.share.map_or_else(|| "-".to_owned(), |share| format!("{share:.1} %")),
        format!("{} %", row.target),
        word(&row.state),
        row.needs.to_string(),
    ]
}

fn rows(args: &RowsArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let as_of = args.as_of.unwrap_or_else(|| ui.env.now().day_in_shanghai());
    let reference = reference(engine)?;
    let set = set(&reference, args.set.as_deref())?;
    let milestone = milestone(set, &args.milestone)?;
    let readings = report::readings(engine, set, as_of)?;
    let input = readings.input(&reference, set, as_of);
    let wanted = (args.group.as_deref(), args.figure.as_deref());
    let mut found = lines(input, milestone, reading(set, args.reading), args.by.into(), wanted);
    report::name_lines(engine, &mut found)?;
    ui.show(&found, |found| {
        let head =
            ["outlet", "name", "group", "counted", "class", "done", "date", "evidence", "state", "missing", "party"];
        let table = ui::table(&head, &found.iter().map(outlet).collect::<Vec<_>>());
        format!("{table}\n{} outlets; `outlet-server explain ID --milestone {}` says more", found.len(), milestone.id)
    })?;
    Ok(Exit::Ok)
}

fn outlet(line: &OutletLine) -> Vec<String> {
    vec![
        called(line),
        line.name.clone().unwrap_or_default(),
        line.group.clone(),
        line.counted.clone(),
        line.classification.clone().unwrap_or_default(),
        if line.done { "yes" } else { "no" }.to_owned(),
        line.date.map_or_else(String::new, |date| date.to_string()),
        line.grade.as_ref().map(word).unwrap_or_default(),
        state(line),
        missing(line),
        line.party.clone().unwrap_or_default(),
    ]
}

/// The number, which every command takes; the id of an outlet without one.
fn called(line: &OutletLine) -> String {
    line.number.clone().unwrap_or_else(|| line.id.to_string())
}

/// The state's word, with its days.
fn state(line: &OutletLine) -> String {
    let value = serde_json::to_value(&line.state).unwrap_or_default();
    let name = value["state"].as_str().unwrap_or_default();
    match (value["days"].as_i64(), value["until"].as_str()) {
        (Some(days), _) => format!("{name} {days}d"),
        (None, Some(until)) => format!("{name} {until}"),
        _ => name.to_owned(),
    }
}

fn missing(line: &OutletLine) -> String {
    let one = |one: &outlet_core::ledger::Missing| format!("{} ({})", one.condition.code(), one.whose);
    line.missing.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn diff(args: &DiffArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let to = args.to.unwrap_or_else(|| ui.env.now().day_in_shanghai());
    if args.from > to {
        return Err(CommandError::usage(format!("{} is after {to}", args.from)).hint("give the earlier day as --from"));
    }
    let reference = reference(engine)?;
    let set = set(&reference, args.set.as_deref())?;
    let milestone = milestone(set, &args.milestone)?;
    let (first, second) = (report::readings(engine, set, args.from)?, report::readings(engine, set, to)?);
    let (before, after) = (first.input(&reference, set, args.from), second.input(&reference, set, to));
    let changed = difference(before, after, milestone, reading(set, args.reading), args.by.into());
    ui.show(&changed, |changed| {
        let row = |one: &Difference| {
            let (id, group) = (one.id.to_string(), one.group.clone());
            vec![id, group, one.before.clone(), one.after.clone(), one.reasons.join("; ")]
        };
        let table =
            ui::table(&["outlet", "group", "before", "after", "why"], &changed.iter().map(row).collect::<Vec<_>>());
        format!("{table}\n{} outlets differ", changed.len())
    })?;
    Ok(Exit::Ok)
}

pub(super) fn assess(args: &AssessArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let as_of: Day = args.as_of.unwrap_or_else(|| ui.env.now().day_in_shanghai());
    let reference = reference(engine)?;
    let set = set(&reference, args.set.as_deref())?;
    let milestone = milestone(set, &args.milestone)?;
    let assessment = report::assessment(engine, &reference, set, milestone, as_of, &Scope::everything())?;
    if let Some(path) = &args.xlsx {
        let bytes = crate::sheets::assessment(&assessment)?;
        write_out(path, &bytes, ui)?;
    }
    if let Some(path) = &args.csv {
        write_out(path, &export::assessment_csv(&assessment)?, ui)?;
        if path.as_os_str() == "-" {
            return Ok(Exit::Ok);
        }
    }
    ui.show(&assessment, assessment_text)?;
    Ok(Exit::Ok)
}

fn assessment_text(assessment: &Assessment) -> String {
    let mut text = vec![format!(
        "{} {} due {} as of {} (set {})",
        assessment.milestone, assessment.title, assessment.due, assessment.as_of, assessment.set
    )];
    let share = |row: &ProgressRow| row.share.map_or_else(|| "-".to_owned(), |share| format!("{share:.1} %"));
    let unit = |unit: &UnitAssessment| {
        vec![
            unit.addressee.clone(),
            format!("{}/{}", unit.headline.done, unit.headline.of),
            share(&unit.headline),
            share(&unit.beside),
            if unit.late { "LATE" } else { "" }.to_owned(),
            unit.verdict.clone(),
            unit.pace_needed_per_week.map_or_else(String::new, |pace| format!("{pace}/week")),
            unit.extended.len().to_string(),
        ]
    };
    let other = match assessment.units.first().map(|unit| unit.beside.reading) {
        Some(Reading::AsReported) => "as reported then",
        _ => "as known now",
    };
    let head = ["addressee", "done/of", "share", other, "", "verdict", "pace needed", "extended"];
    text.push(ui::table(&head, &assessment.units.iter().map(unit).collect::<Vec<_>>()));
    for unit in assessment.units.iter().filter(|unit| !unit.missing.is_empty()) {
        text.push(format!("\n{}: {} open", unit.addressee, unit.missing.len()));
        let row = |line: &OutletLine| {
            let document = line.extension.as_ref().and_then(|own| own.document.clone()).unwrap_or_default();
            let name = line.name.clone().unwrap_or_default();
            vec![called(line), name, state(line), missing(line), line.party.clone().unwrap_or_default(), document]
        };
        let rows: Vec<Vec<String>> = unit.missing.iter().map(row).collect();
        text.push(ui::table(&["outlet", "name", "state", "missing (whose)", "party", "extension"], &rows));
    }
    text.push(format!("city: {} of {}; source: {}", assessment.area.done, assessment.area.of, assessment.source));
    text.join("\n")
}
