//! What is seen of the works and of papers: `progress`, `recheck`, `sign`, `consent`.

use clap::Args;
use outlet_core::domain::field::{Consent, FieldEntry, Progress, Recheck, SignObservation};
use outlet_core::ids::BlobHash;
use outlet_core::time::Day;

use super::{Outcome, all_codes};
use crate::context::Context;
use crate::error::Result;
use crate::input::{Said, day};

/// Report progress of the rectification, for the responsible party (T14).
///
/// Example:
///   outlet progress T-12 --on 2022-05-10 '截污管铺设 80 m' --measure intercept_to_sewer
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ProgressArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// What was done.
    text: String,
    /// The day [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// Measure that it is about; repeat for several.
    #[arg(long)]
    measure: Vec<String>,
    /// SHA-256 of a photo already added; repeat for several.
    #[arg(long)]
    photo: Vec<BlobHash>,
}

/// Record a look at the site after closure or completion.
///
/// 取缔 and 合并 need a re-check in dry weather without discharge before acceptance.
///
/// Example:
///   outlet recheck T-12 --on 2022-10-08 --discharge no --dry-weather yes
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct RecheckArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// The day [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// Was there any discharge: yes|no.
    #[arg(long)]
    discharge: Option<Said>,
    /// No rain in the 48 hours before: yes|no.
    #[arg(long)]
    dry_weather: Option<Said>,
    /// SHA-256 of a photo already added; repeat for several.
    #[arg(long)]
    photo: Vec<BlobHash>,
    /// Free text.
    #[arg(long)]
    note: Option<String>,
}

/// Record what was seen of a sign (标识牌).
///
/// Example:
///   outlet sign T-12 erected --on 2023-04-01 --form post --photo 4f2a…
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SignArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// erected|damaged|repaired|missing|outdated.
    state: String,
    /// The day [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// post|flat (立柱式/平面式).
    #[arg(long)]
    form: Option<String>,
    /// SHA-256 of a photo already added (slot `sign`); repeat for several.
    #[arg(long)]
    photo: Vec<BlobHash>,
}

/// Record a set-up consent or registration as found on paper (设置审批/登记).
///
/// Example:
///   outlet consent T-12 approval --kind new --authority 巴中市生态环境局 --number 巴环审〔2021〕9号
///       --on 2021-03-02 --volume-per-day 400
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct ConsentArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// approval|registration (审批/登记).
    regime: String,
    /// new|altered|enlarged|legacy (新设/改设/扩大/历史遗留).
    #[arg(long)]
    kind: String,
    /// Consenting authority.
    #[arg(long)]
    authority: String,
    /// 文号.
    #[arg(long)]
    number: String,
    /// Date of the decision.
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// Permitted volume, m3/d.
    #[arg(long)]
    volume_per_day: Option<String>,
    /// First use.
    #[arg(long, value_parser = day)]
    first_used_on: Option<Day>,
    /// SHA-256 of the paper already attached.
    #[arg(long)]
    file: Option<BlobHash>,
}

/// Runs `outlet progress`.
pub(crate) fn progress(ctx: &mut Context<'_>, args: &ProgressArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let now = ctx.now();
    let mut warnings = Vec::new();
    ctx.check_day("--on", args.on, &mut warnings);
    ctx.check_evidence(&key, &args.photo)?;
    let progress = Progress {
        on: args.on.unwrap_or_else(|| now.day_in_shanghai()),
        at: now,
        text: args.text.clone(),
        measures: all_codes(&*ctx.dictionaries()?, "--measure", "measure", &args.measure)?,
        photos: args.photo.clone(),
    };
    let saved = ctx.save_field(&key, &[FieldEntry::Progress(progress)], None, warnings)?;
    ctx.report(&saved, "progress of the works")
}

/// Runs `outlet recheck`.
pub(crate) fn recheck(ctx: &mut Context<'_>, args: &RecheckArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let now = ctx.now();
    let mut warnings = Vec::new();
    ctx.check_day("--on", args.on, &mut warnings);
    ctx.check_evidence(&key, &args.photo)?;
    let recheck = Recheck {
        on: args.on.unwrap_or_else(|| now.day_in_shanghai()),
        at: now,
        discharge: Said::yes_no(args.discharge.as_ref(), "--discharge")?,
        dry_weather: Said::yes_no(args.dry_weather.as_ref(), "--dry-weather")?,
        photos: args.photo.clone(),
        note: args.note.clone(),
    };
    let saved = ctx.save_field(&key, &[FieldEntry::Recheck(recheck)], None, warnings)?;
    ctx.report(&saved, "re-check of the site")
}

/// Runs `outlet sign`.
pub(crate) fn sign(ctx: &mut Context<'_>, args: &SignArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let now = ctx.now();
    let mut warnings = Vec::new();
    ctx.check_day("--on", args.on, &mut warnings);
    ctx.check_evidence(&key, &args.photo)?;
    let dictionaries = ctx.dictionaries()?;
    let state = dictionaries.code("the state of the sign", "sign_state", &args.state)?;
    let form = args.form.as_deref().map(|form| dictionaries.code("--form", "sign_form", form)).transpose()?;
    let on = Some(args.on.unwrap_or_else(|| now.day_in_shanghai()));
    let sign = SignObservation { state: state.clone(), on, at: now, form, photos: args.photo.clone() };
    let saved = ctx.save_field(&key, &[FieldEntry::Sign(sign)], None, warnings)?;
    ctx.report(&saved, &format!("sign {state}"))
}

const REGIMES: [(&str, &str); 2] = [("approval", "审批"), ("registration", "登记")];
const CONSENT_KINDS: [(&str, &str); 4] =
    [("new", "新设"), ("altered", "改设"), ("enlarged", "扩大"), ("legacy", "历史遗留")];

/// Runs `outlet consent`.
pub(crate) fn consent(ctx: &mut Context<'_>, args: &ConsentArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let now = ctx.now();
    let mut warnings = Vec::new();
    ctx.check_day("--on", args.on, &mut warnings);
    ctx.check_evidence(&key, args.file.as_slice())?;
    let dictionaries = ctx.dictionaries()?;
    let volume = args.volume_per_day.as_deref();
    let consent = Consent {
        regime: dictionaries.choice("the regime", &REGIMES, &args.regime)?,
        kind: dictionaries.choice("--kind", &CONSENT_KINDS, &args.kind)?,
        authority: args.authority.clone(),
        number: args.number.clone(),
        on: args.on,
        volume_m3_per_day: volume.map(|text| crate::input::answer::quantity(text, "--volume-per-day")).transpose()?,
        first_used_on: args.first_used_on,
        file: args.file,
        at: now,
    };
    let saved = ctx.save_field(&key, &[FieldEntry::Consent(consent)], None, warnings)?;
    ctx.report(&saved, "consent")
}
