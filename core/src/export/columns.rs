//! The columns of the ledger, in their order, with how each is read from a row. The first ones are
//! fixed: scripts rely on them.

use crate::ledger::LedgerRow;
use crate::time::Day;

/// A cell before it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Nothing: never 0, "" is what it is in CSV.
    Empty,
    /// Text; masked and made safe for spreadsheets.
    Text(String),
    /// A code of a dictionary (name, code).
    Code(&'static str, String),
    /// Several codes.
    Codes(&'static str, Vec<String>),
    /// A count.
    Count(usize),
    /// Degrees or metres.
    Number(f64),
    /// A day.
    Day(Day),
}

impl Cell {
    pub(crate) fn text(value: Option<&String>) -> Self {
        value.map_or(Self::Empty, |value| Self::Text(value.clone()))
    }

    pub(crate) fn code(dictionary: &'static str, value: Option<&String>) -> Self {
        value.map_or(Self::Empty, |value| Self::Code(dictionary, value.clone()))
    }

    pub(crate) fn day(value: Option<Day>) -> Self {
        value.map_or(Self::Empty, Self::Day)
    }

    fn number(value: Option<f64>) -> Self {
        value.filter(|value| value.is_finite()).map_or(Self::Empty, Self::Number)
    }
}

/// One column of the ledger.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its code: the header for scripts.
    pub code: &'static str,
    pub(crate) cell: fn(&LedgerRow) -> Cell,
}

macro_rules! columns {
    ($($code:literal: $cell:expr;)*) => {
        &[$(Column { code: $code, cell: $cell }),*]
    };
}

/// All columns.
pub const COLUMNS: &[Column] = columns! {
    "id": |row| Cell::Text(row.id.to_string());
    "national_code": |row| Cell::text(row.national_code.as_ref());
    "provincial_code": |row| Cell::text(row.provincial_code.as_ref());
    "temporary_number": |row| Cell::text(row.temporary_number.as_ref());
    "name": |row| Cell::text(row.name.as_ref());
    "lon": |row| Cell::number(row.lon);
    "lat": |row| Cell::number(row.lat);
    "county": |row| Cell::code("county", row.county.as_ref());
    "township": |row| Cell::text(row.township.as_ref());
    "waterbody": |row| Cell::text(row.waterbody.as_ref());
    "classification": |row| Cell::code("classification", row.classification.as_ref());
    "classification_proposed": |row| Cell::code("classification", row.classification_proposed.as_ref());
    "decided_on": |row| Cell::day(row.decided_on);
    "decision_document": |row| Cell::text(row.decision_document.as_ref());
    "review_state": |row| Cell::Code("ledger", row.review_state.code().to_owned());
    "entry_mode": |row| Cell::code("entry_mode", row.entry_mode.as_ref());
    "discharge_pattern": |row| Cell::code("discharge_pattern", row.discharge_pattern.as_ref());
    "scale": |row| Cell::Code("scale", row.scale.code().to_owned());
    "scale_basis": |row| Cell::code("scale_basis", row.scale_basis.as_ref());
    "primary_party": |row| Cell::text(row.primary_party.as_ref());
    "competent_department": |row| Cell::text(row.competent_department.as_ref());
    "problem_count": |row| Cell::Count(row.problem_count);
    "collection": |row| Cell::Text(row.collection.to_string());
    "state": |row| Cell::Code("ledger", row.state.code().to_owned());
    "outlet_type": |row| Cell::code("outlet_type", row.outlet_type.as_ref());
    "bank": |row| Cell::code("bank", row.bank.as_ref());
    "management_unit": |row| Cell::code("county", row.management_unit.as_ref());
    "basin": |row| Cell::text(row.basin.as_ref());
    "water_function_zone": |row| Cell::text(row.water_function_zone.as_ref());
    "control_unit": |row| Cell::text(row.control_unit.as_ref());
    "section": |row| Cell::text(row.section.as_ref());
    "village": |row| Cell::text(row.village.as_ref());
    "address": |row| Cell::text(row.address.as_ref());
    "datum": |row| Cell::code("ledger", row.datum.as_ref());
    "accuracy_m": |row| Cell::number(row.accuracy_m);
    "surveyed_on": |row| Cell::day(row.surveyed_on);
    "discharge_state": |row| Cell::code("discharge_state", row.discharge_state.as_ref());
    "dry_weather_discharge": |row| Cell::code("ledger", row.dry_weather_discharge.as_ref());
    "sampled_on": |row| Cell::day(row.sampled_on);
    "traced_on": |row| Cell::day(row.traced_on);
    "party_uscc": |row| Cell::text(row.party.as_ref().and_then(|party| party.uscc.as_ref()));
    "party_permit": |row| Cell::text(row.party.as_ref().and_then(|party| party.permit_number.as_ref()));
    "other_parties": |row| match row.other_parties.as_slice() {
        [] => Cell::Empty,
        others => Cell::Text(others.iter().map(|party| party.name.as_str()).collect::<Vec<_>>().join(";")),
    };
    "approval_status": |row| Cell::code("approval_status", row.approval_status.as_ref());
    "set_up": |row| Cell::code("set_up", row.set_up.as_ref());
    "exists_from": |row| Cell::day(row.exists_from);
    "plan_due": |row| Cell::day(row.plan_due);
    "measures": |row| Cell::Codes("measure", row.measures.clone());
    "completed_on": |row| Cell::day(row.completed_on);
    "accepted_on": |row| Cell::day(row.accepted_on);
    "reopened_on": |row| Cell::day(row.reopened_on);
    "sign_state": |row| Cell::Code("sign_state", row.sign_state.clone());
    "sign_on": |row| Cell::day(row.sign_on);
    "extended_until": |row| Cell::day(row.extension.as_ref().and_then(|extension| extension.until));
    "extension_document": |row| Cell::text(row.extension.as_ref().and_then(|extension| extension.document.as_ref()));
    "merged_into": |row| match &row.merged_into {
        None => Cell::Empty,
        Some(target) => match (&target.outlet, &target.name) {
            (Some(outlet), _) => Cell::Text(outlet.id.to_string()),
            (None, name) => Cell::text(name.as_ref()),
        },
    };
    "duplicate_of": |row| row.duplicate_of.map_or(Cell::Empty, |of| Cell::Text(of.id.to_string()));
    "problems": |row| Cell::Codes(
        "problem",
        row.problems.iter().filter(|problem| problem.open).map(|problem| problem.code.clone()).collect(),
    );
    "photos": |row| Cell::Count(row.photos);
    "attachments": |row| Cell::Count(row.attachments);
    "conflicts": |row| Cell::Codes("ledger", row.conflicts.clone());
    "amended": |row| Cell::Codes("ledger", row.amended.clone());
    "finding_count": |row| Cell::Count(row.finding_count);
};
