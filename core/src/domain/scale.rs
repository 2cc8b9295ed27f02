//! Above scale or not (规模以上): derived from volumes, never from a box somebody ticked. The ticked
//! value is kept beside it and a mismatch is shown; an unknown volume is 规模待定, not "below".
//!
//! Order of the bases: volume of consent or permit, then metered volume or annual statement, then the
//! mean of at least two dry-weather measurements. One measurement decides nothing. Thresholds are
//! arguments: they come from a setting whose source is unverified.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::dictionary::Dictionaries;
use super::field::Sample;
use crate::time::Day;

/// Dry-weather measurements that a mean needs.
const MEASUREMENTS: usize = 2;

/// Limits at or above which an outlet is above scale; one of them is enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Cubic metres (tonnes) a day.
    pub m3_per_day: f64,
    /// Cubic metres a year.
    pub m3_per_year: f64,
}

/// Scale of an outlet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// 规模以上.
    Above,
    /// 规模以下.
    Below,
    /// 规模待定.
    Undetermined,
}

impl Scale {
    /// Code of the dictionary `scale`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Above => "above",
            Self::Below => "below",
            Self::Undetermined => "undetermined",
        }
    }

    /// From a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Above, Self::Below, Self::Undetermined].into_iter().find(|scale| scale.code() == code)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// What a scale rests on, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// Volume in the set-up consent.
    Consent,
    /// Volume in the discharge permit.
    Permit,
    /// Metered volume.
    Metered,
    /// Annual statement.
    Statement,
    /// Mean of dry-weather measurements.
    Measurements,
}

impl Basis {
    /// Code of the dictionary `scale_basis`, also the `basis` of volume facts.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Permit => "permit",
            Self::Metered => "metered",
            Self::Statement => "statement",
            Self::Measurements => "dry_weather_mean",
        }
    }

    /// From a code.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Consent, Self::Permit, Self::Metered, Self::Statement, Self::Measurements]
            .into_iter()
            .find(|basis| basis.code() == code)
    }

    /// Consent and permit are one rank, metering and statement the next.
    fn rank(self) -> u8 {
        match self {
            Self::Consent | Self::Permit => 0,
            Self::Metered | Self::Statement => 1,
            Self::Measurements => 2,
        }
    }
}

/// A volume on paper or a meter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Volume {
    /// What it rests on; [`Basis::Measurements`] belongs into [`Measurement`] and is ignored here.
    pub basis: Basis,
    /// A day.
    pub m3_per_day: Option<f64>,
    /// A year.
    pub m3_per_year: Option<f64>,
    /// Since when; unknown counts as before everything dated.
    pub on: Option<Day>,
}

/// A measured flow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// The flow.
    pub m3_per_day: f64,
    /// No rain in the 48 hours before, as answered; anything but "yes" does not count.
    pub dry_weather: bool,
    /// The day.
    pub on: Option<Day>,
}

/// Everything known about the flow of one outlet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flows {
    /// Paper and meters.
    pub volumes: Vec<Volume>,
    /// Measurements.
    pub measurements: Vec<Measurement>,
}

/// Why a scale is undetermined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gap {
    /// Nothing is known of the flow.
    NoFlow,
    /// One dry-weather measurement.
    OneMeasurement,
    /// Measurements, none in dry weather.
    NoDryWeather,
}

/// The derived scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Derived {
    /// The scale.
    pub scale: Scale,
    /// What it rests on.
    pub basis: Option<Basis>,
    /// The volume compared, a day.
    pub m3_per_day: Option<f64>,
    /// The volume compared, a year.
    pub m3_per_year: Option<f64>,
    /// Day of the evidence: of the paper, or of the last measurement counted.
    pub on: Option<Day>,
    /// Why it is undetermined.
    pub gap: Option<Gap>,
}

/// A human value that contradicts the derived one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mismatch {
    /// What a person said.
    pub human: Scale,
    /// What the volumes say.
    pub derived: Derived,
}

impl Flows {
    /// Derives the scale from what was known on a day (everything, without one). Undated evidence
    /// always counts.
    #[must_use]
    pub fn derive(&self, limits: Thresholds, as_of: Option<Day>) -> Derived {
        let known = |on: Option<Day>| on.zip(as_of).is_none_or(|(on, as_of)| on <= as_of);
        let sound = |value: Option<f64>| value.filter(|value| value.is_finite() && *value >= 0.0);
        let strongest = self
            .volumes
            .iter()
            .filter(|volume| volume.basis != Basis::Measurements && known(volume.on))
            .filter(|volume| sound(volume.m3_per_day).or(sound(volume.m3_per_year)).is_some())
            // Within a rank the newest paper counts; of two of one day the consent, then the larger.
            .min_by(|a, b| {
                let size = |volume: &Volume| sound(volume.m3_per_day).or(sound(volume.m3_per_year)).unwrap_or(0.0);
                (a.basis.rank().cmp(&b.basis.rank()))
                    .then(b.on.cmp(&a.on))
                    .then(a.basis.cmp(&b.basis))
                    .then(size(b).total_cmp(&size(a)))
            });
        if let Some(volume) = strongest {
            let (per_day, per_year) = (sound(volume.m3_per_day), sound(volume.m3_per_year));
            return compared(limits, volume.basis, per_day, per_year, volume.on);
        }
        let measured: Vec<&Measurement> =
            self.measurements.iter().filter(|one| known(one.on) && sound(Some(one.m3_per_day)).is_some()).collect();
        let dry: Vec<&Measurement> = measured.iter().copied().filter(|one| one.dry_weather).collect();
        if dry.len() >= MEASUREMENTS {
            let mean = dry.iter().map(|one| one.m3_per_day).sum::<f64>() / dry.len() as f64;
            let last = dry.iter().filter_map(|one| one.on).max();
            return compared(limits, Basis::Measurements, Some(mean), None, last);
        }
        let gap = match (measured.is_empty(), dry.is_empty()) {
            (true, _) => Gap::NoFlow,
            (false, true) => Gap::NoDryWeather,
            (false, false) => Gap::OneMeasurement,
        };
        let (scale, gap) = (Scale::Undetermined, Some(gap));
        Derived { scale, basis: None, m3_per_day: None, m3_per_year: None, on: None, gap }
    }

    /// Every change of the derived scale or its basis, by the day of the evidence that brought it.
    /// The first line (no day) is what undated evidence alone says.
    #[must_use]
    pub fn history(&self, limits: Thresholds) -> Vec<(Option<Day>, Derived)> {
        let mut days: Vec<Day> = self
            .volumes
            .iter()
            .filter_map(|volume| volume.on)
            .chain(self.measurements.iter().filter_map(|one| one.on))
            .collect();
        days.sort_unstable();
        days.dedup();
        let undated = Self {
            volumes: self.volumes.iter().filter(|volume| volume.on.is_none()).copied().collect(),
            measurements: self.measurements.iter().filter(|one| one.on.is_none()).copied().collect(),
        };
        let mut lines = vec![(None, undated.derive(limits, None))];
        for day in days {
            let now = self.derive(limits, Some(day));
            let before = lines.last().map(|(_, before)| *before);
            if before.is_none_or(|before| (before.scale, before.basis) != (now.scale, now.basis)) {
                lines.push((Some(day), now));
            }
        }
        lines
    }
}

/// "Or", and both limits inclusive. Without any volume it is not reached.
fn compared(
    limits: Thresholds,
    basis: Basis,
    m3_per_day: Option<f64>,
    m3_per_year: Option<f64>,
    on: Option<Day>,
) -> Derived {
    let above = m3_per_day.is_some_and(|volume| volume >= limits.m3_per_day)
        || m3_per_year.is_some_and(|volume| volume >= limits.m3_per_year);
    let scale = if above { Scale::Above } else { Scale::Below };
    Derived { scale, basis: Some(basis), m3_per_day, m3_per_year, on, gap: None }
}

impl Derived {
    /// Does a human value contradict this? "Undetermined" on either side contradicts nothing.
    #[must_use]
    pub fn mismatch(self, human: Option<Scale>) -> Option<Mismatch> {
        let decided = |scale: Scale| scale != Scale::Undetermined;
        let human = human.filter(|human| decided(*human) && decided(self.scale) && *human != self.scale)?;
        Some(Mismatch { human, derived: self })
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recorded as {}, but ", self.human)?;
        match (self.derived.m3_per_day, self.derived.m3_per_year) {
            (Some(volume), _) => write!(f, "{volume} m3/d")?,
            (None, Some(volume)) => write!(f, "{volume} m3 a year")?,
            (None, None) => f.write_str("the evidence")?,
        }
        write!(f, " ({}) says {}", self.derived.basis.map_or("no basis", Basis::code), self.derived.scale)
    }
}

/// A flow in cubic metres a day, from a value and its unit as reported; none for unknown units.
#[must_use]
pub fn flow_m3_per_day(value: f64, unit: &str, dictionaries: &Dictionaries) -> Option<f64> {
    let factor: f64 = dictionaries.lookup("unit", unit).ok()?.attribute("per_m3_per_day")?.parse().ok()?;
    Some(value * factor).filter(|flow| flow.is_finite() && *flow >= 0.0)
}

/// The flow that a sample measured. Results with a qualifier (`<`, `nd`) are not volumes; several
/// readings of one sample are one measurement, their mean.
#[must_use]
pub fn measurement_of(sample: &Sample, dictionaries: &Dictionaries) -> Option<Measurement> {
    let readings: Vec<f64> = sample
        .results
        .iter()
        .filter(|result| result.parameter == "flow" && result.qualifier.is_none())
        .filter_map(|result| flow_m3_per_day(result.value?, &result.unit, dictionaries))
        .collect();
    let mean = readings.iter().sum::<f64>() / readings.len() as f64;
    (!readings.is_empty()).then_some(Measurement {
        m3_per_day: mean,
        dry_weather: sample.dry_weather == Answer::Value(true),
        on: sample.sampled_on.or_else(|| sample.sampled_at.map(|instant| instant.day_in_shanghai())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field;

    const LIMITS: Thresholds = Thresholds { m3_per_day: 300.0, m3_per_year: 100_000.0 };

    fn day(text: &str) -> Option<Day> {
        Some(text.parse().unwrap())
    }

    fn volume(basis: Basis, m3_per_day: f64, on: Option<Day>) -> Volume {
        Volume { basis, m3_per_day: Some(m3_per_day), m3_per_year: None, on }
    }

    fn measured(m3_per_day: f64, dry_weather: bool, on: &str) -> Measurement {
        Measurement { m3_per_day, dry_weather, on: day(on) }
    }

    #[test]
    fn both_limits_are_inclusive_and_one_is_enough() {
        for (per_day, per_year, scale) in [
            (Some(300.0), None, Scale::Above),
            (Some(299.99), None, Scale::Below),
            (None, Some(100_000.0), Scale::Above),
            (None, Some(99_999.0), Scale::Below),
            (Some(280.0), Some(102_200.0), Scale::Above),
            (Some(0.0), None, Scale::Below),
            (None, None, Scale::Undetermined),
            (Some(f64::NAN), None, Scale::Undetermined),
            (Some(-5.0), None, Scale::Undetermined),
        ] {
            let one = Volume { basis: Basis::Consent, m3_per_day: per_day, m3_per_year: per_year, on: None };
            let flows = Flows { volumes: vec![one], ..Flows::default() };
            assert_eq!(flows.derive(LIMITS, None).scale, scale, "{per_day:?} {per_year:?}");
        }
    }

    #[test]
    fn the_stronger_basis_wins_and_within_one_the_newer() {
        let flows = Flows {
            volumes: vec![
                volume(Basis::Statement, 900.0, day("2023-01-01")),
                volume(Basis::Permit, 100.0, day("2020-01-01")),
                volume(Basis::Consent, 500.0, day("2021-06-01")),
                volume(Basis::Metered, 50.0, None),
            ],
            measurements: vec![measured(5000.0, true, "2022-01-01"), measured(5000.0, true, "2022-02-01")],
        };
        let says = |as_of: Option<Day>| {
            let derived = flows.derive(LIMITS, as_of);
            (derived.scale, derived.basis.unwrap())
        };
        assert_eq!(says(day("2019-12-31")), (Scale::Below, Basis::Metered));
        assert_eq!(says(day("2020-12-31")), (Scale::Below, Basis::Permit));
        assert_eq!(says(None), (Scale::Above, Basis::Consent));
    }

    #[test]
    fn one_measurement_decides_nothing_and_rain_does_not_count() {
        let mut flows = Flows::default();
        assert_eq!(flows.derive(LIMITS, None).gap, Some(Gap::NoFlow));
        flows.measurements.push(measured(4787.0, false, "2021-05-01"));
        assert_eq!(flows.derive(LIMITS, None).gap, Some(Gap::NoDryWeather));
        flows.measurements.push(measured(250.0, true, "2021-06-01"));
        let one = flows.derive(LIMITS, None);
        assert_eq!((one.scale, one.gap), (Scale::Undetermined, Some(Gap::OneMeasurement)));
        flows.measurements.push(measured(350.0, true, "2021-07-01"));
        let two = flows.derive(LIMITS, None);
        assert_eq!((two.scale, two.basis, two.m3_per_day), (Scale::Above, Some(Basis::Measurements), Some(300.0)));
        assert_eq!(two.on, day("2021-07-01"));
        assert_eq!(flows.derive(LIMITS, day("2021-06-30")).scale, Scale::Undetermined);
    }

    #[test]
    fn history_tells_each_change_once() {
        let flows = Flows {
            volumes: vec![
                volume(Basis::Permit, 200.0, day("2022-03-01")),
                volume(Basis::Permit, 210.0, day("2022-09-01")),
            ],
            measurements: vec![
                measured(400.0, true, "2021-05-01"),
                measured(420.0, true, "2021-06-01"),
                measured(430.0, true, "2021-07-01"),
            ],
        };
        let lines: Vec<(Option<Day>, &str)> =
            flows.history(LIMITS).iter().map(|(on, one)| (*on, one.scale.code())).collect();
        assert_eq!(lines, [(None, "undetermined"), (day("2021-06-01"), "above"), (day("2022-03-01"), "below")]);
    }

    #[test]
    fn a_ticked_box_that_the_meter_contradicts_is_shown() {
        let flows = Flows { volumes: vec![volume(Basis::Metered, 4787.0, None)], ..Flows::default() };
        let derived = flows.derive(LIMITS, None);
        let mismatch = derived.mismatch(Some(Scale::Below)).unwrap();
        assert_eq!(mismatch.to_string(), "recorded as below, but 4787 m3/d (metered) says above");
        assert!(derived.mismatch(Some(Scale::Above)).is_none());
        assert!(derived.mismatch(Some(Scale::Undetermined)).is_none() && derived.mismatch(None).is_none());
        assert!(Flows::default().derive(LIMITS, None).mismatch(Some(Scale::Below)).is_none());
    }

    #[test]
    fn samples_give_measurements_in_any_unit_of_flow() {
        let all = Dictionaries::embedded();
        let result = |value: Option<f64>, unit: &str, qualifier: Option<&str>| field::Measurement {
            parameter: "flow".to_owned(),
            value,
            unit: unit.to_owned(),
            qualifier: qualifier.map(str::to_owned),
        };
        let sample =
            |results, dry_weather| Sample { results, dry_weather, sampled_on: day("2021-06-01"), ..Sample::default() };
        let one = measurement_of(&sample(vec![result(Some(0.01), "m3/s", None)], Answer::Value(true)), &all).unwrap();
        assert_eq!((one.m3_per_day, one.dry_weather, one.on), (864.0, true, day("2021-06-01")));
        let two = vec![result(Some(100.0), "m³/d", None), result(Some(300.0), "t/d", None)];
        let mean = measurement_of(&sample(two, Answer::CannotDetermine), &all).unwrap();
        assert_eq!((mean.m3_per_day, mean.dry_weather), (200.0, false));
        for none in
            [result(None, "m3/d", None), result(Some(1.0), "bucket", None), result(Some(1.0), "m3/d", Some("<"))]
        {
            assert!(measurement_of(&sample(vec![none], Answer::Value(true)), &all).is_none());
        }
    }

    #[test]
    fn codes_are_entries_of_the_dictionaries() {
        let all = Dictionaries::embedded();
        for term in &all.get("scale").unwrap().terms {
            assert_eq!(Scale::from_code(&term.code).unwrap().code(), term.code);
        }
        for basis in [Basis::Consent, Basis::Permit, Basis::Metered, Basis::Statement, Basis::Measurements] {
            assert!(all.lookup("scale_basis", basis.code()).is_ok());
            assert_eq!(Basis::from_code(basis.code()), Some(basis));
        }
    }
}
