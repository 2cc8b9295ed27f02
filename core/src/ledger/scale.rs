//! 规模以上: derived from volumes in the order of their weight, the human value kept beside it.
//! Figures that nobody reviewed can put an outlet above the threshold, never below it.

use serde::{Deserialize, Serialize};

use super::findings::{Finding, code};
use super::profile::ScaleClass;
use super::set::ScaleRule;
use super::values::Source;
use super::view::View;
use crate::domain::field::{FieldEntry, fact};
use crate::time::Day;

/// Where a volume comes from, weightiest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleBasis {
    /// Decided in the case file.
    Decision,
    /// Consent or permit volume.
    Permitted,
    /// Metered or annual statement.
    Metered,
    /// Mean of at least two dry-weather measurements.
    DryWeatherMean,
    /// As asserted by a person, no figures.
    Human,
    /// One measurement only: undetermined.
    OneMeasurement,
    /// Nothing.
    None,
}

impl ScaleBasis {
    /// The code used in JSON and CSV.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Permitted => "permitted",
            Self::Metered => "metered",
            Self::DryWeatherMean => "dry_weather_mean",
            Self::Human => "human",
            Self::OneMeasurement => "one_measurement",
            Self::None => "none",
        }
    }
}

/// One figure of the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleFigure {
    /// Its weight.
    pub basis: ScaleBasis,
    /// Day, where known.
    pub on: Option<Day>,
    /// Volume in m3 per day.
    pub m3_per_day: Option<f64>,
    /// Volume in m3 per year.
    pub m3_per_year: Option<f64>,
    /// Reviewed.
    pub approved: bool,
}

/// 规模 with its basis and history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The class used.
    pub class: ScaleClass,
    /// Its basis.
    pub basis: ScaleBasis,
    /// What a person said.
    pub human: Option<ScaleClass>,
    /// All figures, weightiest first.
    pub history: Vec<ScaleFigure>,
}

/// Derives the scale of an outlet.
pub(crate) fn derive(view: &View<'_, '_>) -> Scale {
    let history = figures(view);
    let shown = view.values.get(fact::SCALE);
    let human = shown.and_then(|shown| ScaleClass::from_code(shown.value.as_str()?));
    if let (Some(class), Some(Source::Decided)) = (human, shown.map(|shown| shown.source)) {
        return Scale { class, basis: ScaleBasis::Decision, human, history };
    }
    let rule = &view.set.scale;
    let approved: Vec<ScaleFigure> = history.iter().filter(|figure| figure.approved).cloned().collect();
    let (mut class, mut basis) = by_figures(&approved, rule);
    if class == ScaleClass::Undetermined {
        let (all, all_basis) = by_figures(&history, rule);
        if all == ScaleClass::Above || (all == ScaleClass::Undetermined && all_basis < basis) {
            (class, basis) = (all, all_basis);
        }
    }
    let reviewed = shown.is_some_and(|shown| shown.source == Source::Approved);
    if let (ScaleClass::Undetermined, Some(said)) = (class, human)
        && (said == ScaleClass::Above || (said == ScaleClass::Below && reviewed))
    {
        (class, basis) = (said, ScaleBasis::Human);
    }
    Scale { class, basis, human, history }
}

/// The finding when figures and a person's word differ.
pub(crate) fn mismatch(scale: &Scale) -> Option<Finding> {
    let human = scale.human.filter(|human| *human != ScaleClass::Undetermined)?;
    let figures = matches!(scale.basis, ScaleBasis::Permitted | ScaleBasis::Metered | ScaleBasis::DryWeatherMean);
    (figures && human != scale.class && scale.class != ScaleClass::Undetermined).then(|| {
        let detail = format!("{} ({}), {}", scale.class.code(), scale.basis.code(), human.code());
        Finding::new(code::SCALE_MISMATCH).field(fact::SCALE).detail(detail)
    })
}

fn by_figures(figures: &[ScaleFigure], rule: &ScaleRule) -> (ScaleClass, ScaleBasis) {
    for basis in [ScaleBasis::Permitted, ScaleBasis::Metered] {
        let of_basis: Vec<&ScaleFigure> = figures.iter().filter(|figure| figure.basis == basis).collect();
        // The latest paper of its kind speaks; limbs without a date are as old as can be.
        if let Some(latest) = of_basis.iter().map(|figure| figure.on).max() {
            let limbs: Vec<_> = of_basis.into_iter().filter(|figure| figure.on == latest).collect();
            return (class_of(&limbs, rule), basis);
        }
    }
    let measured: Vec<f64> = figures
        .iter()
        .filter(|figure| figure.basis == ScaleBasis::DryWeatherMean)
        .filter_map(|figure| figure.m3_per_day)
        .collect();
    if measured.len() >= 2 {
        let mean = measured.iter().sum::<f64>() / measured.len() as f64;
        let above = mean >= rule.m3_per_day || mean * 365.0 >= rule.m3_per_year;
        return (if above { ScaleClass::Above } else { ScaleClass::Below }, ScaleBasis::DryWeatherMean);
    }
    let any = figures.iter().any(|figure| figure.basis >= ScaleBasis::DryWeatherMean);
    (ScaleClass::Undetermined, if any { ScaleBasis::OneMeasurement } else { ScaleBasis::None })
}

fn class_of(limbs: &[&ScaleFigure], rule: &ScaleRule) -> ScaleClass {
    let above = limbs.iter().any(|figure| {
        figure.m3_per_day.is_some_and(|volume| volume >= rule.m3_per_day)
            || figure.m3_per_year.is_some_and(|volume| volume >= rule.m3_per_year)
    });
    if above { ScaleClass::Above } else { ScaleClass::Below }
}

fn figures(view: &View<'_, '_>) -> Vec<ScaleFigure> {
    let mut figures = Vec::new();
    for item in &view.known.field {
        let approved = view.reviews.approval(item, &["survey"]).is_some();
        let mut push = |basis, on, m3_per_day: Option<f64>, m3_per_year: Option<f64>| {
            let usable = |volume: &f64| volume.is_finite() && *volume >= 0.0;
            let (m3_per_day, m3_per_year) = (m3_per_day.filter(usable), m3_per_year.filter(usable));
            if m3_per_day.is_some() || m3_per_year.is_some() {
                figures.push(ScaleFigure { basis, on, m3_per_day, m3_per_year, approved });
            }
        };
        match &item.value {
            FieldEntry::Consent(consent) => push(ScaleBasis::Permitted, consent.on, consent.volume_m3_per_day, None),
            FieldEntry::Survey(survey) => {
                let dry = survey.rain_48h.value() == Some(&false);
                push(measured(dry), item.evidence, survey.flow_m3_per_day.value().copied(), None);
            }
            FieldEntry::Sample(sample) => {
                let dry = sample.dry_weather.value() == Some(&true);
                for result in sample.results.iter().filter(|result| result.parameter == "flow") {
                    push(measured(dry), item.evidence, flow_per_day(result), None);
                }
            }
            _ => {}
        }
    }
    for (name, daily) in [(fact::VOLUME_M3_PER_DAY, true), (fact::VOLUME_M3_PER_YEAR, false)] {
        figures.extend(stated(view, name, daily));
    }
    figures.sort_by_key(|figure| (figure.basis, figure.on));
    figures
}

/// A volume given as a fact, with the basis that it names.
fn stated(view: &View<'_, '_>, name: &str, daily: bool) -> Option<ScaleFigure> {
    let shown = view.values.get(name)?;
    let volume = view.values.number(name).filter(|volume| *volume >= 0.0)?;
    let asserted = view.known.field.iter().find(|item| item.id == shown.entry)?;
    let FieldEntry::Fact(fact) = &asserted.value else { return None };
    let basis = match fact.basis.as_deref() {
        Some("consent" | "permit") => ScaleBasis::Permitted,
        Some("metered" | "statement") => ScaleBasis::Metered,
        _ => ScaleBasis::OneMeasurement,
    };
    Some(ScaleFigure {
        basis,
        on: fact.on,
        m3_per_day: daily.then_some(volume),
        m3_per_year: (!daily).then_some(volume),
        approved: shown.source != Source::Current,
    })
}

fn measured(dry: bool) -> ScaleBasis {
    if dry { ScaleBasis::DryWeatherMean } else { ScaleBasis::OneMeasurement }
}

fn flow_per_day(result: &crate::domain::field::Measurement) -> Option<f64> {
    let value = result.value.filter(|_| result.qualifier.is_none())?;
    match result.unit.as_str() {
        "m3/d" | "m³/d" | "t/d" => Some(value),
        "m3/h" | "m³/h" => Some(value * 24.0),
        "m3/s" | "m³/s" => Some(value * 86_400.0),
        "L/s" | "l/s" => Some(value * 86.4),
        _ => None,
    }
}
