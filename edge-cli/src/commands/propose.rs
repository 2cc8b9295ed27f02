//! What an inspector proposes and hands in: `classify`, `not-an-outlet`, `plan-note`, `submit`,
//! `recall`.

use clap::Args;
use outlet_core::domain::field::{FieldEntry, Note, Submit, fact};
use outlet_core::time::Day;
use serde_json::json;

use super::Outcome;
use super::facts::Assertion;
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::day;

/// Propose a class for an outlet: 取缔, 合并, 规范, 无需整治 or 未定.
///
/// A proposal is not a decision: supervisors endorse and decide (`outlet case decide`).
///
/// Example:
///   outlet classify T-12 ban --basis '水污染防治法第六十四条'
///   outlet classify T-13 无需整治
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ClassifyArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// ban|merge|regulate|none|undecided, or 取缔|合并|规范|无需整治|未定.
    class: String,
    /// Why: rule, legal basis, observation.
    #[arg(long)]
    basis: Option<String>,
}

/// Propose that a spot is not an outlet (非排口), with a reason of the closed list.
///
/// The record stays, so that the spot is not reported again; a supervisor decides
/// (`outlet case settle ID state not_an_outlet`).
///
/// Example:
///   outlet not-an-outlet T-14 --reason bridge_road_drain --note 桥面泄水孔
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct NotAnOutletArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// Reason: code or label of the closed list.
    #[arg(long)]
    reason: String,
    /// Since when, if it once was an outlet.
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// Free text.
    #[arg(long)]
    note: Option<String>,
}

/// Write a note for the rectification plan (一口一策), a difficulty, or a plain note.
///
/// Example:
///   outlet plan-note T-12 '建议沿河截污，接入 DN400 污水管'
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PlanNoteArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// The note.
    text: String,
    /// plan_note|difficulty|note.
    #[arg(long, default_value = "plan_note")]
    kind: String,
    /// Day it speaks of.
    #[arg(long, value_parser = day)]
    on: Option<Day>,
}

/// Hand a record in for review.
///
/// It says what is still missing: "cannot determine" is complete, blank is not.
///
/// Example:
///   outlet submit T-12
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SubmitArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// Day [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// Free text.
    #[arg(long)]
    note: Option<String>,
}

/// Take a submitted record back before somebody opened it.
///
/// Example:
///   outlet recall T-12 --note '口门照片要重拍'
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RecallArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// Day [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// Free text.
    #[arg(long)]
    note: Option<String>,
}

/// Runs `outlet classify`.
pub(crate) fn classify(ctx: &mut Context<'_>, args: &ClassifyArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let class = ctx.dictionaries()?.code("the class", "classification", &args.class)?;
    let mut warnings = Vec::new();
    let assertion = Assertion { field: fact::CLASSIFICATION, value: json!(class), basis: args.basis.clone() };
    let entries = ctx.facts(&key, vec![assertion], &mut warnings)?;
    let saved = ctx.save_field(&key, &entries, None, warnings)?;
    ctx.report(&saved, &format!("proposed class {class}"))
}

/// Runs `outlet not-an-outlet`.
pub(crate) fn not_an_outlet(ctx: &mut Context<'_>, args: &NotAnOutletArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let now = ctx.now();
    let mut warnings = Vec::new();
    let reason = ctx.dictionaries()?.code("--reason", "non_outlet_reason", &args.reason)?;
    let assertion = Assertion { field: fact::STATE, value: json!("not_an_outlet"), basis: None };
    let mut entries = ctx.facts(&key, vec![assertion], &mut warnings)?;
    for entry in &mut entries {
        if let FieldEntry::Fact(fact) = entry {
            fact.reason = Some(reason.clone());
            fact.on = args.on;
        }
    }
    if let Some(text) = &args.note {
        let note = Note { kind: "note".to_owned(), text: text.clone(), on: args.on, at: now };
        entries.push(FieldEntry::Note(note));
    }
    let saved = ctx.save_field(&key, &entries, None, warnings)?;
    ctx.report(&saved, &format!("proposed as not an outlet ({reason})"))
}

const NOTE_KINDS: [(&str, &str); 3] = [("plan_note", "整治建议"), ("difficulty", "难点"), ("note", "备注")];

/// Runs `outlet plan-note`.
pub(crate) fn plan_note(ctx: &mut Context<'_>, args: &PlanNoteArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let kind = ctx.dictionaries()?.choice("--kind", &NOTE_KINDS, &args.kind)?;
    if args.text.trim().is_empty() {
        return Err(CommandError::user("the note is empty").hint("write the note after the id, in quotes"));
    }
    let note = Note { kind, text: args.text.clone(), on: args.on, at: ctx.now() };
    let saved = ctx.save_field(&key, &[FieldEntry::Note(note)], None, Vec::new())?;
    ctx.report(&saved, "note")
}

/// Runs `outlet submit`.
pub(crate) fn submit(ctx: &mut Context<'_>, args: &SubmitArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let warnings = ctx.missing_for_review(&key)?;
    let submit = handing(ctx, args.on, args.note.as_ref());
    let saved = ctx.save_field(&key, &[FieldEntry::Submit(submit)], None, warnings)?;
    ctx.report(&saved, "submitted for review")
}

/// Runs `outlet recall`.
pub(crate) fn recall(ctx: &mut Context<'_>, args: &RecallArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    ctx.check_recall(&key)?;
    let submit = handing(ctx, args.on, args.note.as_ref());
    let saved = ctx.save_field(&key, &[FieldEntry::Recall(submit)], None, Vec::new())?;
    ctx.report(&saved, "taken back")
}

fn handing(ctx: &Context<'_>, on: Option<Day>, note: Option<&String>) -> Submit {
    let now = ctx.now();
    Submit { at: now, on: Some(on.unwrap_or_else(|| now.day_in_shanghai())), note: note.cloned() }
}
