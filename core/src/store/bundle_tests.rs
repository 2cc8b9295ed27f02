//! A stick that holds more than its reader may have.

use super::super::super::store_tests::{NOW, name, outlet, photo, rows_of};
use super::super::super::summary::Filter;
use super::super::super::{BundleFiles, BundleQuery};
use super::*;
use crate::bundle::{Header, Imported, Writer, check, import};

/// What `outlet bundle export --everything` writes, unsealed.
fn exported(device: &mut Shared, collections: &BTreeSet<Collection>) -> Vec<u8> {
    device.with(|store| {
        let query = BundleQuery { collections: collections.clone(), everything: true, files: BundleFiles::All };
        let plan = store.bundle_plan(&query).unwrap();
        let enrolment = store.enrolment().unwrap().unwrap();
        let header = Header {
            maker: store.identity().public(),
            made_at: NOW,
            collections: collections.iter().copied().collect(),
            certificate: enrolment.certificate,
            server_certificate: enrolment.server_certificate,
        };
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        writer.batch(&Batch { items: plan.statements, cursors: Vec::new() }).unwrap();
        for doc in &plan.docs {
            let items = store.bundle_runs(doc).unwrap();
            writer.batch(&Batch { items, cursors: Vec::new() }).unwrap();
        }
        for offer in &plan.files {
            let bytes = store.blobs.read(&offer.hash, 0, usize::MAX >> 1).unwrap();
            writer.file(offer, &mut &bytes[..]).unwrap();
        }
        writer.finish(store.identity().key()).unwrap()
    })
}

fn imported(device: &mut Shared, bundle: &[u8]) -> (BTreeSet<Collection>, Imported) {
    let contents = check(bundle).unwrap();
    let wanted = device.with(|store| store.judge_bundle(&contents.header, NOW)).unwrap();
    let mut replica = PeerReplica::for_bundle(device.clone(), wanted.clone());
    let maker = contents.header.maker;
    let imported = import(bundle, &mut replica, &maker, &wanted, NOW).unwrap();
    (wanted, imported)
}

#[test]
fn of_a_bundle_of_two_counties_a_device_takes_the_one_that_both_may_read() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let city = Authority::new(1);
    let mut maker = city.device(homes[0].path(), 30, &["511902", "511923"], 9);
    let mut reader = city.device(homes[1].path(), 40, &["511902", "511921"], 9);
    let mut elsewhere = outlet(9);
    elsewhere.collection = "511923".parse().unwrap();
    let mut photos = Vec::new();
    for (doc, byte) in [(outlet(1), 5), (elsewhere, 6)] {
        let picture = maker.with(|store| store.add_blob_from("near.jpg", None, &mut &vec![byte; 150_000][..])).unwrap();
        let acts = [name("seen"), photo(&picture.hash, picture.bytes)];
        maker.with(|store| store.write(&doc, &acts, &[], NOW)).unwrap();
        photos.push(picture.hash);
    }
    let bundle = exported(&mut maker, &BTreeSet::from([outlet(1).collection, elsewhere.collection]));
    let (wanted, first) = imported(&mut reader, &bundle);
    assert_eq!(wanted, BTreeSet::from([outlet(1).collection]));
    assert_eq!((first.new_changes, first.files, first.elsewhere), (1, 1, 1), "{first:?}");
    assert_eq!((first.refused_files["elsewhere"], first.refused.len()), (1, 0), "{first:?}");
    let inside = |device: &Shared, at: usize| {
        let known = device.0.borrow().blob(&photos[at]).unwrap();
        known.is_some_and(|blob| blob.path.is_some())
    };
    assert_eq!((inside(&reader, 0), inside(&reader, 1)), (true, false));
    assert!(reader.0.borrow().document(&elsewhere).unwrap().is_none(), "nothing half-visible");
    let rows = reader.0.borrow().summaries(&Filter::default()).unwrap();
    assert_eq!(rows.iter().map(|row| row.key.collection).collect::<Vec<_>>(), [outlet(1).collection]);
    // It passes on what it took, and a second import changes nothing.
    let passed = reader.with(|store| store.files_to_pass(&wanted)).unwrap();
    assert_eq!(passed.iter().map(|offer| offer.hash).collect::<Vec<_>>(), photos[..1]);
    let before = rows_of(&reader.0.borrow());
    let (_, again) = imported(&mut reader, &bundle);
    assert_eq!((again.new_changes, again.files, again.known_files), (0, 0, 1), "{again:?}");
    assert_eq!(rows_of(&reader.0.borrow()), before);
    // A reader of neither county takes nothing.
    let home = tempfile::tempdir().unwrap();
    let mut stranger = city.device(home.path(), 50, &["511921"], 9);
    let header = check(&bundle[..]).unwrap().header;
    let refused = stranger.with(|store| store.judge_bundle(&header, NOW));
    assert!(matches!(refused, Err(ReplicaError::Refused(why)) if why.code == RefusalCode::NotAllowed));
}
