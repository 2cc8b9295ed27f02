//! What the rules look at: an outlet as its ledger row shows it.

use crate::geo::GeoPoint;
use crate::ledger::LedgerRow;
use crate::time::Day;

/// An outlet as the rules see it. `None` is always "not known".
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Subject {
    /// Position.
    pub point: Option<GeoPoint>,
    /// Type code of the current scheme.
    pub outlet_type: Option<String>,
    /// Exists since.
    pub exists_from: Option<Day>,
    /// `existing | new | altered | enlarged`.
    pub set_up: Option<String>,
    /// Codes of open problems; `None` when nobody has surveyed it.
    pub problems: Option<Vec<String>>,
    /// 是否混排.
    pub mixed: Option<bool>,
    /// 是否晴天排水.
    pub dry_weather_discharge: Option<bool>,
    /// 异常.
    pub abnormal: Option<bool>,
    /// 审批状态 code.
    pub approval_status: Option<String>,
    /// `none | ordered | erected | damaged | …`.
    pub sign_state: Option<String>,
    /// Parties that discharge through the mouth.
    pub parties: usize,
    /// Industrial and mining outlets of its primary party, this one included; `None` when the party
    /// is not known.
    pub outlets_of_party: Option<usize>,
}

impl Subject {
    /// From a ledger row; `outlets_of_party` is counted by whoever has all rows.
    #[must_use]
    pub fn of(row: &LedgerRow, outlets_of_party: Option<usize>) -> Self {
        let yes = |answer: &Option<String>| match answer.as_deref() {
            Some("yes") => Some(true),
            Some("no") => Some(false),
            _ => None,
        };
        let open = row.problems.iter().filter(|problem| problem.open).map(|problem| problem.code.clone());
        Self {
            point: row.lon.zip(row.lat).and_then(|(lon, lat)| GeoPoint::new(lon, lat).ok()),
            outlet_type: row.outlet_type.clone(),
            exists_from: row.exists_from,
            set_up: row.set_up.clone(),
            problems: row.surveyed_on.map(|_| open.collect()),
            mixed: yes(&row.mixed),
            dry_weather_discharge: yes(&row.dry_weather_discharge),
            abnormal: yes(&row.abnormal),
            approval_status: row.approval_status.clone(),
            sign_state: Some(row.sign_state.clone()),
            parties: usize::from(row.party.is_some()) + row.other_parties.len(),
            outlets_of_party,
        }
    }

    /// Has it one of these open problems? `None` when nobody has surveyed it.
    pub(crate) fn has_problem(&self, codes: &[&str]) -> Option<bool> {
        let problems = self.problems.as_ref()?;
        Some(problems.iter().any(|problem| codes.contains(&problem.as_str())))
    }

    /// Was the outlet there before that day? `None` when either day is not known.
    pub(crate) fn existed_before(&self, day: Option<Day>) -> Option<bool> {
        Some(self.exists_from? < day?)
    }

    /// Newly set up, altered or enlarged?
    pub(crate) fn is_new(&self) -> Option<bool> {
        self.set_up.as_deref().map(|kind| matches!(kind, "new" | "altered" | "enlarged"))
    }
}
