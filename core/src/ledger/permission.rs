//! Who may decide what (lifecycle.md section 2, column "who"), as the projection sees it. Admission
//! asks for role and level too; a decision that got past it, or that depends on the state of the
//! outlet, is ignored here and reported.

use super::Author;
use super::set::MilestoneSet;
use crate::domain::case::{CaseEntry, Decision};
use crate::domain::field::fact;
use crate::identity::{Level, Role};
use crate::ids::DocKey;

/// The level at which a person decides: an admin may record what a city supervisor may.
pub(crate) fn rank(author: Option<&Author>) -> Option<Level> {
    let author = author?;
    match author.role {
        Role::Admin => Some(Level::City),
        Role::Supervisor => author.level,
        _ => None,
    }
}

/// An admin.
pub(crate) fn admin(author: Option<&Author>) -> bool {
    author.is_some_and(|author| author.role == Role::Admin)
}

/// The level that this decision needs in this set. `listed` says whether the record was approved
/// before: what is in the ledger leaves it only by the city (T4).
pub(crate) fn needed(entry: &CaseEntry, key: &DocKey, set: &MilestoneSet, listed: bool) -> Level {
    let own = entry.decision.requires().1;
    let by_set = match &entry.decision {
        Decision::Classify(classify) if classify.step == "decide" => return set.approval.class,
        Decision::Plan(plan) if plan.step == "approve" => return set.approval.plan,
        Decision::Accept(accept) if accept.level == "city" => return set.approval.acceptance,
        Decision::Name(_) => return set.approval.name,
        Decision::Code(_) => return set.approval.code,
        Decision::Sign(_) => return set.approval.sign,
        Decision::Duplicate(duplicate) if duplicate.of.collection != key.collection => Level::City,
        Decision::Settle(settle) if settle.field == fact::STATE && listed && settle.value == "not_an_outlet" => {
            Level::City
        }
        _ => Level::County,
    };
    own.max(by_set)
}

/// Decisions proper: nobody takes these on a record they authored. Reports (completion, sign
/// state, lead) and the naming of an import's document are not decisions.
pub(crate) fn is_decision(decision: &Decision) -> bool {
    !matches!(
        decision,
        Decision::Complete(_)
            | Decision::Sign(_)
            | Decision::Enforcement(_)
            | Decision::KnownFrom(_)
            | Decision::ApproveKnown(_)
    )
}
