//! `outlet edit`: facts of a known outlet; `outlet move`: a record in the wrong county.

use clap::Args;
use outlet_core::doc::facts;
use outlet_core::domain::field::{Fact, FieldEntry, Moved, fact};
use outlet_core::ids::{Collection, DocKey};
use serde_json::json;

use super::Outcome;
use super::facts::{Assertion, FactArgs};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::place::PositionArgs;

/// Change facts of an outlet. Only what is given is written; what it replaces is named.
///
/// A gated fact in conflict (classification, state, scale, location, county, management unit) stays
/// in conflict whatever is written here: a supervisor ends it with `outlet case settle`.
///
/// Example:
///   outlet edit T-12 --name 东兴食品厂东侧排污口 --size DN600 --scale above
///   outlet edit T-12 --lon 106.7693 --lat 31.8511 --accuracy 3
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct EditArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    #[command(flatten)]
    position: PositionArgs,
    /// Why, or from where.
    #[arg(long)]
    basis: Option<String>,
    #[command(flatten)]
    facts: FactArgs,
}

/// Move a record that was created in the wrong county: a successor is made in the right one, with
/// the same facts, and the two name each other. The ledger counts one.
///
/// Example:
///   outlet move T-12 --to 511921
///
/// JSON: {"id", "temporary_number", "moved_from", "state": "on_device"}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct MoveArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// The right county (GB/T 2260).
    #[arg(long)]
    to: Collection,
}

/// Runs `outlet edit`.
pub(crate) fn edit(ctx: &mut Context<'_>, args: &EditArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let now = ctx.now();
    let mut warnings = Vec::new();
    let mut assertions = args.facts.assertions(&*ctx.dictionaries()?, &mut warnings)?;
    if let Some(location) = args.position.location(now, "typed", &mut warnings)? {
        let basis = location.source.clone();
        assertions.push(Assertion { field: fact::LOCATION, value: serde_json::to_value(location)?, basis });
    }
    if let Some(basis) = &args.basis {
        assertions.iter_mut().for_each(|assertion| assertion.basis = Some(basis.clone()));
    }
    if assertions.is_empty() && args.facts.remark.is_none() {
        return Err(CommandError::user("nothing to change")
            .hint("name at least one fact, such as --name or --scale; see `outlet edit --help`"));
    }
    if let Some(name) = args.facts.name() {
        warnings.extend(ctx.lint_name(name, key.collection)?);
    }
    let what = assertions.iter().map(|assertion| assertion.field).collect::<Vec<_>>().join(", ");
    let entries = ctx.facts(&key, assertions, &mut warnings)?;
    let saved = ctx.save_field(&key, &entries, args.facts.remark.as_deref(), warnings)?;
    ctx.report(&saved, if what.is_empty() { "remark" } else { &what })
}

/// Runs `outlet move`.
pub(crate) fn relocate(ctx: &mut Context<'_>, args: &MoveArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    if key.collection == args.to {
        return Err(CommandError::user(format!("the record is in {} already", args.to))
            .hint("to correct the county used in assessment only, use `outlet edit ID --county`"));
    }
    let now = ctx.now();
    let collection = ctx.writable(args.to)?;
    let to = ctx.new_key(collection)?;
    let mut entries = copied(ctx, &key, args.to)?;
    entries.push(FieldEntry::Moved(Moved { direction: "from".to_owned(), other: key, at: now }));
    let saved = ctx.save_field(&to, &entries, None, Vec::new())?;
    // The successor exists before the old record points at it: stopped in between, nothing is lost
    // and the command can be repeated.
    let link = FieldEntry::Moved(Moved { direction: "to".to_owned(), other: to, at: now });
    ctx.save_field(&key, &[link], None, Vec::new())?;
    if ctx.ui.json {
        let number = ctx.temporary_number(&to)?;
        ctx.ui.data(&serde_json::json!({"id": to.id, "temporary_number": number, "moved_from": key.id,
            "state": "on_device"}))?;
        return Ok(Outcome::Done);
    }
    ctx.ui.line(to.id.to_string())?;
    ctx.report(&saved, &format!("moved to {}", args.to))
}

/// What the successor starts with: the contents of the record, under the new county and with a
/// number of its own. Submissions and links stay with the old record.
fn copied(ctx: &mut Context<'_>, key: &DocKey, to: Collection) -> Result<Vec<FieldEntry>> {
    let entries = ctx.document(key)?.map(|document| document.entries()).unwrap_or_default();
    let number = ctx.new_temporary_number(None)?;
    let mut copies = Vec::new();
    for (field, current) in facts(&entries) {
        for assertion in current {
            let mut fact = Fact { replaces: Vec::new(), at: ctx.now(), ..assertion.fact };
            match field.as_str() {
                fact::TEMPORARY_NUMBER => fact.value = json!(number),
                fact::COUNTY | fact::MANAGEMENT_UNIT if fact.value == json!(key.collection) => fact.value = json!(to),
                _ => {}
            }
            copies.push(FieldEntry::Fact(fact));
        }
    }
    for entry in &entries {
        // An entry of a newer version cannot be copied by one that does not understand it.
        match entry.parse() {
            Ok(FieldEntry::Fact(_) | FieldEntry::Submit(_) | FieldEntry::Recall(_) | FieldEntry::Moved(_)) | Err(_) => {
            }
            Ok(content) => copies.push(content),
        }
    }
    Ok(copies)
}
