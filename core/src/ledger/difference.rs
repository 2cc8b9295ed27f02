//! What changed between two days under a milestone, and why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::grade::Reading;
use super::lines::{OutletLine, lines};
use super::profile::Profile;
use super::progress::{GroupBy, TableInput};
use super::set::Milestone;
use crate::ids::{DocKey, OutletId};

/// One outlet that counts differently on the second day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The outlet.
    pub id: OutletId,
    /// Key of the field record.
    pub key: DocKey,
    /// Its group on the second day.
    pub group: String,
    /// `done | open | open_suspect | scale_undetermined | <reason it is out> | absent` on the first day.
    pub before: String,
    /// The same on the second day.
    pub after: String,
    /// Why: conditions that came (`+sample 2021-07-02 李四 (county supervisor)`) or went
    /// (`-accepted`), re-openings, class decisions.
    pub reasons: Vec<String>,
}

/// Outlets whose place or outcome differs between two days, in order of their keys. Each input has
/// the profiles of its own day.
#[must_use]
pub fn difference(
    before: TableInput<'_>,
    after: TableInput<'_>,
    milestone: &Milestone,
    reading: Reading,
    by: GroupBy,
) -> Vec<Difference> {
    let of = |input: TableInput<'_>| -> BTreeMap<DocKey, OutletLine> {
        lines(input, milestone, reading, by, (None, None)).into_iter().map(|line| (line.key, line)).collect()
    };
    let (first, second) = (of(before), of(after));
    let mut keys: Vec<DocKey> = first.keys().chain(second.keys()).copied().collect();
    keys.sort();
    keys.dedup();
    let (old, new) = (profiles(&before, reading), profiles(&after, reading));
    let mut differences = Vec::new();
    for key in keys {
        let (was, is) = (word(first.get(&key)), word(second.get(&key)));
        if was == is {
            continue;
        }
        let group = second.get(&key).or_else(|| first.get(&key)).map(|line| line.group.clone()).unwrap_or_default();
        let reasons = reasons((old.get(&key).copied(), before), (new.get(&key).copied(), after), milestone);
        differences.push(Difference { id: key.id, key, group, before: was, after: is, reasons });
    }
    differences
}

fn profiles<'p>(input: &TableInput<'p>, reading: Reading) -> BTreeMap<DocKey, &'p Profile> {
    let all = if reading == Reading::AsKnownNow { input.known_now } else { input.as_reported };
    all.iter().map(|profile| (profile.key, profile)).collect()
}

fn word(line: Option<&OutletLine>) -> String {
    match line {
        None => "absent".to_owned(),
        Some(line) if line.done => "done".to_owned(),
        Some(line) if line.counted == "in" => "open".to_owned(),
        Some(line) => line.counted.clone(),
    }
}

fn reasons(
    (was, before): (Option<&Profile>, TableInput<'_>),
    (is, after): (Option<&Profile>, TableInput<'_>),
    milestone: &Milestone,
) -> Vec<String> {
    let Some(is) = is else { return Vec::new() };
    let mut reasons = Vec::new();
    let class =
        |profile: Option<&Profile>, day| profile.and_then(|own| own.step(day)).and_then(|step| step.class.clone());
    let (old, new) = (class(was, before.as_of), class(Some(is), after.as_of));
    if old != new {
        reasons.push(format!("class {} -> {}", old.as_deref().unwrap_or("none"), new.as_deref().unwrap_or("none")));
    }
    if was.map(|own| &own.standing) != Some(&is.standing) {
        let text = serde_json::to_value(&is.standing).ok();
        let text = text.and_then(|value| value["is"].as_str().map(str::to_owned)).unwrap_or_default();
        reasons.push(format!("counted as {text}"));
    }
    if let Some(on) = is.step(after.as_of).and_then(|step| step.reopened) {
        reasons.push(format!("re-opened {on}"));
    }
    let wanted = milestone.conditions(new.as_deref());
    let every = || milestone.requires.get("every").cloned().unwrap_or_default();
    for condition in wanted.unwrap_or_else(every) {
        let met = |profile: Option<&Profile>, day| {
            profile.and_then(|own| own.check(condition, day)).filter(|check| check.met_by(day)).cloned()
        };
        match (met(was, before.as_of), met(Some(is), after.as_of)) {
            (None, Some(check)) => {
                let date = check.date.map(|date| format!(" {date}")).unwrap_or_default();
                let by = check.decided_by.map(|by| format!(" {by}")).unwrap_or_default();
                reasons.push(format!("+{}{date}{by}", condition.code()));
            }
            (Some(_), None) => reasons.push(format!("-{}", condition.code())),
            _ => {}
        }
    }
    reasons
}
