//! `ledger rebuild`, and what the exports share.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::Outcome;
use crate::engine::Engine;
use crate::error::{CommandError, Exit, IoContext};
use crate::ui::Ui;

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
