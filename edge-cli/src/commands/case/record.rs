//! `case review` (T6, T7), `settle` (T3, T4), `duplicate` (T8), `enforcement` (T20), `known-from`
//! and `approve-known` (lifecycle.md 1.1).

use clap::Args;
use outlet_core::domain::Answer;
use outlet_core::domain::case::{ApproveKnown, Decision, Duplicate, Enforcement, KnownFrom, Review, Settle};
use outlet_core::domain::field::fact;
use outlet_core::ids::EntryId;

use super::{Act, DecisionArgs, write};
use crate::commands::{Outcome, all_codes, one_code};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::Said;
use crate::input::place::PositionArgs;

/// Review a record: open it, approve it, return it with reasons, revoke an approval.
///
/// An approval is pinned to what this device has seen; open conflicts forbid it.
///
/// Example:
///   outlet case review T-12 approve --on 2021-06-10
///   outlet case review T-12 return --section location --reason location_offset --note '定位偏移'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ReviewArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// open|approve|return|revoke|cancel_return (打开/通过/退回/撤销通过/撤销退回).
    action: String,
    /// survey|sample|trace|identity|location|photos [default: all]; repeat for several.
    #[arg(long)]
    section: Vec<String>,
    /// Reason of a return: code or label; repeat for several.
    #[arg(long)]
    reason: Vec<String>,
}

/// End a conflict of a gated fact, or set it by decision.
///
/// Fields: classification, state, scale, location, county, management_unit. Every value that is
/// current on this device is overruled, and named in the decision.
///
/// Example:
///   outlet case settle T-12 scale above --note '环评批复 420 m3/d'
///   outlet case settle T-14 state not_an_outlet --reason bridge_road_drain
///   outlet case settle T-12 location --lon 106.7692 --lat 31.8510
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SettleArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// The fact.
    field: String,
    /// Its value (for `location` use --lon and --lat).
    value: Option<Said>,
    /// Reason, where the dictionary asks for one.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    position: PositionArgs,
}

/// Declare a record a duplicate of another one (重复记录), or lift that again.
///
/// Both records stay. 合并 of two real outlets is something else: `case complete --merged-into`.
///
/// Example:
///   outlet case duplicate T-15 --of T-12 --on 2021-06-20
///   outlet case duplicate T-15 --of T-12 --lift
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DuplicateArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// The surviving record.
    #[arg(long)]
    of: String,
    /// Take the link back.
    #[arg(long)]
    lift: bool,
}

/// Record an enforcement lead (线索) and its way.
///
/// Example:
///   outlet case enforcement T-12 transferred --number 移送〔2022〕3号
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct EnforcementArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// lead|transferred|case_opened|outcome|withdrawn (线索/移送/立案/结果/撤回).
    step: String,
    /// Receipt or case number.
    #[arg(long)]
    number: Option<String>,
    /// Outcome.
    #[arg(long)]
    outcome: Option<String>,
}

/// Name the dated document by which imported facts were known (admin).
///
/// Example:
///   outlet case known-from T-12 --document '巴州区2021年排污口台账' --document-dated 2021-12-20
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct KnownFromArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// Entry it is about; repeat for several [default: all facts up to the document's date].
    #[arg(long)]
    entry: Vec<EntryId>,
}

/// Approve a `known-from` entry (city).
///
/// Without an entry, every one of the case file that nobody has approved yet.
///
/// Example:
///   outlet case approve-known T-12
///   outlet case approve-known T-12 5b1c…
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ApproveKnownArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// The entry, as `outlet show ID --history` prints it [default: all that wait for approval].
    entry: Option<EntryId>,
}

const ACTIONS: [(&str, &str); 5] =
    [("open", "打开"), ("approve", "通过"), ("return", "退回"), ("revoke", "撤销通过"), ("cancel_return", "撤销退回")];

/// Runs `outlet case review`.
pub(super) fn review(ctx: &mut Context<'_>, args: &ReviewArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let dictionaries = ctx.dictionaries()?;
    let action = dictionaries.choice("the action", &ACTIONS, &args.action.replace('-', "_"))?;
    let sections = args.section.iter().map(|text| dictionaries.code("--section", "review_section", text));
    let sections = sections.collect::<Result<Vec<_>>>()?;
    let reasons = all_codes(&dictionaries, "--reason", "return_reason", &args.reason)?;
    if action == "return" && reasons.is_empty() {
        return Err(CommandError::user("a return names its reasons, so that the inspector knows what to do")
            .hint("add --reason, such as --reason location_offset, and --note for details"));
    }
    if action == "approve" {
        ctx.check_no_conflicts(&key)?;
    }
    let what = format!("review: {action}");
    write(ctx, &key, &args.common, Act::new(Decision::Review(Review { action, sections, reasons }), what))
}

/// Runs `outlet case settle`.
pub(super) fn settle(ctx: &mut Context<'_>, args: &SettleArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let mut warnings = Vec::new();
    let fields: Vec<(&str, &str)> = fact::GATED.iter().map(|field| (*field, *field)).collect();
    let field = ctx.dictionaries()?.choice("the fact", &fields, &args.field)?;
    let value = settled_value(ctx, &field, args, &mut warnings)?;
    let reason = match (field.as_str(), value.as_str()) {
        (fact::STATE, Some("not_an_outlet")) => {
            let reason = args.reason.as_deref();
            let reason = one_code(&*ctx.dictionaries()?, "--reason", "non_outlet_reason", reason)?;
            Some(reason.ok_or_else(|| {
                CommandError::user("非排口 needs a reason of the closed list")
                    .hint("add --reason, such as --reason bridge_road_drain")
            })?)
        }
        _ => args.reason.clone(),
    };
    let overruled = ctx.current_assertions(&key, &field)?;
    let what = format!("{field} settled, {} values overruled", overruled.len());
    let act = Act::new(Decision::Settle(Settle { field, value, reason }), what);
    write(ctx, &key, &args.common, act.overruling(overruled).warnings(warnings))
}

fn settled_value(
    ctx: &mut Context<'_>,
    field: &str,
    args: &SettleArgs,
    warnings: &mut Vec<crate::ui::Warning>,
) -> Result<serde_json::Value> {
    let now = ctx.now();
    if field == fact::LOCATION {
        let Some(location) = args.position.location(now, "map", warnings)? else {
            return Err(CommandError::user("a location needs both coordinates").hint("add --lon and --lat"));
        };
        return Ok(serde_json::to_value(location)?);
    }
    let Some(said) = &args.value else {
        return Err(CommandError::user(format!("the value of {field} is missing"))
            .hint(format!("write it after the fact: outlet case settle ID {field} VALUE")));
    };
    if field == fact::CLASSIFICATION {
        let class = Said::read(Some(said), |text| ctx.dictionaries()?.code("the class", "classification", text))?;
        return Ok(serde_json::to_value::<Answer<String>>(class)?);
    }
    crate::commands::facts::gated_value(field, said, &*ctx.dictionaries()?)
}

/// Runs `outlet case duplicate`.
pub(super) fn duplicate(ctx: &mut Context<'_>, args: &DuplicateArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let of = ctx.outlet(&args.of)?;
    if of.id == key.id {
        return Err(CommandError::user("a record cannot be a duplicate of itself")
            .hint("ID is the record that goes, --of the one that stays"));
    }
    let what = if args.lift { "duplicate link lifted" } else { "duplicate" };
    let what = format!("{what}: {}", ctx.short_name(&of)?);
    write(ctx, &key, &args.common, Act::new(Decision::Duplicate(Duplicate { of, lifted: args.lift }), what))
}

const STEPS: [(&str, &str); 5] =
    [("lead", "线索"), ("transferred", "移送"), ("case_opened", "立案"), ("outcome", "结果"), ("withdrawn", "撤回")];

/// Runs `outlet case enforcement`.
pub(super) fn enforcement(ctx: &mut Context<'_>, args: &EnforcementArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let step = ctx.dictionaries()?.choice("the step", &STEPS, &args.step.replace('-', "_"))?;
    let what = format!("enforcement: {step}");
    let enforcement = Enforcement { step, number: args.number.clone(), outcome: args.outcome.clone() };
    write(ctx, &key, &args.common, Act::new(Decision::Enforcement(enforcement), what))
}

/// Runs `outlet case known-from`.
pub(super) fn known_from(ctx: &mut Context<'_>, args: &KnownFromArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    if args.common.document.is_none() || args.common.document_dated.is_none() {
        return Err(CommandError::user("a known date comes from a named, dated document")
            .hint("add --document NAME --document-dated DATE, such as a sealed ledger of that year"));
    }
    let known = KnownFrom { entries: args.entry.clone() };
    write(ctx, &key, &args.common, Act::new(Decision::KnownFrom(known), "known date recorded"))
}

/// Runs `outlet case approve-known`.
pub(super) fn approve_known(ctx: &mut Context<'_>, args: &ApproveKnownArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let entries = match args.entry {
        Some(entry) => {
            ctx.check_known_entry(&key, entry)?;
            vec![entry]
        }
        None => ctx.known_entries_to_approve(&key)?,
    };
    let what = match entries.len() {
        1 => "known date approved".to_owned(),
        more => format!("{more} known dates approved"),
    };
    let decisions = entries.into_iter().map(|entry| Decision::ApproveKnown(ApproveKnown { entry })).collect();
    write(ctx, &key, &args.common, Act::of(decisions, what))
}
