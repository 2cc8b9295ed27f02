//! Counting for the milestone table. A record comes into a tally or leaves it, and a tally that
//! records have left equals one that they never came into: so a table can follow changes
//! ([`super::Board`]) instead of being counted anew.

use std::collections::BTreeMap;

use super::denominator::{Place, place};
use super::grade::{Grade, Reading};
use super::outcome::{Fulfilment, Span, extension, fulfilment, spans};
use super::profile::Profile;
use super::progress::{DocumentPart, GroupBy, GroupState, Part, PartOf, ProgressRow, TableInput, UNKNOWN_GROUP, share};
use super::set::{Condition, Milestone, MilestoneSet, Scope};
use crate::domain::reference::Seal;
use crate::time::Day;

/// Whether a record comes into a tally or leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It comes.
    In,
    /// It leaves. It had come with the same profile.
    Out,
}

impl Turn {
    fn count(self, count: &mut usize, when: bool) {
        match self {
            Self::In => *count += usize::from(when),
            Self::Out => *count = count.saturating_sub(usize::from(when)),
        }
    }

    fn name(self, counts: &mut BTreeMap<String, usize>, name: &str) {
        match counts.get_mut(name) {
            Some(count) => self.count(count, true),
            None if self == Self::In => _ = counts.insert(name.to_owned(), 1),
            None => {}
        }
        if self == Self::Out && counts.get(name) == Some(&0) {
            counts.remove(name);
        }
    }
}

/// What a row of the table says beside its figures.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'t> {
    pub set: &'t MilestoneSet,
    pub seals: &'t [Seal],
    pub as_of: Day,
}

impl<'t> From<TableInput<'t>> for About<'t> {
    fn from(input: TableInput<'t>) -> Self {
        Self { set: input.set, seals: input.seals, as_of: input.as_of }
    }
}

/// Tallies of one milestone and reading: of all, and by group.
#[derive(Debug, Default)]
pub(super) struct Groups {
    all: Tally,
    of: BTreeMap<String, Tally>,
}

impl Groups {
    /// A record comes or leaves.
    pub(super) fn turn(&mut self, profile: &Profile, milestone: &Milestone, as_of: Day, by: GroupBy, turn: Turn) {
        let counted = Counted::new(profile, milestone, as_of);
        self.all.turn(&counted, milestone, as_of, turn);
        let group = by.of(&profile.groups);
        match self.of.get_mut(group) {
            Some(tally) => tally.turn(&counted, milestone, as_of, turn),
            None => self.of.entry(group.to_owned()).or_default().turn(&counted, milestone, as_of, turn),
        }
        if turn == Turn::Out && self.of.get(group).is_some_and(|tally| tally.records == 0) {
            self.of.remove(group);
        }
    }

    /// A row for the whole area, then one per group in order of its name.
    pub(super) fn rows<'t>(
        &self,
        about: impl Into<About<'t>>,
        milestone: &Milestone,
        reading: Reading,
        by: GroupBy,
        rows: &mut Vec<ProgressRow>,
    ) {
        let about = about.into();
        rows.push(self.all.row(about, milestone, reading, (about.set.area.as_str(), true)));
        for (name, tally) in &self.of {
            let documents = by.has_documents() && name != UNKNOWN_GROUP;
            rows.push(tally.row(about, milestone, reading, (name.as_str(), documents)));
        }
    }
}

/// A record under a milestone.
struct Counted<'p> {
    profile: &'p Profile,
    place: Place,
    outcome: Fulfilment<'p>,
    spans: Vec<Span>,
}

impl<'p> Counted<'p> {
    fn new(profile: &'p Profile, milestone: &Milestone, as_of: Day) -> Self {
        let place = place(profile, milestone, as_of);
        let spans = if place == Place::In { spans(profile, milestone) } else { Vec::new() };
        Self { profile, place, outcome: fulfilment(profile, milestone, as_of), spans }
    }
}

#[derive(Debug, Default)]
struct Tally {
    /// All that came, counted or not.
    records: usize,
    done: usize,
    of: usize,
    parts: BTreeMap<Condition, (usize, usize)>,
    grades: BTreeMap<String, usize>,
    excluded: BTreeMap<String, usize>,
    exempt: BTreeMap<String, usize>,
    of_which: BTreeMap<String, usize>,
    on_time: usize,
    pending_review: usize,
    open_suspects: usize,
    extended: usize,
    awaiting_acceptance: usize,
    scale_undetermined: usize,
    /// How many more are done from a day on than on the day before, up to the day of the table.
    gained: BTreeMap<Day, i64>,
}

impl Tally {
    fn turn(&mut self, counted: &Counted<'_>, milestone: &Milestone, as_of: Day, turn: Turn) {
        turn.count(&mut self.records, true);
        match counted.place {
            Place::Out(why) => return turn.name(&mut self.excluded, why),
            Place::OutSuspect => return turn.count(&mut self.open_suspects, true),
            Place::ScaleUndetermined => return turn.count(&mut self.scale_undetermined, true),
            Place::InSuspect => {
                turn.count(&mut self.open_suspects, true);
                turn.count(&mut self.of, true);
            }
            Place::In => {
                turn.count(&mut self.of, true);
                self.turn_outlet(counted, milestone, as_of, turn);
            }
        }
        self.turn_parts(counted, milestone, as_of, turn);
        turn.count(&mut self.pending_review, counted.profile.pending_review && counted.place == Place::In);
        turn.count(&mut self.extended, extension(counted.profile, milestone, as_of).is_some());
        let waits = counted.profile.step(as_of).is_some_and(|step| step.awaiting_acceptance);
        turn.count(&mut self.awaiting_acceptance, waits);
    }

    fn turn_outlet(&mut self, counted: &Counted<'_>, milestone: &Milestone, as_of: Day, turn: Turn) {
        self.turn_spans(&counted.spans, as_of, turn);
        let mut names: Vec<&str> = counted.outcome.exempt.iter().map(|own| own.counted.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            turn.name(&mut self.exempt, name);
        }
        if !counted.outcome.done {
            return;
        }
        turn.count(&mut self.done, true);
        turn.count(&mut self.on_time, counted.outcome.date.is_none_or(|date| date <= milestone.due));
        turn.name(&mut self.grades, counted.outcome.grade.unwrap_or(Grade::Asserted).code());
        let asks = |condition| counted.outcome.conditions.as_ref().is_some_and(|all| all.contains(&condition));
        if asks(Condition::Class) && counted.outcome.class == Some("none_needed") {
            turn.name(&mut self.of_which, "none_needed");
        }
        let sample = counted.profile.fixed.get(&Condition::Sample);
        if asks(Condition::Sample) && sample.is_some_and(|check| check.substitute) {
            turn.name(&mut self.of_which, "without_sample");
        }
    }

    fn turn_spans(&mut self, spans: &[Span], as_of: Day, turn: Turn) {
        let one = if turn == Turn::In { 1 } else { -1 };
        let mut gain = |day: Day, by: i64| {
            let gained = self.gained.entry(day).or_default();
            *gained += by;
            if *gained == 0 {
                self.gained.remove(&day);
            }
        };
        for span in spans.iter().filter(|span| span.from <= as_of) {
            gain(span.from, one);
            if let Some(until) = span.until.filter(|until| *until <= as_of) {
                gain(until, -one);
            }
        }
    }

    fn turn_parts(&mut self, counted: &Counted<'_>, milestone: &Milestone, as_of: Day, turn: Turn) {
        for part in milestone.parts.iter().copied() {
            let suspect = counted.place == Place::InSuspect;
            if suspect && !milestone.parts_with_suspects.contains(&part) {
                continue;
            }
            let met = counted.profile.check(part, as_of).is_some_and(|check| check.met_by(as_of));
            let (done, of) = self.parts.entry(part).or_default();
            turn.count(of, true);
            turn.count(done, met && !suspect);
        }
    }

    fn row(
        &self,
        about: About<'_>,
        milestone: &Milestone,
        reading: Reading,
        (name, has_documents): (&str, bool),
    ) -> ProgressRow {
        let documents = has_documents.then(|| documents(about, milestone, name)).flatten();
        let share_on = self.reached_on(milestone);
        let (state, achieved_on) = self.state(milestone, about.as_of, share_on, documents.as_ref());
        let strict =
            (milestone.scope == Scope::AboveScale).then(|| share(self.done, self.of + self.scale_undetermined));
        ProgressRow {
            milestone: milestone.id.clone(),
            due: milestone.due,
            as_of: about.as_of,
            reading,
            headline: reading == about.set.headline.reading,
            group: name.to_owned(),
            done: self.done,
            of: self.of,
            share: share(self.done, self.of),
            target: milestone.target_percent,
            share_strict: strict.flatten(),
            parts: self.part_rows(milestone, documents),
            grades: self.grades.clone(),
            excluded: self.excluded.clone(),
            exempt: self.exempt.clone(),
            done_of_which: self.of_which.clone(),
            on_time: self.on_time,
            late: self.done - self.on_time,
            open: self.of - self.done,
            pending_review: self.pending_review,
            open_suspects: self.open_suspects,
            extended: self.extended,
            awaiting_acceptance: self.awaiting_acceptance,
            scale_undetermined: self.scale_undetermined,
            achieved_on,
            late_days: achieved_on.map(|on| on.days_since(milestone.due)).filter(|days| *days > 0),
            needs: milestone.needs(self.done, self.of),
            state,
            set: format!("{}@{}", about.set.id, about.set.version),
        }
    }

    fn part_rows(
        &self,
        milestone: &Milestone,
        documents: Option<BTreeMap<String, DocumentPart>>,
    ) -> BTreeMap<String, PartOf> {
        let part = |condition: &Condition| self.parts.get(condition).copied().unwrap_or_default();
        let mut rows: BTreeMap<String, PartOf> = milestone
            .parts
            .iter()
            .map(|condition| {
                (condition.code().to_owned(), PartOf::Share(Part::new(part(condition).0, part(condition).1)))
            })
            .collect();
        if !milestone.parts.is_empty() {
            rows.insert("all".into(), PartOf::Share(Part::new(self.done, self.of)));
        }
        rows.extend(documents.map(|documents| ("documents".to_owned(), PartOf::Documents(documents))));
        rows
    }

    fn state(
        &self,
        milestone: &Milestone,
        as_of: Day,
        share_on: Option<Day>,
        documents: Option<&BTreeMap<String, DocumentPart>>,
    ) -> (GroupState, Option<Day>) {
        if self.of == 0 {
            return (GroupState::NotApplicable, None);
        }
        let Some(share_on) = share_on else {
            return (if as_of <= milestone.due { GroupState::Open } else { GroupState::Behind }, None);
        };
        if self.scale_undetermined > 0 {
            return (GroupState::ScaleUndetermined, None);
        }
        let sealed: Option<Vec<Day>> = documents
            .map(|all| all.values().map(|document| document.on).collect::<Option<_>>())
            .unwrap_or(Some(vec![]));
        let Some(sealed) = sealed else { return (GroupState::DocumentsMissing, None) };
        let achieved = sealed.into_iter().fold(share_on, Day::max);
        (if achieved <= milestone.due { GroupState::OnTime } else { GroupState::Late }, Some(achieved))
    }

    /// First day from which the share stays at or above the target, up to the day of the table.
    fn reached_on(&self, milestone: &Milestone) -> Option<Day> {
        let (mut done, mut since) = (0i64, None);
        for (day, gained) in &self.gained {
            done += gained;
            let met = milestone.target_met(usize::try_from(done).unwrap_or(0), self.of);
            since = if met { since.or(Some(*day)) } else { None };
        }
        since
    }
}

/// The sealed documents of a group by a day.
fn documents(about: About<'_>, milestone: &Milestone, unit: &str) -> Option<BTreeMap<String, DocumentPart>> {
    if milestone.documents.is_empty() {
        return None;
    }
    let part = |what: &String| {
        let first = about
            .seals
            .iter()
            .filter(|seal| seal.what == *what && seal.unit == unit && seal.on <= about.as_of)
            .map(|seal| seal.on)
            .min();
        let late = first.map(|on| on.days_since(milestone.due)).filter(|days| *days > 0);
        let state = match (first, late) {
            (None, _) => "no",
            (_, Some(_)) => "late",
            _ => "yes",
        };
        (what.clone(), DocumentPart { state: state.to_owned(), on: first, late_days: late })
    };
    Some(milestone.documents.iter().map(part).collect())
}
