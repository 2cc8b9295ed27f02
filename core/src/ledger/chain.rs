//! The witness chains of servers, followed through the case files: what a server wrote for its
//! accounts cannot be dropped, moved or slipped in afterwards without a break.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::doc::Entry;
use crate::domain::witness::{Witnessed, link};
use crate::ids::{DocKey, EntryId, PublicKey, WitnessLink};

/// The chain of one server key, as the case files that a replica holds show it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// Witnessed entries.
    pub entries: usize,
    /// The last link.
    pub tip: Option<WitnessLink>,
    /// Entries that name a link which nothing here has: something before them is missing.
    pub missing: Vec<EntryId>,
    /// Entries that share their predecessor with another one: the chain went two ways, as after a
    /// restore from an old backup.
    pub forks: Vec<EntryId>,
}

impl Chain {
    /// Nothing is missing and nothing forks.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.forks.is_empty()
    }
}

/// Follows the chains of all server keys through the case entries given, in any order. A replica
/// that holds only some collections sees gaps; the server holds all.
#[must_use]
pub fn witness_chains<'e>(entries: impl IntoIterator<Item = (DocKey, &'e Entry)>) -> BTreeMap<PublicKey, Chain> {
    struct Node {
        id: EntryId,
        link: WitnessLink,
        before: Option<WitnessLink>,
    }
    let mut by_server: BTreeMap<PublicKey, Vec<Node>> = BTreeMap::new();
    for (doc, entry) in entries {
        if let Witnessed::By(witness) = Witnessed::read(&entry.json) {
            let node = Node { id: entry.id, link: link(&doc, &entry.json), before: witness.chain };
            by_server.entry(entry.origin.actor.key()).or_default().push(node);
        }
    }
    let chain = |nodes: &Vec<Node>| {
        let known: BTreeSet<WitnessLink> = nodes.iter().map(|node| node.link).collect();
        let mut followers: BTreeMap<Option<WitnessLink>, Vec<EntryId>> = BTreeMap::new();
        for node in nodes {
            followers.entry(node.before).or_default().push(node.id);
        }
        let mut forks: Vec<EntryId> = followers.values().filter(|ids| ids.len() > 1).flatten().copied().collect();
        let mut missing: Vec<EntryId> = nodes
            .iter()
            .filter(|node| node.before.is_some_and(|before| !known.contains(&before)))
            .map(|node| node.id)
            .collect();
        forks.sort();
        missing.sort();
        let named: BTreeSet<WitnessLink> = nodes.iter().filter_map(|node| node.before).collect();
        let mut tips = nodes.iter().map(|node| node.link).filter(|link| !named.contains(link));
        let tip = tips.next().filter(|_| tips.next().is_none());
        Chain { entries: nodes.len(), tip, missing, forks }
    };
    by_server.iter().map(|(server, nodes)| (*server, chain(nodes))).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::doc::Origin;
    use crate::domain::witness::Witness;
    use crate::identity::{Level, Role};
    use crate::ids::{Actor, ChangeHash, DocKind, OutletId, PersonId};
    use crate::time::Timestamp;

    fn doc(byte: u8) -> DocKey {
        let collection = "511902".parse().unwrap();
        DocKey { kind: DocKind::Case, collection, id: OutletId(uuid::Uuid::from_bytes([byte; 16])) }
    }

    fn text(number: u8, chain: Option<WitnessLink>) -> String {
        let witness = Witness {
            account: "li".to_owned(),
            person: PersonId([1; 16]),
            name: "李四".to_owned(),
            role: Role::Supervisor,
            level: Some(Level::County),
            via: "cli".to_owned(),
            session: None,
            chain,
        };
        json!({"type": "review", "action": "approve", "at": number, "witness": witness}).to_string()
    }

    fn entry(json: &str) -> Entry {
        let actor = Actor::new(PublicKey([9; 32]), [0; 4]);
        let device_time = Timestamp::from_millis(0);
        let origin = Origin { change: ChangeHash([0; 32]), actor, seq: 1, device_time, received_at: None };
        Entry { id: Entry::id_of(json), json: Arc::from(json), origin }
    }

    /// Three decisions in two case files, one after the other.
    fn chain() -> Vec<(DocKey, Entry)> {
        let first = text(1, None);
        let second = text(2, Some(link(&doc(1), &first)));
        let third = text(3, Some(link(&doc(2), &second)));
        vec![(doc(1), entry(&first)), (doc(2), entry(&second)), (doc(1), entry(&third))]
    }

    fn verified(chain: &[(DocKey, Entry)]) -> Chain {
        witness_chains(chain.iter().map(|(doc, entry)| (*doc, entry))).remove(&PublicKey([9; 32])).unwrap()
    }

    #[test]
    fn a_whole_chain_is_whole_in_any_order() {
        let mut all = chain();
        let tip = Some(link(&all[2].0, &all[2].1.json));
        all.rotate_left(1);
        assert_eq!(verified(&all), Chain { entries: 3, tip, missing: vec![], forks: vec![] });
    }

    #[test]
    fn a_dropped_moved_or_inserted_decision_breaks_it() {
        let all = chain();
        let dropped = [all[0].clone(), all[2].clone()];
        assert_eq!(verified(&dropped).missing, [all[2].1.id]);
        let moved = [all[0].clone(), (doc(3), all[1].1.clone()), all[2].clone()];
        assert_eq!(verified(&moved).missing, [all[2].1.id], "the same text in another case file");
        let inserted = entry(&text(4, Some(link(&all[0].0, &all[0].1.json))));
        let mut more = all.clone();
        more.push((doc(5), inserted.clone()));
        let mut expected = vec![inserted.id, all[1].1.id];
        expected.sort();
        assert_eq!(verified(&more).forks, expected);
        assert!(!verified(&more).is_whole());
    }
}
