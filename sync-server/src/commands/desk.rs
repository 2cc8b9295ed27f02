//! What the commands of supervisors share, and `decide`.

use std::io::Read as _;

use outlet_core::domain::case::CaseEntry;
use outlet_core::ids::DocKey;

use super::Outcome;
use crate::accounts::{self, Account};
use crate::cli::{AsArgs, DecideArgs, SeenArgs};
use crate::engine::{Acting, Engine, Seen, Via, Witnessed};
use crate::error::{CommandError, Exit, IoContext};
use crate::ui::Ui;

/// Decisions are small: a file that is larger is another one.
const MOST_BYTES: u64 = 1 << 20;

/// Whoever acts, on the command line.
pub(super) fn acting(who: &AsArgs) -> Acting {
    Acting { login: who.login.clone(), via: Via::Cli, session: None }
}

/// The account, for what it may read.
pub(super) fn account(engine: &Engine, who: &AsArgs) -> Result<Account, CommandError> {
    Ok(engine.database().read(|tx| accounts::usable(tx, &who.login))?)
}

pub(super) use super::find;

/// What was looked at: as given, or the record as it is.
pub(super) fn seen(engine: &Engine, key: &DocKey, args: &SeenArgs) -> Result<Seen, CommandError> {
    match &args.seen {
        Some(seen) => Ok(seen.clone()),
        None => engine.seen(key)?.ok_or_else(|| CommandError::user(format!("there is no record {key}"))),
    }
}

/// One line for what was written.
pub(super) fn written(what: &str, written: &Witnessed) -> String {
    format!("{what}: {} (change {}, seen {})", written.outlet.id, written.change.short(), written.seen)
}

/// `decide`: any decision of the life cycle, as JSON.
pub(super) fn decide(args: &DecideArgs, engine: &Engine, ui: &mut Ui) -> Outcome {
    let mut text = String::new();
    if args.entry.as_os_str() == "-" {
        (&mut ui.env.stdin).take(MOST_BYTES).read_to_string(&mut text).context("reading standard input")?;
    } else {
        let what = format!("reading {}", args.entry.display());
        let file = std::fs::File::open(&args.entry).context(&what)?;
        file.take(MOST_BYTES).read_to_string(&mut text).context(&what)?;
    }
    let key = find(engine, &args.id)?;
    let seen = seen(engine, &key, &args.seen)?;
    let done = engine.decide(&acting(&args.who), key, seen, entries(&text)?)?;
    ui.show(&done, |done| written("decided", done))?;
    Ok(Exit::Ok)
}

/// One decision or a list of them; `at` may be left out.
fn entries(text: &str) -> Result<Vec<CaseEntry>, CommandError> {
    let wrong = |error: &dyn std::fmt::Display| {
        CommandError::user(format!("this is no decision: {error}"))
            .hint(r#"write it like {"type": "classify", "step": "decide", "classification": "regulate", "document": {"number": "文号"}}"#)
    };
    let value: serde_json::Value = serde_json::from_str(text).map_err(|error| wrong(&error))?;
    let all = match value {
        serde_json::Value::Array(all) => all,
        one => vec![one],
    };
    let parse = |mut value: serde_json::Value| {
        if let Some(object) = value.as_object_mut() {
            object.entry("at").or_insert(serde_json::json!(0));
        }
        serde_json::from_value::<CaseEntry>(value).map_err(|error| wrong(&error))
    };
    all.into_iter().map(parse).collect()
}
