//! Blocks of official codes: which of them a server may assign from.
//!
//! Two processes on one database are kept apart by the transaction that assigns. Two servers are
//! kept apart here: a block names one server key and one life of its database, and blocks that
//! overlap are used by nobody until one of them is withdrawn.

use std::collections::BTreeMap;

use super::code::{CodeError, OutletCode};
use super::dictionary::Dictionaries;
use super::reference::{CodeBlock, ReferenceEntry};
use crate::ids::{Epoch, PublicKey};

/// Why a block cannot be used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Another server has it.
    #[error("it is granted to another server")]
    OtherServer,
    /// This database is a restored copy: what was assigned after the backup is not in it.
    #[error("it was granted to this server before its database was restored from a backup")]
    Restored,
    /// Serials are in two blocks of different holders.
    #[error("it overlaps a block that another server holds")]
    Overlaps,
    /// Withdrawn: its range is empty.
    #[error("it was withdrawn")]
    Withdrawn,
}

/// A block as it stands, and whether this server may assign from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<'e> {
    /// The block.
    pub block: &'e CodeBlock,
    /// Why not; nothing = it may.
    pub unusable: Option<Unusable>,
}

impl CodeBlock {
    /// Is the serial in it?
    #[must_use]
    pub fn has(&self, serial: u16) -> bool {
        (self.from..=self.to).contains(&serial)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let place = self.basin == other.basin && self.county == other.county;
        place && self.from <= other.to && other.from <= self.to
    }

    /// The code of a serial with these type letters.
    ///
    /// # Errors
    /// When the parts do not make a code.
    pub fn code(&self, serial: u16, letters: &str) -> Result<OutletCode, CodeError> {
        OutletCode::new(&self.basin, self.county, serial, letters, 0)
    }
}

/// All blocks, by id, with what speaks against using them here.
#[must_use]
pub fn standing<'e>(entries: &'e [ReferenceEntry], server: &PublicKey, epoch: &Epoch) -> Vec<Standing<'e>> {
    let mut newest: BTreeMap<&str, &CodeBlock> = BTreeMap::new();
    for entry in entries {
        if let ReferenceEntry::CodeBlock(block) = entry {
            newest.insert(&block.id, block);
        }
    }
    let blocks: Vec<&CodeBlock> = newest.into_values().collect();
    let holder = |block: &CodeBlock| (block.holder, block.epoch);
    let judge = |block: &&'e CodeBlock| {
        let rival =
            |other: &&CodeBlock| other.id != block.id && other.overlaps(block) && holder(other) != holder(block);
        let unusable = if block.from > block.to {
            Some(Unusable::Withdrawn)
        } else if block.holder != *server {
            Some(Unusable::OtherServer)
        } else if block.epoch != *epoch {
            Some(Unusable::Restored)
        } else if blocks.iter().any(rival) {
            Some(Unusable::Overlaps)
        } else {
            None
        };
        Standing { block, unusable }
    };
    blocks.iter().map(judge).collect()
}

/// Type letters for an outlet type: those that the type itself names, else those of its class that
/// the table has switched on. Nothing is guessed where neither says it.
#[must_use]
pub fn letters(outlet_type: &str, dictionaries: &Dictionaries) -> Option<String> {
    let line = dictionaries.ancestry("outlet_type_hj1312_2023", outlet_type);
    if let Some(named) = line.iter().find_map(|term| term.attribute("letters")) {
        return Some(named.to_ascii_uppercase());
    }
    let class = &line.last()?.code;
    let table = dictionaries.get("code_type_letters")?;
    let mut fitting = table.enabled().filter(|term| term.attribute_list("classes").any(|allowed| allowed == class));
    let only = fitting.next()?;
    fitting.next().is_none().then(|| only.code.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::DocumentRef;
    use crate::time::Timestamp;

    fn block(id: &str, from: u16, to: u16, holder: u8, epoch: u8) -> ReferenceEntry {
        ReferenceEntry::CodeBlock(CodeBlock {
            id: id.to_owned(),
            basin: "FA".to_owned(),
            county: 511_902,
            from,
            to,
            document: DocumentRef::default(),
            holder: PublicKey([holder; 32]),
            epoch: Epoch([epoch; 8]),
            by: "wang".to_owned(),
            at: Timestamp::from_millis(0),
        })
    }

    #[track_caller]
    fn check(entries: &[ReferenceEntry], expected: &[(&str, Option<Unusable>)]) {
        let found = standing(entries, &PublicKey([1; 32]), &Epoch([1; 8]));
        let found: Vec<_> = found.iter().map(|standing| (standing.block.id.as_str(), standing.unusable)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_block_is_for_one_server_and_one_life_of_its_database() {
        check(&[block("a", 1, 99, 1, 1)], &[("a", None)]);
        check(&[block("a", 1, 99, 2, 1)], &[("a", Some(Unusable::OtherServer))]);
        check(&[block("a", 1, 99, 1, 2)], &[("a", Some(Unusable::Restored))]);
        check(&[block("a", 1, 99, 2, 1), block("a", 1, 99, 1, 1)], &[("a", None)]);
        check(&[block("a", 1, 99, 1, 1), block("a", 1, 0, 1, 1)], &[("a", Some(Unusable::Withdrawn))]);
    }

    #[test]
    fn two_servers_never_share_a_serial() {
        let rivals = [block("a", 1, 99, 1, 1), block("b", 99, 150, 2, 1)];
        check(&rivals, &[("a", Some(Unusable::Overlaps)), ("b", Some(Unusable::OtherServer))]);
        check(
            &[block("a", 1, 99, 1, 1), block("b", 100, 150, 2, 1)],
            &[("a", None), ("b", Some(Unusable::OtherServer))],
        );
        check(&[block("a", 1, 99, 1, 1), block("b", 50, 150, 1, 1)], &[("a", None), ("b", None)]);
    }

    #[test]
    fn letters_come_from_the_tables_or_not_at_all() {
        let all = Dictionaries::embedded();
        for (code, expected) in [
            ("tailings", Some("GY")),
            ("urban_storm", Some("QT")),
            ("rural_facility", Some("QT")),
            ("livestock_large", None),
            ("urban_wwtp", None),
            ("undetermined", None),
            ("nonsense", None),
        ] {
            assert_eq!(letters(code, &all).as_deref(), expected, "{code}");
        }
    }
}
