//! `progress`, `ledger summary|rebuild`, and what the exports share.

use std::io::Write as _;
use std::path::Path;

use outlet_core::ledger::{GroupBy, ProgressRow};
use serde::Serialize;

use super::Outcome;
use crate::cli::{ProgressArgs, ProgressBy};
use crate::engine::Engine;
use crate::error::{CommandError, Exit, IoContext};
use crate::report;
use crate::ui::{self, Ui};

impl From<ProgressBy> for GroupBy {
    fn from(by: ProgressBy) -> Self {
        match by {
            ProgressBy::Unit => Self::Unit,
            ProgressBy::County => Self::County,
            ProgressBy::Township => Self::Township,
            ProgressBy::Basin => Self::Basin,
            ProgressBy::Waterbody => Self::Waterbody,
            ProgressBy::WaterFunctionZone => Self::WaterFunctionZone,
            ProgressBy::ControlUnit => Self::ControlUnit,
            ProgressBy::Section => Self::Section,
        }
    }
}

pub(super) fn progress(args: &ProgressArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let as_of = args.as_of.unwrap_or_else(|| ui.env.now().day_in_shanghai());
    let reference = engine.database().read(|tx| engine.reference(tx))?;
    let set = report::set(&reference, args.set.as_deref()).map_err(|known| {
        CommandError::user("there is no such milestone set").hint(format!("known are {}", known.join(", ")))
    })?;
    let rows = report::table(engine, &reference, set, as_of, args.by.into())?;
    ui.show(&rows, |rows| {
        let head = ["milestone", "due", "reading", "group", "done", "of", "share", "target", "state", "needs"];
        ui::table(&head, &rows.iter().map(line).collect::<Vec<_>>())
    })?;
    Ok(Exit::Ok)
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

/// A value that JSON writes as one word.
pub(super) fn word<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// `ledger rebuild --json`.
#[derive(Serialize)]
struct Rebuilt {
    outlets: u64,
}

pub(super) fn rebuild(engine: &Engine, ui: &mut Ui) -> Outcome {
    let outlets = engine.rebuild_ledger()?;
    ui.show(&Rebuilt { outlets }, |rebuilt| format!("{} rows rebuilt", rebuilt.outlets))?;
    Ok(Exit::Ok)
}

/// Writes an export: to standard output for `-`, else to a temporary name that is renamed when it
/// is complete and durable.
pub(super) fn write_out(path: &Path, bytes: &[u8], ui: &mut Ui) -> Result<(), CommandError> {
    if path.as_os_str() == "-" {
        return ui.data(bytes);
    }
    let what = format!("writing {}", path.display());
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = std::fs::File::create(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| std::fs::rename(&part, path)) {
        let _ = std::fs::remove_file(&part);
        return Err(error).context(what);
    }
    Ok(())
}
