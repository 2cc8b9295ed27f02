//! Who may take which step of the life cycle, as both binaries ask before anything is written.
//! Admission checks role and level again on what arrives; that nobody decides on a record of their
//! own needs the record, so edge and server ask here and the projection reports what slipped through.

use std::collections::BTreeSet;

use super::case::Decision;
use crate::identity::{Level, Role};
use crate::ids::{DocKind, PersonId};

/// Why a step is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denied {
    /// The role is too low.
    #[error(
        "this needs the role {needed:?}, this device is enrolled as {held:?}: ask an admin for a ticket with that role"
    )]
    Role {
        /// What it takes.
        needed: Role,
        /// What the member has.
        held: Role,
    },
    /// A county supervisor takes a step of the city.
    #[error("this is for the city to decide, this device is enrolled for the county: hand it on to the city bureau")]
    Level,
    /// The decider wrote in the record.
    #[error("nobody decides on a record they wrote in themselves: ask another supervisor")]
    OwnRecord,
}

/// Role that writing into a kind of document takes at least.
#[must_use]
pub fn role_for(kind: DocKind) -> Role {
    match kind {
        DocKind::Field => Role::Inspector,
        DocKind::Case => Role::Supervisor,
        DocKind::Reference => Role::Admin,
    }
}

/// May a member of this role and level take the decision? An admin may record what a city
/// supervisor may.
///
/// # Errors
/// [`Denied::Role`] or [`Denied::Level`].
pub fn may_decide(decision: &Decision, role: Role, level: Option<Level>) -> Result<(), Denied> {
    let (needed, needed_level) = decision.requires();
    if role < needed {
        return Err(Denied::Role { needed, held: role });
    }
    if role < Role::Admin && level.unwrap_or(Level::County) < needed_level {
        return Err(Denied::Level);
    }
    Ok(())
}

/// Is the decider somebody else than every author of the field record?
///
/// # Errors
/// [`Denied::OwnRecord`].
pub fn not_own(authors: &BTreeSet<PersonId>, decider: &PersonId) -> Result<(), Denied> {
    if authors.contains(decider) { Err(Denied::OwnRecord) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn roles_and_levels_follow_the_life_cycle() {
        use Level::{City, County};
        let decisions = [
            (json!({"type": "review", "action": "approve"}), County),
            (json!({"type": "classify", "step": "endorse", "classification": "ban"}), County),
            (json!({"type": "classify", "step": "decide", "classification": "ban"}), City),
            (json!({"type": "plan", "step": "draft"}), County),
            (json!({"type": "plan", "step": "approve"}), City),
            (json!({"type": "accept", "level": "county", "passed": true}), County),
            (json!({"type": "accept", "level": "city", "passed": true}), City),
            (json!({"type": "extend", "authority": "市政府"}), City),
            (json!({"type": "name", "name": "排口"}), County),
        ];
        for (text, level) in decisions {
            let decision: Decision = serde_json::from_value(text.clone()).unwrap();
            assert_eq!(may_decide(&decision, Role::Supervisor, Some(City)), Ok(()), "{text}");
            let county = if level == City { Err(Denied::Level) } else { Ok(()) };
            assert_eq!(may_decide(&decision, Role::Supervisor, Some(County)), county, "{text}");
            assert_eq!(may_decide(&decision, Role::Supervisor, None), county, "{text}");
            assert_eq!(may_decide(&decision, Role::Admin, None), Ok(()), "{text}");
            let inspector = may_decide(&decision, Role::Inspector, Some(City));
            assert_eq!(inspector, Err(Denied::Role { needed: Role::Supervisor, held: Role::Inspector }), "{text}");
        }
        let known = Decision::KnownFrom(crate::domain::case::KnownFrom { entries: Vec::new() });
        assert!(matches!(
            may_decide(&known, Role::Supervisor, Some(City)),
            Err(Denied::Role { needed: Role::Admin, .. })
        ));
        assert_eq!(DocKind::ALL.map(role_for), [Role::Inspector, Role::Supervisor, Role::Admin]);
    }

    #[test]
    fn nobody_decides_on_a_record_of_their_own() {
        let (author, other) = (PersonId([1; 16]), PersonId([2; 16]));
        let authors = BTreeSet::from([author]);
        assert_eq!(not_own(&authors, &author), Err(Denied::OwnRecord));
        assert_eq!(not_own(&authors, &other), Ok(()));
    }
}
