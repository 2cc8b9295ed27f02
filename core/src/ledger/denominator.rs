//! Who is in the denominator (lifecycle.md 1.2), and records that count once: duplicates and
//! records that were moved to another collection.

use std::collections::{BTreeMap, BTreeSet};

use super::ScaleClass;
use super::findings::{Finding, code};
use super::grade::Check;
use super::profile::{Profile, Standing};
use super::set::{Condition, Milestone, Scope};
use crate::ids::{DocKey, OutletId};
use crate::time::Day;

/// Where an outlet stands in a milestone's denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In.
    In,
    /// An open suspect, in and not done.
    InSuspect,
    /// An open suspect, out and shown.
    OutSuspect,
    /// 规模待定: out of the headline, in the strict share.
    ScaleUndetermined,
    /// Out, counted under this name.
    Out(&'static str),
}

/// Places an outlet in a milestone, as of a day. The population is cut off at min(D, as_of).
#[must_use]
pub fn place(profile: &Profile, milestone: &Milestone, as_of: Day) -> Place {
    match profile.standing {
        Standing::NotKnown => return Place::Out("not_known_then"),
        Standing::NotAnOutlet => return Place::Out("not_an_outlet"),
        Standing::Duplicate { .. } => return Place::Out("duplicate"),
        Standing::Moved { .. } => return Place::Out("moved"),
        Standing::Outlet | Standing::Suspect => {}
    }
    if set_up_after(profile, milestone.due.min(as_of)) {
        return Place::Out("set_up_after");
    }
    if profile.standing == Standing::Suspect {
        return if milestone.suspects { Place::InSuspect } else { Place::OutSuspect };
    }
    match (milestone.scope, profile.scale) {
        (Scope::AboveScale, ScaleClass::Below) => Place::Out("below_scale"),
        (Scope::AboveScale, ScaleClass::Undetermined) => Place::ScaleUndetermined,
        _ => Place::In,
    }
}

/// First used after the cut-off. 改设 and 扩大 of an existing outlet stay in.
fn set_up_after(profile: &Profile, cut_off: Day) -> bool {
    let existing = matches!(profile.set_up.as_deref(), Some("altered" | "enlarged"));
    !existing && profile.exists_from.is_some_and(|from| from > cut_off)
}

/// Counts each outlet once: facts of duplicates and of moved records go to the survivor, the
/// earliest date wins. A record whose survivor is not there, or that is in a circle of duplicates,
/// keeps counting and gets a finding: no outlet is lost. A 合并去向 that is in no ledger is a finding
/// too, and moves no figure: the merged mouth is counted by its own row.
#[must_use]
pub fn absorb(mut profiles: Vec<Profile>) -> (Vec<Profile>, Vec<(OutletId, Finding)>) {
    profiles.sort_by_key(|profile| profile.key);
    let index: BTreeMap<DocKey, usize> = profiles.iter().enumerate().map(|(at, profile)| (profile.key, at)).collect();
    let unknown = |profile: &&Profile| profile.merged_into.is_some_and(|target| !index.contains_key(&target));
    let mut findings: Vec<(OutletId, Finding)> = profiles
        .iter()
        .filter(unknown)
        .map(|profile| (profile.id(), Finding::new(code::MERGED_INTO_UNKNOWN)))
        .collect();
    for at in 0..profiles.len() {
        if next(&profiles, &index, at) == Next::Here {
            continue;
        }
        match survivor(&profiles, &index, at) {
            Some(root) if root != at => {}
            other => {
                let lost = other.is_none() || matches!(profiles[at].standing, Standing::Duplicate { .. });
                if lost {
                    findings.push((profiles[at].id(), Finding::new(code::DUPLICATE_OF_UNKNOWN)));
                }
                profiles[at].standing = profiles[at].alone.clone();
            }
        }
    }
    for at in 0..profiles.len() {
        if let Some(root) = survivor(&profiles, &index, at).filter(|root| *root != at) {
            let from = profiles[at].fixed.clone();
            take_over(&mut profiles[root].fixed, from);
            profiles[root].pending_review &= profiles[at].pending_review;
        }
    }
    (profiles, findings)
}

#[derive(PartialEq)]
enum Next {
    Here,
    Missing,
    At(usize),
}

fn next(profiles: &[Profile], index: &BTreeMap<DocKey, usize>, at: usize) -> Next {
    let target = match &profiles[at].standing {
        Standing::Duplicate { of } => index.get(of),
        Standing::Moved { to } => index.get(to).filter(|to| profiles[**to].moved_from == Some(profiles[at].key)),
        _ => return Next::Here,
    };
    match target {
        Some(target) if profiles[*target].standing != Standing::NotKnown => Next::At(*target),
        _ => Next::Missing,
    }
}

/// The record that counts for this one; of a circle, the one with the smallest key.
fn survivor(profiles: &[Profile], index: &BTreeMap<DocKey, usize>, at: usize) -> Option<usize> {
    let mut path = vec![at];
    let mut seen = BTreeSet::from([at]);
    loop {
        match next(profiles, index, *path.last()?) {
            Next::Here => return path.last().copied(),
            Next::Missing => return None,
            Next::At(to) if seen.insert(to) => path.push(to),
            Next::At(to) => {
                let start = path.iter().position(|step| *step == to)?;
                return path[start..].iter().copied().min();
            }
        }
    }
}

fn take_over(own: &mut BTreeMap<Condition, Check>, from: BTreeMap<Condition, Check>) {
    for (condition, check) in from.into_iter().filter(|(_, check)| check.met) {
        let mine = own.entry(condition).or_insert_with(|| check.clone());
        let real = (mine.met && !mine.substitute) || !check.substitute;
        if !mine.met || check.date < mine.date {
            *mine = check;
        }
        mine.substitute &= !real;
    }
}
