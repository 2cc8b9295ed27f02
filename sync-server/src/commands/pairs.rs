//! `conflicts …` and `duplicates …`.

use serde::Serialize;
use serde_json::Value;

use super::Outcome;
use super::desk::{account, acting, find, seen, written};
use crate::cli::{ConflictsCommand, DuplicatesCommand, LinkArgs};
use crate::desk::conflicts::{self, Conflict, Settled, Side};
use crate::desk::duplicates::{self, Pair};
use crate::engine::Engine;
use crate::error::{CommandError, Exit};
use crate::ui::{self, Ui};

pub(super) fn conflicts(command: &ConflictsCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        ConflictsCommand::List { who, collection, limit } => {
            let all = conflicts::conflicts(engine, &account(engine, who)?, *collection, *limit)?;
            ui.show(&all, |all| match all.as_slice() {
                [] => "no conflicts".to_owned(),
                some => some.iter().map(conflict_text).collect::<Vec<_>>().join("\n"),
            })?;
        }
        ConflictsCommand::Settle { id, field, who, seen: looked, pick, value, reason, note } => {
            let key = find(engine, id)?;
            let seen = seen(engine, &key, looked)?;
            let choice = match (pick, value) {
                (Some(entry), _) => Settled::Pick(*entry),
                (None, Some(text)) => {
                    Settled::Write(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text.as_str())))
                }
                (None, None) => {
                    return Err(CommandError::usage("name the value").hint("give --pick ENTRY or --value VALUE"));
                }
            };
            let words = (reason.clone(), note.clone());
            let done = conflicts::settle(engine, &acting(who), (key, field), seen, choice, words)?;
            ui.show(&done, |done| written(&format!("{field} settled"), done))?;
        }
    }
    Ok(Exit::Ok)
}

fn conflict_text(conflict: &Conflict) -> String {
    let side = |side: &Side| {
        let received = side.received_at.map_or_else(|| "-".to_owned(), |at| at.to_string());
        let distance = side.distance_m.map_or_else(String::new, |metres| format!("  {metres} m"));
        let value = side.value.as_str().map_or_else(|| side.value.to_string(), str::to_owned);
        format!(
            "  {value}{distance}  by {}  device {}  received {received}  [{}]",
            side.by, side.device_time, side.entry
        )
    };
    let sides: Vec<String> = conflict.sides.iter().map(side).collect();
    format!("{}  {}  seen {}\n{}", conflict.id, conflict.field, conflict.seen, sides.join("\n"))
}

/// `duplicates scan --json`.
#[derive(Serialize)]
struct Scanned {
    records: u64,
    pairs: u64,
}

pub(super) fn duplicates(command: &DuplicatesCommand, engine: &Engine, ui: &mut Ui) -> Outcome {
    match command {
        DuplicatesCommand::Scan => {
            let (records, pairs) = duplicates::totals(engine)?;
            ui.show(&Scanned { records, pairs }, |scanned| {
                format!("{} records, {} pairs", scanned.records, scanned.pairs)
            })?;
        }
        DuplicatesCommand::List { who, collection, dismissed, limit } => {
            let pairs = duplicates::pairs(engine, &account(engine, who)?, *collection, *dismissed, *limit)?;
            ui.show(&pairs, |pairs| pairs_text(pairs))?;
        }
        DuplicatesCommand::Link(args) => link(args, false, engine, ui)?,
        DuplicatesCommand::Lift(args) => link(args, true, engine, ui)?,
        DuplicatesCommand::Dismiss { id, other, who, reason, restore: _ } => {
            let (one, other) = (find(engine, id)?, find(engine, other)?);
            let reason = reason.as_deref().unwrap_or_default();
            duplicates::dismiss(engine, &acting(who), one, other, reason)?;
            let what = if reason.is_empty() { "proposed again" } else { "told apart" };
            ui.show(&[one, other], |_| what.to_owned())?;
        }
    }
    Ok(Exit::Ok)
}

fn link(args: &LinkArgs, lifted: bool, engine: &Engine, ui: &mut Ui) -> Result<(), CommandError> {
    let (key, of) = (find(engine, &args.id)?, find(engine, &args.of)?);
    let seen = seen(engine, &key, &args.seen)?;
    let done = duplicates::link(engine, &acting(&args.who), (key, of), seen, lifted, args.note.clone())?;
    ui.show(&done, |done| written(if lifted { "link lifted" } else { "linked" }, done))
}

fn pairs_text(pairs: &[Pair]) -> String {
    if pairs.is_empty() {
        return "no possible duplicates".to_owned();
    }
    let row = |pair: &Pair| {
        let reason = |reason: &outlet_core::duplicate::Reason| {
            let value = serde_json::to_value(reason).unwrap_or_default();
            value["reason"].as_str().unwrap_or_default().to_owned()
        };
        let reasons: Vec<String> = pair.candidate.reasons.iter().map(reason).collect();
        vec![
            pair.candidate.score.to_string(),
            pair.a_label.clone(),
            pair.b_label.clone(),
            pair.candidate.distance_m.map_or_else(|| "-".to_owned(), |metres| format!("{metres} m")),
            reasons.join(" "),
            pair.dismissed.clone().unwrap_or_default(),
        ]
    };
    ui::table(
        &["score", "one", "other", "distance", "reasons", "told apart by"],
        &pairs.iter().map(row).collect::<Vec<_>>(),
    )
}
