//! What a session sees of the server.

use outlet_core::identity::{Level, Role, SecretKey, TicketSecret};
use outlet_core::ids::{OutletId, PersonId};
use outlet_core::sync::replica::{BlobClass, Outcome};
use serde_json::json;
use sha2::Digest as _;

use super::*;
use crate::testing::{Device, Kit, START, county, outlet};

fn introduction(subscriptions: Vec<CollectionState>) -> Introduction {
    Introduction {
        claimed_time: Timestamp::from_millis(START),
        subscriptions,
        ticket_secret: None,
        certificate: None,
        wants_server_certificate: false,
        plan_only: false,
        files: Vec::new(),
        fetch: Fetch::Nothing,
    }
}

fn line(collection: Collection, cursor: Option<Cursor>) -> CollectionState {
    let digest = outlet_core::sync::digest::CollectionDigest::new().digest();
    CollectionState { collection, digest, count: 0, held: 0, cursor }
}

fn both(cursors: &[(Collection, Cursor)]) -> Vec<CollectionState> {
    let cursor = |collection| cursors.iter().find(|(own, _)| *own == collection).map(|(_, cursor)| *cursor);
    [Collection::REFERENCE, county()].map(|collection| line(collection, cursor(collection))).to_vec()
}

fn welcome(verdict: Verdict) -> PeerPlan {
    match verdict {
        Verdict::Welcome(plan) => plan,
        other => panic!("not welcome: {other:?}"),
    }
}

fn ticket(kit: &Kit, secret: [u8; 16], expires_in: i64) {
    let grant = devices::Grant {
        role: Role::Inspector,
        level: None,
        collections: vec![county()],
        name: "张三".into(),
        person: PersonId([9; 16]),
    };
    let hash = TicketSecret::from_bytes(secret).hash().0;
    let expires = kit.now().plus_millis(expires_in);
    kit.engine
        .database()
        .write::<_, DbError>(|tx| devices::insert_ticket(tx, &hash, &grant, kit.now(), expires))
        .unwrap();
}

/// Everything a peer is sent, with the cursors at the end.
fn pull(
    replica: &mut ServerReplica,
    peer: &PublicKey,
    plan: &PeerPlan,
) -> (Vec<FeedItem>, BTreeMap<Collection, Cursor>) {
    let mut send = SendPlan { after: 0, feeds: plan.feeds.clone() };
    let (mut items, mut cursors) = (Vec::new(), BTreeMap::new());
    loop {
        let outgoing = replica.outgoing(peer, &send, 400).unwrap();
        items.extend(outgoing.batch.items);
        cursors.extend(outgoing.batch.cursors);
        send = outgoing.next;
        if !outgoing.more {
            return (items, cursors);
        }
    }
}

fn runs(items: &[FeedItem]) -> usize {
    items.iter().filter(|item| matches!(item, FeedItem::Run(_))).count()
}

#[test]
fn a_ticket_enrols_and_the_feed_brings_certificates_before_runs() {
    let kit = Kit::new();
    let mut writer = kit.member(1, Role::Inspector, None);
    let pushed = [writer.fact(&outlet(1), "name", "甲"), writer.fact(&outlet(2), "name", "乙")];
    kit.push(&writer, &pushed);
    ticket(&kit, [5; 16], 1000);
    let key = SecretKey::from_bytes([7; 32]).public();
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    let unknown = replica.begin(&key, &introduction(Vec::new()), kit.now()).unwrap();
    assert_eq!(unknown, Verdict::NeedCertificate);
    let enrol = Introduction { ticket_secret: Some(vec![5; 16]), ..introduction(Vec::new()) };
    let plan = welcome(replica.begin(&key, &enrol, kit.now()).unwrap());
    assert!(plan.certificate.is_some());
    assert_eq!(plan.feeds, BTreeMap::from([(Collection::REFERENCE, Since::Start), (county(), Since::Start)]));
    let (items, cursors) = pull(&mut replica, &key, &plan);
    let first_run = items.iter().position(|item| matches!(item, FeedItem::Run(_))).unwrap();
    assert!(items[..first_run].iter().any(|item| matches!(item, FeedItem::ServerCert(_))));
    let certificates = items[..first_run].iter().filter(|item| matches!(item, FeedItem::Certificate(_))).count();
    assert_eq!((certificates, runs(&items)), (3, 2), "server, writer and the new member");

    let known: Vec<_> = cursors.into_iter().collect();
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    let plan = welcome(replica.begin(&key, &introduction(both(&known)), kit.now()).unwrap());
    assert!(plan.certificate.is_none());
    let (items, cursors) = pull(&mut replica, &key, &plan);
    assert!(items.is_empty() && cursors.is_empty(), "nothing new");
    let other_key = SecretKey::from_bytes([8; 32]).public();
    let used = replica.begin(&other_key, &enrol, kit.now()).unwrap();
    assert!(matches!(used, Verdict::Refused(Refusal { code: RefusalCode::TicketUsed, .. })));
}

#[test]
fn a_device_does_not_get_back_what_it_brought() {
    let kit = Kit::new();
    let mut writer = kit.member(1, Role::Inspector, None);
    let reader = kit.member(2, Role::Viewer, None);
    let run = writer.fact(&outlet(1), "name", "甲");
    kit.push(&writer, &[run]);
    for (device, expected) in [(&writer, 0), (&reader, 1)] {
        let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
        let plan = welcome(replica.begin(&device.public(), &introduction(both(&[])), kit.now()).unwrap());
        let (items, cursors) = pull(&mut replica, &device.public(), &plan);
        assert_eq!(runs(&items), expected);
        assert_eq!(cursors[&county()].seq, 1, "the cursor moves on all the same");
    }
}

#[test]
fn a_cursor_of_another_life_is_void_and_runs_come_by_comparison() {
    let kit = Kit::new();
    let mut writer = kit.member(1, Role::Inspector, None);
    let reader = kit.member(2, Role::Inspector, None);
    let first = writer.fact(&outlet(1), "name", "甲");
    let heads = writer.docs[&outlet(1)].heads();
    let second = writer.fact(&outlet(1), "bank", "left");
    kit.push(&writer, &[first, second]);
    let foreign = Cursor { epoch: Epoch([1; 8]), seq: 1, chain: ChainHash([2; 16]) };
    let known = both(&[(Collection::REFERENCE, foreign), (county(), foreign)]);
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    let plan = welcome(replica.begin(&reader.public(), &introduction(known), kit.now()).unwrap());
    assert_eq!(plan.feeds[&county()], Since::WithoutRuns);
    let (items, cursors) = pull(&mut replica, &reader.public(), &plan);
    assert_eq!(runs(&items), 0);
    assert!(!items.is_empty() && cursors.is_empty());
    let listed = replica.heads(county(), None, None, 10).unwrap();
    assert_eq!(listed, [DocHeads { doc: outlet(1), heads: writer.docs[&outlet(1)].heads() }]);
    assert!(replica.heads(county(), Some(&outlet(1)), None, 10).unwrap().is_empty());
    let strange = ChangeHash([3; 32]);
    let missing = replica.runs_for(&outlet(1), &[heads[0], strange]).unwrap();
    assert_eq!((missing.runs.len(), missing.unknown), (1, vec![strange]));
    assert_eq!(replica.runs_for(&outlet(1), &[]).unwrap().runs.len(), 2);
    assert_eq!(replica.runs_for(&outlet(9), &[strange]).unwrap().unknown, [strange]);
}

#[test]
fn a_revoked_device_hands_in_its_work_and_reads_no_more() {
    let kit = Kit::new();
    let mut lost = kit.member(1, Role::Inspector, None);
    kit.wait(5);
    kit.revoke(&lost);
    kit.wait(5);
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    let plan = welcome(replica.begin(&lost.public(), &introduction(both(&[])), kit.now()).unwrap());
    assert_eq!(plan.feeds.keys().copied().collect::<Vec<_>>(), [Collection::REFERENCE]);
    assert!(plan.limits.records && !plan.limits.photos);
    let (items, _) = pull(&mut replica, &lost.public(), &plan);
    assert!(items.iter().any(|item| matches!(item, FeedItem::Revocation(_))));
    assert!(matches!(replica.runs_for(&outlet(1), &[]), Err(ReplicaError::Peer(_))));
    let batch = Batch { items: vec![FeedItem::Run(lost.fact(&outlet(1), "name", "甲"))], cursors: Vec::new() };
    let admitted = replica.admit(&lost.public(), &batch, kit.now()).unwrap();
    assert_eq!(admitted.outcomes, [Outcome::Held { code: "revoked".into() }]);
    assert_eq!(admitted.receipts.len(), 1, "held work is kept, and receipted");
    let states = replica.states(&[county()]).unwrap();
    assert_eq!((states[0].count, states[0].held), (0, 1));
}

#[test]
fn a_member_that_a_restored_database_forgot_is_known_by_its_certificate() {
    let kit = Kit::new();
    let file = kit.place.path().join("early.age");
    let passphrase = || age::secrecy::SecretString::from("long enough".to_owned());
    crate::backup::backup(&kit.engine.folder, &file, passphrase()).unwrap();
    let device = kit.member(1, Role::Supervisor, Some(Level::County));
    let roster = kit.engine.database().read::<_, DbError>(|tx| kit.engine.folder.roster(tx)).unwrap();
    let certificate = Sealed(roster.certificate(&device.public()).unwrap().to_bytes());
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    crate::backup::restore(&data, &file, passphrase(), kit.now()).unwrap();
    let restored = Arc::new(crate::testing::open(&data, &kit.clock));
    let mut replica = ServerReplica::new(Arc::clone(&restored));
    let peer = device.public();
    assert_eq!(replica.begin(&peer, &introduction(both(&[])), kit.now()).unwrap(), Verdict::NeedCertificate);
    let with = Introduction { certificate: Some(certificate), ..introduction(both(&[])) };
    welcome(replica.begin(&peer, &with, kit.now()).unwrap());
    welcome(replica.begin(&peer, &introduction(both(&[])), kit.now()).unwrap());
    let forged = Certificate::sign(&SecretKey::from_bytes([66; 32]), {
        let mut membership = roster.membership(&peer).unwrap().clone();
        membership.key = SecretKey::from_bytes([67; 32]).public();
        membership
    });
    let stranger = forged.value().key;
    let with = Introduction { certificate: Some(Sealed(forged.to_bytes())), ..introduction(both(&[])) };
    let refused = replica.begin(&stranger, &with, kit.now()).unwrap();
    assert!(matches!(refused, Verdict::Refused(Refusal { code: RefusalCode::UnknownMember, .. })));
}

/// The server as its backup was, opened beside the one that went on.
fn restored(kit: &Kit, place: &tempfile::TempDir, work: impl FnOnce()) -> Arc<Engine> {
    let file = place.path().join("early.age");
    let passphrase = || age::secrecy::SecretString::from("long enough".to_owned());
    crate::backup::backup(&kit.engine.folder, &file, passphrase()).unwrap();
    work();
    let data = place.path().join("data");
    crate::backup::restore(&data, &file, passphrase(), kit.now()).unwrap();
    Arc::new(crate::testing::open(&data, &kit.clock))
}

#[test]
fn a_forgotten_members_work_waits_until_its_certificate_and_revocation_are_back() {
    let (kit, place) = (Kit::new(), tempfile::tempdir().unwrap());
    let carrier = kit.member(1, Role::Inspector, None);
    let mut lost = None;
    let engine = restored(&kit, &place, || {
        lost = Some(kit.member(2, Role::Inspector, None));
        kit.wait(5);
        kit.revoke(lost.as_ref().unwrap());
        kit.wait(5);
    });
    let mut lost = lost.unwrap();
    let run = FeedItem::Run(lost.fact(&outlet(1), "name", "甲"));
    let peer = carrier.public();
    let admitted = engine.admit(&peer, std::slice::from_ref(&run)).unwrap();
    assert_eq!(admitted.outcomes, [Outcome::Waiting], "not refused for good: its certificate may come");
    assert!(admitted.receipts.is_empty(), "and not kept");
    let roster = kit.engine.database().read::<_, DbError>(|tx| kit.engine.folder.roster(tx)).unwrap();
    let certificate = FeedItem::Certificate(Sealed(roster.certificate(&lost.public()).unwrap().to_bytes()));
    let revocations = roster.revocations().map(|signed| FeedItem::Revocation(Sealed(signed.to_bytes())));
    let mut items = vec![certificate];
    items.extend(revocations);
    items.push(run);
    assert_eq!(items.len(), 3);
    let admitted = engine.admit(&peer, &items).unwrap();
    assert_eq!(admitted.outcomes[2], Outcome::Held { code: "revoked".into() }, "no member again by the restore");
    let feed =
        |engine: &Engine| engine.database().read::<_, DbError>(|tx| feed::head(tx, Collection::REFERENCE)).unwrap();
    let before = feed(&engine);
    engine.admit(&peer, &items).unwrap();
    assert_eq!(feed(&engine), before, "known statements are not announced again");
}

#[test]
fn what_a_waiting_run_builds_on_is_asked_for() {
    let kit = Kit::new();
    let mut writer = kit.member(1, Role::Inspector, None);
    let mut other = kit.member(2, Role::Inspector, None);
    let base = writer.fact(&outlet(1), "name", "甲");
    other.copy(&writer, &outlet(1));
    let act = other.fact(&outlet(1), "bank", "left");
    assert_eq!(kit.push(&other, std::slice::from_ref(&act)).outcomes, [Outcome::Waiting]);
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    welcome(replica.begin(&other.public(), &introduction(both(&[])), kit.now()).unwrap());
    let heads = [act.last().unwrap()];
    assert_eq!(replica.runs_for(&outlet(1), &heads).unwrap().unknown, heads);
    assert_eq!(kit.push(&other, &[base, act]).outcomes, [crate::testing::stored(), crate::testing::stored()]);
    let missing = replica.runs_for(&outlet(1), &heads).unwrap();
    assert_eq!((missing.runs, missing.unknown, missing.heads), (Vec::new(), Vec::new(), heads.to_vec()));
}

#[test]
fn a_void_cursor_is_replaced_by_the_place_read_not_by_the_end() {
    let kit = Kit::new();
    let device = kit.member(1, Role::Inspector, None);
    let foreign = Cursor { epoch: Epoch([1; 8]), seq: 1, chain: ChainHash([2; 16]) };
    let known = both(&[(Collection::REFERENCE, foreign), (county(), foreign)]);
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    let plan = welcome(replica.begin(&device.public(), &introduction(known), kit.now()).unwrap());
    pull(&mut replica, &device.public(), &plan);
    // Between the last page and the end of the session.
    let late = kit.member(2, Role::Inspector, None);
    let states = replica.states(&[Collection::REFERENCE, county()]).unwrap();
    let adopted: Vec<_> = states.iter().map(|state| (state.collection, state.cursor.unwrap())).collect();
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    let plan = welcome(replica.begin(&device.public(), &introduction(both(&adopted)), kit.now()).unwrap());
    assert!(plan.feeds.values().all(|since| matches!(since, Since::After(_))), "{plan:?}");
    let (items, _) = pull(&mut replica, &device.public(), &plan);
    let [FeedItem::Certificate(sealed)] = &items[..] else { panic!("{items:?}") };
    assert_eq!(Certificate::from_bytes(&sealed.0).unwrap().value().key, late.public());
}

#[test]
fn a_page_of_the_feed_keeps_to_its_budget() {
    let kit = Kit::new();
    let mut writer = kit.member(1, Role::Inspector, None);
    let reader = kit.member(2, Role::Inspector, None);
    let work: Vec<SignedRun> =
        (1..=6).map(|number| writer.fact(&outlet(number), "name", &"长".repeat(usize::from(number) * 100))).collect();
    kit.push(&writer, &work);
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    let plan = welcome(replica.begin(&reader.public(), &introduction(both(&[])), kit.now()).unwrap());
    let mut send = SendPlan { after: 0, feeds: plan.feeds };
    let (mut seen, mut most, mut rounds) = (0, 0, 0);
    loop {
        let outgoing = replica.outgoing(&reader.public(), &send, 1500).unwrap();
        let sizes: Vec<usize> = outgoing.batch.items.iter().map(size).collect();
        assert!(sizes.len() == 1 || sizes.iter().sum::<usize>() <= 1500, "{sizes:?}");
        (seen, most, rounds) = (seen + runs(&outgoing.batch.items), most.max(sizes.len()), rounds + 1);
        assert!(rounds < 50);
        send = outgoing.next;
        if !outgoing.more {
            break;
        }
    }
    assert_eq!(seen, 6, "every item comes, also those larger than a page");
    assert!(most > 1);
}

fn size(item: &FeedItem) -> usize {
    match item {
        FeedItem::Run(run) => run.to_bytes().len(),
        FeedItem::Certificate(sealed) | FeedItem::ServerCert(sealed) => sealed.0.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_is_gone_reads_as_nothing() {
    let kit = Kit::new();
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    assert_eq!(replica.blob_read(&BlobHash([7; 32]), 0, 10).unwrap(), Vec::<u8>::new());
}

fn photo_of(device: &mut Device, bytes: &[u8]) -> (SignedRun, BlobOffer) {
    let hash = BlobHash(sha2::Sha256::digest(bytes).into());
    let entry = json!({ "type": "photo", "sha256": hash, "bytes": bytes.len(), "mime": "image/jpeg", "slot": "near" });
    let offer =
        BlobOffer { hash, bytes: bytes.len() as u64, class: BlobClass::Original, doc: outlet(1), original: None };
    (device.write(&outlet(1), entry), offer)
}

#[test]
fn a_photo_is_taken_for_a_record_that_names_it_continued_and_receipted_once() {
    let kit = Kit::with_config("[quota]\nphoto_bytes = 100000\n");
    let mut device = kit.member(1, Role::Inspector, None);
    let peer = device.public();
    let bytes = vec![7; 90_000];
    let (run, offer) = photo_of(&mut device, &bytes);
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    let refused = |code: &str| BlobWant::Refused(code.into());
    assert_eq!(replica.blob_begin(&peer, &offer, kit.now()).unwrap(), refused("unknown_document"));
    kit.push(&device, &[run]);
    assert_eq!(replica.blob_begin(&peer, &offer, kit.now()).unwrap(), BlobWant::Parts(vec![(0, offer.bytes)]));
    replica.blob_write(&offer.hash, 0, &bytes[..60_000]).unwrap();
    assert!(
        matches!(replica.blob_write(&offer.hash, 60_000, &bytes), Err(ReplicaError::Peer(_))),
        "more than announced"
    );
    drop(replica);

    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    assert_eq!(replica.blob_begin(&peer, &offer, kit.now()).unwrap(), BlobWant::Parts(vec![(60_000, offer.bytes)]));
    replica.blob_write(&offer.hash, 60_000, &bytes[60_000..]).unwrap();
    let BlobFinish::Stored(Some(receipt)) = replica.blob_finish(&peer, &offer.hash, kit.now()).unwrap() else {
        panic!("not stored");
    };
    let signed = SignedBlobReceipt::from_bytes(&receipt.0).unwrap();
    signed.verify_by(&kit.engine.folder.key().public()).unwrap();
    assert_eq!(signed.value().bytes, 90_000);
    assert_eq!(replica.blob_begin(&peer, &offer, kit.now()).unwrap(), BlobWant::Have(Some(receipt)));

    let (run, second) = photo_of(&mut device, &[8; 20_000]);
    kit.push(&device, &[run]);
    assert_eq!(replica.blob_begin(&peer, &second, kit.now()).unwrap(), refused("quota"));
    let huge = BlobOffer { bytes: 1 << 40, ..second };
    assert_eq!(replica.blob_begin(&peer, &huge, kit.now()).unwrap(), refused("too_large"));

    let reader = kit.member(2, Role::Inspector, None);
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    let curious = Introduction { fetch: Fetch::Everything, ..introduction(both(&[])) };
    welcome(replica.begin(&reader.public(), &curious, kit.now()).unwrap());
    let query = BlobQuery { max: 4, originals: true, exclude: std::collections::BTreeSet::new() };
    let list = replica.blobs_to_send(&reader.public(), &query).unwrap();
    assert_eq!((list.offers, list.pending), (vec![offer.clone()], 1));
    assert_eq!(replica.blob_read(&offer.hash, 89_990, 64).unwrap(), bytes[89_990..]);
    replica.blob_stored(&reader.public(), &offer.hash, None, kit.now()).unwrap();
    assert_eq!(replica.blobs_to_send(&reader.public(), &query).unwrap(), BlobList::default());
}

#[test]
fn no_collection_but_the_members_own_is_served() {
    let kit = Kit::new();
    let device = kit.member(1, Role::Inspector, None);
    let other = Collection::from_code(511_903).unwrap();
    let asked = vec![line(Collection::REFERENCE, None), line(county(), None), line(other, None)];
    let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
    let plan = welcome(replica.begin(&device.public(), &introduction(asked), kit.now()).unwrap());
    assert!(!plan.feeds.contains_key(&other));
    let key = DocKey { collection: other, id: OutletId::new(kit.now(), [1; 10]), ..outlet(1) };
    assert!(replica.runs_for(&key, &[]).is_err());
}

#[test]
fn a_disk_that_fills_up_stops_photos_first_and_records_then_and_the_hello_says_so() {
    let limits = |warn: u64, stop: u64| {
        let kit = Kit::with_config(&format!("[disk]\nwarn_percent = {warn}\nstop_percent = {stop}\n"));
        let mut device = kit.member(1, Role::Inspector, None);
        let mut replica = ServerReplica::new(Arc::clone(&kit.engine));
        let plan = welcome(replica.begin(&device.public(), &introduction(both(&[])), kit.now()).unwrap());
        let run = device.fact(&outlet(1), "name", "甲");
        let admitted = kit.engine.admit(&device.public(), &[FeedItem::Run(run)]);
        ((plan.limits.records, plan.limits.photos), admitted.is_ok())
    };
    // More than the whole disk can never be free.
    assert_eq!(limits(0, 0), ((true, true), true));
    assert_eq!(limits(101, 0), ((true, false), true));
    assert_eq!(limits(101, 101), ((false, false), false));
    let (_, defaults) = (0, crate::config::Config::default());
    assert_eq!((defaults.disk.warn_percent, defaults.disk.stop_percent), (10, 5));
}
