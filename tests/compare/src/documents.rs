//! The documents of the comparison: the workload of `make bench`, as Automerge documents.

use automerge::Automerge;
use outlet_core::doc::Document;
use outlet_core::identity::SecretKey;
use outlet_core::ids::{Actor, Collection, DocKind};
use outlet_core::time::Timestamp;
use outlet_tests::workload::Writer;

/// One outlet: its Automerge document, and its entries as JSON for those who know no CRDT.
pub(crate) struct Made {
    pub(crate) document: Automerge,
    pub(crate) entries: Vec<String>,
}

pub(crate) fn county() -> Collection {
    "511902".parse().expect("a county code")
}

/// The same outlets each time.
pub(crate) fn make(count: usize) -> Vec<Made> {
    let key = SecretKey::from_bytes([3; 32]);
    let actor = Actor::new(key.public(), [0; 4]);
    let mut writer = Writer::new(key, [0; 4], 7);
    let one = |_| {
        let (_, acts) = writer.outlet(county());
        let mut document = Document::new(DocKind::Field);
        for act in &acts {
            document.write(&actor, Timestamp::from_millis(1_622_505_600_000), act, &[]).expect("a well-formed act");
        }
        let document = Automerge::load(&document.save()).expect("a document of ours loads");
        Made { document, entries: acts.concat() }
    };
    (0..count).map(one).collect()
}
