//! Readings, grades of evidence, and the small values that every figure is made of.

use serde::{Deserialize, Serialize};

use crate::ids::EntryId;
use crate::time::Day;

/// The two readings of every figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// 按现有认识: evidence dates up to the day, whatever is known today.
    AsKnownNow,
    /// 按当时台账: only what was known on the day.
    AsReported,
}

impl Reading {
    /// Both, in the order in which they are reported.
    pub const ALL: [Self; 2] = [Self::AsKnownNow, Self::AsReported];
}

/// How good the evidence for a date is. Ordered from weak to strong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// A typed date only.
    Asserted,
    /// A dated attachment proves it.
    Documented,
    /// Received, or EXIF or laboratory dated, within N days.
    Contemporaneous,
}

impl Grade {
    /// The code used in JSON.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Asserted => "asserted",
            Self::Documented => "documented",
            Self::Contemporaneous => "contemporaneous",
        }
    }
}

/// Something that speaks for a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Support {
    /// Received by the server on this day.
    Received(Day),
    /// EXIF or laboratory date.
    Instrument(Day),
    /// A dated attachment.
    Document,
}

/// Grades a date by what speaks for it. A receipt *before* the date proves nothing: the date was
/// typed in advance.
pub(crate) fn grade(date: Day, support: &[Support], days: i64) -> Grade {
    let of_its_time = |support: &Support| match *support {
        Support::Received(on) => (0..=days).contains(&on.days_since(date)),
        Support::Instrument(on) => on.days_since(date).abs() <= days,
        Support::Document => false,
    };
    if support.iter().any(of_its_time) {
        Grade::Contemporaneous
    } else if support.contains(&Support::Document) {
        Grade::Documented
    } else {
        Grade::Asserted
    }
}

/// Whether a condition is met, since when, on whose word, and what is missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Check {
    /// Met?
    pub met: bool,
    /// Date used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Day>,
    /// Grade of the evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<Grade>,
    /// Who decided or approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// A second date shown beside: acceptance, sampling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<Beside>,
    /// Met without a sample (不具备采样条件/无水).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub substitute: bool,
    /// What would make it met: codes, see `ledger::labels`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Entries it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<EntryId>,
}

/// A date shown beside the date used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// `accepted | sampled | rechecked`.
    pub what: String,
    /// The day.
    pub on: Day,
}

impl Check {
    /// Not met, for these reasons.
    pub(crate) fn missing(codes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { missing: codes.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Met from a day on.
    pub(crate) fn met(date: Day, grade: Grade, entries: Vec<EntryId>) -> Self {
        Self { met: true, date: Some(date), grade: Some(grade), entries, ..Self::default() }
    }

    /// With the person who decided.
    pub(crate) fn by(mut self, who: Option<String>) -> Self {
        self.decided_by = who;
        self
    }

    /// Met by the end of the day. A condition without a date holds on every day.
    #[must_use]
    pub fn met_by(&self, day: Day) -> bool {
        self.met && self.date.is_none_or(|date| date <= day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_back_date_never_looks_like_a_photo_of_that_day() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let date = day("2021-06-01");
        for (support, expected) in [
            (vec![], Grade::Asserted),
            (vec![Support::Received(day("2026-01-01"))], Grade::Asserted),
            (vec![Support::Received(day("2021-05-30"))], Grade::Asserted),
            (vec![Support::Received(day("2021-07-01"))], Grade::Contemporaneous),
            (vec![Support::Received(day("2021-07-02"))], Grade::Asserted),
            (vec![Support::Instrument(day("2021-05-31"))], Grade::Contemporaneous),
            (vec![Support::Received(day("2026-01-01")), Support::Document], Grade::Documented),
        ] {
            assert_eq!(grade(date, &support, 30), expected, "{support:?}");
        }
    }
}
