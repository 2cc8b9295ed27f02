//! `outlet sample`: a measurement or a laboratory sample (监测), or why there is none.

use clap::Args;
use outlet_core::domain::field::{FieldEntry, Measurement, Sample};
use outlet_core::ids::{BlobHash, EntryId};
use outlet_core::time::{Day, Timestamp};

use super::{Outcome, one_code};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::choice::Dictionaries;
use crate::input::{Said, day, half_width, instant};
use crate::ui::Warning;

/// Record a sample (监测): a quick test, a laboratory sample, or why none could be taken.
///
/// A laboratory sample without results is pending; its results come later with --corrects and
/// --reported-on, which is the date that counts. Results are PARAMETER=VALUE with the usual unit,
/// or with another one after a colon; `nd` means not detected.
///
/// Example:
///   outlet sample T-12 quick --on 2021-06-03 --result ph=7.4 --result cod=38 --result flow=420:m3/d
///       --person 张三 --person 李四 --dry-weather yes
///   outlet sample T-12 lab --on 2021-06-03 --reported-on 2021-06-10 --result nh3_n=<0.025
///       --sample-number SY-0412 --laboratory 巴中市环境监测站
///   outlet sample T-13 none --on 2021-06-03 --reason no_water
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SampleArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// quick|lab|none (快检/实验室/不具备采样条件).
    kind: String,
    /// Day of sampling [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// Instant of sampling, with its offset.
    #[arg(long, value_parser = instant)]
    sampled_at: Option<Timestamp>,
    /// Date of the laboratory's report.
    #[arg(long, value_parser = day)]
    reported_on: Option<Day>,
    /// PARAMETER=VALUE[:UNIT]; repeat for several.
    #[arg(long)]
    result: Vec<String>,
    /// Monitoring person; at least two.
    #[arg(long)]
    person: Vec<String>,
    /// Number on the bottle.
    #[arg(long)]
    sample_number: Option<String>,
    /// Laboratory.
    #[arg(long)]
    laboratory: Option<String>,
    /// Arrival at the laboratory, with its offset.
    #[arg(long, value_parser = instant)]
    arrived_at: Option<Timestamp>,
    /// No rain in the 48 hours before: yes|no.
    #[arg(long)]
    dry_weather: Option<Said>,
    /// Why no sample could be taken.
    #[arg(long)]
    reason: Option<String>,
    /// SHA-256 of a report or photo already attached; repeat for several.
    #[arg(long)]
    evidence: Vec<BlobHash>,
    /// Free text.
    #[arg(long)]
    note: Option<String>,
    /// Entry id of the sample that this one corrects or completes.
    #[arg(long)]
    corrects: Option<EntryId>,
}

/// Runs `outlet sample`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &SampleArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let now = ctx.now();
    let mut warnings = Vec::new();
    let sample = sample(&*ctx.dictionaries()?, args, now, &mut warnings)?;
    ctx.check_day("--on", sample.sampled_on, &mut warnings);
    ctx.check_day("--reported-on", sample.report_on, &mut warnings);
    ctx.check_evidence(&key, &sample.evidence)?;
    let what = match &sample.reason {
        Some(reason) if sample.kind == "none" => format!("no sample ({reason})"),
        _ => format!("{} sample, results: {}", sample.kind, sample.results.len()),
    };
    let saved = ctx.save_field(&key, &[FieldEntry::Sample(Box::new(sample))], None, warnings)?;
    ctx.report(&saved, &what)
}

fn sample(
    dictionaries: &Dictionaries,
    args: &SampleArgs,
    now: Timestamp,
    warnings: &mut Vec<Warning>,
) -> Result<Sample> {
    let kind = dictionaries.code("the kind of sample", "sample_kind", &args.kind)?;
    let reason = one_code(dictionaries, "--reason", "no_sample_reason", args.reason.as_deref())?;
    consistent(&kind, args)?;
    let mut results = Vec::new();
    for text in &args.result {
        results.push(measurement(dictionaries, text)?);
    }
    if kind != "none" && args.person.len() < 2 {
        warnings.push(Warning::new("two_persons", "a sample names at least two persons: add them with --person."));
    }
    if kind == "lab" && results.is_empty() {
        warnings.push(Warning::new("result_pending", "no results yet: this sample counts only once they are entered."));
    }
    let sampled_at = args.sampled_at;
    Ok(Sample {
        at: now,
        sampled_on: args.on.or(sampled_at.map(Timestamp::day_in_shanghai)).or(Some(now.day_in_shanghai())),
        sampled_at,
        report_on: args.reported_on,
        results,
        persons: args.person.clone(),
        sample_number: args.sample_number.clone(),
        laboratory: args.laboratory.clone(),
        arrived_at: args.arrived_at,
        dry_weather: Said::yes_no(args.dry_weather.as_ref(), "--dry-weather")?,
        reason,
        evidence: args.evidence.clone(),
        note: args.note.clone(),
        corrects: args.corrects,
        kind,
    })
}

fn consistent(kind: &str, args: &SampleArgs) -> Result<()> {
    if kind == "none" && args.reason.is_none() {
        return Err(CommandError::user("a sample that could not be taken needs its reason")
            .hint("add --reason, such as --reason no_water, and a photo of the spot"));
    }
    if kind == "none" && !args.result.is_empty() {
        return Err(CommandError::user("results were given for a sample that was not taken")
            .hint("use `quick` or `lab` instead of `none`, or leave --result out"));
    }
    if kind == "quick" && args.result.is_empty() {
        return Err(CommandError::user("a quick test needs at least one result")
            .hint("add --result ph=7.4; if nothing could be measured, record `none` with --reason"));
    }
    if let (Some(report), Some(on)) = (args.reported_on, args.on)
        && report < on
    {
        return Err(CommandError::user(format!("the report of {report} is older than the sample of {on}"))
            .hint("--on is the day of sampling, --reported-on the date of the laboratory's report"));
    }
    Ok(())
}

/// `cod=38`, `nh3_n=<0.025`, `oil=nd`, `flow=0.02:m3/s`.
pub(super) fn measurement(dictionaries: &Dictionaries, text: &str) -> Result<Measurement> {
    let bad = |why: &str| {
        CommandError::user(format!("{text:?} is not a result: {why}"))
            .hint("write PARAMETER=VALUE[:UNIT], such as --result cod=38, --result flow=420:m3/d, --result tp=nd")
    };
    let text = half_width(text);
    let (parameter, rest) = text.split_once('=').ok_or_else(|| bad("it has no `=`"))?;
    let (value, unit) = rest.split_once(':').map_or((rest, None), |(value, unit)| (value, Some(unit)));
    let parameter = dictionaries.code("--result", "parameter", parameter)?;
    let unit = match unit {
        Some(unit) => unit.to_owned(),
        None => dictionaries
            .unit(&parameter)
            .ok_or_else(|| bad("this parameter has no usual unit; name it after a colon"))?,
    };
    let value = value.trim();
    if matches!(value, "nd" | "ND" | "未检出") {
        return Ok(Measurement { parameter, value: None, unit, qualifier: Some("nd".to_owned()) });
    }
    let (qualifier, digits) = match value.as_bytes().first() {
        Some(b'<') => (Some("<"), &value[1..]),
        Some(b'>') => (Some(">"), &value[1..]),
        _ => (None, value),
    };
    let number = digits.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let number = number.ok_or_else(|| bad("its value is not a number"))?;
    Ok(Measurement { parameter, value: Some(number), unit, qualifier: qualifier.map(str::to_owned) })
}
