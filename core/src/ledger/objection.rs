//! What speaks against a decision before it is written: who may take it (lifecycle.md section 2),
//! on which record, with which values. Pure, for every place where decisions are made; what slips
//! through elsewhere is ignored by the projection and reported.

use serde_json::Value;

use super::ScaleClass;
use super::permission;
use super::record::case_evidence;
use super::reference::Reference;
use super::set::MilestoneSet;
use crate::doc::{Entry, open_conflicts};
use crate::domain::case::{CaseEntry, Decision, Settle};
use crate::domain::dictionary::Dictionaries;
use crate::domain::field::{FieldEntry, Location, fact};
use crate::domain::permission::{Denied, may_decide};
use crate::domain::witness::Witnessed;
use crate::identity::{Level, Role};
use crate::ids::{DocKey, EntryId, PersonId, PublicKey};
use crate::time::Day;

/// Who wants to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decider {
    /// The person, across accounts and devices.
    pub person: PersonId,
    /// Role.
    pub role: Role,
    /// Level of a supervisor.
    pub level: Option<Level>,
}

/// What is decided on.
#[derive(Clone, Copy)]
pub struct Matter<'a> {
    /// Key of the field record.
    pub key: DocKey,
    /// Its entries.
    pub field: &'a [Entry],
    /// Entries of the case file.
    pub case: &'a [Entry],
    /// 规模, as the ledger has it: which milestone asks first for the outlet's works.
    pub scale: ScaleClass,
    /// The person behind a device's key.
    pub persons: &'a dyn Fn(&PublicKey) -> Option<PersonId>,
    /// Dictionaries and milestone set.
    pub reference: &'a Reference,
}

/// Why a decision is not taken. The text says what to do instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Objection {
    /// The role is too low.
    #[error("this decision needs the role {}, yours is {}", word(needed), word(held))]
    Role {
        /// What it takes.
        needed: Role,
        /// What there is.
        held: Role,
    },
    /// A county supervisor takes a step of the city.
    #[error("this is for the city to decide, and you are a supervisor of the county: hand it on to the city bureau")]
    Level,
    /// The decider wrote in the record.
    #[error(
        "nobody decides on a record they wrote in themselves, and you wrote in this one: another supervisor decides"
    )]
    OwnRecord,
    /// An acceptance without a report.
    #[error("there is no completion report to check or accept: the county reports it first (complete)")]
    NothingReported,
    /// An acceptance by whoever reported.
    #[error("whoever reported the completion cannot accept it, and that was you: another supervisor does")]
    Reporter,
    /// Approval of a record in conflict.
    #[error("the record has open conflicts in {}: decide them first (settle)", .0.join(", "))]
    Conflicts(Vec<String>),
    /// A return that does not say why.
    #[error("a return names its reasons (dictionary return_reason), so that the inspector knows what to do")]
    NoReason,
    /// A code that no dictionary has.
    #[error("{given:?} is not in the dictionary {dictionary}{}", suggested(.nearest))]
    Value {
        /// The dictionary.
        dictionary: String,
        /// What was given.
        given: String,
        /// What comes near.
        nearest: Vec<String>,
    },
    /// A value that cannot be one of this fact.
    #[error("{value} is no value of {field}")]
    NotAValue {
        /// The fact.
        field: String,
        /// The value.
        value: String,
    },
    /// An extension that rests on no paper.
    #[error("an extension needs the 文号 of the paper that grants it: name the document")]
    ExtensionWithoutDocument,
    /// 取缔 without the government's document.
    #[error("取缔 is decided by the government: name its document (government_document)")]
    BanWithoutDocument,
    /// A legal basis that founds nothing on the day of the decision.
    #[error(
        "{document} was not in force on {on} (from {from}{}): rest the decision on what was, or date it as its document is dated",
        .to.map_or_else(String::new, |to| format!(" to {to}"))
    )]
    BasisNotInForce {
        /// The basis as given.
        document: String,
        /// Day of the decision: of its document, else its own.
        on: Day,
        /// First day in force.
        from: Day,
        /// Last day in force.
        to: Option<Day>,
    },
    /// A plan that ends after the statutory date.
    #[error(
        "the plan is due on {due}, after the statutory date {statutory}, and no extension until then is recorded: record the extension with its 文号 first, or choose an earlier date"
    )]
    PlanAfterDeadline {
        /// Of the plan.
        due: Day,
        /// Of the first milestone that asks for the works.
        statutory: Day,
    },
    /// A record as its own duplicate.
    #[error("a record cannot be a duplicate of itself")]
    OwnDuplicate,
    /// Something is to be overruled that is not there.
    #[error("entry {0} is to be overruled, and neither field record nor case file has it")]
    OverrulesUnknown(EntryId),
}

impl Objection {
    /// All that [`Objection::code`] answers.
    pub const CODES: [&str; 15] = [
        "role",
        "level",
        "own_record",
        "nothing_reported",
        "reporter",
        "open_conflicts",
        "reason_missing",
        "unknown_code",
        "not_a_value",
        "extension_without_document",
        "ban_without_government_document",
        "legal_basis_not_in_force",
        "plan_after_deadline",
        "own_duplicate",
        "overrules_unknown",
    ];

    /// A short stable name for `--json` and problem documents.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Role { .. } => Self::CODES[0],
            Self::Level => Self::CODES[1],
            Self::OwnRecord => Self::CODES[2],
            Self::NothingReported => Self::CODES[3],
            Self::Reporter => Self::CODES[4],
            Self::Conflicts(_) => Self::CODES[5],
            Self::NoReason => Self::CODES[6],
            Self::Value { .. } => Self::CODES[7],
            Self::NotAValue { .. } => Self::CODES[8],
            Self::ExtensionWithoutDocument => Self::CODES[9],
            Self::BanWithoutDocument => Self::CODES[10],
            Self::BasisNotInForce { .. } => Self::CODES[11],
            Self::PlanAfterDeadline { .. } => Self::CODES[12],
            Self::OwnDuplicate => Self::CODES[13],
            Self::OverrulesUnknown(_) => Self::CODES[14],
        }
    }
}

fn word(role: &Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Inspector => "inspector",
        Role::Supervisor => "supervisor",
        Role::Admin => "admin",
    }
}

fn suggested(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; did you mean {}?", nearest.join(", ")) }
}

/// What speaks against the decision, the gravest first.
///
/// # Errors
/// [`Objection`].
pub fn objection(matter: &Matter<'_>, decider: &Decider, entry: &CaseEntry) -> Result<(), Objection> {
    may(matter, decider, entry)?;
    let set = matter.reference.active_set();
    if permission::is_decision(&entry.decision) && authors(matter).any(|person| person == decider.person) {
        return Err(Objection::OwnRecord);
    }
    values(entry, &matter.reference.dictionaries)?;
    substance(matter, decider, entry, set)?;
    let known = |id: &EntryId| matter.field.iter().chain(matter.case).any(|entry| entry.id == *id);
    match entry.overrules.iter().find(|id| !known(id)) {
        Some(id) => Err(Objection::OverrulesUnknown(*id)),
        None => Ok(()),
    }
}

fn may(matter: &Matter<'_>, decider: &Decider, entry: &CaseEntry) -> Result<(), Objection> {
    may_decide(&entry.decision, decider.role, decider.level).map_err(|denied| match denied {
        Denied::Role { needed, held } => Objection::Role { needed, held },
        Denied::Level => Objection::Level,
        Denied::OwnRecord => Objection::OwnRecord,
    })?;
    let approves =
        |other: &CaseEntry| matches!(&other.decision, Decision::Review(review) if review.action == "approve");
    let listed = matter.case.iter().any(|other| other.parse().is_ok_and(|other| approves(&other)));
    let needed = permission::needed(entry, &matter.key, matter.reference.active_set(), listed);
    let held = if decider.role == Role::Admin { Level::City } else { decider.level.unwrap_or(Level::County) };
    if held < needed { Err(Objection::Level) } else { Ok(()) }
}

/// Persons who wrote what the record says; added photos, notes and re-checks are no authorship.
fn authors<'a>(matter: &'a Matter<'_>) -> impl Iterator<Item = PersonId> + 'a {
    let content = matter.field.iter().filter(|entry| {
        use FieldEntry::{Fact, Sample, Submit, Survey, Trace};
        matches!(entry.parse(), Ok(Fact(_) | Survey(_) | Sample(_) | Trace(_) | Submit(_)))
    });
    content.filter_map(|entry| (matter.persons)(&entry.origin.actor.key()))
}

/// The person behind an entry of a case file: for a witnessed one, whom it names.
#[must_use]
pub fn person_of(entry: &Entry, persons: &dyn Fn(&PublicKey) -> Option<PersonId>) -> Option<PersonId> {
    match Witnessed::read(&entry.json) {
        Witnessed::By(witness) => Some(witness.person),
        _ => persons(&entry.origin.actor.key()),
    }
}

fn substance(matter: &Matter<'_>, decider: &Decider, entry: &CaseEntry, set: &MilestoneSet) -> Result<(), Objection> {
    match &entry.decision {
        Decision::Review(review) if review.action == "approve" => {
            let open: Vec<String> =
                open_conflicts(matter.field, matter.case).into_iter().map(|conflict| conflict.field).collect();
            if open.is_empty() { Ok(()) } else { Err(Objection::Conflicts(open)) }
        }
        Decision::Review(review) if review.action == "return" && review.reasons.is_empty() => Err(Objection::NoReason),
        Decision::Accept(accept) => reported(matter, decider, accept.level == "city", set),
        Decision::Extend(_) if entry.document.is_none() => Err(Objection::ExtensionWithoutDocument),
        Decision::Classify(classify)
            if classify.step == "decide"
                && classify.classification == "ban"
                && set.class.ban_needs_government_document
                && classify.government_document.is_none() =>
        {
            Err(Objection::BanWithoutDocument)
        }
        Decision::Classify(_) => bases_in_force(entry, set),
        Decision::Plan(plan) => plan_in_time(matter, plan.due, set),
        Decision::Duplicate(duplicate) if duplicate.of.id == matter.key.id => Err(Objection::OwnDuplicate),
        _ => Ok(()),
    }
}

/// Legal bases found a decision on days on which they are in force (T11).
///
/// # Errors
/// [`Objection::BasisNotInForce`] for the first one that is not.
pub fn bases_in_force(entry: &CaseEntry, set: &MilestoneSet) -> Result<(), Objection> {
    let Decision::Classify(classify) = &entry.decision else { return Ok(()) };
    let on = case_evidence(entry, set.utc_offset_minutes);
    for basis in &classify.legal_bases {
        if let Some(rule) = set.basis(&basis.document).filter(|rule| !rule.in_force(on)) {
            let (document, from, to) = (basis.document.clone(), rule.valid_from, rule.valid_to);
            return Err(Objection::BasisNotInForce { document, on, from, to });
        }
    }
    Ok(())
}

/// There is a completion to accept (T15), and somebody else reported it.
fn reported(matter: &Matter<'_>, decider: &Decider, final_one: bool, set: &MilestoneSet) -> Result<(), Objection> {
    let last = matter.case.iter().rev().find_map(|entry| match entry.parse::<CaseEntry>().ok()?.decision {
        Decision::Complete(complete) => Some((entry, complete)),
        _ => None,
    });
    let Some((report, complete)) = last else { return Err(Objection::NothingReported) };
    if complete.withdrawn {
        return Err(Objection::NothingReported);
    }
    let own = person_of(report, matter.persons) == Some(decider.person);
    if own && (final_one || !set.acceptance.reporter_may_check) { Err(Objection::Reporter) } else { Ok(()) }
}

/// A plan ends by the statutory date, or by that of a recorded extension.
fn plan_in_time(matter: &Matter<'_>, due: Option<Day>, set: &MilestoneSet) -> Result<(), Objection> {
    let (Some(due), Some(statutory)) = (due, set.works_due(matter.scale)) else { return Ok(()) };
    let entries: Vec<(EntryId, CaseEntry)> =
        matter.case.iter().filter_map(|entry| Some((entry.id, entry.parse().ok()?))).collect();
    let revoked: Vec<EntryId> = entries.iter().flat_map(|(_, entry)| entry.overrules.iter().copied()).collect();
    let extended = entries.iter().filter(|(id, _)| !revoked.contains(id)).any(|(_, entry)| match &entry.decision {
        Decision::Extend(extend) => extend.until.is_none_or(|until| until >= due),
        _ => false,
    });
    if due <= statutory || extended { Ok(()) } else { Err(Objection::PlanAfterDeadline { due, statutory }) }
}

/// Every code is one of its dictionary.
fn values(entry: &CaseEntry, dictionaries: &Dictionaries) -> Result<(), Objection> {
    let code = |dictionary: &str, given: &str| known_code(dictionaries, dictionary, given);
    let all = |dictionary: &str, given: &[String]| given.iter().try_for_each(|given| code(dictionary, given));
    let of = |what: &str, given: &str, known: &[&str]| one_of(what, given, known);
    match &entry.decision {
        Decision::Review(review) => {
            of("the action", &review.action, &["open", "approve", "return", "revoke", "cancel_return"])?;
            all("review_section", &review.sections)?;
            all("return_reason", &review.reasons)
        }
        Decision::Settle(settle) => settled(settle, dictionaries),
        Decision::Classify(classify) => {
            of("the step", &classify.step, &["endorse", "decide"])?;
            code("classification", &classify.classification)
        }
        Decision::Plan(plan) => {
            of("the step", &plan.step, &["draft", "approve"])?;
            all("measure", &plan.measures)?;
            all("construction_item", &plan.items)
        }
        Decision::Complete(complete) => {
            all("measure", &complete.measures)?;
            all("acceptance_item", &complete.items)
        }
        Decision::Accept(accept) => {
            of("the level", &accept.level, &["county", "city"])?;
            accept.items.iter().try_for_each(|item| code("acceptance_item", &item.item))
        }
        Decision::Sign(sign) => code("sign_state", &sign.state),
        Decision::Exempt(exempt) => code("exemption", &exempt.reason),
        Decision::Enforcement(enforcement) => {
            of("the step", &enforcement.step, &["lead", "transferred", "case_opened", "outcome", "withdrawn"])
        }
        _ => Ok(()),
    }
}

fn settled(settle: &Settle, dictionaries: &Dictionaries) -> Result<(), Objection> {
    let wrong = || Objection::NotAValue { field: settle.field.clone(), value: settle.value.to_string() };
    one_of("the fact", &settle.field, &fact::GATED)?;
    let undetermined = matches!(&settle.value, Value::Object(object) if object.contains_key("cannot_determine"));
    if undetermined {
        return Ok(());
    }
    let dictionary = match settle.field.as_str() {
        fact::LOCATION => {
            let location: Location = serde_json::from_value(settle.value.clone()).map_err(|_| wrong())?;
            let real = crate::geo::GeoPoint::new(location.lon, location.lat).is_ok();
            return if real { Ok(()) } else { Err(wrong()) };
        }
        fact::STATE => "outlet_state",
        fact::SCALE => "scale",
        fact::CLASSIFICATION => "classification",
        _ => return settle.value.as_str().filter(|text| !text.is_empty()).map(|_| ()).ok_or_else(wrong),
    };
    known_code(dictionaries, dictionary, settle.value.as_str().ok_or_else(wrong)?)?;
    if settle.field == fact::STATE && settle.value == "not_an_outlet" {
        return match &settle.reason {
            Some(reason) => known_code(dictionaries, "non_outlet_reason", reason),
            None => Err(Objection::Value {
                dictionary: "non_outlet_reason".to_owned(),
                given: String::new(),
                nearest: Vec::new(),
            }),
        };
    }
    Ok(())
}

fn known_code(dictionaries: &Dictionaries, dictionary: &str, given: &str) -> Result<(), Objection> {
    // A dictionary that this replica does not have cannot speak against a value.
    let Some(terms) = dictionaries.get(dictionary) else { return Ok(()) };
    if terms.enabled().any(|term| term.code == given) {
        return Ok(());
    }
    let nearest = match dictionaries.lookup(dictionary, given) {
        Ok(term) => vec![term.code.clone()],
        Err(unknown) => unknown.nearest.iter().map(ToString::to_string).collect(),
    };
    Err(Objection::Value { dictionary: dictionary.to_owned(), given: given.chars().take(80).collect(), nearest })
}

fn one_of(what: &str, given: &str, known: &[&str]) -> Result<(), Objection> {
    if known.contains(&given) {
        return Ok(());
    }
    let nearest = known.iter().map(|known| (*known).to_owned()).collect();
    Err(Objection::Value { dictionary: what.to_owned(), given: given.chars().take(80).collect(), nearest })
}
