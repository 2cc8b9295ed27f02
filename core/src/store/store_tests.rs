//! What the store promises as a whole, on real files: an act that was saved is there after any
//! crash, and an index maintained equals an index rebuilt.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::edge::{EdgeStore, OpenStore};
use super::home::{Entropy, Renewed};
use super::index::IndexFault;
use super::open::IndexUse;
use super::summary::{Filter, RecordState};
use super::testing::{Cut, FaultVfs, Faults};
use super::{Store, StoreError};
use crate::ids::{BlobHash, DocKey, DocKind, OutletId};
use crate::time::Timestamp;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_640_000_000_000);

pub(super) fn options(home: &Path) -> OpenStore {
    OpenStore {
        home: home.to_owned(),
        who: "a test".to_owned(),
        now: NOW,
        entropy: Entropy { key: [7; 32], incarnation: [1, 2, 3, 4] },
        boot: Some("this boot".to_owned()),
        create: true,
        accept_weak_storage: false,
    }
}

pub(super) fn open(home: &Path) -> EdgeStore {
    EdgeStore::open(&options(home), &mut |_| {}).unwrap()
}

pub(super) fn outlet(number: u8) -> DocKey {
    let id = OutletId::new(NOW, [number; 10]);
    DocKey { kind: DocKind::Field, collection: "511902".parse().unwrap(), id }
}

fn fact(field: &str, value: &str, at: i64) -> String {
    format!(r#"{{"type":"fact","field":"{field}","value":{value},"at":{at}}}"#)
}

pub(super) fn name(text: &str) -> String {
    fact("name", &format!("\"{text}\""), 5)
}

fn location(lon: f64, lat: f64) -> String {
    let value = format!(r#"{{"lon":{lon},"lat":{lat},"raw_lon":{lon},"raw_lat":{lat},"datum":"wgs84"}}"#);
    fact("location", &value, 6)
}

pub(super) fn photo(hash: &BlobHash, bytes: u64) -> String {
    format!(r#"{{"type":"photo","sha256":"{hash}","bytes":{bytes},"mime":"image/jpeg","slot":"near","at":7}}"#)
}

/// Everything the index says, but for the hint of what was sent.
pub(super) fn rows_of(store: &EdgeStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    let index = store.index().unwrap();
    index
        .scan(b"", &mut |key, value| {
            if !super::rows::is_hint(key) {
                rows.push((key.to_vec(), value.to_vec()));
            }
            true
        })
        .unwrap();
    rows
}

/// The files as a process killed now would leave them: what the page cache holds.
fn killed(home: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(home, copy.path());
    copy
}

fn copy_dir(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            std::fs::create_dir(to.join(&name)).unwrap();
            copy_dir(&path, &to.join(&name));
        } else {
            std::fs::copy(&path, to.join(&name)).unwrap();
        }
    }
}

fn some_outlets(store: &mut EdgeStore, count: u8) {
    for number in 1..=count {
        let doc = outlet(number);
        let place = location(106.7 + f64::from(number) / 1000.0, 31.8);
        store.write(&doc, &[name(&format!("outlet {number}")), place], &[], NOW).unwrap();
        store.write(&doc, &[fact("classification", "\"ban\"", 8)], &[("remark".into(), "wet".into())], NOW).unwrap();
    }
}

#[test]
fn an_act_is_there_after_a_clean_close() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 3);
    let rows = rows_of(&store);
    store.close().unwrap();
    let store = open(home.path());
    assert_eq!(store.report().index, IndexUse::Clean);
    assert_eq!(rows_of(&store), rows);
    let document = store.document(&outlet(2)).unwrap().unwrap();
    assert_eq!(document.entries().len(), 3);
    assert_eq!(document.registers()["remark"].value, "wet");
}

#[test]
fn summaries_answer_lists_and_neighbourhoods_without_documents() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 5);
    let all = store.summaries(&Filter::default()).unwrap();
    assert_eq!(all.len(), 5);
    assert_eq!(all[0].state, RecordState::OnDevice);
    assert_eq!(all[0].classification.as_deref(), Some("ban"));
    let near = store.near(106.703, 31.8, 100.0).unwrap();
    assert_eq!(near.len(), 3);
    assert_eq!(near[0].1.name.as_deref(), Some("outlet 3"));
    assert!(near[0].0 < 1e-6 && (90.0..100.0).contains(&near[1].0), "{near:?}");
    let filter = Filter { text: Some("let 4".into()), ..Filter::default() };
    let found = store.summaries(&filter).unwrap();
    assert_eq!(store.find(&found[0].key.id.to_string()).unwrap(), found);
    let status = store.status().unwrap();
    assert_eq!((status.records.on_device, status.unsent_changes), (5, 10));
}

#[test]
fn after_a_kill_the_index_goes_on_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 2);
    let copy = killed(home.path());
    let again = open(copy.path());
    // sled keeps its last writes in a buffer of the process: those frames are read again.
    assert!(matches!(again.report().index, IndexUse::Replayed(0..=4)), "{:?}", again.report());
    assert_eq!(rows_of(&again), rows_of(&store));
}

#[test]
fn frames_the_index_has_not_seen_are_replayed_and_give_the_same_rows() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 2);
    let before = killed(home.path());
    some_outlets_more(&mut store);
    // The index of before, the journal of now: killed between the two writes, many times over.
    let number = 1;
    let journal = |home: &Path| home.join("journal").join(format!("{number:08}.seg"));
    std::fs::copy(journal(home.path()), journal(before.path())).unwrap();
    let again = open(before.path());
    assert!(matches!(again.report().index, IndexUse::Replayed(3..=7)), "{:?}", again.report());
    assert_eq!(rows_of(&again), rows_of(&store));
}

fn some_outlets_more(store: &mut EdgeStore) {
    store.write(&outlet(1), &[fact("waterbody", "\"Ba\"", 9)], &[], NOW).unwrap();
    store.write(&outlet(9), &[name("ninth")], &[], NOW).unwrap();
    store.write(&outlet(1), &[photo(&BlobHash([4; 32]), 10)], &[], NOW).unwrap();
}

#[test]
fn an_index_that_is_lost_stale_or_corrupt_is_rebuilt_and_equal() {
    type Damage = fn(&Path);
    let damage: [(&str, Damage); 5] = [
        ("deleted", |home| std::fs::remove_dir_all(home.join("index-1")).unwrap()),
        ("emptied", |home| {
            std::fs::remove_dir_all(home.join("index-1")).unwrap();
            std::fs::create_dir(home.join("index-1")).unwrap();
        }),
        ("zeroed", |home| overwrite(&home.join("index-1"), |bytes| bytes.fill(0))),
        ("flipped", |home| overwrite(&home.join("index-1"), |bytes| bytes.iter_mut().for_each(|byte| *byte ^= 0x55))),
        ("cut", |home| overwrite(&home.join("index-1"), |bytes| bytes.truncate(bytes.len() / 2))),
    ];
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 3);
    some_outlets_more(&mut store);
    let rows = rows_of(&store);
    store.close().unwrap();
    for (what, damage) in damage {
        let copy = killed(home.path());
        damage(copy.path());
        let mut store = open(copy.path());
        assert!(matches!(store.report().index, IndexUse::Rebuilt { .. }), "{what}: {:?}", store.report());
        assert_eq!(rows_of(&store), rows, "{what}");
        store.write(&outlet(3), &[fact("bank", "\"left\"", 10)], &[], NOW).unwrap();
    }
}

fn overwrite(directory: &Path, change: fn(&mut Vec<u8>)) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let mut bytes = std::fs::read(&path).unwrap();
            change(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

#[test]
fn an_older_index_than_the_mark_says_is_not_believed() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 1);
    store.close().unwrap();
    let old = killed(home.path());
    let mut store = open(home.path());
    some_outlets_more(&mut store);
    let rows = rows_of(&store);
    store.close().unwrap();
    std::fs::remove_dir_all(home.path().join("index-1")).unwrap();
    std::fs::create_dir(home.path().join("index-1")).unwrap();
    copy_dir(&old.path().join("index-1"), &home.path().join("index-1"));
    let store = open(home.path());
    assert!(matches!(store.report().index, IndexUse::Rebuilt { .. }));
    assert_eq!(rows_of(&store), rows);
}

#[test]
fn after_a_restart_of_the_machine_the_index_is_built_anew() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 2);
    let copy = killed(home.path());
    let mut later = options(copy.path());
    later.boot = Some("another boot".to_owned());
    let mut told = 0;
    let again = EdgeStore::open(&later, &mut |progress| told = progress.done).unwrap();
    assert!(matches!(again.report().index, IndexUse::Rebuilt { .. }));
    assert_eq!(rows_of(&again), rows_of(&store));
    assert!(told > 0, "the user is told how far it is");
}

#[test]
fn a_failing_index_never_costs_a_saved_act() {
    for fault in [IndexFault::WriteError, IndexFault::WritePanic] {
        let home = tempfile::tempdir().unwrap();
        let mut store = open(home.path());
        some_outlets(&mut store, 2);
        let document = store.document(&outlet(1)).unwrap().unwrap();
        let mut next = document.clone();
        let change = next.write(&store.identity().actor(), NOW, &[fact("bank", "\"left\"", 1)], &[]).unwrap();
        let signature = store.identity().key().sign_change(&outlet(1), &change.hash);
        store.index().unwrap().fault.set(Some(fault));
        store.commit(&outlet(1), &next, &change, signature, NOW).unwrap();
        assert!(matches!(store.report().index, IndexUse::Rebuilt { .. }), "{fault:?}");
        assert!(store.document(&outlet(1)).unwrap().unwrap().has(&change.hash), "{fault:?}");
        let rows = rows_of(&store);
        store.close().unwrap();
        assert_eq!(rows_of(&open(home.path())), rows, "{fault:?}");
    }
}

#[test]
fn an_index_that_failed_to_read_is_not_trusted_again() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 2);
    let rows = rows_of(&store);
    store.index().unwrap().fault.set(Some(IndexFault::ReadError));
    assert!(matches!(store.write(&outlet(1), &[name("lost?")], &[], NOW), Err(StoreError::Index(_))));
    drop(store);
    let store = open(home.path());
    assert!(matches!(store.report().index, IndexUse::Rebuilt { .. }), "{:?}", store.report());
    assert_eq!(rows_of(&store), rows);
}

#[test]
fn a_snapshot_in_the_making_is_moved_away() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 1);
    store.close().unwrap();
    let unfinished = home.path().join("index-1/snap.0000000000000C0F.generating");
    std::fs::write(&unfinished, b"half").unwrap();
    assert_eq!(open(home.path()).report().index, IndexUse::Clean);
    assert!(!unfinished.exists());
}

#[test]
fn every_thousandth_opening_checks_everything() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 1);
    store.close().unwrap();
    std::fs::write(home.path().join("opened"), "outlet-opened 1\nthis boot\n1 999\n").unwrap();
    let store = open(home.path());
    let IndexUse::Rebuilt { reason } = &store.report().index else { panic!("{:?}", store.report()) };
    assert_eq!(reason, "full check at opening 1000");
    store.close().unwrap();
    assert_eq!(open(home.path()).report().index, IndexUse::Clean);
}

#[test]
fn a_second_process_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let _store = open(home.path());
    let error = EdgeStore::open(&options(home.path()), &mut |_| {}).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
}

#[test]
fn a_missing_store_is_not_made_unless_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let mut wanted = options(&home.path().join("nothing"));
    wanted.create = false;
    assert!(matches!(EdgeStore::open(&wanted, &mut |_| {}), Err(StoreError::NoStore(_))));
    assert!(!home.path().join("nothing").exists());
}

#[test]
fn a_copied_home_gets_another_incarnation_and_the_original_keeps_its_own() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 1);
    let actor = store.identity().actor();
    store.close().unwrap();
    let copy = killed(home.path());
    let mut theirs = options(copy.path());
    theirs.entropy = Entropy { key: [9; 32], incarnation: [9; 4] };
    let copied = EdgeStore::open(&theirs, &mut |_| {}).unwrap();
    assert_eq!(copied.report().renewed, Some(Renewed::Copied));
    assert_eq!(copied.identity().public(), actor.key(), "the key stays");
    assert_ne!(copied.identity().actor(), actor);
    drop(copied);
    assert_eq!(EdgeStore::open(&theirs, &mut |_| {}).unwrap().report().renewed, None, "once");
    assert_eq!(open(home.path()).identity().actor(), actor);
}

#[test]
fn the_secret_key_is_for_its_owner_alone_and_never_replaced() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = tempfile::tempdir().unwrap();
    drop(open(home.path()));
    let path = home.path().join("key");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::write(&path, b"rubbish").unwrap();
    let error = EdgeStore::open(&options(home.path()), &mut |_| {}).unwrap_err();
    assert!(matches!(error, StoreError::Identity(..)), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"rubbish");
}

#[test]
fn a_journal_damaged_in_the_middle_shows_the_rest_and_takes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    for number in 1..=3 {
        store.write(&outlet(number), &[name("x")], &[], NOW).unwrap();
    }
    store.close().unwrap();
    let path = home.path().join("journal/00000001.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    std::fs::remove_file(home.path().join("closed")).unwrap();
    std::fs::remove_file(home.path().join("opened")).unwrap();
    for _ in 0..3 {
        // However often it is opened, and although the boot is the same.
        let mut store = open(home.path());
        assert!(store.is_read_only());
        assert_eq!(store.report().damage.len(), 1);
        let seen = store.summaries(&Filter::default()).unwrap();
        assert_eq!(seen.iter().map(|outlet| outlet.key).collect::<Vec<_>>(), [outlet(1), outlet(3)]);
        assert!(matches!(store.write(&outlet(1), &[name("y")], &[], NOW), Err(StoreError::ReadOnly)));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_journal_shorter_than_what_was_saved_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    store.write(&outlet(1), &[name("one")], &[], NOW).unwrap();
    let kept = std::fs::metadata(home.path().join("journal/00000001.seg")).unwrap().len();
    store.write(&outlet(2), &[name("two")], &[], NOW).unwrap();
    let actor = store.identity().actor();
    store.close().unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(home.path().join("journal/00000001.seg")).unwrap();
    file.set_len(kept).unwrap();
    let mut later = options(home.path());
    later.entropy.incarnation = [5; 4];
    let store = EdgeStore::open(&later, &mut |_| {}).unwrap();
    assert_eq!((store.report().lost, store.report().renewed), (1, Some(Renewed::Shortened)));
    assert_ne!(store.identity().actor(), actor, "its numbers may be out in the world");
    assert_eq!(store.summaries(&Filter::default()).unwrap().len(), 1);
}

pub(super) fn open_on(vfs: &FaultVfs, home: &Path) -> EdgeStore {
    EdgeStore::open_on(Arc::new(vfs.clone()), &options(home), &mut |_| {}).unwrap()
}

#[test]
fn a_full_disk_refuses_before_anything_is_written() {
    let home = tempfile::tempdir().unwrap();
    let vfs = FaultVfs::new();
    let mut store = open_on(&vfs, home.path());
    store.write(&outlet(1), &[name("one")], &[], NOW).unwrap();
    let rows = rows_of(&store);
    vfs.set(Faults { free_space: Some(1000), ..Faults::default() });
    let error = store.write(&outlet(1), &[name("two")], &[], NOW).unwrap_err();
    assert!(error.is_disk_full(), "{error}");
    vfs.set(Faults { full_after: Some(30), ..Faults::default() });
    let error = store.write(&outlet(1), &[name("two")], &[], NOW).unwrap_err();
    assert!(error.is_disk_full(), "{error}");
    assert_eq!(rows_of(&store), rows);
    vfs.set(Faults::default());
    store.write(&outlet(1), &[name("two")], &[], NOW).unwrap();
    let rows = rows_of(&store);
    store.close().unwrap();
    assert_eq!(rows_of(&open_on(&vfs, home.path())), rows);
}

#[test]
fn a_failed_sync_is_not_saved_and_everything_is_walked_before_going_on() {
    let home = tempfile::tempdir().unwrap();
    let vfs = FaultVfs::new();
    let mut store = open_on(&vfs, home.path());
    store.write(&outlet(1), &[name("one")], &[], NOW).unwrap();
    vfs.set(Faults { sync_fails_after: Some(0), ..Faults::default() });
    assert!(matches!(store.write(&outlet(1), &[name("two")], &[], NOW), Err(StoreError::SyncFailed { .. })));
    vfs.set(Faults::default());
    assert!(matches!(store.write(&outlet(1), &[name("three")], &[], NOW), Err(StoreError::Poisoned)));
    drop(store);
    let mut store = open_on(&vfs, home.path());
    assert!(matches!(store.report().index, IndexUse::Rebuilt { .. }), "{:?}", store.report());
    assert_eq!(store.document(&outlet(1)).unwrap().unwrap().entries().len(), 1);
    store.write(&outlet(1), &[name("two")], &[], NOW).unwrap();
}

#[test]
fn a_power_cut_after_saved_loses_nothing_whatever_became_of_the_index() {
    for cut in [Cut::Lost, Cut::Zeros, Cut::Bytes(20), Cut::Pages(0b10), Cut::Kept] {
        let home = tempfile::tempdir().unwrap();
        let vfs = FaultVfs::new();
        let mut store = open_on(&vfs, home.path());
        some_outlets(&mut store, 2);
        let photo = store.add_blob_from("photo", None, &mut &b"pixels"[..]).unwrap();
        let rows = rows_of(&store);
        drop(store);
        vfs.power_cut(cut).unwrap();
        overwrite(&home.path().join("index-1"), |bytes| bytes.truncate(bytes.len() / 3));
        let mut later = options(home.path());
        later.boot = Some("another boot".to_owned());
        let store = EdgeStore::open_on(Arc::new(vfs.clone()), &later, &mut |_| {}).unwrap();
        assert_eq!(rows_of(&store), rows, "{cut:?}");
        assert!(store.blob(&photo.hash).unwrap().unwrap().path.is_some(), "{cut:?}");
    }
}

#[test]
fn a_photo_is_named_queued_and_withdrawn() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    let stored = store.add_blob_from("a.jpg", Some(6), &mut &b"pixels"[..]).unwrap();
    store.write(&outlet(1), &[photo(&stored.hash, stored.bytes)], &[], NOW).unwrap();
    let status = store.status().unwrap();
    assert_eq!((status.photos.on_device, status.unsent_files, status.unsent_file_bytes), (1, 1, 6));
    let withdrawn = format!(r#"{{"type":"withdrawn","sha256":"{}","ground":"consent withdrawn","at":9}}"#, stored.hash);
    store.write(&outlet(1), &[withdrawn], &[], NOW).unwrap();
    let state = store.blob(&stored.hash).unwrap().unwrap();
    assert!(state.withdrawn && state.path.is_none(), "the hash stays, the bytes go: {state:?}");
    assert_eq!(store.status().unwrap().unsent_files, 0);
    assert_eq!(store.summaries(&Filter::default()).unwrap()[0].photos, 0);
    assert!(!stored.path.exists());
}

#[test]
fn a_file_that_a_document_names_is_known_though_its_bytes_were_never_here() {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [mut taker, mut colleague] = [&homes[0], &homes[1]].map(|home| open(home.path()));
    let taken = taker.add_blob_from("a.jpg", Some(6), &mut &b"pixels"[..]).unwrap();
    assert!(!taken.known);
    colleague.write(&outlet(1), &[photo(&taken.hash, taken.bytes)], &[], NOW).unwrap();
    assert!(colleague.add_blob_from("b.jpg", Some(6), &mut &b"pixels"[..]).unwrap().known);
    assert!(!colleague.add_blob_from("c.jpg", Some(6), &mut &b"others"[..]).unwrap().known);
}

#[test]
fn a_file_system_without_sync_is_refused_unless_accepted() {
    let parent = tempfile::tempdir().unwrap();
    let home = parent.path().join("home");
    let vfs = FaultVfs::new();
    vfs.set(Faults { sync_unsupported: true, ..Faults::default() });
    let error = EdgeStore::open_on(Arc::new(vfs), &options(&home), &mut |_| {}).unwrap_err();
    assert!(matches!(error, StoreError::WeakStorage { lacks: "sync files", .. }), "{error}");
    assert!(error.to_string().contains("--accept-weak-storage"), "{error}");
    for (kind, accepted) in [(ErrorKind::Unsupported, true), (ErrorKind::InvalidInput, true), (ErrorKind::Other, false)]
    {
        assert_eq!(super::vfs::tolerate(true, Err(kind.into())).is_ok(), accepted, "{kind}");
        assert!(super::vfs::tolerate(false, Err(kind.into())).is_err(), "{kind}");
    }
}

#[test]
fn doctor_finds_a_wrong_index_and_wrong_files_and_goes_on_with_a_right_one() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    some_outlets(&mut store, 2);
    let kept = store.add_blob_from("a.jpg", None, &mut &b"pixels"[..]).unwrap();
    let bad = store.add_blob_from("b.jpg", None, &mut &b"more pixels"[..]).unwrap();
    let gone = store.add_blob_from("c.jpg", None, &mut &b"gone"[..]).unwrap();
    for stored in [&kept, &bad, &gone] {
        store.write(&outlet(1), &[photo(&stored.hash, stored.bytes)], &[], NOW).unwrap();
    }
    let rows = rows_of(&store);
    let healthy = store.doctor(&mut |_| {}).unwrap();
    assert!(healthy.is_healthy() && healthy.wrong_rows == 0, "{healthy:?}");
    assert_eq!((healthy.commits, healthy.files), (7, 3));
    let wrong = [(super::rows::doc(&outlet(1)), None), (b"z".to_vec(), Some(vec![1]))];
    store.index().unwrap().apply(&wrong.into(), None).unwrap();
    std::fs::write(&bad.path, b"more pixelz").unwrap();
    std::fs::remove_file(&gone.path).unwrap();
    let checkup = store.doctor(&mut |_| {}).unwrap();
    assert_eq!(checkup.wrong_rows, 2);
    assert_eq!((checkup.bad_files, checkup.missing_files), (vec![bad.hash], vec![gone.hash]));
    assert_eq!(rows_of(&store), rows);
    store.close().unwrap();
    assert_eq!(open(home.path()).report().index, IndexUse::Clean);
}

#[test]
fn doctor_exports_what_is_readable_of_a_damaged_journal() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    for number in 1..=3 {
        store.write(&outlet(number), &[name("x")], &[], NOW).unwrap();
    }
    let path = home.path().join("journal/00000001.seg");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let checkup = store.doctor(&mut |_| {}).unwrap();
    assert_eq!((checkup.damage.len(), checkup.commits, checkup.is_healthy()), (1, 2, false));
    assert!(store.is_read_only(), "found while open, too");
    let export = home.path().join("readable.bin");
    assert_eq!(store.export_frames(&export).unwrap(), 2);
    let exported = std::fs::read(&export).unwrap();
    let first = super::frame::parse(&exported).unwrap();
    assert_eq!(super::frame::parse(&exported[first.len()..]).unwrap().sequence, 3);
    drop(store);
    assert!(open(home.path()).is_read_only());
}

#[test]
fn a_backup_comes_back_with_everything_but_the_incarnation() {
    use std::os::unix::fs::PermissionsExt as _;
    let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(home.path());
    some_outlets(&mut store, 2);
    let stored = store.add_blob_from("a.jpg", None, &mut &b"pixels"[..]).unwrap();
    store.write(&outlet(1), &[photo(&stored.hash, stored.bytes)], &[], NOW).unwrap();
    let file = elsewhere.path().join("device.tar");
    let made = store.backup(&file).unwrap();
    assert_eq!((made.segments, made.files), (1, 1));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let restored_home = elsewhere.path().join("home");
    assert_eq!(super::restore(&file, &restored_home).unwrap(), made);
    assert!(matches!(super::restore(&file, &restored_home), Err(StoreError::StoreExists(_))));
    let mut theirs = options(&restored_home);
    theirs.entropy = Entropy { key: [9; 32], incarnation: [9; 4] };
    let restored = EdgeStore::open(&theirs, &mut |_| {}).unwrap();
    assert_eq!(restored.identity().public(), store.identity().public());
    assert_ne!(restored.identity().actor(), store.identity().actor());
    assert_eq!(rows_of(&restored), rows_of(&store));
    assert!(restored.blob(&stored.hash).unwrap().unwrap().path.is_some());
}

#[test]
fn a_cut_or_foreign_backup_leaves_no_store() {
    let (home, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = open(home.path());
    some_outlets(&mut store, 1);
    let file = elsewhere.path().join("device.tar");
    store.backup(&file).unwrap();
    let bytes = std::fs::read(&file).unwrap();
    for (number, length) in [0, 100, 600, 1500, bytes.len() / 2, bytes.len() - 2000].into_iter().enumerate() {
        std::fs::write(&file, &bytes[..length]).unwrap();
        let target = elsewhere.path().join(number.to_string());
        assert!(super::restore(&file, &target).is_err(), "cut at {length}");
        assert!(!target.join("key").exists(), "cut at {length}");
    }
    let mut hostile = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..9].copy_from_slice(b"../escape");
    header.set_size(0);
    header.set_cksum();
    hostile.append(&header, &[][..]).unwrap();
    std::fs::write(&file, hostile.into_inner().unwrap()).unwrap();
    assert!(matches!(super::restore(&file, &elsewhere.path().join("h")), Err(StoreError::NotABackup { .. })));
    assert!(!elsewhere.path().join("escape").exists());
}

/// The acts of the golden store. Never change them: their bytes are released.
fn golden_acts(store: &mut EdgeStore) {
    let stored = store.add_blob_from("a.jpg", None, &mut &b"golden pixels"[..]).unwrap();
    store.write(&outlet(1), &[name("golden"), location(106.7, 31.8)], &[], NOW).unwrap();
    store.write(&outlet(1), &[photo(&stored.hash, stored.bytes)], &[("remark".into(), "dry".into())], NOW).unwrap();
    store.write(&outlet(2), &[fact("classification", "\"ban\"", 8)], &[], NOW).unwrap();
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/golden/store-v1")
}

#[test]
fn the_golden_store_of_version_1_opens() {
    let copy = tempfile::tempdir().unwrap();
    copy_dir(&golden(), copy.path());
    let store = open(copy.path());
    let all = store.summaries(&Filter::default()).unwrap();
    let names: Vec<_> = all.iter().map(|outlet| outlet.name.as_deref()).collect();
    assert_eq!(names, [Some("golden"), None]);
    assert_eq!((all[0].photos, all[0].lat, all[1].classification.as_deref()), (1, Some(31.8), Some("ban")));
    let document = store.document(&outlet(1)).unwrap().unwrap();
    assert_eq!(document.registers()["remark"].value, "dry");
    assert_eq!(store.blobs().list().unwrap().len(), 1);
}

#[test]
fn the_same_acts_still_give_the_journal_of_version_1() {
    let home = tempfile::tempdir().unwrap();
    let mut store = open(home.path());
    golden_acts(&mut store);
    store.close().unwrap();
    for file in ["journal/00000001.seg", "key"] {
        let made = std::fs::read(home.path().join(file)).unwrap();
        assert!(made == std::fs::read(golden().join(file)).unwrap(), "{file}: a released format may not change");
    }
}
