//! A sign (标识牌) whose text is out of date: name, code or department are others now than on the day on
//! which it was put up. What a sign says is nowhere recorded; it is made from the ledger of its day.

use super::conditions::current_code;
use super::decisions::Live;
use super::findings::{Finding, code};
use super::rectify::Works;
use super::row::{approved_name, parties};
use super::view::View;
use crate::domain::case::Decision;
use crate::domain::field::{FieldEntry, fact};
use crate::time::Day;

/// What a sign shows of what may change.
struct Text {
    name: Option<String>,
    code: Option<String>,
    department: Option<String>,
}

impl Text {
    /// As of the end of a day; now unless one is given.
    fn of(view: &View<'_, '_>, live: &Live<'_, '_>, until: Option<Day>) -> Self {
        let found = |name: &str| view.values.text(name).map(str::to_owned);
        let code = |system: &str| match &current_code(live, system).one()?.value.decision {
            Decision::Code(code) if !code.cancelled => Some(code.code.clone()),
            _ => None,
        };
        Self {
            // Before a name was approved, a sign had the one of the field record.
            name: approved_name(live).or_else(|| found(fact::NAME)),
            code: code("national").or_else(|| code("provincial")),
            department: parties(view, live, &Works::read(live), until).1,
        }
    }
}

/// The sign stands, and says something else than the ledger: a code that came later is missing on
/// it, a name or department that changed is another one.
pub(crate) fn outdated(view: &View<'_, '_>, state: &str) -> Vec<Finding> {
    let Some(on) = put_up(view).filter(|_| matches!(state, "erected" | "repaired")) else { return Vec::new() };
    let live = view.decisions.at(Some(on));
    let (then, now) = (Text::of(view, &live, Some(on)), Text::of(view, &view.live, None));
    let says = |text: &Option<String>| text.clone().unwrap_or_else(|| "—".to_owned());
    let finding = |field: &str, then: &Option<String>, now: &Option<String>| {
        Finding::new(code::SIGN_OUTDATED).field(field).detail(format!("{} -> {}", says(then), says(now)))
    };
    let changed = |then: &Option<String>, now: &Option<String>| then.is_some() && now.is_some() && then != now;
    let mut findings = Vec::new();
    if changed(&then.name, &now.name) {
        findings.push(finding(fact::NAME, &then.name, &now.name));
    }
    if now.code.is_some() && then.code != now.code {
        findings.push(finding(fact::NATIONAL_CODE, &then.code, &now.code));
    }
    if changed(&then.department, &now.department) {
        findings.push(finding("competent_department", &then.department, &now.department));
    }
    findings
}

/// The day on which the sign was last put up; a repair does not write it anew.
fn put_up(view: &View<'_, '_>) -> Option<Day> {
    let seen = view.known.field.iter().filter_map(|item| match &item.value {
        FieldEntry::Sign(sign) if sign.state == "erected" => sign.on.or(item.evidence),
        _ => None,
    });
    let decided = view.live.items().filter_map(|item| match &item.value.decision {
        Decision::Sign(sign) if sign.state == "erected" => sign.observed_on.or(item.evidence),
        _ => None,
    });
    seen.chain(decided).max()
}
