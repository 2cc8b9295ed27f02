//! `case decide` (T11) and `case plan` (T13).

use clap::Args;
use outlet_core::domain::case::{Classify, Decision, LegalBasis, Plan};
use outlet_core::domain::field::DocumentRef;
use outlet_core::time::Day;

use super::{Act, DecisionArgs, write};
use crate::commands::party::PartyArgs;
use crate::commands::{Outcome, all_codes};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::day;
use crate::ui::Warning;

/// Decide the class of an outlet (city), or endorse the proposal (county, --endorse).
///
/// 取缔 also needs the government's own document.
///
/// Example:
///   outlet case decide T-12 regulate --on 2022-03-01 --document 巴环函〔2022〕15号
///       --basis '国办函〔2022〕17号:七'
///   outlet case decide T-13 取缔 --on 2022-03-01 --document 巴环函〔2022〕16号
///       --government-document 巴州府函〔2022〕8号 --basis '水污染防治法:第六十四条'
///   outlet case decide T-14 合并 --endorse --on 2022-02-01
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// ban|merge|regulate|none|undecided, or 取缔|合并|规范|无需整治|未定.
    class: String,
    /// Endorse as the county; the city decides.
    #[arg(long)]
    endorse: bool,
    /// 具体情形.
    #[arg(long)]
    circumstance: Option<String>,
    /// Legal basis as DOCUMENT[:ARTICLE]; repeat for several.
    #[arg(long)]
    basis: Vec<String>,
    /// Name and version of the zone layer used.
    #[arg(long)]
    layer: Option<String>,
    /// 文号 of the government's decision (needed for 取缔).
    #[arg(long)]
    government_document: Option<String>,
    /// Its date.
    #[arg(long, value_parser = day, requires = "government_document")]
    government_document_dated: Option<Day>,
}

/// Draft (county) or approve (city, --approve) the rectification plan of an outlet (一口一策).
///
/// Example:
///   outlet case plan T-12 --on 2022-04-01 --measure standardisation --item archive --item sampling_point
///       --department 巴州区住建局 --due 2022-12-31 --party-name 东兴食品有限公司
///   outlet case plan T-12 --approve --on 2022-04-10 --document 巴环函〔2022〕20号
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    common: DecisionArgs,
    /// Approve instead of draft. Without measures, items or other contents, the latest version is
    /// approved as it stands.
    #[arg(long)]
    approve: bool,
    /// Version [default: the next one; for an approval, the one approved].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    plan_version: Option<u32>,
    /// 整治措施; repeat for several.
    #[arg(long)]
    measure: Vec<String>,
    /// 规范化建设 item; repeat for several.
    #[arg(long)]
    item: Vec<String>,
    /// Acceptance criteria.
    #[arg(long)]
    criteria: Option<String>,
    #[command(flatten)]
    party: PartyArgs,
    /// 主管部门.
    #[arg(long)]
    department: Option<String>,
    /// Office in charge at the authority.
    #[arg(long)]
    person: Option<String>,
    /// Due date.
    #[arg(long, value_parser = day)]
    due: Option<Day>,
}

/// Runs `outlet case decide`.
pub(super) fn decide(ctx: &mut Context<'_>, args: &DecideArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let class = ctx.dictionaries()?.code("the class", "classification", &args.class)?;
    let mut warnings = Vec::new();
    if !args.endorse && args.common.document.is_none() {
        warnings.push(Warning::new("document_missing", "a decision on the class names its document: add --document."));
    }
    if class == "ban" && !args.endorse && args.government_document.is_none() {
        return Err(CommandError::user("取缔 is decided by the government: its document is missing")
            .hint("add --government-document 文号; to propose the class only, use `outlet classify ID ban`"));
    }
    let classify = Classify {
        step: if args.endorse { "endorse" } else { "decide" }.to_owned(),
        classification: class.clone(),
        circumstance: args.circumstance.clone(),
        legal_bases: args.basis.iter().map(|text| legal_basis(text)).collect(),
        layer: args.layer.clone(),
        government_document: args.government_document.as_ref().map(|number| DocumentRef {
            number: number.clone(),
            dated: args.government_document_dated,
            file: None,
        }),
    };
    let what = format!("class {class} {}", if args.endorse { "endorsed" } else { "decided" });
    write(ctx, &key, &args.common, Act::new(Decision::Classify(classify), what).warnings(warnings))
}

fn legal_basis(text: &str) -> LegalBasis {
    let (document, article) = text.split_once([':', '：']).map_or((text, None), |(d, a)| (d, Some(a)));
    LegalBasis { document: document.trim().to_owned(), article: article.map(|article| article.trim().to_owned()) }
}

/// Runs `outlet case plan`.
pub(super) fn plan(ctx: &mut Context<'_>, args: &PlanArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.common.id)?;
    let mut warnings = Vec::new();
    let latest = ctx.latest_plan(&key)?;
    let given = Plan {
        step: if args.approve { "approve" } else { "draft" }.to_owned(),
        version: 0,
        measures: all_codes(&*ctx.dictionaries()?, "--measure", "measure", &args.measure)?,
        items: all_codes(&*ctx.dictionaries()?, "--item", "construction_item", &args.item)?,
        criteria: args.criteria.clone(),
        party: args.party.party(&mut warnings)?,
        competent_department: args.department.clone(),
        person: args.person.clone(),
        due: args.due,
    };
    let plan = merged(given, latest, args)?;
    if let Some(due) = plan.due {
        ctx.check_plan_due(&key, due)?;
    }
    let what = format!("plan version {} {}", plan.version, if args.approve { "approved" } else { "drafted" });
    write(ctx, &key, &args.common, Act::new(Decision::Plan(Box::new(plan)), what).warnings(warnings))
}

/// An approval without contents repeats the contents of the latest version, so that each entry can
/// be read alone.
fn merged(given: Plan, latest: Option<Plan>, args: &PlanArgs) -> Result<Plan> {
    let empty = Plan { step: given.step.clone(), ..Plan::default() } == given;
    let last_version = latest.as_ref().map_or(0, |plan| plan.version);
    if args.approve && empty {
        let Some(latest) = latest else {
            return Err(CommandError::user("there is no plan to approve on this device")
                .hint("run `outlet sync` to fetch the county's draft, or give the plan's contents here"));
        };
        return Ok(Plan { step: given.step, version: args.plan_version.unwrap_or(latest.version), ..latest });
    }
    if empty {
        return Err(CommandError::user("the plan is empty").hint("add at least one --measure"));
    }
    // Approving contents different from the draft's makes a new version of them.
    let same = latest.is_some_and(|latest| {
        Plan { step: String::new(), version: 0, ..latest } == Plan { step: String::new(), ..given.clone() }
    });
    let next = if args.approve && same { last_version } else { last_version.saturating_add(1) };
    Ok(Plan { version: args.plan_version.unwrap_or(next), ..given })
}
