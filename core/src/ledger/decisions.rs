//! Which decisions stand: permitted by role, level and authorship, not overruled, dated early
//! enough; and what a subject's current decision is. Two decisions that have not seen each other
//! gate their subject until one is chosen by name.

use super::findings::{Finding, code};
use super::history::Closure;
use super::permission;
use super::record::{CaseItem, Record};
use super::set::MilestoneSet;
use crate::domain::case::{CaseEntry, Decision};
use crate::ids::EntryId;
use crate::time::Day;

/// Permitted decisions in canonical causal order.
#[derive(Debug)]
pub(crate) struct Decisions<'r> {
    record: &'r Record<'r>,
    permitted: Vec<Permitted<'r>>,
}

#[derive(Debug)]
struct Permitted<'r> {
    item: &'r CaseItem,
    /// What its change has seen of the case file.
    seen: Closure,
    /// May overrule decisions up to this level.
    rank: crate::identity::Level,
    needed: crate::identity::Level,
    /// An acceptance or check: the completion that it is about.
    completion: Option<EntryId>,
}

/// The decisions that stand on a day.
#[derive(Debug)]
pub(crate) struct Live<'d, 'r> {
    decisions: &'d Decisions<'r>,
    index: Vec<usize>,
}

/// What a subject's decisions come to.
#[derive(Debug, Clone)]
pub(crate) enum Current<'r> {
    /// Nothing decided.
    None,
    /// One value (the latest decision for it).
    One(&'r CaseItem),
    /// Concurrent decisions of different content.
    Gated(Vec<&'r CaseItem>),
}

impl<'r> Current<'r> {
    /// The decision, where there is exactly one.
    pub(crate) fn one(&self) -> Option<&'r CaseItem> {
        match self {
            Self::One(item) => Some(item),
            _ => None,
        }
    }

    /// The finding of a gated subject.
    pub(crate) fn finding(&self, subject: &str) -> Option<Finding> {
        match self {
            Self::Gated(items) => {
                Some(Finding::new(code::CONCURRENT_DECISIONS).field(subject).entries(items.iter().map(|item| item.id)))
            }
            _ => None,
        }
    }
}

impl<'r> Decisions<'r> {
    /// Keeps what its author was allowed to decide; the rest becomes findings.
    pub(crate) fn read(
        record: &'r Record<'r>,
        items: &[&'r CaseItem],
        set: &MilestoneSet,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let mut permitted: Vec<Permitted<'r>> = Vec::new();
        let mut listed = false;
        for item in items {
            let needed = permission::needed(&item.value, &record.key, set, listed);
            match allowed(record, item, needed) {
                Ok(rank) => {
                    let seen = record.case_history.closure(&[item.origin.change]);
                    let completion = completion_of(record, &permitted, item, &seen);
                    if may_not_report(set, item) && reported_by_same_person(&permitted, completion, item) {
                        findings.push(Finding::new(code::ACCEPTED_BY_REPORTER).entry(item.id).detail(who(item)));
                        continue;
                    }
                    listed |= matches!(&item.value.decision, Decision::Review(review) if review.action == "approve");
                    permitted.push(Permitted { item, seen, rank, needed, completion });
                }
                Err(reason) => findings.push(
                    Finding::new(reason).field(subject_name(&item.value.decision)).entry(item.id).detail(who(item)),
                ),
            }
        }
        let decisions = Self { record, permitted };
        decisions.report_overreach(findings);
        decisions
    }

    /// The decisions that stand when what is dated after `day` has not happened yet (`None`: all).
    pub(crate) fn at(&self, day: Option<Day>) -> Live<'_, 'r> {
        let happened = |permitted: &Permitted<'r>| day.is_none_or(|day| self.dated(permitted) <= day);
        let mut overruled: Vec<EntryId> = Vec::new();
        let mut index: Vec<usize> = Vec::new();
        for (at, permitted) in self.permitted.iter().enumerate().rev() {
            if overruled.contains(&permitted.item.id) || !happened(permitted) {
                continue;
            }
            overruled.extend(self.may_overrule(permitted));
            index.push(at);
        }
        index.reverse();
        Live { decisions: self, index }
    }

    /// The day on which a decision takes effect in the record of facts. Reviews, settlements,
    /// duplicates and acceptances are knowledge about the record and hold for every day.
    fn dated(&self, permitted: &Permitted<'r>) -> Day {
        let always = Day::from_epoch_days(i64::MIN);
        match &permitted.item.value.decision {
            Decision::Review(_) | Decision::Settle(_) | Decision::Duplicate(_) => always,
            Decision::KnownFrom(_) | Decision::ApproveKnown(_) => always,
            Decision::Reopen(reopen) if reopen.unfounded => always,
            Decision::Accept(_) => permitted
                .completion
                .and_then(|id| self.permitted.iter().find(|other| other.item.id == id))
                .and_then(|completion| completion.item.evidence)
                .unwrap_or(always),
            _ => permitted.item.evidence.unwrap_or(always),
        }
    }

    fn may_overrule(&self, permitted: &Permitted<'r>) -> Vec<EntryId> {
        let target = |id: &&EntryId| {
            self.permitted
                .iter()
                .find(|other| other.item.id == **id)
                .is_some_and(|other| other.needed <= permitted.rank)
        };
        permitted.item.value.overrules.iter().filter(target).copied().collect()
    }

    fn report_overreach(&self, findings: &mut Vec<Finding>) {
        for permitted in &self.permitted {
            for id in &permitted.item.value.overrules {
                let above = self.permitted.iter().any(|other| other.item.id == *id && other.needed > permitted.rank);
                if above {
                    findings.push(
                        Finding::new(code::OVERRULES_HIGHER_LEVEL)
                            .entries([permitted.item.id, *id])
                            .detail(who(permitted.item)),
                    );
                }
            }
        }
    }

    /// Days on which something dated changes.
    pub(crate) fn days(&self) -> Vec<Day> {
        let mut days: Vec<Day> = self
            .permitted
            .iter()
            .filter(|permitted| {
                matches!(
                    permitted.item.value.decision,
                    Decision::Classify(_)
                        | Decision::Plan(_)
                        | Decision::Complete(_)
                        | Decision::Reopen(_)
                        | Decision::Accept(_)
                )
            })
            .map(|permitted| self.dated(permitted))
            .filter(|day| *day > Day::from_epoch_days(i64::MIN))
            .collect();
        days.sort();
        days.dedup();
        days
    }
}

impl<'r> Live<'_, 'r> {
    /// All that stand, in causal order.
    pub(crate) fn items(&self) -> impl DoubleEndedIterator<Item = &'r CaseItem> + '_ {
        self.index.iter().map(|at| self.decisions.permitted[*at].item)
    }

    /// The completion that an acceptance or check is about.
    pub(crate) fn completion_of(&self, item: &CaseItem) -> Option<EntryId> {
        self.decisions.permitted.iter().find(|permitted| permitted.item.id == item.id)?.completion
    }

    /// `later` had `earlier` before its eyes.
    pub(crate) fn saw(&self, later: &CaseItem, earlier: &CaseItem) -> bool {
        let find = |item: &CaseItem| self.decisions.permitted.iter().position(|permitted| permitted.item.id == item.id);
        let (Some(later), Some(earlier)) = (find(later), find(earlier)) else { return false };
        earlier < later && self.decisions.saw(later, earlier)
    }

    /// The last decision of one kind that stands; `pick` gives what it decides.
    pub(crate) fn decided<T: PartialEq>(&self, pick: impl Fn(&Decision) -> Option<T>) -> Current<'r> {
        self.current(
            |entry| pick(&entry.decision).is_some(),
            |left, right| pick(&left.decision) == pick(&right.decision),
        )
    }

    /// Current decision of a subject. A later decision replaces what it has seen, unless what it
    /// has seen was already a conflict: that ends only by name (`overrules`).
    pub(crate) fn current(
        &self,
        subject: impl Fn(&CaseEntry) -> bool,
        same: impl Fn(&CaseEntry, &CaseEntry) -> bool,
    ) -> Current<'r> {
        let all = &self.decisions.permitted;
        let mut current: Vec<usize> = Vec::new();
        for at in self.index.iter().copied().filter(|at| subject(&all[*at].item.value)) {
            let agreed = current.windows(2).all(|pair| same(&all[pair[0]].item.value, &all[pair[1]].item.value));
            if agreed {
                current.retain(|earlier| !self.decisions.saw(at, *earlier));
            }
            current.push(at);
        }
        let agreed = current.windows(2).all(|pair| same(&all[pair[0]].item.value, &all[pair[1]].item.value));
        match current.last() {
            None => Current::None,
            Some(last) if agreed => Current::One(all[*last].item),
            Some(_) => Current::Gated(current.into_iter().map(|at| all[at].item).collect()),
        }
    }
}

impl Decisions<'_> {
    fn saw(&self, later: usize, earlier: usize) -> bool {
        let change = &self.permitted[earlier].item.origin.change;
        self.record.case_history.contains(&self.permitted[later].seen, change)
    }
}

fn allowed(
    record: &Record<'_>,
    item: &CaseItem,
    needed: crate::identity::Level,
) -> Result<crate::identity::Level, &'static str> {
    let Some(author) = &item.author else { return Err(code::DECISION_UNKNOWN_AUTHOR) };
    let rank = permission::rank(Some(author)).filter(|rank| *rank >= needed).ok_or(code::DECISION_WRONG_LEVEL)?;
    let authored = record.authors(&item.value.field_heads).contains(&author.person);
    if authored && permission::is_decision(&item.value.decision) {
        return Err(code::DECISION_BY_AUTHOR);
    }
    Ok(rank)
}

/// The completion that a check or acceptance had before its eyes: the last one it has seen.
fn completion_of(record: &Record<'_>, permitted: &[Permitted<'_>], item: &CaseItem, seen: &Closure) -> Option<EntryId> {
    if !matches!(item.value.decision, Decision::Accept(_)) {
        return None;
    }
    permitted
        .iter()
        .rev()
        .find(|other| {
            matches!(&other.item.value.decision, Decision::Complete(complete) if !complete.withdrawn)
                && record.case_history.contains(seen, &other.item.origin.change)
        })
        .map(|other| other.item.id)
}

/// The acceptance is never the reporter's; the first check is, if the set lets it be.
fn may_not_report(set: &MilestoneSet, item: &CaseItem) -> bool {
    let first_check = matches!(&item.value.decision, Decision::Accept(accept) if accept.level != "city");
    !(first_check && set.acceptance.reporter_may_check)
}

fn reported_by_same_person(permitted: &[Permitted<'_>], completion: Option<EntryId>, item: &CaseItem) -> bool {
    permitted
        .iter()
        .find(|other| Some(other.item.id) == completion)
        .is_some_and(|other| other.item.person().is_some() && other.item.person() == item.person())
}

/// Name and level of whoever decided, for people.
pub(crate) fn who(item: &CaseItem) -> String {
    match &item.author {
        Some(author) => format!("{} ({})", author.name, author.title()),
        None => format!("{}…", item.origin.actor.key().short()),
    }
}

/// The JSON tag of a decision.
pub(crate) fn subject_name(decision: &Decision) -> &'static str {
    match decision {
        Decision::Review(_) => "review",
        Decision::Settle(_) => "settle",
        Decision::Duplicate(_) => "duplicate",
        Decision::Classify(_) => "classify",
        Decision::Plan(_) => "plan",
        Decision::Complete(_) => "complete",
        Decision::Accept(_) => "accept",
        Decision::Reopen(_) => "reopen",
        Decision::Extend(_) => "extend",
        Decision::Name(_) => "name",
        Decision::Code(_) => "code",
        Decision::Sign(_) => "sign",
        Decision::Party(_) => "party",
        Decision::Exempt(_) => "exempt",
        Decision::Enforcement(_) => "enforcement",
        Decision::KnownFrom(_) => "known_from",
        Decision::ApproveKnown(_) => "approve_known",
    }
}
