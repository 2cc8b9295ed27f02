//! 规模以上 of an outlet: [`crate::domain::scale`] derives it from volumes in the order of their
//! weight; here they are gathered from the record, and the human value is kept beside. Figures that
//! nobody reviewed can put an outlet above the threshold, never below it.

use serde::{Deserialize, Serialize};

use super::ScaleClass;
use super::findings::{Finding, code};
use super::set::ScaleRule;
use super::values::Source;
use super::view::View;
use crate::domain::field::{Fact, FieldEntry, fact};
use crate::domain::scale::{Basis, Derived, Flows, Gap, Measurement, Thresholds, Volume};
use crate::time::Day;

/// A line of the history: what the figures said from a day on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScaleFigure {
    /// Day of the figure, where known.
    pub on: Option<Day>,
    /// What the figures say from then on.
    pub scale: ScaleClass,
    /// On what basis (dictionary `scale_basis`).
    pub basis: Option<String>,
    /// Volume compared, a day.
    pub m3_per_day: Option<f64>,
    /// Volume compared, a year.
    pub m3_per_year: Option<f64>,
}

/// 规模 with its basis and history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// The class used.
    pub class: ScaleClass,
    /// Its basis (dictionary `scale_basis`).
    pub basis: Option<String>,
    /// What a person said.
    pub human: Option<ScaleClass>,
    /// What the figures say, over time.
    pub history: Vec<ScaleFigure>,
}

/// Derives the scale of an outlet.
pub(crate) fn derive(view: &View<'_, '_>) -> Scale {
    let limits = thresholds(&view.set.scale);
    let all = flows(view, false);
    let history = all.history(limits).into_iter().map(|(on, derived)| figure(on, &derived)).collect();
    let shown = view.values.get(fact::SCALE);
    let human = shown.and_then(|shown| ScaleClass::from_code(shown.value.as_str()?));
    let (class, basis) = class(view, limits, &all, human);
    Scale { class, basis, human, history }
}

fn class(
    view: &View<'_, '_>,
    limits: Thresholds,
    all: &Flows,
    human: Option<ScaleClass>,
) -> (ScaleClass, Option<String>) {
    let by_hand = |said| (said, Some("human".to_owned()));
    let gap = |derived: Derived| (derived.gap == Some(Gap::OneMeasurement)).then(|| "one_measurement".to_owned());
    let source = view.values.get(fact::SCALE).map(|shown| shown.source);
    if let (Some(said), Some(Source::Decided)) = (human, source) {
        return (said, Some("decision".to_owned()));
    }
    let judged = |derived: Derived| (derived.scale, derived.basis.map(|basis| basis.code().to_owned()));
    let reviewed = judged(flows(view, true).derive(limits, None));
    if reviewed.0 != ScaleClass::Undetermined {
        return reviewed;
    }
    let unreviewed = judged(all.derive(limits, None));
    match (unreviewed.0, human) {
        (ScaleClass::Above, _) => unreviewed,
        (_, Some(ScaleClass::Above)) => by_hand(ScaleClass::Above),
        (_, Some(ScaleClass::Below)) if source == Some(Source::Approved) => by_hand(ScaleClass::Below),
        _ => (ScaleClass::Undetermined, gap(all.derive(limits, None))),
    }
}

/// The finding when figures and a person's word differ.
pub(crate) fn mismatch(view: &View<'_, '_>, scale: &Scale) -> Option<Finding> {
    let mismatch = flows(view, false).derive(thresholds(&view.set.scale), None).mismatch(scale.human)?;
    Some(Finding::new(code::SCALE_MISMATCH).field(fact::SCALE).detail(mismatch.to_string()))
}

fn thresholds(rule: &ScaleRule) -> Thresholds {
    Thresholds { m3_per_day: rule.m3_per_day, m3_per_year: rule.m3_per_year }
}

fn figure(on: Option<Day>, derived: &Derived) -> ScaleFigure {
    ScaleFigure {
        on,
        scale: derived.scale,
        basis: derived.basis.map(|basis| basis.code().to_owned()),
        m3_per_day: derived.m3_per_day,
        m3_per_year: derived.m3_per_year,
    }
}

/// Volumes and measurements of the record: all, or only what a review covers.
fn flows(view: &View<'_, '_>, reviewed: bool) -> Flows {
    let mut flows = Flows::default();
    for item in &view.known.field {
        if reviewed && view.reviews.approval(item, &["survey"]).is_none() {
            continue;
        }
        match &item.value {
            FieldEntry::Consent(consent) => flows.volumes.push(Volume {
                basis: Basis::Consent,
                m3_per_day: consent.volume_m3_per_day,
                m3_per_year: None,
                on: consent.on,
            }),
            FieldEntry::Survey(survey) => {
                flows.measurements.extend(survey.flow_m3_per_day.value().map(|flow| Measurement {
                    m3_per_day: *flow,
                    dry_weather: survey.rain_48h.value() == Some(&false),
                    on: item.evidence,
                }));
            }
            FieldEntry::Sample(sample) => {
                flows.measurements.extend(crate::domain::scale::measurement_of(sample, view.dictionaries));
            }
            _ => {}
        }
    }
    for (name, daily) in [(fact::VOLUME_M3_PER_DAY, true), (fact::VOLUME_M3_PER_YEAR, false)] {
        flows.volumes.extend(stated(view, name, daily, reviewed));
    }
    flows
}

/// A volume given as a fact, with the basis that it names; without one it has no weight.
fn stated(view: &View<'_, '_>, name: &str, daily: bool, reviewed: bool) -> Option<Volume> {
    let shown = view.values.get(name).filter(|shown| !reviewed || shown.source != Source::Current)?;
    let volume = view.values.number(name)?;
    let Fact { basis, on, .. } = view.known.field.iter().find_map(|item| match &item.value {
        FieldEntry::Fact(fact) if item.id == shown.entry => Some(fact),
        _ => None,
    })?;
    Some(Volume {
        basis: Basis::from_code(basis.as_deref()?)?,
        m3_per_day: daily.then_some(volume),
        m3_per_year: (!daily).then_some(volume),
        on: *on,
    })
}
