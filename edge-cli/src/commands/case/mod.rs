//! `outlet case …`: decisions of supervisors (lifecycle.md section 2 as data). Each subcommand
//! builds one [`CaseEntry`]; role, level and authorship are checked before anything is written.

mod class;
mod close;
mod identity;
mod record;

use clap::{Args, Subcommand};
use outlet_core::domain::case::{CaseEntry, Decision};
use outlet_core::domain::field::DocumentRef;
use outlet_core::ids::{BlobHash, DocKey, EntryId};
use outlet_core::time::Day;

use super::Outcome;
use crate::context::Context;
use crate::error::Result;
use crate::input::day;
use crate::ui::Warning;

/// Decide on an outlet: for supervisors, by role and level; never on a record you authored.
///
/// Every decision takes --on and, where it rests on a paper, --document 文号. It is pinned to the
/// state of the field record that this device has seen.
///
/// JSON of every subcommand: {"id", "change", "entries": [..], "state": "on_device",
/// "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct CaseArgs {
    #[command(subcommand)]
    command: CaseCommand,
}

#[derive(Debug, Subcommand)]
enum CaseCommand {
    Review(record::ReviewArgs),
    Settle(record::SettleArgs),
    Duplicate(record::DuplicateArgs),
    Decide(class::DecideArgs),
    Plan(class::PlanArgs),
    Complete(close::CompleteArgs),
    Accept(close::AcceptArgs),
    Reopen(close::ReopenArgs),
    Extend(close::ExtendArgs),
    Name(identity::NameArgs),
    Code(identity::CodeArgs),
    Sign(identity::SignArgs),
    Party(identity::PartyDecisionArgs),
    Exempt(identity::ExemptArgs),
    Enforcement(record::EnforcementArgs),
    KnownFrom(record::KnownFromArgs),
    ApproveKnown(record::ApproveKnownArgs),
}

/// What every decision takes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Decision")]
pub(crate) struct DecisionArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// Date of the decision [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// 文号 the decision rests on.
    #[arg(long)]
    document: Option<String>,
    /// Date on that paper, if it is not --on.
    #[arg(long, value_parser = day, requires = "document")]
    document_dated: Option<Day>,
    /// SHA-256 of the attachment that holds it.
    #[arg(long, requires = "document")]
    document_file: Option<BlobHash>,
    /// Entry id that this decision overrules or revokes; repeat for several.
    #[arg(long)]
    overrules: Vec<EntryId>,
    /// Free text.
    #[arg(long)]
    note: Option<String>,
}

/// Runs `outlet case`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &CaseArgs) -> Result<Outcome> {
    match &args.command {
        CaseCommand::Review(args) => record::review(ctx, args),
        CaseCommand::Settle(args) => record::settle(ctx, args),
        CaseCommand::Duplicate(args) => record::duplicate(ctx, args),
        CaseCommand::Decide(args) => class::decide(ctx, args),
        CaseCommand::Plan(args) => class::plan(ctx, args),
        CaseCommand::Complete(args) => close::complete(ctx, args),
        CaseCommand::Accept(args) => close::accept(ctx, args),
        CaseCommand::Reopen(args) => close::reopen(ctx, args),
        CaseCommand::Extend(args) => close::extend(ctx, args),
        CaseCommand::Name(args) => identity::name(ctx, args),
        CaseCommand::Code(args) => identity::code(ctx, args),
        CaseCommand::Sign(args) => identity::sign(ctx, args),
        CaseCommand::Party(args) => identity::party(ctx, args),
        CaseCommand::Exempt(args) => identity::exempt(ctx, args),
        CaseCommand::Enforcement(args) => record::enforcement(ctx, args),
        CaseCommand::KnownFrom(args) => record::known_from(ctx, args),
        CaseCommand::ApproveKnown(args) => record::approve_known(ctx, args),
    }
}

/// What a decision adds to the common options.
struct Act {
    /// All of one date and one paper; mostly one.
    decisions: Vec<Decision>,
    /// Added to `--overrules`.
    overrules: Vec<EntryId>,
    warnings: Vec<Warning>,
    /// For people: what was decided.
    what: String,
}

impl Act {
    fn new(decision: Decision, what: impl Into<String>) -> Self {
        Self::of(vec![decision], what)
    }

    fn of(decisions: Vec<Decision>, what: impl Into<String>) -> Self {
        Self { decisions, overrules: Vec::new(), warnings: Vec::new(), what: what.into() }
    }

    fn warnings(self, warnings: Vec<Warning>) -> Self {
        Self { warnings, ..self }
    }

    fn overruling(self, overrules: Vec<EntryId>) -> Self {
        Self { overrules, ..self }
    }
}

/// Writes the decisions as one act, after every check that can be made on this device.
fn write(ctx: &mut Context<'_>, key: &DocKey, args: &DecisionArgs, act: Act) -> Result<Outcome> {
    let Act { decisions, overrules: more, mut warnings, what } = act;
    ctx.check_evidence(key, args.document_file.as_slice())?;
    ctx.check_day("--on", args.on, &mut warnings);
    for decision in &decisions {
        ctx.check_decision(key, decision)?;
    }
    let now = ctx.now();
    let mut overrules = args.overrules.clone();
    overrules.extend(more);
    overrules.sort();
    overrules.dedup();
    let field_heads = ctx.field_heads(key)?;
    let entry = |decision| CaseEntry {
        on: Some(args.on.unwrap_or_else(|| now.day_in_shanghai())),
        at: now,
        document: args.document.as_ref().map(|number| DocumentRef {
            number: number.clone(),
            dated: args.document_dated,
            file: args.document_file,
        }),
        field_heads: field_heads.clone(),
        overrules: overrules.clone(),
        note: args.note.clone(),
        witness: None,
        decision,
    };
    let entries: Vec<CaseEntry> = decisions.into_iter().map(entry).collect();
    entries.iter().try_for_each(|entry| ctx.check_bases(entry))?;
    let saved = ctx.save_case(key, &entries, warnings)?;
    ctx.report(&saved, &what)
}
