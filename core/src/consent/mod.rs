//! Consent to set up an outlet (审核制): which regime its type and date ask for, whether it is there,
//! and where paper and reality differ. Not the review of a record.

use serde::{Deserialize, Serialize};

use crate::domain::dictionary::{Certainty, Dictionaries, type_dictionary};
use crate::ledger::LedgerRow;
use crate::time::Day;

const FORMAT: u32 = 1;
const SHIPPED: &str = include_str!("../../../fixtures/rules/consent.toml");

/// What set-up asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regime {
    /// 审批.
    Approval,
    /// 登记.
    Registration,
}

impl Regime {
    /// The code used in documents.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Approval => "approval",
            Self::Registration => "registration",
        }
    }
}

/// Why a table of regimes is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegimesError {
    /// Not TOML, or not of this shape.
    #[error("the regimes of consent cannot be read: {0}")]
    Syntax(#[source] Box<toml::de::Error>),
    /// Of a later format.
    #[error("the regimes of consent have format {0}, this version reads format {FORMAT}")]
    Format(u32),
    /// An unverified period that is switched on.
    #[error("the period from {0} is unverified and must be switched off, or its certainty raised with a source")]
    Unverified(Day),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PeriodRegime {
    ByType,
    Approval,
    Registration,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Period {
    from: Day,
    #[serde(default)]
    to: Option<Day>,
    regime: PeriodRegime,
    document: String,
    certainty: Certainty,
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    #[serde(default)]
    #[expect(dead_code, reason = "names the kind of the file for whoever loads it")]
    kind: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "names the data set for whoever loads it")]
    name: Option<String>,
    version: String,
    #[serde(rename = "period")]
    periods: Vec<Period>,
}

/// Regimes by date.
#[derive(Debug, Clone, PartialEq)]
pub struct Regimes {
    /// Version of the file.
    pub version: String,
    periods: Vec<Period>,
}

/// What is asked for, and by which document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum Required {
    /// This regime.
    Known {
        /// The regime.
        regime: Regime,
        /// The order.
        document: String,
    },
    /// Nobody can tell.
    Unknown {
        /// Why.
        why: String,
    },
}

impl Regimes {
    /// As it ships.
    #[must_use]
    pub fn embedded() -> Self {
        Self::parse(SHIPPED).unwrap_or_else(|error| unreachable!("embedded regimes: {error}"))
    }

    /// Reads a table.
    ///
    /// # Errors
    /// [`RegimesError`].
    pub fn parse(text: &str) -> Result<Self, RegimesError> {
        let file: File = toml::from_str(text).map_err(|error| RegimesError::Syntax(Box::new(error)))?;
        if file.format != FORMAT {
            return Err(RegimesError::Format(file.format));
        }
        let unverified = |period: &&Period| period.enabled && period.certainty == Certainty::Memory;
        match file.periods.iter().find(unverified) {
            Some(period) => Err(RegimesError::Unverified(period.from)),
            None => Ok(Self { version: file.version, periods: file.periods }),
        }
    }

    /// What set-up of such an outlet on that day asked for.
    #[must_use]
    pub fn required(
        &self,
        outlet_type: Option<&str>,
        scheme: Option<&str>,
        on: Option<Day>,
        dictionaries: &Dictionaries,
    ) -> Required {
        let unknown = |why: &str| Required::Unknown { why: why.to_owned() };
        let Some(on) = on else { return unknown("since when the outlet exists is not known") };
        let held = |period: &&Period| period.enabled && period.from <= on && period.to.is_none_or(|last| on <= last);
        let Some(period) = self.periods.iter().find(held) else {
            return unknown("no verified order is loaded for that time");
        };
        let document = period.document.clone();
        match period.regime {
            PeriodRegime::Approval => Required::Known { regime: Regime::Approval, document },
            PeriodRegime::Registration => Required::Known { regime: Regime::Registration, document },
            PeriodRegime::ByType => {
                let dictionary = type_dictionary(scheme.unwrap_or("hj1312_2023"));
                let line = outlet_type.map(|code| dictionaries.ancestry(&dictionary, code)).unwrap_or_default();
                match line.iter().find_map(|term| term.attribute("consent")) {
                    Some("approval") => Required::Known { regime: Regime::Approval, document },
                    Some("registration") => Required::Known { regime: Regime::Registration, document },
                    _ => unknown("the type of the outlet does not say it"),
                }
            }
        }
    }
}

/// Consent as the row shows it: the newest on paper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConsentColumn {
    /// `approval | registration`.
    pub regime: String,
    /// `new | altered | enlarged | legacy`.
    pub kind: String,
    /// Authority.
    pub authority: String,
    /// 文号.
    pub number: String,
    /// Decision date.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<Day>,
    /// Permitted volume, m3/d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_m3_per_day: Option<f64>,
    /// First use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_used_on: Option<Day>,
    /// The paper is attached.
    #[serde(default)]
    pub has_file: bool,
}

/// Is the outlet without the consent or registration that it needs? Why, or nothing. Without any
/// paper and any answer it is listed as not shown, never taken for approved.
#[must_use]
pub fn unapproved(row: &LedgerRow, required: &Required) -> Option<String> {
    match row.approval_status.as_deref() {
        Some("not_approved") => return Some("未审批".to_owned()),
        Some("not_registered") => return Some("未登记".to_owned()),
        _ => {}
    }
    let Some(consent) = &row.consent else {
        return match row.approval_status.as_deref() {
            Some("approved" | "registered") => Some("said to be approved or registered, no paper recorded".to_owned()),
            _ => Some("nothing recorded".to_owned()),
        };
    };
    match required {
        Required::Known { regime: Regime::Approval, document } if consent.regime == "registration" => {
            Some(format!("registered only, and its type needs approval ({document})"))
        }
        _ => None,
    }
}

/// A difference between paper and reality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Stable code.
    pub code: &'static str,
    /// In words.
    pub detail: String,
}

/// Where paper and reality differ. What is not known differs from nothing.
#[must_use]
pub fn differences(row: &LedgerRow, required: &Required) -> Vec<Difference> {
    let mut found = Vec::new();
    let Some(consent) = &row.consent else {
        if row.set_up.as_deref() == Some("new") {
            found.push(Difference {
                code: "new_without_consent",
                detail: "set up newly, and no consent is recorded".to_owned(),
            });
        }
        return found;
    };
    let mut push = |code, detail: String| found.push(Difference { code, detail });
    if let Some(permitted) = consent.volume_m3_per_day {
        let measured = row
            .scale_history
            .iter()
            .filter_map(|figure| figure.m3_per_day)
            .fold(None, |most: Option<f64>, one| Some(most.map_or(one, |most| most.max(one))));
        if let Some(measured) = measured.filter(|measured| *measured > permitted) {
            push(
                "volume_exceeded",
                format!("{measured} m3/d were found, {permitted} m3/d are permitted by {}", consent.number),
            );
        }
    }
    if let (Some(used), Some(on)) = (consent.first_used_on, consent.on)
        && used < on
    {
        push("used_before_consent", format!("in use since {used}, consent is of {on}"));
    }
    if let Required::Known { regime, document } = required
        && consent.regime != regime.code()
    {
        push("regime_differs", format!("{} on paper, {} by {document}", consent.regime, regime.code()));
    }
    match (row.approval_status.as_deref(), consent.regime.as_str()) {
        (Some("not_approved"), "approval") | (Some("not_registered"), "registration") => {
            push("status_differs", "the record says there is none, and the paper is recorded".to_owned());
        }
        _ => {}
    }
    match (consent.kind.as_str(), row.set_up.as_deref()) {
        ("new" | "altered" | "enlarged", Some(set_up)) if set_up != consent.kind => {
            push("kind_differs", format!("{} on paper, {set_up} in the record", consent.kind));
        }
        _ => {}
    }
    if !consent.has_file {
        push("paper_missing", format!("{} is recorded without its file", consent.number));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::testing::Outlet;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn consent(regime: &str) -> ConsentColumn {
        ConsentColumn {
            regime: regime.to_owned(),
            kind: "new".to_owned(),
            authority: "巴中市生态环境局".to_owned(),
            number: "巴环审〔2025〕9号".to_owned(),
            on: Some(day("2025-03-01")),
            volume_m3_per_day: Some(400.0),
            first_used_on: None,
            has_file: true,
        }
    }

    #[test]
    fn the_regime_follows_type_and_date_or_is_not_known() {
        let (regimes, all) = (Regimes::embedded(), Dictionaries::embedded());
        let ask = |kind: Option<&str>, on: Option<&str>| regimes.required(kind, None, on.map(day), &all);
        let regime = |required| match required {
            Required::Known { regime, .. } => Some(regime),
            Required::Unknown { .. } => None,
        };
        assert_eq!(regime(ask(Some("tailings"), Some("2025-01-01"))), Some(Regime::Approval));
        assert_eq!(regime(ask(Some("urban_wwtp"), Some("2025-06-01"))), Some(Regime::Approval));
        assert_eq!(regime(ask(Some("urban_storm"), Some("2025-06-01"))), Some(Regime::Registration));
        assert_eq!(regime(ask(Some("undetermined"), Some("2025-06-01"))), None);
        assert_eq!(regime(ask(Some("tailings"), Some("2024-12-31"))), None, "an unverified order founds nothing");
        assert_eq!(regime(ask(Some("tailings"), None)), None);
        let on = SHIPPED.replace("enabled = false", "enabled = true");
        assert!(matches!(Regimes::parse(&on), Err(RegimesError::Unverified(_))));
    }

    #[test]
    fn what_is_not_shown_is_listed_and_differences_are_named() {
        let mut row = Outlet::new().project().row;
        let unknown = Required::Unknown { why: String::new() };
        let approval = Required::Known { regime: Regime::Approval, document: "35号令".to_owned() };
        assert_eq!(unapproved(&row, &unknown).unwrap(), "nothing recorded");
        row.approval_status = Some("approved".to_owned());
        assert!(unapproved(&row, &unknown).unwrap().contains("no paper"));
        row.consent = Some(consent("approval"));
        assert_eq!((unapproved(&row, &approval), differences(&row, &approval)), (None, Vec::new()));
        row.consent =
            Some(ConsentColumn { first_used_on: Some(day("2024-12-01")), has_file: false, ..consent("registration") });
        row.set_up = Some("enlarged".to_owned());
        assert!(unapproved(&row, &approval).unwrap().contains("needs approval"));
        let codes: Vec<&str> = differences(&row, &approval).iter().map(|found| found.code).collect();
        assert_eq!(codes, ["used_before_consent", "regime_differs", "kind_differs", "paper_missing"]);
        row.consent = None;
        row.set_up = Some("new".to_owned());
        assert_eq!(differences(&row, &approval)[0].code, "new_without_consent");
    }
}
