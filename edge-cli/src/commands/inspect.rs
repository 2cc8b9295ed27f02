//! `outlet inspect`: routine inspections (日常检查) and supervisory sampling (监督性监测).

use clap::Args;
use outlet_core::doc::{facts, latest};
use outlet_core::domain::field::{FieldEntry, Inspection, fact};
use outlet_core::ids::BlobHash;
use outlet_core::time::Day;
use outlet_core::worklist::exceeded;

use super::{Outcome, all_codes, one_code, sample};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::{Said, day};
use crate::ui::Warning;

/// Record a routine inspection, or supervisory sampling with its results.
///
/// Results over the permit's limits (`outlet edit ID --permit-limit cod=50`), an abnormality, a
/// discharge from a closed mouth or --bad make the inspection bad: that proposes re-opening, which
/// a supervisor decides (`outlet case reopen`).
///
/// Example:
///   outlet inspect T-12 --on 2024-03-05 --discharge flowing --abnormal no --facilities yes --sign erected
///   outlet inspect T-12 --supervisory --result cod=61 --result nh3_n=3.2 --person 张三 --person 李四
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]};
/// the warning `inspection_bad` names what was bad
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct InspectArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// Supervisory sampling (监督性监测) instead of a routine inspection.
    #[arg(long)]
    supervisory: bool,
    /// The day [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// Inspector; repeat for several.
    #[arg(long)]
    person: Vec<String>,
    /// flowing|dry|stagnant|gated|uncertain (排水/无水/有死水/闸断/不确定).
    #[arg(long)]
    discharge: Option<Said>,
    /// Anything abnormal: yes|no.
    #[arg(long)]
    abnormal: Option<Said>,
    /// Sampling point, well and mouth in order: yes|no.
    #[arg(long)]
    facilities: Option<Said>,
    /// State of the sign.
    #[arg(long)]
    sign: Option<String>,
    /// Problem; repeat for several.
    #[arg(long)]
    problem: Vec<String>,
    /// Result PARAMETER=VALUE[:UNIT] or PARAMETER=<VALUE; repeat for several.
    #[arg(long)]
    result: Vec<String>,
    /// Bad, for a reason that the form does not ask for (say it in --note).
    #[arg(long, requires = "note")]
    bad: bool,
    /// SHA-256 of a photo or report already added; repeat for several.
    #[arg(long)]
    evidence: Vec<BlobHash>,
    /// Free text.
    #[arg(long)]
    note: Option<String>,
}

/// Runs `outlet inspect`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &InspectArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let now = ctx.now();
    let mut warnings = Vec::new();
    ctx.check_day("--on", args.on, &mut warnings);
    ctx.check_evidence(&key, &args.evidence)?;
    if args.supervisory && args.result.is_empty() {
        return Err(CommandError::user("supervisory sampling has results")
            .hint("add --result PARAMETER=VALUE, such as --result cod=42"));
    }
    let dictionaries = ctx.dictionaries()?;
    let results =
        args.result.iter().map(|text| sample::measurement(&dictionaries, text)).collect::<Result<Vec<_>>>()?;
    let discharge =
        Said::read(args.discharge.as_ref(), |text| dictionaries.code("--discharge", "discharge_state", text))?;
    let sign = one_code(&dictionaries, "--sign", "sign_state", args.sign.as_deref())?;
    let problems = all_codes(&dictionaries, "--problem", "problem", &args.problem)?;
    let terms = dictionaries.terms().clone();
    drop(dictionaries);
    let document = ctx.document(&key)?;
    let current = document.map(|document| facts(&document.entries())).unwrap_or_default();
    let value = |name: &str| current.get(name).and_then(|all| latest(all)).map(|fact| fact.value.clone());
    let exceeded = value(fact::PERMIT_LIMITS).map(|limits| exceeded(&limits, &results, &terms)).unwrap_or_default();
    let abnormal = Said::yes_no(args.abnormal.as_ref(), "--abnormal")?;
    let mut why = Vec::new();
    if !exceeded.is_empty() {
        why.push(format!("over the permit's limit: {}", exceeded.join(", ")));
    }
    if abnormal.value() == Some(&true) {
        why.push("something abnormal was seen".to_owned());
    }
    let found = problems.iter().filter(|problem| *problem != "none_found").count();
    if found > 0 {
        why.push(format!("{found} problems were found"));
    }
    let sealed = value(fact::MOUTH).is_some_and(|mouth| mouth == "sealed") || ctx.is_closed(&key)?;
    if sealed && discharge.value().is_some_and(|state| state == "flowing") {
        why.push("a sealed mouth discharges".to_owned());
    }
    if args.bad {
        why.push(args.note.clone().unwrap_or_default());
    }
    if !why.is_empty() {
        warnings.push(Warning::new(
            "inspection_bad",
            format!("{}: this proposes re-opening; a supervisor decides with `outlet case reopen`.", why.join("; ")),
        ));
    }
    let inspection = Inspection {
        kind: if args.supervisory { "supervisory" } else { "routine" }.to_owned(),
        on: Some(args.on.unwrap_or_else(|| now.day_in_shanghai())),
        at: now,
        persons: args.person.clone(),
        discharge_state: discharge,
        abnormal,
        facilities_in_order: Said::yes_no(args.facilities.as_ref(), "--facilities")?,
        sign,
        problems,
        results,
        exceeded,
        result: if why.is_empty() { "good" } else { "bad" }.to_owned(),
        evidence: args.evidence.clone(),
        note: args.note.clone(),
    };
    let what = format!("{} {}", inspection.kind, if why.is_empty() { "inspection: good" } else { "inspection: bad" });
    let saved = ctx.save_field(&key, &[FieldEntry::Inspection(Box::new(inspection))], None, warnings)?;
    ctx.report(&saved, &what)
}

impl Context<'_> {
    /// Was the outlet's closure accepted by the city, as far as this device knows?
    fn is_closed(&mut self, key: &outlet_core::ids::DocKey) -> Result<bool> {
        use outlet_core::domain::case::{CaseEntry, Decision};
        let document = self.document(&key.with_kind(outlet_core::ids::DocKind::Case))?;
        let entries: Vec<CaseEntry> = document
            .map(|document| document.entries().iter().filter_map(|entry| entry.parse().ok()).collect())
            .unwrap_or_default();
        let closing = entries.iter().rev().find_map(|entry| match &entry.decision {
            Decision::Classify(classify) if classify.step == "decide" => {
                Some(matches!(classify.classification.as_str(), "ban" | "merge"))
            }
            _ => None,
        });
        let accepted = entries.iter().any(
            |entry| matches!(&entry.decision, Decision::Accept(accept) if accept.level == "city" && accept.passed),
        );
        Ok(closing == Some(true) && accepted)
    }
}
