//! A decision that a server signed as *witness*: somebody signed in at its console, its API or its
//! command line decided, and the server wrote it down. It is called witnessed, never signed by.
//!
//! Each witnessed entry names the one before it by the same server key, so that the server cannot
//! drop, insert or reorder decisions of its accounts afterwards without a break that everybody who
//! holds the case files can see ([`crate::ledger::witness_chains`]).

use serde::{Deserialize, Serialize};

use crate::identity::{Level, Role};
use crate::ids::{DocKey, PersonId, WitnessLink};

/// Who decided, when a server signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Login of the account.
    pub account: String,
    /// The person, across accounts and devices.
    pub person: PersonId,
    /// The person's name.
    pub name: String,
    /// Role of the account at that moment.
    pub role: Role,
    /// Level of a supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// `console | api | cli`.
    pub via: String,
    /// Name of the session (no secret), where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// [`link`] of the witnessed entry before this one; absent on the first of a server key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<WitnessLink>,
}

impl Witness {
    /// Whether role and level reach what is asked for. An admin may record what the city may.
    #[must_use]
    pub fn suffices(&self, role: Role, level: Level) -> bool {
        self.role >= role && (self.role == Role::Admin || self.level.unwrap_or(Level::County) >= level)
    }
}

/// What the text of a case entry says about a witness, whatever else it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Witnessed {
    /// No such field.
    No,
    /// A witness.
    By(Box<Witness>),
    /// There is such a field, and it names no witness that this version can read.
    Unreadable,
}

impl Witnessed {
    /// Reads the text of an entry, also of a decision that this version does not know.
    #[must_use]
    pub fn read(json: &str) -> Self {
        #[derive(Deserialize)]
        struct Of {
            witness: Witness,
        }
        let named = serde_json::from_str::<serde_json::Value>(json).is_ok_and(|value| value.get("witness").is_some());
        match (named, serde_json::from_str::<Of>(json)) {
            (_, Ok(of)) => Self::By(Box::new(of.witness)),
            (true, Err(_)) => Self::Unreadable,
            (false, Err(_)) => Self::No,
        }
    }
}

/// What the next witnessed entry of the same server names: BLAKE3 over document and text.
#[must_use]
pub fn link(doc: &DocKey, json: &str) -> WitnessLink {
    let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 witness chain v1");
    hasher.update(&doc.to_bytes()).update(json.as_bytes());
    WitnessLink(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text() -> String {
        let witness = json!({"account": "li", "person": PersonId([1; 16]), "name": "李四", "role": "supervisor",
            "level": "county", "via": "cli"});
        json!({"type": "review", "action": "approve", "at": 1, "witness": witness}).to_string()
    }

    #[test]
    fn a_witness_is_read_also_from_a_decision_of_a_newer_version() {
        let newer = text().replace("review", "of_a_newer_version");
        assert!(matches!(Witnessed::read(&newer), Witnessed::By(_)));
        assert_eq!(Witnessed::read(r#"{"type":"review"}"#), Witnessed::No);
        for odd in [r#"{"witness":null}"#, r#"{"witness":{"account":"x"}}"#, r#"{"witness":"x"}"#] {
            assert_eq!(Witnessed::read(odd), Witnessed::Unreadable, "{odd}");
        }
    }

    #[test]
    fn role_and_level_of_the_account_are_what_counts() {
        let Witnessed::By(witness) = Witnessed::read(&text()) else { panic!("no witness") };
        assert!(witness.suffices(Role::Supervisor, Level::County));
        assert!(!witness.suffices(Role::Supervisor, Level::City));
        let admin = Witness { role: Role::Admin, level: None, ..*witness };
        assert!(admin.suffices(Role::Admin, Level::City));
    }
}
