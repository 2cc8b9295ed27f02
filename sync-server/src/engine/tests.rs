//! Admission and quarantine against a real database.

use outlet_core::doc::Document;
use outlet_core::identity::{Level, Receipt, Role, Signed, SignedReceipt, SignedRuling, SignedRun, Verdict};
use outlet_core::ids::{ChangeHash, DocKey, DocKind};
use outlet_core::sync::digest::CollectionDigest;
use outlet_core::sync::replica::{FeedItem, Outcome, ShownReceipt};
use serde_json::json;

use super::*;
use crate::db::{feed, records};
use crate::testing::{Device, Kit, START, county, held, open, outlet, stored};

fn last(run: &SignedRun) -> (DocKey, ChangeHash) {
    (run.doc, run.last().unwrap())
}

fn rulings(kit: &Kit) -> Vec<(Verdict, ChangeHash)> {
    let all = kit.engine.database().read::<_, DbError>(|tx| feed::all_sealed(tx, feed::ItemKind::Ruling)).unwrap();
    let read = |bytes: &Vec<u8>| {
        let ruling = SignedRuling::from_bytes(bytes).unwrap();
        ruling.verify_by(&kit.engine.folder.key().public()).unwrap();
        (ruling.value().verdict, ruling.value().run)
    };
    all.iter().map(read).collect()
}

fn digest(kit: &Kit) -> CollectionDigest {
    kit.engine.database().read::<_, DbError>(|tx| load_digest(tx, county())).unwrap()
}

fn entries(kit: &Kit, key: &DocKey) -> usize {
    let document = kit.engine.database().read(|tx| projector::load(tx, key)).unwrap();
    document.map_or(0, |document| document.entries().len())
}

#[test]
fn what_is_stored_has_receipt_row_and_digest_and_again_changes_nothing() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let runs = vec![
        device.fact(&outlet(1), "name", "甲"),
        device.fact(&outlet(2), "name", "乙"),
        device.fact(&outlet(1), "bank", "left"),
    ];
    let admitted = kit.push(&device, &runs);
    assert_eq!(admitted.outcomes, [stored(), stored(), stored()]);
    assert_eq!(admitted.new_changes, 3);
    let receipt = SignedReceipt::from_bytes(&admitted.receipts[0].0).unwrap();
    receipt.verify_by(&kit.engine.folder.key().public()).unwrap();
    assert!(receipt.value().covers(&runs.iter().map(last).collect::<Vec<_>>()));
    assert_eq!((receipt.value().from_seq, receipt.value().to_seq), (1, 3));
    let mut expected = CollectionDigest::new();
    for (key, document) in &device.docs {
        expected.add(key, &document.heads());
    }
    assert_eq!(digest(&kit).digest(), expected.digest());
    assert_eq!(kit.rows().len(), 2);
    assert!(kit.rows().iter().any(|(_, row, _)| row.contains("甲")));

    let again = kit.push(&device, &runs);
    assert_eq!((again.outcomes, again.new_changes), (vec![stored(), stored(), stored()], 0));
    assert_eq!(digest(&kit).digest(), expected.digest());
    let seq = kit.engine.database().read::<_, DbError>(|tx| feed::head(tx, county())).unwrap().seq;
    assert_eq!(seq, 3);
}

#[test]
fn a_change_waits_for_what_it_depends_on() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let mut other = kit.member(2, Role::Inspector, None);
    let first = device.fact(&outlet(1), "name", "甲");
    other.copy(&device, &outlet(1));
    let second = other.fact(&outlet(1), "bank", "left");
    assert_eq!(kit.push(&other, std::slice::from_ref(&second)).outcomes, [Outcome::Waiting]);
    assert_eq!(kit.push(&other, &[second]).outcomes, [Outcome::Waiting]);
    assert!(kit.rows().is_empty());
    let admitted = kit.push(&device, &[first]);
    assert_eq!((admitted.outcomes, admitted.new_changes), (vec![stored()], 2));
    assert_eq!(entries(&kit, &outlet(1)), 2);
}

/// A revoked author's change, and an honest one that builds on it.
fn revoked_below_honest() -> (Kit, SignedRun, SignedRun) {
    let kit = Kit::new();
    let mut lost = kit.member(1, Role::Inspector, None);
    let mut honest = kit.member(2, Role::Inspector, None);
    let before = lost.fact(&outlet(1), "name", "甲");
    assert_eq!(kit.push(&lost, &[before]).outcomes, [stored()]);
    kit.wait(10);
    kit.revoke(&lost);
    kit.wait(10);
    let after = lost.fact(&outlet(1), "bank", "left");
    honest.copy(&lost, &outlet(1));
    let edit = honest.fact(&outlet(1), "village", "丙村");
    let admitted = kit.push(&honest, &[after.clone(), edit.clone()]);
    assert_eq!(admitted.outcomes, [held("revoked"), held("waiting")]);
    assert_eq!(entries(&kit, &outlet(1)), 1, "what the server had before is kept, what came after is not in");
    let listed = kit.engine.held().unwrap();
    assert_eq!(listed[1].waits_for, [after.last().unwrap()]);
    (kit, after, edit)
}

#[test]
fn an_honest_edit_on_a_revoked_authors_change_reaches_the_ledger_after_release() {
    let (kit, after, edit) = revoked_below_honest();
    let held = kit.engine.held().unwrap();
    let decided = kit.engine.release(&held[..1], "李四").unwrap();
    assert_eq!(decided.released, [after.last().unwrap(), edit.last().unwrap()]);
    assert_eq!(entries(&kit, &outlet(1)), 3);
    assert!(kit.rows()[0].1.contains("丙村"));
    assert!(kit.engine.held().unwrap().is_empty());
    let verdicts: Vec<Verdict> = rulings(&kit).into_iter().map(|(verdict, _)| verdict).collect();
    assert_eq!(verdicts, [Verdict::Held, Verdict::Held, Verdict::Released, Verdict::Released]);
}

#[test]
fn after_a_rejection_the_honest_author_issues_the_edit_again() {
    let (kit, after, edit) = revoked_below_honest();
    let held = kit.engine.held().unwrap();
    let decided = kit.engine.reject(&held[..1], "李四").unwrap();
    assert_eq!(decided.rejected, [after.last().unwrap(), edit.last().unwrap()]);
    assert_eq!(entries(&kit, &outlet(1)), 1);
    // The device rebuilds the document without what was rejected, and writes its own act anew.
    let honest = Device::new(2);
    let admitted = kit.engine.database().read(|tx| projector::load(tx, &outlet(1))).unwrap().unwrap();
    // Under a new incarnation, so that no number is ever used for two changes.
    let actor = outlet_core::ids::Actor::new(honest.public(), [1; 4]);
    let mut document = Document::load(DocKind::Field, &admitted.save()).unwrap();
    let text = json!({ "type": "fact", "field": "village", "value": "丙村", "at": 5 }).to_string();
    let change = document.write(&actor, kit.now(), &[text], &[]).unwrap();
    let reissued = SignedRun::sign(&honest.key, outlet(1), vec![change.raw]).unwrap();
    assert_eq!(kit.push(&honest, &[reissued]).outcomes, [stored()]);
    assert!(kit.rows()[0].1.contains("丙村"));
    let again = kit.push(&honest, &[after]);
    assert!(matches!(&again.outcomes[0], Outcome::Refused { code, .. } if code == "rejected"));
}

#[test]
fn a_quota_holds_and_never_drops() {
    let kit = Kit::with_config("[quota]\nchanges = 2\n");
    let mut device = kit.member(1, Role::Inspector, None);
    let runs: Vec<SignedRun> = (1..=4).map(|number| device.fact(&outlet(number), "name", "甲")).collect();
    let admitted = kit.push(&device, &runs);
    assert_eq!(admitted.outcomes, [stored(), stored(), held("quota"), held("quota")]);
    assert_eq!(kit.rows().len(), 2);
    let all = kit.engine.held().unwrap();
    assert_eq!(kit.engine.release(&all, "李四").unwrap().released.len(), 2);
    assert_eq!(kit.rows().len(), 4);
    kit.wait(86_400_000);
    let next = device.fact(&outlet(5), "name", "戊");
    assert_eq!(kit.push(&device, &[next]).outcomes, [stored()], "a new day");
}

#[test]
fn nobody_decides_on_a_record_they_authored() {
    let kit = Kit::new();
    let mut author = kit.member(1, Role::Supervisor, Some(Level::City));
    let mut other = kit.member(2, Role::Supervisor, Some(Level::City));
    let field = author.fact(&outlet(1), "name", "甲");
    assert_eq!(kit.push(&author, &[field]).outcomes, [stored()]);
    let case = outlet(1).with_kind(DocKind::Case);
    let approve = json!({ "type": "review", "action": "approve" });
    let own = author.write(&case, approve.clone());
    assert_eq!(kit.push(&author, &[own]).outcomes, [held("own_record")]);
    let foreign = other.write(&case, approve);
    assert_eq!(kit.push(&other, &[foreign]).outcomes, [stored()]);
}

#[test]
fn two_changes_under_one_number_are_reported_and_the_first_stands() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let mut twin = Device::new(1);
    let first = device.fact(&outlet(1), "name", "甲");
    let second = twin.fact(&outlet(1), "name", "乙");
    assert_eq!(kit.push(&device, &[first]).outcomes, [stored()]);
    let outcome = kit.push(&device, std::slice::from_ref(&second)).outcomes;
    assert!(matches!(&outcome[0], Outcome::Refused { code, .. } if code == "equivocation"), "{outcome:?}");
    assert_eq!(rulings(&kit), [(Verdict::Rejected, second.last().unwrap())]);
    assert!(kit.rows()[0].1.contains("甲"));
}

#[test]
fn a_foreign_signature_and_a_missing_right_are_refused_and_harm_nobody() {
    let kit = Kit::new();
    let mut inspector = kit.member(1, Role::Inspector, None);
    let mut viewer = kit.member(2, Role::Viewer, None);
    let good = inspector.fact(&outlet(1), "name", "甲");
    let case = inspector.write(&outlet(2).with_kind(DocKind::Case), json!({ "type": "review", "action": "approve" }));
    let read_only = viewer.fact(&outlet(3), "name", "乙");
    let mut forged = inspector.fact(&outlet(4), "name", "丙");
    forged.signature.0[0] ^= 1;
    let codes: Vec<String> = kit
        .push(&inspector, &[case, read_only, forged, good])
        .outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Outcome::Refused { code, .. } => code,
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(codes, ["right", "right", "signature", &format!("{:?}", stored())]);
    assert_eq!(kit.rows().len(), 1);
}

#[test]
fn receipts_never_go_back_in_time() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let first = device.fact(&outlet(5), "name", "戊");
    assert_eq!(kit.push(&device, &[first]).outcomes, [stored()]);
    kit.wait(-60_000);
    let run = device.fact(&outlet(6), "name", "己");
    let refused = kit.engine.admit(&device.public(), &[FeedItem::Run(run.clone())]).unwrap_err();
    assert!(matches!(refused, EngineError::Clock { .. }));
    kit.wait(60_001);
    assert_eq!(kit.push(&device, &[run]).outcomes, [stored()]);
}

#[test]
fn the_maintained_ledger_and_documents_equal_rebuilt_ones() {
    let kit = Kit::new();
    let mut one = kit.member(1, Role::Inspector, None);
    let mut two = kit.member(2, Role::Supervisor, Some(Level::City));
    for number in 1..=5 {
        let key = outlet(number);
        let mut runs = vec![one.fact(&key, "name", "甲"), one.fact(&key, "classification", "ban")];
        two.copy(&one, &key);
        runs.push(two.fact(&key, "bank", "right"));
        runs.push(one.fact(&key, "village", "丁村"));
        kit.wait(1000);
        kit.push(&one, &runs[..2]);
        kit.push(&two, &runs[2..]);
        let case = two.write(&key.with_kind(DocKind::Case), json!({ "type": "name", "name": "新名" }));
        kit.push(&two, &[case]);
    }
    let maintained = kit.rows();
    assert_eq!(kit.engine.rebuild_ledger().unwrap(), 5);
    assert_eq!(kit.rows(), maintained);
    kit.engine
        .database()
        .read::<_, EngineError>(|tx| {
            for key in records::keys(tx, county())? {
                let runs: Vec<_> = records::runs_of(tx, &key)?
                    .iter()
                    .map(|row| outlet_core::admission::check_form(&SignedRun::from_bytes(&row.run).unwrap()).unwrap())
                    .collect();
                let again = outlet_core::admission::apply(None, key.kind, &runs).unwrap();
                let stored = records::document(tx, &key)?.unwrap();
                assert_eq!(again.heads, stored.heads);
                assert_eq!(again.saved, projector::load(tx, &key)?.unwrap().save());
                assert!(stored.saved.is_empty() || stored.saved == again.saved);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn reference_data_makes_rows_anew_only_when_they_read_it() {
    use outlet_core::domain::reference::{DataSet, ReferenceEntry, Seal};
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let run = device.fact(&outlet(1), "name", "甲");
    kit.push(&device, &[run]);
    let maintained = kit.rows();
    let mark = |tx: &Transaction<'_>| Ok::<_, DbError>(tx.execute("UPDATE ledger SET findings = 'old'", [])?);
    kit.engine.database().write(mark).unwrap();
    let at = kit.now();
    let seal = Seal {
        what: "ledger".into(),
        unit: "511902".into(),
        on: at.day_in_shanghai(),
        document: None,
        sha256: None,
        at,
    };
    kit.engine.write_reference(reference_key("seals", "seals"), &[ReferenceEntry::Seal(seal)]).unwrap();
    assert_eq!(kit.rows()[0].2, "old", "a seal says nothing about outlets");
    let set = |kind: &str, text: &str| {
        ReferenceEntry::DataSet(DataSet {
            kind: kind.into(),
            name: "x".into(),
            text: text.into(),
            version: "2".into(),
            at: kit.now(),
        })
    };
    kit.engine.write_reference(reference_key("layer", "x"), &[set("layer", "{}")]).unwrap();
    assert_eq!(kit.rows()[0].2, "old");
    let longer = outlet_core::ledger::BAZHONG.replace("m3_per_day = 300.0", "m3_per_day = 301.0");
    assert_ne!(longer, outlet_core::ledger::BAZHONG);
    kit.engine.write_reference(reference_key("milestone_set", "x"), &[set("milestone_set", &longer)]).unwrap();
    assert_eq!(kit.rows(), maintained, "a set in force is read by every row");
}

/// Runs of one author in a row as one run, as a device sends them.
fn joined(runs: &[SignedRun]) -> SignedRun {
    let mut whole = runs.last().unwrap().clone();
    whole.changes = runs.iter().flat_map(|run| run.changes.clone()).collect();
    whole
}

#[test]
fn what_is_sent_again_with_later_work_keeps_its_first_receipt() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let first = [device.fact(&outlet(1), "name", "甲"), device.fact(&outlet(1), "classification", "ban")];
    kit.push(&device, &[joined(&first)]);
    let received = kit.now();
    // The receipt never arrived: the device sends the same work once more, with what came after.
    kit.wait(86_400_000);
    let later = device.fact(&outlet(1), "bank", "left");
    let admitted = kit.push(&device, &[joined(&[first[0].clone(), first[1].clone(), later.clone()])]);
    assert_eq!((admitted.outcomes, admitted.new_changes), (vec![stored()], 1));
    let runs = kit.engine.database().read::<_, DbError>(|tx| records::admitted_runs(tx, &outlet(1))).unwrap();
    let times = projector::Past::read(&outlet(1), &runs).unwrap().times;
    let at = |run: &SignedRun| times[&run.last().unwrap()];
    assert_eq!([at(&first[0]), at(&first[1]), at(&later)], [received, received, kit.now()]);
    let maintained = kit.rows();
    kit.engine.rebuild_ledger().unwrap();
    assert_eq!(kit.rows(), maintained);
}

/// A receipt of an earlier life of this database.
fn receipt_of(kit: &Kit, run: &SignedRun, at: Timestamp) -> FeedItem {
    let list = vec![last(run)];
    let receipt = Receipt {
        epoch: kit.engine.folder.epoch().unwrap(),
        collection: run.doc.collection,
        from_seq: 1,
        to_seq: 1,
        at,
        count: 1,
        runs: Receipt::list_digest(&list),
    };
    let signed: SignedReceipt = Signed::sign(kit.engine.folder.key(), receipt);
    FeedItem::Receipt(ShownReceipt { receipt: Sealed(signed.to_bytes()), runs: list })
}

#[test]
fn work_that_comes_back_with_its_receipt_is_judged_as_of_the_receipt() {
    let kit = Kit::with_config("[quota]\nchanges = 3\n");
    let mut lost = kit.member(1, Role::Supervisor, Some(Level::City));
    let mut other = kit.member(2, Role::Inspector, None);
    let base = other.fact(&outlet(9), "name", "底");
    kit.push(&other, &[base]);
    kit.wait(1000);
    let then = kit.now();
    // After that: the device is revoked, and its person became the author of the record it had decided on.
    kit.wait(2 * 86_400_000);
    let case = outlet(9).with_kind(DocKind::Case);
    let decided = lost.write(&case, json!({ "type": "review", "action": "approve" }));
    lost.copy(&other, &outlet(9));
    let content = lost.fact(&outlet(9), "bank", "left");
    assert_eq!(kit.push(&lost, std::slice::from_ref(&content)).outcomes, [stored()]);
    kit.runs(&["device", "revoke", &lost.public().to_string()]);
    kit.wait(1000);
    let before = [lost.fact(&outlet(1), "name", "甲"), lost.fact(&outlet(1), "village", "乙村")];
    let after = lost.fact(&outlet(2), "name", "丙");
    // The receipt may come after the work, and vouches for what came before in the same chain.
    let batch = [
        FeedItem::Run(before[0].clone()),
        FeedItem::Run(before[1].clone()),
        FeedItem::Run(decided.clone()),
        FeedItem::Run(after),
        receipt_of(&kit, &before[1], then),
        receipt_of(&kit, &decided, then),
    ];
    let outcomes = kit.engine.admit(&other.public(), &batch).unwrap().outcomes;
    assert_eq!(outcomes[..4], [stored(), stored(), stored(), held("revoked")]);
    // Nobody slips another change under a number of then, on a server that lost the first.
    let mut twin = Device::new(1);
    let forged = twin.fact(&outlet(1), "name", "假");
    let restored = Kit::new();
    let carrier = restored.member(2, Role::Inspector, None);
    let _ = restored.member(1, Role::Inspector, None);
    restored.wait(1000);
    restored.revoke(&twin);
    restored.wait(1000);
    let early = Timestamp::from_millis(START + 1);
    let batch = [receipt_of(&restored, &before[1], early), FeedItem::Run(before[1].clone()), FeedItem::Run(forged)];
    let outcomes = restored.engine.admit(&carrier.public(), &batch).unwrap().outcomes;
    assert_eq!(outcomes[2], held("revoked"), "{outcomes:?}");
    // A quota is that of the day of the receipt: the third change of that day was the last.
    let over = lost.fact(&outlet(3), "name", "丁");
    let batch = [receipt_of(&kit, &over, then), FeedItem::Run(over)];
    assert_eq!(kit.engine.admit(&other.public(), &batch).unwrap().outcomes[1], held("quota"));
    let maintained = kit.rows();
    kit.engine.rebuild_ledger().unwrap();
    assert_eq!(kit.rows(), maintained);
}

#[test]
fn what_builds_on_held_work_is_held_also_when_a_batch_comes_backwards() {
    let kit = Kit::new();
    let mut lost = kit.member(1, Role::Inspector, None);
    let mut honest = kit.member(2, Role::Inspector, None);
    let first = lost.fact(&outlet(1), "name", "甲");
    honest.copy(&lost, &outlet(1));
    kit.revoke(&lost);
    kit.wait(10);
    let mut batch = vec![first];
    batch.extend((0..40).map(|number| honest.fact(&outlet(1), "village", &format!("{number}村"))));
    batch.reverse();
    let mut outcomes = kit.push(&honest, &batch).outcomes;
    assert_eq!(outcomes.pop(), Some(held("revoked")));
    assert!(outcomes.iter().all(|outcome| *outcome == held("waiting")), "{outcomes:?}");
}

#[test]
fn a_run_twice_in_a_batch_has_one_fate() {
    let kit = Kit::with_config("[quota]\nchanges = 2\n");
    let mut device = kit.member(1, Role::Inspector, None);
    let mut other = kit.member(2, Role::Inspector, None);
    let before = device.fact(&outlet(4), "name", "丁");
    kit.push(&device, &[before]);
    let known = device.fact(&outlet(1), "name", "甲");
    let over = device.fact(&outlet(2), "name", "乙");
    let base = other.fact(&outlet(3), "name", "丙");
    let waits = other.fact(&outlet(3), "bank", "left");
    let batch = [known.clone(), known, over.clone(), over, waits.clone(), waits.clone()];
    let admitted = kit.push(&device, &batch);
    let (stood, aside, open) = (stored(), held("quota"), Outcome::Waiting);
    let expected = [stood.clone(), stood, aside.clone(), aside, open.clone(), open];
    assert_eq!((admitted.outcomes, admitted.new_changes), (expected.to_vec(), 1));
    // With what it waited for, in one batch: admitted, and said so.
    let admitted = kit.push(&other, &[base, waits]);
    assert_eq!(admitted.outcomes[1], stored(), "{admitted:?}");
}

#[test]
fn a_withdrawn_photo_loses_its_bytes_and_keeps_its_hash() {
    use sha2::Digest as _;
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let hash = outlet_core::ids::BlobHash(sha2::Sha256::digest(b"face").into());
    let mut incoming = kit.engine.photos.receive(hash).unwrap().unwrap();
    incoming.write(0, b"face").unwrap();
    assert!(incoming.finish().unwrap().is_some());
    let withdrawn =
        device.write(&outlet(1), json!({ "type": "withdrawn", "sha256": hash, "ground": "个人信息保护法 47" }));
    assert_eq!(kit.push(&device, &[withdrawn]).outcomes, [stored()]);
    assert!(kit.engine.photos.read_all(&hash).is_err());
    let file = kit.engine.database().read::<_, DbError>(|tx| db::files::get(tx, &hash)).unwrap();
    assert_eq!(file, Some(db::files::StoredFile::Withdrawn));
}

#[test]
fn two_processes_write_at_once_and_both_succeed() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let runs: Vec<SignedRun> = (1..=20).map(|number| device.fact(&outlet(number), "name", "甲")).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // As a second process: its own connections, its own cache of who may do what.
                let admin = open(kit.place.path(), &kit.clock);
                for _ in 0..10 {
                    let what = outlet_core::domain::reference::Seal {
                        what: "ledger".into(),
                        unit: "511902".into(),
                        on: "2021-12-20".parse().unwrap(),
                        document: None,
                        sha256: None,
                        at: admin.folder.now(),
                    };
                    let entry = outlet_core::domain::reference::ReferenceEntry::Seal(what);
                    kit.wait(1);
                    admin.write_reference(reference_key("seals", "seals"), &[entry]).unwrap();
                }
            });
        }
        for run in &runs {
            assert_eq!(kit.push(&device, std::slice::from_ref(run)).outcomes, [stored()]);
        }
    });
    assert_eq!(kit.rows().len(), 20);
    let seals = kit.engine.reference_entries(&reference_key("seals", "seals")).unwrap();
    assert!(seals.len() >= 10, "equal entries of one millisecond are one entry: {}", seals.len());
}

#[test]
fn a_database_cut_by_power_loss_holds_every_batch_that_was_durable() {
    let kit = Kit::new();
    let mut device = kit.member(1, Role::Inspector, None);
    let (database, log) = (kit.place.path().join(db::FILE), kit.place.path().join(format!("{}-wal", db::FILE)));
    let mut durable = Vec::new();
    for number in 1..=6 {
        let run = device.fact(&outlet(number), "name", "甲");
        kit.push(&device, &[run]);
        durable.push(std::fs::metadata(&log).unwrap().len());
    }
    let (database, log) = (std::fs::read(database).unwrap(), std::fs::read(log).unwrap());
    let start = *durable.first().unwrap();
    let mut cuts: Vec<u64> = (start..=log.len() as u64).step_by(1999).collect();
    cuts.extend(&durable);
    for cut in cuts {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(db::FILE), &database).unwrap();
        let cut_log = &log[..usize::try_from(cut).unwrap()];
        std::fs::write(place.path().join(format!("{}-wal", db::FILE)), cut_log).unwrap();
        let reopened = Database::open(&place.path().join(db::FILE)).unwrap();
        let count = reopened.read::<_, DbError>(|tx| db::ledger::count(tx)).unwrap();
        let safe = durable.iter().filter(|length| **length <= cut).count() as u64;
        assert!(count >= safe, "cut at {cut}: {count} rows, {safe} batches were durable");
        let state = reopened.read::<_, DbError>(|tx| load_digest(tx, county())).unwrap();
        assert_eq!(state.count(), count, "cut at {cut}: digest and ledger of one batch go together");
    }
}
