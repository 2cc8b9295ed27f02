//! Each milestone taken apart for one outlet: every condition, met or not, with its date, and what
//! would make it done.

use outlet_core::ledger::{ConditionRow, Explanation};
use outlet_core::time::Day;

use super::super::Page;

/// One milestone in both readings.
pub(super) struct MilestoneBlock {
    pub milestone: String,
    pub due: Day,
    /// Known now, then as reported.
    pub readings: Vec<ReadingLine>,
    /// Conditions as known now.
    pub conditions: Vec<ConditionLine>,
}

/// What one reading says.
pub(super) struct ReadingLine {
    pub reading: String,
    /// As of which day, and whether it is counted.
    pub detail: String,
    pub done: bool,
    pub date: String,
    pub grade: String,
}

/// One condition.
pub(super) struct ConditionLine {
    pub condition: String,
    pub met: bool,
    pub exempt: bool,
    pub date: String,
    pub grade: String,
    pub decided_by: String,
    pub missing: String,
}

pub(super) fn blocks(page: &Page, explanations: &[[Explanation; 2]]) -> Vec<MilestoneBlock> {
    let block = |pair: &[Explanation; 2]| MilestoneBlock {
        milestone: pair[0].milestone.clone(),
        due: pair[0].due,
        readings: pair.iter().map(|explanation| reading(page, explanation)).collect(),
        conditions: pair[0].conditions.iter().map(|row| condition(page, row)).collect(),
    };
    explanations.iter().map(block).collect()
}

fn reading(page: &Page, explanation: &Explanation) -> ReadingLine {
    let code = super::code_of(&explanation.reading);
    let counted = match explanation.in_denominator {
        true => page.t("counted"),
        false => page.t1("not-counted", "why", page.label(&explanation.counted)),
    };
    ReadingLine {
        detail: page.before(&format!(
            "{}{}",
            page.label(&code),
            page.aside(&page.t1("as-of", "day", explanation.as_of))
        )) + &counted,
        reading: page.label(&code),
        done: explanation.done,
        date: day(explanation.date),
        grade: explanation.grade.map(|grade| page.label(&super::code_of(&grade))).unwrap_or_default(),
    }
}

fn condition(page: &Page, row: &ConditionRow) -> ConditionLine {
    ConditionLine {
        condition: page.label(row.condition.code()),
        met: row.met,
        exempt: row.exempt.is_some(),
        date: day(row.date),
        grade: row.grade.map(|grade| page.label(&super::code_of(&grade))).unwrap_or_default(),
        decided_by: row.decided_by.as_deref().map(|who| titled(page, who)).unwrap_or_default(),
        missing: page.list(row.missing.iter().map(|code| missing(page, code))),
    }
}

/// What is missing: a thing, or the approval of one that is there (`approval:CODE`).
fn missing(page: &Page, code: &str) -> String {
    match code.strip_prefix("approval:") {
        Some(what) => page.t1("needs-approval", "what", page.label(what)),
        None => page.label(code),
    }
}

/// "Name (title)" with the title in the page's language.
pub(in super::super) fn titled(page: &Page, who: &str) -> String {
    let Some((name, title)) = who.strip_suffix(')').and_then(|who| who.rsplit_once(" (")) else {
        return who.to_owned();
    };
    let key = match title {
        "admin" => "role-admin",
        "city supervisor" => "role-city",
        "county supervisor" => "role-county",
        "inspector" => "role-inspector",
        _ => return who.to_owned(),
    };
    format!("{name}{}", page.aside(&page.t(key)))
}

fn day(day: Option<Day>) -> String {
    day.map(|day| day.to_string()).unwrap_or_default()
}
