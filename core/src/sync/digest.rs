//! The digest of a collection: whether two replicas hold the same, in 32 bytes.
//!
//! A homomorphic hash (LtHash16, 1024 lanes of 16 bits): each document adds its element, in any
//! order, so a change costs one subtraction and one addition whatever the size of the inventory.
//! Finding a second set of documents with the same state is a short-vector problem in a lattice of
//! that size; XOR or plain sums of hashes would not resist it. Equality is proven here;
//! differences are found elsewhere.

use std::fmt;

use crate::ids::{ChangeHash, Digest, DocKey};

const LANES: usize = 1024;

/// Running state over the documents of a collection and their heads. Its state is kept and
/// updated in the same transaction as the documents.
#[derive(Clone, PartialEq, Eq)]
pub struct CollectionDigest {
    lanes: Box<[u16; LANES]>,
    count: u64,
}

impl Default for CollectionDigest {
    fn default() -> Self {
        Self { lanes: Box::new([0; LANES]), count: 0 }
    }
}

impl CollectionDigest {
    /// Length of [`CollectionDigest::to_bytes`].
    pub const LEN: usize = 8 + 2 * LANES;

    /// Of an empty collection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many documents.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds a document; the order of the heads does not matter.
    pub fn add(&mut self, doc: &DocKey, heads: &[ChangeHash]) {
        self.apply(doc, heads, u16::wrapping_add);
        self.count = self.count.wrapping_add(1);
    }

    /// Takes back an [`CollectionDigest::add`] with the same heads.
    pub fn remove(&mut self, doc: &DocKey, heads: &[ChangeHash]) {
        self.apply(doc, heads, u16::wrapping_sub);
        self.count = self.count.wrapping_sub(1);
    }

    /// A document's heads have moved. No heads means that the document is not there.
    pub fn replace(&mut self, doc: &DocKey, old_heads: &[ChangeHash], new_heads: &[ChangeHash]) {
        if !old_heads.is_empty() {
            self.remove(doc, old_heads);
        }
        if !new_heads.is_empty() {
            self.add(doc, new_heads);
        }
    }

    /// What two sides compare.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 collection digest v1");
        Digest(*hasher.update(&self.to_bytes()).finalize().as_bytes())
    }

    /// Count (u64) and lanes (u16 each), big endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.extend_from_slice(&self.count.to_be_bytes());
        for lane in self.lanes.iter() {
            bytes.extend_from_slice(&lane.to_be_bytes());
        }
        bytes
    }

    /// Inverse of [`CollectionDigest::to_bytes`].
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (count, lanes) = bytes.split_first_chunk::<8>()?;
        if lanes.len() != 2 * LANES {
            return None;
        }
        let mut digest = Self { count: u64::from_be_bytes(*count), ..Self::default() };
        for (lane, bytes) in digest.lanes.iter_mut().zip(lanes.as_chunks::<2>().0) {
            *lane = u16::from_be_bytes(*bytes);
        }
        Some(digest)
    }

    fn apply(&mut self, doc: &DocKey, heads: &[ChangeHash], step: impl Fn(u16, u16) -> u16) {
        let mut sorted = heads.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut hasher = blake3::Hasher::new_derive_key("outlet 2026 collection element v1");
        // The key has a fixed length and so has a head: no two inputs run together.
        hasher.update(&doc.to_bytes());
        for head in &sorted {
            hasher.update(&head.0);
        }
        let mut element = [0; 2 * LANES];
        hasher.finalize_xof().fill(&mut element);
        for (lane, bytes) in self.lanes.iter_mut().zip(element.as_chunks::<2>().0) {
            *lane = step(*lane, u16::from_be_bytes(*bytes));
        }
    }
}

impl fmt::Debug for CollectionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectionDigest({} documents, {})", self.count, self.digest().short())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{Collection, DocKind, OutletId};

    type Element = (u8, Vec<u8>);

    fn doc(id: u8) -> DocKey {
        let collection = Collection::from_code(511_902).unwrap();
        DocKey { kind: DocKind::Field, collection, id: OutletId(uuid::Uuid::from_bytes([id; 16])) }
    }

    fn heads(bytes: &[u8]) -> Vec<ChangeHash> {
        bytes.iter().map(|byte| ChangeHash([*byte; 32])).collect()
    }

    fn of(elements: &[Element]) -> CollectionDigest {
        let mut digest = CollectionDigest::new();
        for (id, bytes) in elements {
            digest.add(&doc(*id), &heads(bytes));
        }
        digest
    }

    fn elements() -> impl Strategy<Value = Vec<Element>> {
        prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 1..4)), 0..12)
    }

    proptest! {
        #[test]
        fn the_order_of_documents_and_heads_does_not_matter(
            (list, shuffled) in elements().prop_flat_map(|list| (Just(list.clone()), Just(list).prop_shuffle()))
        ) {
            let reversed: Vec<Element> =
                shuffled.into_iter().map(|(id, bytes)| (id, bytes.into_iter().rev().collect())).collect();
            prop_assert_eq!(of(&list).digest(), of(&reversed).digest());
        }

        #[test]
        fn removing_undoes_adding(list in elements(), id: u8, bytes in prop::collection::vec(any::<u8>(), 1..4)) {
            let before = of(&list);
            let mut digest = before.clone();
            digest.add(&doc(id), &heads(&bytes));
            prop_assert_ne!(digest.digest(), before.digest());
            digest.remove(&doc(id), &heads(&bytes));
            prop_assert_eq!(digest, before);
        }

        #[test]
        fn moving_heads_step_by_step_gives_what_adding_the_last_gives(
            list in elements(), steps in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..4), 1..5)
        ) {
            let mut moved = of(&list);
            let mut old = Vec::new();
            for step in &steps {
                moved.replace(&doc(1), &old, &heads(step));
                old = heads(step);
            }
            let mut direct = of(&list);
            direct.add(&doc(1), &old);
            prop_assert_eq!(&moved, &direct);
            moved.replace(&doc(1), &old, &[]);
            prop_assert_eq!(moved, of(&list));
        }

        #[test]
        fn the_state_survives_bytes(list in elements()) {
            let digest = of(&list);
            let bytes = digest.to_bytes();
            prop_assert_eq!(bytes.len(), CollectionDigest::LEN);
            prop_assert_eq!(CollectionDigest::from_bytes(&bytes), Some(digest));
            prop_assert_eq!(CollectionDigest::from_bytes(&bytes[1..]), None);
        }
    }

    #[test]
    fn a_document_is_told_from_its_case_file_and_one_from_two() {
        let mut case = CollectionDigest::new();
        case.add(&doc(1).with_kind(DocKind::Case), &heads(&[2]));
        assert_ne!(case.digest(), of(&[(1, vec![2])]).digest());
        assert_ne!(of(&[(1, vec![2]), (1, vec![2])]).digest(), of(&[(1, vec![2])]).digest());
        assert_ne!(of(&[(1, vec![2, 3])]).digest(), of(&[(1, vec![2]), (1, vec![3])]).digest());
    }

    #[test]
    fn two_to_the_sixteen_copies_do_not_vanish() {
        // Lanes wrap after 65,536 copies of one element; the count does not.
        let mut digest = CollectionDigest::new();
        let mut twice = of(&[(1, vec![2])]);
        for _ in 0..16 {
            let copy = twice.lanes.clone();
            twice.lanes.iter_mut().zip(copy.iter()).for_each(|(lane, other)| *lane = lane.wrapping_add(*other));
            twice.count *= 2;
        }
        assert_eq!(twice.lanes, digest.lanes);
        assert_ne!(twice.digest(), digest.digest());
        digest.count = 65_536;
        assert_eq!(twice.digest(), digest.digest());
    }

    #[test]
    fn the_released_digest_stays() {
        insta::assert_snapshot!(CollectionDigest::new().digest(), @"2d5d6500bfce349bc00f2cfdae2e83e1509a41b97a3bd0025731ce7d9ba6102d");
        insta::assert_snapshot!(of(&[(1, vec![2]), (3, vec![5, 4])]).digest(), @"a899e0cd630828d8bc75c5c00793e4a2c8a4b20cab04b9999205ef5682a1655c");
    }
}
