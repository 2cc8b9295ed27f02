//! A root, a server key and members for benchmarks and simulations that need no server process.

use std::collections::BTreeSet;

use outlet_core::identity::{
    Certificate, Level, Membership, Role, Roster, SecretKey, ServerCert, ServerGrant, ServerStanding,
};
use outlet_core::ids::{Collection, PersonId};
use outlet_core::time::Timestamp;

/// A root and one server key.
#[derive(Debug)]
pub struct Authority {
    root: SecretKey,
    server: SecretKey,
}

impl Default for Authority {
    fn default() -> Self {
        Self { root: SecretKey::from_bytes([1; 32]), server: SecretKey::from_bytes([2; 32]) }
    }
}

impl Authority {
    /// The root's word for the server.
    #[must_use]
    pub fn server_cert(&self) -> ServerCert {
        let grant = ServerGrant {
            key: self.server.public(),
            name: "bench".into(),
            issued_at: Timestamp::from_millis(0),
            serial: 1,
            standing: ServerStanding::Active,
        };
        ServerCert::sign(&self.root, grant)
    }

    /// A membership that is valid for ever.
    #[must_use]
    pub fn member(&self, key: &SecretKey, role: Role, level: Option<Level>, collections: &[Collection]) -> Certificate {
        let membership = Membership {
            key: key.public(),
            person: PersonId(key.public().0[..16].try_into().expect("32 bytes have 16")),
            name: "bench".into(),
            role,
            level,
            collections: collections.iter().copied().collect::<BTreeSet<_>>(),
            not_before: Timestamp::from_millis(0),
            not_after: Timestamp::from_millis(i64::MAX),
            serial: 1,
        };
        Certificate::sign(&self.server, membership)
    }

    /// A roster with these members.
    ///
    /// # Panics
    /// Never: its own certificates are good.
    #[must_use]
    pub fn roster(&self, members: &[Certificate]) -> Roster {
        let mut roster = Roster::new(self.root.public());
        roster.add_server(&self.server_cert()).expect("signed by the root");
        for member in members {
            roster.add(member).expect("signed by the server");
        }
        roster
    }
}
