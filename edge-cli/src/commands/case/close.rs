//! `case complete` (T14), `accept` (T15), `reopen` (T17), `extend` (T19).

use clap::Args;
use outlet_core::domain::case::{Accept, AcceptItem, Complete, Decision, Extend, MergedInto, Reopen};
use outlet_core::identity::Level;
use outlet_core::ids::BlobHash;
use outlet_core::time::Day;

use super::{Act, DecisionArgs, write};
use crate::commands::{Outcome, all_codes};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::day;
use crate::ui::Warning;

/// Report the works as complete (申请销号), or take the report back.
///
/// Example:
///   outlet case complete T-12 --completed-on 2022-11-20 --measure standardisation --item archive
///       --evidence 4f2a…
///   outlet case complete T-13 --completed-on 2022-10-01 --item mouth_sealed --item connected
///       --merged-into sewer:江北截污干管
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompleteArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// Date of completion.
    #[arg(long, value_parser = day, required_unless_present = "withdraw")]
    completed_on: Option<Day>,
    /// Take the report back.
    #[arg(long)]
    withdraw: bool,
    /// Measure completed; repeat for several.
    #[arg(long)]
    measure: Vec<String>,
    /// Item built or state reached; repeat for several.
    #[arg(long)]
    item: Vec<String>,
    /// 合并去向: outlet:ID, sewer:NAME or plant:NAME.
    #[arg(long)]
    merged_into: Option<String>,
    /// SHA-256 of an after-photo or paper; repeat for several.
    #[arg(long)]
    evidence: Vec<BlobHash>,
}

/// First check (county) or acceptance (city) of the works (验收销号).
///
/// The level is your own; the reporter of the completion cannot accept it.
///
/// Example:
///   outlet case accept T-12 --on 2022-12-05 --recheck-on 2022-12-01 --item archive
///       --document 巴环验〔2022〕31号
///   outlet case accept T-13 --failed --item-failed mouth_sealed --note '封堵不严'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// county|city (初验/验收) [default: your own level].
    #[arg(long)]
    level: Option<String>,
    /// Not passed.
    #[arg(long)]
    failed: bool,
    /// Day of the re-check on site.
    #[arg(long, value_parser = day)]
    recheck_on: Option<Day>,
    /// Item met; repeat for several.
    #[arg(long)]
    item: Vec<String>,
    /// Item not met; repeat for several.
    #[arg(long)]
    item_failed: Vec<String>,
}

/// Re-open an outlet after a relapse or a failed check, or close a re-opening as unfounded.
///
/// Example:
///   outlet case reopen T-12 --observed-on 2023-05-02 --observation '封堵口再次出流'
///   outlet case reopen T-12 --unfounded --overrules 5b1c… --observed-on 2023-05-02
///       --observation '复核为山体渗水'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ReopenArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// Day of the observation.
    #[arg(long, value_parser = day)]
    observed_on: Day,
    /// What was observed.
    #[arg(long)]
    observation: String,
    /// The re-opening named by --overrules was unfounded.
    #[arg(long, requires = "overrules")]
    unfounded: bool,
}

/// Record an extension (延期) or a suspension, by the authority that set the deadline.
///
/// Example:
///   outlet case extend T-12 --until 2024-06-30 --milestone M4 --authority 巴中市人民政府
///       --document 巴府函〔2023〕88号 --reason '城中村改造'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ExtendArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// New due date; left out, the deadline is suspended.
    #[arg(long, value_parser = day)]
    until: Option<Day>,
    /// Milestone such as M4 [default: all].
    #[arg(long)]
    milestone: Option<String>,
    /// Authority that granted it.
    #[arg(long)]
    authority: String,
    /// Reason.
    #[arg(long)]
    reason: Option<String>,
}

/// Runs `outlet case complete`.
pub(super) fn complete(ctx: &mut Context<'_>, args: &CompleteArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    ctx.check_evidence(&key, &args.evidence)?;
    let mut warnings = Vec::new();
    ctx.check_day("--completed-on", args.completed_on, &mut warnings);
    if !args.withdraw && args.evidence.is_empty() {
        warnings.push(Warning::new(
            "evidence_missing",
            "no after-photos or papers are named: acceptance asks for them (--evidence SHA256).",
        ));
    }
    let merged_into = args.merged_into.as_deref().map(|text| merged_into(ctx, text)).transpose()?;
    let dictionaries = ctx.dictionaries()?;
    let complete = Complete {
        completed_on: args.completed_on,
        withdrawn: args.withdraw,
        measures: all_codes(&dictionaries, "--measure", "measure", &args.measure)?,
        items: all_codes(&dictionaries, "--item", "acceptance_item", &args.item)?,
        merged_into,
        evidence: args.evidence.clone(),
    };
    let what = if args.withdraw { "completion taken back" } else { "completion reported" };
    write(ctx, &key, &args.common, Act::new(Decision::Complete(Box::new(complete)), what).warnings(warnings))
}

fn merged_into(ctx: &mut Context<'_>, text: &str) -> Result<MergedInto> {
    let bad = || {
        CommandError::user(format!("{text:?} does not say where the water goes"))
            .hint("write --merged-into outlet:ID, sewer:NAME or plant:NAME")
    };
    let (kind, rest) = text.split_once([':', '：']).ok_or_else(bad)?;
    let kind = match kind.trim() {
        "outlet" | "排污口" => "outlet",
        "sewer" | "污水管网" => "sewer",
        "plant" | "污水处理厂" => "plant",
        _ => return Err(bad()),
    };
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(bad());
    }
    let outlet = if kind == "outlet" { Some(ctx.outlet(rest)?) } else { None };
    let name = outlet.is_none().then(|| rest.to_owned());
    Ok(MergedInto { kind: kind.to_owned(), outlet, name })
}

const LEVELS: [(&str, &str); 2] = [("county", "初验"), ("city", "验收")];

/// Runs `outlet case accept`.
pub(super) fn accept(ctx: &mut Context<'_>, args: &AcceptArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let own = ctx.member()?.level;
    let dictionaries = ctx.dictionaries()?;
    let level = match (args.level.as_deref(), own) {
        (Some(text), _) => dictionaries.choice("--level", &LEVELS, text)?,
        (None, Some(Level::County)) => "county".to_owned(),
        (None, _) => "city".to_owned(),
    };
    let met = all_codes(&dictionaries, "--item", "acceptance_item", &args.item)?;
    let failed = all_codes(&dictionaries, "--item-failed", "acceptance_item", &args.item_failed)?;
    if !args.failed && !failed.is_empty() {
        return Err(CommandError::user("an acceptance with unmet items cannot pass")
            .hint("add --failed, or leave --item-failed out"));
    }
    let mut warnings = Vec::new();
    ctx.check_day("--recheck-on", args.recheck_on, &mut warnings);
    if args.recheck_on.is_none() && !args.failed {
        warnings.push(Warning::new(
            "recheck_missing",
            "acceptance rests on a re-check of the site: name its day with --recheck-on.",
        ));
    }
    let item = |met: bool| move |item: String| AcceptItem { item, met };
    let items = met.into_iter().map(item(true)).chain(failed.into_iter().map(item(false))).collect();
    let what = format!(
        "{level} {} {}",
        if level == "county" { "first check" } else { "acceptance" },
        if args.failed { "failed" } else { "passed" }
    );
    let accept = Accept { level, passed: !args.failed, recheck_on: args.recheck_on, items };
    write(ctx, &key, &args.common, Act::new(Decision::Accept(accept), what).warnings(warnings))
}

/// Runs `outlet case reopen`.
pub(super) fn reopen(ctx: &mut Context<'_>, args: &ReopenArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let reopen =
        Reopen { observed_on: args.observed_on, observation: args.observation.clone(), unfounded: args.unfounded };
    let what = if args.unfounded { "re-opening closed as unfounded" } else { "re-opened" };
    write(ctx, &key, &args.common, Act::new(Decision::Reopen(reopen), what))
}

/// Runs `outlet case extend`.
pub(super) fn extend(ctx: &mut Context<'_>, args: &ExtendArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    if args.common.document.is_none() {
        return Err(CommandError::user("an extension needs the 文号 of the paper that grants it")
            .hint("add --document, such as --document 巴府函〔2023〕88号"));
    }
    let extend = Extend {
        milestone: args.milestone.clone(),
        until: args.until,
        authority: args.authority.clone(),
        reason: args.reason.clone(),
    };
    let what = args.until.map_or_else(|| "suspended".to_owned(), |day| format!("extended to {day}"));
    write(ctx, &key, &args.common, Act::new(Decision::Extend(extend), what))
}
