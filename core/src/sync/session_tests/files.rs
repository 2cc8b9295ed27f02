//! Sessions that carry photographs: what goes first, what is taken up again, what a full receiver keeps away.

use super::{NOW, World, converged, doc, offer};
use crate::sync::parts::MAX_GAPS;
use crate::sync::replica::{self, BlobClass, Limits, RefusalCode};
use crate::sync::session::{CloseReason, Event, Input, Options, SyncOutcome};
use crate::sync::simnet::{End, Step};
use crate::sync::wire::{Data, Frame, Lane};

#[test]
fn a_photo_goes_on_where_it_was_cut() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    converged(&world.sync(0));
    let bytes: Vec<u8> = (0..400_000_u32).flat_map(u32::to_le_bytes).take(400_000).collect();
    let hash = world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, bytes.clone());
    let mut connection = world.open(0);
    while world.server.blob_progress(&hash) < 200_000 {
        let step = connection.steps()[0];
        connection.take(step, [&mut world.devices[0], &mut world.server], NOW);
    }
    connection.cut(NOW);
    let had = world.server.blob_progress(&hash);
    let report = world.sync(0);
    converged(&report);
    assert_eq!(report.initiator.sent.photos, 1);
    let rest = u64::try_from(400_000 - had).unwrap();
    assert!(report.initiator.sent.bytes < rest + 5_000, "{} for {rest}", report.initiator.sent.bytes);
    assert_eq!(world.server.blob(&hash), Some(&bytes[..]));
    assert!(world.devices[0].blob_is_safe(&hash));
}

#[test]
fn bytes_that_arrive_in_any_order_are_kept_and_only_the_gaps_are_sent_again() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    converged(&world.sync(0));
    let bytes: Vec<u8> = (0..900_000_u32).flat_map(u32::to_le_bytes).take(900_000).collect();
    let hash = world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, bytes.clone());
    let mut connection = world.open(0).shuffled();
    // Everything else first: then only bytes of the file are left, and the latest arrive first.
    while world.server.blob_progress(&hash) < 200_000 {
        let step = connection.steps()[0];
        connection.take(step, [&mut world.devices[0], &mut world.server], NOW);
    }
    connection.cut(NOW);
    let had = world.server.blob_progress(&hash);
    let mut again = world.open(0).shuffled();
    while !again.is_over() {
        let step = again.steps()[0];
        again.take(step, [&mut world.devices[0], &mut world.server], NOW);
    }
    let report = again.report();
    converged(&report);
    let rest = u64::try_from(900_000 - had).unwrap();
    assert!(report.initiator.sent.bytes < rest + 5_000, "{} for {rest}", report.initiator.sent.bytes);
    assert_eq!(world.server.blob(&hash), Some(&bytes[..]));
}

#[test]
fn what_a_spent_budget_left_on_its_way_arrives_after_the_end_was_said() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    converged(&world.sync(0));
    let hash = world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, vec![7; 400_000]);
    let options = Options { max_bytes: Some(200_000), ..Options::default() };
    let mut connection = world.open_with(0, options).shuffled();
    while !connection.is_over() {
        let step = connection.steps()[0];
        connection.take(step, [&mut world.devices[0], &mut world.server], NOW);
    }
    let report = connection.report();
    assert_eq!(report.reason, CloseReason::Done);
    let sent = report.initiator.sent.bytes;
    let kept = u64::try_from(world.server.blob_progress(&hash)).unwrap();
    assert!(sent < 200_000 && kept + 5_000 > sent, "sent {sent}, kept {kept}");
}

#[test]
fn bytes_that_were_given_up_and_will_never_come_are_not_waited_for() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    converged(&world.sync(0));
    world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, vec![7; 400_000]);
    let mut connection = world.open_with(0, Options { max_bytes: Some(200_000), ..Options::default() });
    // The link carries the word of the end, and not all of the bytes before it.
    let mut pieces = 0;
    let lost = |step: &Step, pieces: u32| *step == Step::Deliver(End::Acceptor, Lane::Files) && pieces > 1;
    while let Some(step) = connection.steps().into_iter().find(|step| !lost(step, pieces)) {
        pieces += u32::from(step == Step::Deliver(End::Acceptor, Lane::Files));
        connection.take(step, [&mut world.devices[0], &mut world.server], NOW);
    }
    assert_eq!((connection.closed(End::Acceptor), pieces), (None, 2), "it waits for what may still come");
    connection.input(End::Acceptor, NOW, Input::PeerClosed);
    assert_eq!(connection.closed(End::Acceptor), None, "the records lane alone says nothing of it");
    connection.input(End::Acceptor, NOW, Input::FilesEnded);
    assert_eq!(connection.closed(End::Acceptor), Some(&CloseReason::Done));
}

#[test]
fn hostile_pieces_are_refused_before_they_cost_much() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    converged(&world.sync(0));
    let bytes = 8 << 20;
    let hash = world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, vec![1; bytes]);
    for step in [1_u64, 2] {
        // All neighbours, one byte each: too many pieces. Every second one: too many gaps.
        let mut connection = world.open(0);
        while !connection.sent(End::Acceptor).iter().any(|(lane, _)| *lane == Lane::Files) {
            let step = connection.steps()[0];
            connection.take(step, [&mut world.devices[0], &mut world.server], NOW);
        }
        let mut pieces = 0;
        while connection.closed(End::Acceptor).is_none() {
            let data = Data { hash, offset: 4_000_000 + pieces * step, bytes: vec![1] };
            let bytes = Frame::Data(data).encode();
            connection.input(End::Acceptor, NOW, Input::Frame { lane: Lane::Files, bytes });
            pieces += 1;
        }
        let closed = connection.closed(End::Acceptor);
        assert!(matches!(closed, Some(CloseReason::Refused(why)) if why.code == RefusalCode::Malformed), "{closed:?}");
        let most = if step == 1 { 50_000 } else { u64::try_from(MAX_GAPS).unwrap() + 2 };
        assert!(pieces <= most, "{pieces}");
    }
}

#[test]
fn previews_go_first_and_a_budget_keeps_the_rest_for_later() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    let original = world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, vec![1; 300_000]);
    let preview = world.devices[0].add_blob(doc(0, 1), BlobClass::Preview, Some(original), vec![2; 20_000]);
    let report = world.sync_with(0, Options { max_bytes: Some(100_000), ..Options::default() });
    converged(&report);
    assert!(world.devices[0].blob_is_safe(&preview));
    assert!(!world.devices[0].blob_is_safe(&original));
    assert_eq!(report.initiator.pending_photos, 1);
    let bytes = report.initiator.sent.bytes + report.initiator.received.bytes;
    assert!(bytes <= 100_000, "{bytes}");

    let report = world.sync_with(0, Options { originals: false, ..Options::default() });
    converged(&report);
    assert_eq!((report.initiator.pending_photos, report.initiator.sent.photos), (1, 0));
    assert_eq!(world.sync(0).initiator.pending_photos, 0);
    assert!(world.devices[0].blob_is_safe(&original));
}

#[test]
fn a_photo_that_changed_under_its_name_is_not_kept() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    let hash = world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, vec![1; 100_000]);
    world.devices[0].spoil_blob(&hash);
    let report = world.sync(0);
    converged(&report);
    assert_eq!(report.initiator.pending_photos, 1);
    assert!(world.server.blob(&hash).is_none());
    let refused = |event: &Event| matches!(event, Event::FileRefused { code, .. } if code == "hash_mismatch");
    assert!(report.events.iter().any(refused));
    // Thrown away, counted, and sent once more from the start before it is left for another day.
    assert_eq!((report.initiator.damaged_files, report.acceptor.damaged_files), (2, 2));
    assert!(report.initiator.sent.bytes > 200_000, "{}", report.initiator.sent.bytes);
}

#[test]
fn when_the_time_is_up_records_have_gone_and_photos_wait() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, vec![1; 100_000]);
    let report = world.sync_with(0, Options { until: Some(NOW), ..Options::default() });
    converged(&report);
    assert_eq!((report.initiator.sent.changes, report.initiator.pending_photos), (1, 1));
    let later = Options { until: Some(NOW.plus_millis(86_400_000)), ..Options::default() };
    assert_eq!(world.sync_with(0, later).initiator.pending_photos, 0);
}

#[test]
fn a_full_server_says_so_and_the_device_keeps_everything() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, vec![1; 1000]);
    world.server.set_limits(Limits { photos: false, ..Limits::default() });
    let report = world.sync(0);
    converged(&report);
    assert_eq!(report.initiator.pending_photos, 1);

    world.note(0, doc(0, 1), "b");
    world.server.set_limits(Limits { records: false, ..Limits::default() });
    // The first flight may have left before the answer, so the server's store decides; here it
    // takes what comes, and the session converges all the same.
    let report = world.sync(0);
    assert_ne!(report.initiator.outcome, SyncOutcome::Refused);
    world.server.set_limits(Limits::default());
    converged(&world.sync(0));
    assert_eq!(world.sync(0).initiator.pending_photos, 0);
}

#[test]
fn nobody_offers_files_before_the_records_are_done() {
    let world = World::new(1, 1);
    let mut connection = world.open(0);
    assert!(!connection.is_ready(End::Acceptor, Lane::Files), "left in the stream");
    let bytes = Frame::Offer(offer(0)).encode();
    connection.input(End::Acceptor, NOW, Input::Frame { lane: Lane::Files, bytes });
    let closed = connection.closed(End::Acceptor);
    assert!(matches!(closed, Some(CloseReason::Refused(why)) if why.code == RefusalCode::Malformed), "{closed:?}");
    assert!(connection.sent(End::Acceptor).iter().all(|(lane, _)| *lane == Lane::Records), "no answer about the file");
}

/// Six files whose bytes the server has all received, and not yet verified, when the line is cut.
fn six_files_all_there_but_unconfirmed() -> (World, Vec<crate::ids::BlobHash>) {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    converged(&world.sync(0));
    let mut hashes = Vec::new();
    for at in 0..6 {
        let bytes = vec![at; 3_000];
        let hash = world.devices[0].add_blob(doc(0, 1), BlobClass::Original, None, bytes.clone());
        let offer =
            replica::BlobOffer { hash, bytes: 3_000, class: BlobClass::Original, doc: doc(0, 1), original: None };
        let device = world.devices[0].public();
        use super::replica::Replica;
        world.server.blob_begin(&device, &offer, NOW).unwrap();
        world.server.blob_write(&hash, 0, &bytes).unwrap();
        hashes.push(hash);
    }
    (world, hashes)
}

#[test]
fn files_that_are_all_there_already_are_confirmed_before_they_have_their_turn() {
    let (mut world, hashes) = six_files_all_there_but_unconfirmed();
    let report = world.sync(0);
    converged(&report);
    assert_eq!((report.initiator.sent.photos, report.initiator.pending_photos), (6, 0), "{:?}", report.initiator);
    assert!(hashes.iter().all(|hash| world.devices[0].blob_is_safe(hash)));
    assert!(report.initiator.sent.bytes < 3_000, "none of their bytes went again");
}

#[test]
fn a_receipt_after_the_budget_was_spent_counts_and_ends_nothing() {
    for max_bytes in (2_200..8_000).step_by(50) {
        let (mut world, hashes) = six_files_all_there_but_unconfirmed();
        let report = world.sync_with(0, Options { max_bytes: Some(max_bytes), ..Options::default() });
        assert_eq!(report.reason, CloseReason::Done, "budget {max_bytes}: {:?}", report.initiator);
        let safe = hashes.iter().filter(|hash| world.devices[0].blob_is_safe(hash)).count();
        assert_eq!(u64::try_from(safe).unwrap(), report.initiator.sent.photos, "budget {max_bytes}");
    }
}
