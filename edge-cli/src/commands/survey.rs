//! `outlet survey`: a visit (排查).

use clap::Args;
use outlet_core::domain::Answer;
use outlet_core::domain::field::{FieldEntry, Survey};
use outlet_core::ids::EntryId;
use outlet_core::time::Day;

use super::facts::FactArgs;
use super::{Outcome, all_codes, one_code};
use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::input::answer::quantity;
use crate::input::place::PositionArgs;
use crate::input::{Said, day};
use crate::ui::Warning;

/// Record a visit to an outlet (排查).
///
/// Answers take a value, `blank` (留空) or `unknown` (无法确定, which is complete; blank is not).
/// Facts of the outlet may be given in the same act. If it rained in the last 48 hours,
/// "discharging in dry weather" cannot be answered: it is stored as `unknown`, with a warning.
///
/// Example:
///   outlet survey T-12 --on 2021-06-03 --rain-48h no --discharge flowing
///       --dry-weather-discharge yes --pattern continuous --smell none --colour unknown
///       --team 张三 --team 李四 --outcome complete
///
/// JSON: {"id", "change", "entries": [..], "state": "on_device", "warnings": [{"code", "message"}]}
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct SurveyArgs {
    /// Outlet: UUID, unique prefix of it, or temporary number.
    id: String,
    /// Day of the visit [default: today].
    #[arg(long, value_parser = day)]
    on: Option<Day>,
    /// Outcome: complete, partial, no_access, not_found, dry, …
    #[arg(long)]
    outcome: Option<String>,
    /// Level of the three-level survey (三级排查).
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=3))]
    level: Option<u8>,
    /// 任务来源.
    #[arg(long)]
    task_source: Option<String>,
    /// Surveyor; repeat for each.
    #[arg(long)]
    team: Vec<String>,
    /// Weather.
    #[arg(long)]
    weather: Option<String>,
    /// Rain in the last 48 hours: yes|no.
    #[arg(long = "rain-48h")]
    rain_48h: Option<Said>,
    /// 排水特征: flowing|dry|stagnant|gated|uncertain.
    #[arg(long)]
    discharge: Option<Said>,
    /// 是否晴天排水: yes|no.
    #[arg(long)]
    dry_weather_discharge: Option<Said>,
    /// 排放规律: continuous|intermittent|other.
    #[arg(long)]
    pattern: Option<Said>,
    /// 异常: yes|no.
    #[arg(long)]
    abnormal: Option<Said>,
    /// What is abnormal.
    #[arg(long)]
    abnormal_note: Option<String>,
    /// 颜色.
    #[arg(long)]
    colour: Option<Said>,
    /// 浑浊度.
    #[arg(long)]
    turbidity: Option<Said>,
    /// 气味.
    #[arg(long)]
    smell: Option<Said>,
    /// 油膜: yes|no.
    #[arg(long)]
    oil_film: Option<Said>,
    /// Appearance; repeat for several.
    #[arg(long)]
    appearance: Vec<String>,
    /// 污水类型; repeat for several.
    #[arg(long)]
    water_source: Vec<String>,
    /// 是否混排: yes|no.
    #[arg(long)]
    mixed: Option<Said>,
    /// 疑似来源.
    #[arg(long)]
    suspected_source: Option<String>,
    /// Surroundings; repeat for several.
    #[arg(long)]
    surroundings: Vec<String>,
    /// Problem; repeat for several (`none_found` is an answer).
    #[arg(long)]
    problem: Vec<String>,
    /// Flow, in the unit of --flow-unit.
    #[arg(long, allow_negative_numbers = true)]
    flow: Option<Said>,
    /// m3/d|m3/h|m3/s|L/s.
    #[arg(long, default_value = "m3/d", requires = "flow")]
    flow_unit: String,
    /// Free text.
    #[arg(long)]
    note: Option<String>,
    /// Entry id of the survey that this one corrects.
    #[arg(long)]
    corrects: Option<EntryId>,
    #[command(flatten)]
    device: PositionArgs,
    #[command(flatten)]
    facts: FactArgs,
}

/// Runs `outlet survey`.
pub(crate) fn run(ctx: &mut Context<'_>, args: &SurveyArgs) -> Result<Outcome> {
    let key = ctx.outlet(&args.id)?;
    let mut warnings = Vec::new();
    let survey = survey(ctx, args, &mut warnings)?;
    let on = survey.on;
    ctx.check_day("--on", on, &mut warnings);
    let assertions = args.facts.assertions(&*ctx.dictionaries()?, &mut warnings)?;
    let mut entries = ctx.facts(&key, assertions, &mut warnings)?;
    entries.push(FieldEntry::Survey(Box::new(survey)));
    let saved = ctx.save_field(&key, &entries, args.facts.remark.as_deref(), warnings)?;
    ctx.report(&saved, &format!("survey of {}", on.map_or_else(String::new, |day| day.to_string())))
}

fn survey(ctx: &mut Context<'_>, args: &SurveyArgs, warnings: &mut Vec<Warning>) -> Result<Survey> {
    let now = ctx.now();
    let rain_48h = Said::yes_no(args.rain_48h.as_ref(), "--rain-48h")?;
    let dry = Said::yes_no(args.dry_weather_discharge.as_ref(), "--dry-weather-discharge")?;
    let device_fix = args.device.location(now, "gps", warnings)?;
    let dictionaries = ctx.dictionaries()?;
    let code = |said: &Option<Said>, option: &str, name: &str| {
        Said::read(said.as_ref(), |text| dictionaries.code(option, name, text))
    };
    // Colours and smells are words: no list of the plan or of field practice closes them.
    let text = |said: &Option<Said>| Said::read(said.as_ref(), |text| Ok(text.to_owned()));
    Ok(Survey {
        on: Some(args.on.unwrap_or_else(|| now.day_in_shanghai())),
        at: now,
        outcome: one_code(&dictionaries, "--outcome", "survey_outcome", args.outcome.as_deref())?,
        level: args.level,
        task_source: one_code(&dictionaries, "--task-source", "task_source", args.task_source.as_deref())?,
        team: args.team.clone(),
        weather: one_code(&dictionaries, "--weather", "weather", args.weather.as_deref())?,
        rain_48h,
        discharge_state: code(&args.discharge, "--discharge", "discharge_state")?,
        dry_weather_discharge: dry_weather(rain_48h, dry, warnings),
        pattern: code(&args.pattern, "--pattern", "discharge_pattern")?,
        abnormal: Said::yes_no(args.abnormal.as_ref(), "--abnormal")?,
        abnormal_note: args.abnormal_note.clone(),
        colour: text(&args.colour)?,
        turbidity: text(&args.turbidity)?,
        smell: text(&args.smell)?,
        oil_film: Said::yes_no(args.oil_film.as_ref(), "--oil-film")?,
        appearance: all_codes(&dictionaries, "--appearance", "appearance", &args.appearance)?,
        water_sources: all_codes(&dictionaries, "--water-source", "water_source", &args.water_source)?,
        mixed: Said::yes_no(args.mixed.as_ref(), "--mixed")?,
        suspected_source: args.suspected_source.clone(),
        surroundings: all_codes(&dictionaries, "--surroundings", "surroundings", &args.surroundings)?,
        problems: all_codes(&dictionaries, "--problem", "problem", &args.problem)?,
        flow_m3_per_day: flow(args)?,
        device_fix,
        note: args.note.clone(),
        corrects: args.corrects,
    })
}

/// After rain nobody can tell whether an outlet discharges in dry weather.
pub(crate) fn dry_weather(rain: Answer<bool>, dry: Answer<bool>, warnings: &mut Vec<Warning>) -> Answer<bool> {
    match (rain, dry) {
        (Answer::Value(true), Answer::Value(_)) => {
            warnings.push(Warning::new(
                "rain_within_48h",
                "it rained in the last 48 hours, so discharge in dry weather cannot be answered: stored as \
                 \"cannot determine\". Visit again after two dry days.",
            ));
            Answer::CannotDetermine
        }
        (Answer::Value(false), dry) => dry,
        (_, Answer::Value(value)) => {
            warnings.push(Warning::new(
                "rain_not_answered",
                "discharge in dry weather was answered but rain in the last 48 hours was not: say --rain-48h no \
                 (or yes), or reviewers cannot rely on it.",
            ));
            Answer::Value(value)
        }
        (_, dry) => dry,
    }
}

/// The flow in m3/d, whatever unit it was typed in.
fn flow(args: &SurveyArgs) -> Result<Answer<f64>> {
    let per_day = match args.flow_unit.as_str() {
        "m3/d" => 1.0,
        "m3/h" => 24.0,
        "m3/s" => 86_400.0,
        "L/s" | "l/s" => 86.4,
        other => {
            return Err(CommandError::user(format!("{other:?} is not a unit of flow"))
                .hint("use --flow-unit m3/d, m3/h, m3/s or L/s"));
        }
    };
    Said::read(args.flow.as_ref(), |text| Ok(quantity(text, "--flow")? * per_day))
}
