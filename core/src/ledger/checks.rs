//! Findings on values that reference data can judge: townships, dictionary codes, official codes.
//! They warn; nothing is changed or left out.

use super::Reference;
use super::findings::{Finding, code};
use super::row::LedgerRow;
use super::values::Values;
use crate::domain::code::{CodeContext, OutletCode};
use crate::domain::dictionary::{Lang, type_dictionary};
use crate::domain::field::fact;
use crate::domain::lint::{NameContext, lint_name};
use crate::domain::party::Uscc;

/// Facts whose values are codes of a dictionary.
const CODED: [(&str, &str); 8] = [
    (fact::ENTRY_MODE, "entry_mode"),
    (fact::SHAPE, "shape"),
    (fact::MATERIAL, "material"),
    (fact::BANK, "bank"),
    (fact::MOUTH, "mouth"),
    (fact::SET_UP, "set_up"),
    (fact::APPROVAL_STATUS, "approval_status"),
    (fact::CLASSIFICATION, "classification"),
];

/// All checks of a row.
pub(crate) fn check(row: &LedgerRow, values: &Values, reference: &Reference, findings: &mut Vec<Finding>) {
    if values.get(fact::COUNTY).is_none() {
        findings.push(Finding::new(code::COUNTY_ASSUMED).field(fact::COUNTY).detail(row.collection.to_string()));
    }
    township(row, values, reference, findings);
    for (name, dictionary) in CODED {
        if let Some(value) = values.text(name) {
            known(name, dictionary, value, reference, findings);
        }
    }
    if let Some(value) = values.text(fact::OUTLET_TYPE) {
        let scheme = values.text(fact::TYPE_SCHEME).unwrap_or("hj1312_2023");
        known(fact::OUTLET_TYPE, &type_dictionary(scheme), value, reference, findings);
    }
    for problem in row.problems.iter().filter(|problem| problem.code != "sign_damaged") {
        known("problems", "problem", &problem.code, reference, findings);
    }
    national_code(row, values, reference, findings);
    name(row, reference, findings);
    for code in row.party.iter().chain(&row.other_parties).filter_map(|party| party.uscc.as_deref()) {
        if let Err(error) = code.parse::<Uscc>() {
            findings.push(Finding::new(code::PARTY_CODE_INVALID).field("party_uscc").detail(error.to_string()));
        }
    }
}

/// What reviewers check mechanically: characters, that the type word occurs in the name, and that it
/// names no other county or river than the record does.
fn name(row: &LedgerRow, reference: &Reference, findings: &mut Vec<Finding>) {
    let Some(name) = row.name.as_deref() else { return };
    let label = row.outlet_type.as_deref().and_then(|code| reference.dictionaries.find_type(code).ok());
    let counties: Vec<&str> = reference.counties.values().map(String::as_str).collect();
    let waters: Vec<&str> = reference.waters.iter().map(String::as_str).collect();
    let context = NameContext {
        type_label: label.map(|(_, term)| term.label(Lang::Zh)),
        own_county: row.county.as_deref().and_then(|code| reference.counties.get(code)).map(String::as_str),
        counties: &counties,
        waterbody: row.waterbody.as_deref(),
        waters: &waters,
        ..NameContext::default()
    };
    for odd in lint_name(name, &context).into_iter().filter(|odd| !odd.is_hint()) {
        findings.push(Finding::new(code::NAME_ODD).field(fact::NAME).detail(odd.to_string()));
    }
}

fn known(field: &str, dictionary: &str, value: &str, reference: &Reference, findings: &mut Vec<Finding>) {
    let found = reference.dictionaries.get(dictionary).is_none_or(|all| all.term(value).is_some());
    if !found {
        findings.push(Finding::new(code::UNKNOWN_VALUE).field(field).detail(value));
    }
}

fn township(row: &LedgerRow, values: &Values, reference: &Reference, findings: &mut Vec<Finding>) {
    let Some(township) = row.township.as_deref().filter(|_| !reference.townships.is_empty()) else { return };
    match reference.townships.get(township) {
        None => findings.push(Finding::new(code::UNKNOWN_TOWNSHIP).field(fact::TOWNSHIP).detail(township)),
        Some(county) if values.text(fact::COUNTY).is_some_and(|own| own != county) => {
            let detail = format!("{township}: {county}");
            findings.push(Finding::new(code::TOWNSHIP_NOT_IN_COUNTY).field(fact::TOWNSHIP).detail(detail));
        }
        Some(_) => {}
    }
}

/// A valid code may still disagree with the record: warned, never refused.
fn national_code(row: &LedgerRow, values: &Values, reference: &Reference, findings: &mut Vec<Finding>) {
    let Some(text) = row.national_code.as_deref() else { return };
    let Ok(parsed) = text.parse::<OutletCode>() else {
        findings.push(Finding::new(code::CODE_MALFORMED).field(fact::NATIONAL_CODE).detail(text));
        return;
    };
    let context = CodeContext {
        county: row.county.as_deref().and_then(|county| county.parse().ok()),
        outlet_type: values.text(fact::OUTLET_TYPE),
        dictionaries: &reference.dictionaries,
    };
    for odd in parsed.lint(&context) {
        let detail = format!("{text}: {odd}");
        findings.push(Finding::new(code::CODE_INCONSISTENT).field(fact::NATIONAL_CODE).detail(detail));
    }
}
