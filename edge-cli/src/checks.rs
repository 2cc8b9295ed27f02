//! What is checked on the device before anything is written, so that a refusal comes at once and
//! in words, and not days later from the server: rights, authorship, evidence, days, completeness.

use std::collections::BTreeSet;

use outlet_core::doc::{Entry, facts, open_conflicts};
use outlet_core::domain::case::{CaseEntry, Decision, Plan};
use outlet_core::domain::field::{FieldEntry, fact};
use outlet_core::domain::permission::{may_decide, not_own};
use outlet_core::identity::{Level, Membership, Role};
use outlet_core::ids::{BlobHash, Collection, DocKey, DocKind, EntryId, PersonId};
use outlet_core::ledger::{Reference, bases_in_force};
use outlet_core::time::Day;

use crate::context::Context;
use crate::error::{CommandError, Result};
use crate::ui::Warning;

impl Context<'_> {
    /// The collection may be written by this member.
    pub(crate) fn writable(&mut self, collection: Collection) -> Result<Collection> {
        let member = self.member()?;
        if member.collections.contains(&collection) {
            return Ok(collection);
        }
        let own: Vec<String> = member.collections.iter().map(Collection::to_string).collect();
        Err(CommandError::user(format!("you have no right to write in collection {collection}")).hint(format!(
            "your membership covers {}; ask the administrator for a ticket that covers {collection}",
            own.join(", ")
        )))
    }

    /// This member may write field records of the collection.
    pub(crate) fn may_write_field(&mut self, key: &DocKey) -> Result<()> {
        self.writable(key.collection)?;
        let role = self.member()?.role;
        if role >= Role::Inspector {
            return Ok(());
        }
        Err(CommandError::user("viewers read records and do not write them")
            .hint("ask the administrator for a ticket with --role inspector"))
    }

    /// Role, level, authorship: what admission and ledger would refuse is refused here.
    pub(crate) fn check_decision(&mut self, key: &DocKey, decision: &Decision) -> Result<()> {
        self.writable(key.collection)?;
        let member = self.member()?;
        let (role, level) = needed(key, decision);
        let city_only = level == Level::City && member.role < Role::Admin && member.level < Some(Level::City);
        if may_decide(decision, member.role, member.level).is_err() || city_only {
            return Err(refused(&member, role, level, decision));
        }
        let entries = self.field_entries(key)?;
        let authors = self.authors_of(&entries);
        if is_judgement(decision) && not_own(&authors, &member.person).is_err() {
            return Err(CommandError::user("nobody decides on a record they authored, and you wrote in this one")
                .hint("another supervisor of your level decides; you can still add photos, notes and reports"));
        }
        if matches!(decision, Decision::Accept(_)) {
            self.check_reported(key, member.person)?;
        }
        Ok(())
    }

    /// A plan ends by the statutory date, or an extension until then is recorded (T13, T19).
    pub(crate) fn check_plan_due(&mut self, key: &DocKey, due: Day) -> Result<()> {
        let (reference, _) = Reference::from_entries(&self.reference_entries()?);
        let scale = self.ledger_row(key, &reference)?.scale;
        let statutory = reference.active_set().works_due(scale);
        let Some(statutory) = statutory.filter(|statutory| due > *statutory) else { return Ok(()) };
        let entries = self.case_entries(key)?;
        let revoked: Vec<EntryId> = entries.iter().flat_map(|(_, case)| case.overrules.iter().copied()).collect();
        let covers = |(entry, case): &(Entry, CaseEntry)| match &case.decision {
            Decision::Extend(extend) => extend.until.is_none_or(|until| until >= due) && !revoked.contains(&entry.id),
            _ => false,
        };
        if entries.iter().any(covers) {
            return Ok(());
        }
        Err(CommandError::user(format!(
            "the plan would end on {due}, after the statutory date {statutory}, and no extension until then is recorded"
        ))
        .hint(format!(
            "record the extension first: outlet case extend ID --until {due} --authority NAME --document 文号; or choose \
             --due {statutory} or earlier"
        )))
    }

    /// Legal bases found a decision on days on which they are in force (T11).
    pub(crate) fn check_bases(&mut self, entry: &CaseEntry) -> Result<()> {
        if !matches!(entry.decision, Decision::Classify(_)) {
            return Ok(());
        }
        let (reference, _) = Reference::from_entries(&self.reference_entries()?);
        bases_in_force(entry, reference.active_set()).map_err(|objection| {
            CommandError::user(objection.to_string())
                .hint("give the decision's date with --on, or that of its paper with --document-dated")
        })
    }

    /// There is a completion to accept (T15), and somebody else reported it.
    fn check_reported(&mut self, key: &DocKey, person: PersonId) -> Result<()> {
        let entries = self.case_entries(key)?;
        let last = entries.iter().rev().find(|(_, case)| matches!(&case.decision, Decision::Complete(_)));
        let reported = last.filter(|(_, case)| matches!(&case.decision, Decision::Complete(c) if !c.withdrawn));
        let Some((report, _)) = reported else {
            return Err(CommandError::user("there is no completion report to accept on this device")
                .hint("run `outlet sync`; the county reports with `outlet case complete`"));
        };
        if self.person_of(report) == Some(person) {
            return Err(CommandError::user("whoever reported the completion cannot accept it, and that was you")
                .hint("another supervisor checks and accepts the works"));
        }
        Ok(())
    }

    fn field_entries(&mut self, key: &DocKey) -> Result<Vec<Entry>> {
        Ok(self.document(&key.with_kind(DocKind::Field))?.map(|document| document.entries()).unwrap_or_default())
    }

    fn case_entries(&mut self, key: &DocKey) -> Result<Vec<(Entry, CaseEntry)>> {
        let document = self.document(&key.with_kind(DocKind::Case))?;
        let entries = document.map(|document| document.entries()).unwrap_or_default();
        // Entries of a newer version cannot be judged here; the server judges them.
        Ok(entries.into_iter().filter_map(|entry| entry.parse().ok().map(|parsed| (entry, parsed))).collect())
    }

    /// Persons who wrote what the record says; adding a photo, a paper or a re-check is no authorship.
    fn authors_of(&self, entries: &[Entry]) -> BTreeSet<PersonId> {
        let content = entries.iter().filter(|entry| {
            matches!(
                entry.parse(),
                Ok(FieldEntry::Fact(_)
                    | FieldEntry::Survey(_)
                    | FieldEntry::Sample(_)
                    | FieldEntry::Trace(_)
                    | FieldEntry::Submit(_))
            )
        });
        content.filter_map(|entry| self.person(&entry.origin.actor.key())).collect()
    }

    /// An approval needs a record without open conflicts (T7).
    pub(crate) fn check_no_conflicts(&mut self, key: &DocKey) -> Result<()> {
        let field = self.field_entries(key)?;
        let case: Vec<Entry> = self.case_entries(key)?.into_iter().map(|(entry, _)| entry).collect();
        let open = self.open_conflicts(&field, &case);
        if open.is_empty() {
            return Ok(());
        }
        Err(CommandError::user(format!("the record has open conflicts in {}", open.join(", ")))
            .hint(format!("decide them first: outlet case settle ID {} VALUE", open[0]))
            .hint("`outlet conflicts` lists the candidates"))
    }

    /// Current assertions of a fact: what a decision on it overrules.
    pub(crate) fn current_assertions(&mut self, key: &DocKey, field: &str) -> Result<Vec<EntryId>> {
        let entries = self.field_entries(key)?;
        Ok(facts(&entries).remove(field).unwrap_or_default().iter().map(|fact| fact.entry).collect())
    }

    /// The latest plan of the case file.
    pub(crate) fn latest_plan(&mut self, key: &DocKey) -> Result<Option<Plan>> {
        let mut plans = self.case_entries(key)?.into_iter().filter_map(|(_, case)| match case.decision {
            Decision::Plan(plan) => Some(*plan),
            _ => None,
        });
        let first = plans.next();
        Ok(plans.fold(first, |best, plan| match best {
            Some(best) if best.version > plan.version => Some(best),
            _ => Some(plan),
        }))
    }

    /// The entry names a known date.
    pub(crate) fn check_known_entry(&mut self, key: &DocKey, entry: EntryId) -> Result<()> {
        let found = self.case_entries(key)?.into_iter().find(|(known, _)| known.id == entry);
        let Some((known, CaseEntry { decision: Decision::KnownFrom(_), .. })) = found else {
            return Err(CommandError::user(format!("entry {entry} names no known date in this case file"))
                .hint("`outlet show ID` lists the entries of type known_from; `outlet sync` fetches missing ones"));
        };
        let own = self.member()?.person;
        if self.person_of(&known) == Some(own) {
            return Err(own_known_date());
        }
        Ok(())
    }

    /// Known dates of the case file that still stand and that nobody but their recorder has approved,
    /// in document order; there is at least one. Those this member recorded are somebody else's to
    /// approve.
    pub(crate) fn known_entries_to_approve(&mut self, key: &DocKey) -> Result<Vec<EntryId>> {
        let own = self.member()?.person;
        let entries = self.case_entries(key)?;
        let revoked: BTreeSet<EntryId> = entries.iter().flat_map(|(_, case)| case.overrules.iter().copied()).collect();
        let standing: Vec<&(Entry, CaseEntry)> =
            entries.iter().filter(|(entry, _)| !revoked.contains(&entry.id)).collect();
        let person = |entry: &Entry| self.person_of(entry);
        let approved = |known: &Entry| {
            standing.iter().any(|(entry, case)| {
                matches!(&case.decision, Decision::ApproveKnown(approve) if approve.entry == known.id)
                    && person(entry) != person(known)
            })
        };
        let waiting: Vec<&Entry> = standing
            .iter()
            .filter(|(entry, case)| matches!(&case.decision, Decision::KnownFrom(_)) && !approved(entry))
            .map(|(entry, _)| entry)
            .collect();
        if waiting.is_empty() {
            return Err(CommandError::user("no known date of this case file waits for approval")
                .hint("`outlet show ID` lists its entries; `outlet sync` fetches missing ones"));
        }
        let others: Vec<EntryId> =
            waiting.iter().filter(|entry| person(entry) != Some(own)).map(|entry| entry.id).collect();
        if others.is_empty() { Err(own_known_date()) } else { Ok(others) }
    }

    /// Files that are named as evidence belong to the record.
    pub(crate) fn check_evidence(&mut self, key: &DocKey, hashes: &[BlobHash]) -> Result<()> {
        if hashes.is_empty() {
            return Ok(());
        }
        let entries = self.field_entries(key)?;
        let known: BTreeSet<BlobHash> = entries
            .iter()
            .filter_map(|entry| match entry.parse() {
                Ok(FieldEntry::Photo(photo)) => Some(photo.sha256),
                Ok(FieldEntry::Attachment(attachment)) => Some(attachment.sha256),
                _ => None,
            })
            .collect();
        match hashes.iter().find(|hash| !known.contains(hash)) {
            None => Ok(()),
            Some(hash) => Err(CommandError::user(format!("no photo or attachment of this record has the hash {hash}"))
                .hint("add the file first with `outlet photo` or `outlet attach`, then name the hash that it prints")),
        }
    }

    /// A day after today is a slip or a wrong clock.
    pub(crate) fn check_day(&self, option: &str, day: Option<Day>, warnings: &mut Vec<Warning>) {
        let today = self.now().day_in_shanghai();
        if let Some(day) = day.filter(|day| *day > today) {
            warnings.push(Warning::new(
                "day_in_the_future",
                format!(
                    "{option} {day} is after today ({today} by this device's clock): check the date and the clock."
                ),
            ));
        }
    }

    /// Names of gated facts in conflict that no decision has ended.
    pub(crate) fn open_conflicts(&self, field: &[Entry], case: &[Entry]) -> Vec<String> {
        open_conflicts(field, case).into_iter().map(|conflict| conflict.field).collect()
    }

    /// What review would send the record back for: blank is incomplete, "cannot determine" is not.
    pub(crate) fn missing_for_review(&mut self, key: &DocKey) -> Result<Vec<Warning>> {
        let entries = self.field_entries(key)?;
        let facts = facts(&entries);
        let mut missing: Vec<&str> = Vec::new();
        for (field, what) in [
            (fact::LOCATION, "a position (--lon, --lat)"),
            (fact::OUTLET_TYPE, "the type (outlet edit --type; `unknown` is an answer)"),
            (fact::ENTRY_MODE, "入河方式 (outlet edit --entry-mode)"),
        ] {
            let answered =
                facts.get(field).and_then(|current| current.last()).is_some_and(|fact| !fact.value.is_null());
            if !answered {
                missing.push(what);
            }
        }
        let mut photos = 0;
        let mut discharge = false;
        for entry in &entries {
            match entry.parse() {
                Ok(FieldEntry::Photo(_)) => photos += 1,
                Ok(FieldEntry::Survey(survey)) => discharge |= survey.discharge_state.is_complete(),
                _ => {}
            }
        }
        if !discharge {
            missing.push("a visit with the discharge state (outlet survey --discharge)");
        }
        if photos < 2 {
            missing.push("two photos, near and surroundings (outlet photo)");
        }
        Ok(missing
            .into_iter()
            .map(|what| Warning::new("incomplete", format!("still missing for a complete survey: {what}.")))
            .collect())
    }

    /// A submission may be taken back until somebody opened it (T5).
    pub(crate) fn check_recall(&mut self, key: &DocKey) -> Result<()> {
        let entries = self.field_entries(key)?;
        let last = entries.iter().rev().find_map(|entry| match entry.parse() {
            Ok(FieldEntry::Submit(_)) => Some(Some(entry.origin.change)),
            Ok(FieldEntry::Recall(_)) => Some(None),
            _ => None,
        });
        let Some(Some(submitted)) = last else {
            return Err(CommandError::user("the record is not submitted, so there is nothing to take back")
                .hint("`outlet show ID` lists what was done to it"));
        };
        let document = self.document(&key.with_kind(DocKind::Field))?;
        let reviews = self.case_entries(key)?;
        let opened = reviews.iter().any(|(_, case)| {
            let seen = document.as_ref().map(|document| document.ancestors(&case.field_heads)).unwrap_or_default();
            matches!(&case.decision, Decision::Review(_)) && seen.contains(&submitted)
        });
        if opened {
            return Err(CommandError::user("a supervisor has opened the submission: it can no longer be taken back")
                .hint("ask for a return (退回), then correct and submit again"));
        }
        Ok(())
    }
}

fn own_known_date() -> CommandError {
    CommandError::user("a known date is approved by somebody else than who recorded it")
        .hint("a city supervisor approves it")
}

/// Role and level of a decision, with what depends on its contents.
fn needed(key: &DocKey, decision: &Decision) -> (Role, Level) {
    let (role, level) = decision.requires();
    match decision {
        Decision::Duplicate(duplicate) if duplicate.of.collection != key.collection => (role, Level::City),
        _ => (role, level),
    }
}

/// Decisions proper; reports (completion, sign state, lead) and the naming of an import's document
/// are open to the authors of a record.
fn is_judgement(decision: &Decision) -> bool {
    !matches!(
        decision,
        Decision::Complete(_)
            | Decision::Sign(_)
            | Decision::Enforcement(_)
            | Decision::KnownFrom(_)
            | Decision::ApproveKnown(_)
    )
}

fn refused(member: &Membership, role: Role, level: Level, decision: &Decision) -> CommandError {
    let word = |level: Level| match level {
        Level::County => "county",
        Level::City => "city",
    };
    let needs = match role {
        Role::Admin => "an admin".to_owned(),
        _ => format!("a supervisor of the {}", word(level)),
    };
    let you = match (member.role, member.level) {
        (Role::Viewer, _) => "a viewer".to_owned(),
        (Role::Inspector, _) => "an inspector".to_owned(),
        (Role::Supervisor, Some(level)) => format!("a supervisor of the {}", word(level)),
        (Role::Supervisor, None) => "a supervisor without a level".to_owned(),
        (Role::Admin, _) => "an admin".to_owned(),
    };
    let error = CommandError::user(format!("this decision needs {needs}; you are {you}"));
    match decision {
        Decision::Classify(_) if member.role == Role::Inspector => {
            error.hint("propose the class instead: outlet classify ID CLASS")
        }
        Decision::Classify(_) => error.hint("endorse it for the city: outlet case decide ID CLASS --endorse"),
        Decision::Plan(_) => error.hint("draft it without --approve; the city approves"),
        Decision::Accept(_) => error.hint("record the first check of the county: --level county"),
        _ => error.hint("ask a supervisor of the right level, or the administrator for another ticket"),
    }
}
