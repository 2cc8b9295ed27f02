//! `case name`, `code`, `sign` (T18), `party` (T10), `exempt`.

use clap::Args;
use outlet_core::domain::case::{Code, Decision, Exempt, Name, PartyDecision, SignState};
use outlet_core::ids::BlobHash;
use outlet_core::time::Day;

use super::{Act, DecisionArgs, write};
use crate::commands::Outcome;
use crate::commands::party::{PartyArgs, parse_party};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::{day, half_width};

/// Approve the name of an outlet; what looks wrong in it is a warning.
///
/// Example:
///   outlet case name T-12 '巴中市巴州区东城街道东兴食品厂东侧20米工业企业排污口' --on 2023-02-01
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct NameArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// The name.
    name: String,
}

/// Record an official code (received from the platform or assigned from a granted block).
///
/// Example:
///   outlet case code T-12 FA-511902-0012-GY-00 --issued-on 2023-02-20 --document 平台回执0412
///   outlet case code T-12 FA-511902-0012-GY-00 --cancel --note '取缔后注销'
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CodeArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// The code.
    code: String,
    /// national|provincial.
    #[arg(long, default_value = "national")]
    system: String,
    /// platform|block (平台下发/号段分配).
    #[arg(long, default_value = "platform")]
    source: String,
    /// Date of issue [default: --on].
    #[arg(long, value_parser = day)]
    issued_on: Option<Day>,
    /// 注销/作废; the reason goes into --note.
    #[arg(long, requires = "note")]
    cancel: bool,
}

/// Record the state of the sign as decided or reported (标识牌).
///
/// Example:
///   outlet case sign T-12 erected --observed-on 2023-04-01 --photo 4f2a…
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// ordered|erected|damaged|repaired|missing.
    state: String,
    /// The day.
    #[arg(long, value_parser = day)]
    observed_on: Option<Day>,
    /// SHA-256 of a photo already added (slot `sign`); repeat for several.
    #[arg(long)]
    photo: Vec<BlobHash>,
}

/// Designate or change the responsible parties; the old ones stay with their dates.
///
/// Example:
///   outlet case party T-12 --on 2021-08-01 --party-name 东兴食品有限公司 --department 巴州区住建局
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PartyDecisionArgs {
    #[command(flatten)]
    common: DecisionArgs,
    #[command(flatten)]
    primary: PartyArgs,
    /// Another party: NAME[:USCC[:PERMIT]]; repeat for several.
    #[arg(long)]
    other_party: Vec<String>,
    /// 主管部门.
    #[arg(long)]
    department: Option<String>,
    /// 行政责任主体.
    #[arg(long)]
    government: Option<String>,
}

/// Exempt an outlet from a condition, for a reason of the closed list (city).
///
/// Example:
///   outlet case exempt T-12 sign --reason underwater --document 巴环函〔2023〕4号
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ExemptArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// sign, name, code, or construction:ITEM.
    what: String,
    /// Reason: code or label.
    #[arg(long)]
    reason: String,
}

/// Runs `outlet case name`.
pub(super) fn name(ctx: &mut Context<'_>, args: &NameArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let name = args.name.trim().to_owned();
    let warnings = ctx.name_warnings(&key, &name)?;
    let what = format!("name {name} approved");
    write(ctx, &key, &args.common, Act::new(Decision::Name(Name { name }), what).warnings(warnings))
}

const SYSTEMS: [(&str, &str); 2] = [("national", "国家"), ("provincial", "省级")];
const SOURCES: [(&str, &str); 2] = [("platform", "平台下发"), ("block", "号段分配")];

/// Runs `outlet case code`.
pub(super) fn code(ctx: &mut Context<'_>, args: &CodeArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let dictionaries = ctx.dictionaries()?;
    let system = dictionaries.choice("--system", &SYSTEMS, &args.system)?;
    let source = dictionaries.choice("--source", &SOURCES, &args.source)?;
    let text = half_width(&args.code).to_ascii_uppercase();
    let (text, warnings) = ctx.official_code(&key, &system, &text)?;
    let what = if args.cancel { format!("code {text} cancelled") } else { format!("code {text} recorded") };
    let code = Code { system, code: text, source, issued_on: args.issued_on, cancelled: args.cancel };
    write(ctx, &key, &args.common, Act::new(Decision::Code(code), what).warnings(warnings))
}

/// Runs `outlet case sign`.
pub(super) fn sign(ctx: &mut Context<'_>, args: &SignArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    ctx.check_evidence(&key, &args.photo)?;
    let state = ctx.dictionaries()?.code("the state of the sign", "sign_state", &args.state)?;
    let what = format!("sign {state}");
    let sign = SignState { state, observed_on: args.observed_on, photos: args.photo.clone() };
    write(ctx, &key, &args.common, Act::new(Decision::Sign(sign), what))
}

/// Runs `outlet case party`.
pub(super) fn party(ctx: &mut Context<'_>, args: &PartyDecisionArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let mut warnings = Vec::new();
    let mut others = Vec::new();
    for text in &args.other_party {
        others.push(parse_party(text, &mut warnings)?);
    }
    let party = PartyDecision {
        primary: args.primary.party(&mut warnings)?,
        others,
        competent_department: args.department.clone(),
        administrative_government: args.government.clone(),
    };
    if party == PartyDecision::default() {
        return Err(CommandError::user("nothing is designated")
            .hint("add --party-name, --other-party, --department or --government"));
    }
    write(ctx, &key, &args.common, Act::new(Decision::Party(party), "responsible party designated").warnings(warnings))
}

/// Runs `outlet case exempt`.
pub(super) fn exempt(ctx: &mut Context<'_>, args: &ExemptArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let dictionaries = ctx.dictionaries()?;
    let what = match args.what.split_once(':') {
        Some(("construction", item)) => {
            format!("construction:{}", dictionaries.code("WHAT", "construction_item", item)?)
        }
        _ => dictionaries.choice("WHAT", &[("sign", "标识牌"), ("name", "命名"), ("code", "编码")], &args.what)?,
    };
    let reason = dictionaries.code("--reason", "exemption", &args.reason)?;
    let text = format!("exempt from {what}");
    write(ctx, &key, &args.common, Act::new(Decision::Exempt(Exempt { what, reason }), text))
}
