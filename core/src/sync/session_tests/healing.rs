//! Sessions after something was lost, restored, revoked or missed: both sides end equal all the same.

use super::{NOW, World, converged, doc};
use crate::ids::{Collection, DocKey, Epoch, OutletId};
use crate::sync::memory::MemoryReplica;
use crate::sync::replica::RefusalCode;
use crate::sync::session::{CloseReason, SyncOutcome};
use crate::sync::simnet::{End, Step};

#[test]
fn a_server_restored_from_an_old_backup_gets_back_what_it_lost() {
    let mut world = World::new(2, 1);
    world.note(0, doc(0, 1), "before");
    converged(&world.sync(0));
    converged(&world.sync(1));
    let backup = world.server.clone();
    world.note(0, doc(0, 1), "after");
    world.note(0, doc(0, 3), "after");
    converged(&world.sync(0));
    converged(&world.sync(1));
    world.server = backup.restored(Epoch([2; 8]), [0; 4]);
    let report = world.sync(1);
    converged(&report);
    assert_eq!(report.initiator.compared, [Collection::REFERENCE, doc(0, 1).collection], "once in every new life");
    for (doc, change) in world.devices[0].confirmed() {
        assert!(world.server.has(doc, change));
    }
    converged(&world.sync(0));
    let idle = world.sync(1);
    converged(&idle);
    assert!(idle.initiator.compared.is_empty());
    assert!(idle.initiator.sent.bytes + idle.initiator.received.bytes < 1024, "the cursor was taken over");
}

#[test]
fn a_server_that_forgot_its_members_asks_for_their_certificates() {
    let mut world = World::new(1, 1);
    world.note(0, doc(0, 1), "a");
    world.server.forget_members();
    let report = world.sync(0);
    converged(&report);
    assert!(world.server.document(&doc(0, 1)).is_some());
}

#[test]
fn a_device_restored_from_an_old_backup_gets_back_its_own_work() {
    let mut world = World::new(1, 1);
    let backup = world.devices[0].clone();
    for at in 0..30 {
        world.note(0, doc(0, at), "own");
    }
    converged(&world.sync(0));
    world.devices[0] = backup.restored(Epoch([0; 8]), [77; 4]);
    let report = world.sync(0);
    converged(&report);
    assert!(report.initiator.received.changes >= 30);
    assert!(world.devices[0].document(&doc(0, 29)).is_some());
}

#[test]
fn a_comparison_in_many_ranges_brings_what_is_missing_on_either_side() {
    let mut world = World::new(2, 1);
    for at in 0..9 {
        world.note(usize::from(at % 2), doc(0, at), "before");
    }
    converged(&world.sync(0));
    converged(&world.sync(1));
    let (server, device) = (world.server.clone(), world.devices[0].clone());
    for at in 5..15 {
        world.note(1, doc(0, at), "later");
    }
    converged(&world.sync(1));
    converged(&world.sync(0));
    // Both sides go back, to different times: what the second device brought is on neither.
    world.server = server.restored(Epoch([2; 8]), [0; 4]);
    world.devices[0] = device.restored(Epoch([0; 8]), [66; 4]);
    for at in [0, 3, 12, 20] {
        world.note(0, doc(0, at), "meanwhile");
    }
    converged(&world.sync(0));
    let report = world.sync(1);
    converged(&report);
    assert_eq!(report.initiator.compared.len(), 2);
    converged(&world.sync(0));
    for at in (0..15).chain([20]) {
        let texts = |replica: &MemoryReplica| replica.document(&doc(0, at)).unwrap().entries();
        assert_eq!(texts(&world.server), texts(&world.devices[0]), "{at}");
        assert_eq!(texts(&world.server), texts(&world.devices[1]), "{at}");
    }
    assert_eq!(world.server.document(&doc(0, 12)).unwrap().entries().len(), 2);
}

#[test]
fn what_either_side_missed_by_a_bug_is_found_among_many_for_little() {
    const DOCS: u16 = 300;
    let mut world = World::new(2, 1);
    let key = |at: u16| {
        let [high, low] = at.to_be_bytes();
        DocKey { id: OutletId::new(NOW.plus_millis(i64::from(at)), [high, low, 0, 0, 0, 0, 0, 0, 0, 0]), ..doc(0, 0) }
    };
    for at in 0..DOCS {
        world.note(0, key(at), "a");
    }
    converged(&world.sync(0));
    converged(&world.sync(1));
    // Cursors and feeds say that all is there.
    world.devices[1].lose_document(&key(7));
    world.devices[1].lose_document(&key(290));
    world.server.lose_document(&key(100));
    let report = world.sync(1);
    converged(&report);
    assert_eq!(report.initiator.compared, [doc(0, 0).collection]);
    // Listing documents and heads would take 70 bytes for each.
    let bytes = report.initiator.sent.bytes + report.initiator.received.bytes;
    assert!(bytes < u64::from(DOCS) * 70 / 2, "{bytes}");
    for at in [7, 100, 290] {
        assert!(world.devices[1].document(&key(at)).is_some() && world.server.document(&key(at)).is_some(), "{at}");
    }
    let idle = world.sync(1);
    assert!(idle.initiator.compared.is_empty());
    assert_eq!(idle.initiator.round_trips, 1);
}

#[test]
fn a_lost_cursor_and_two_ways_of_one_backup_heal() {
    let mut world = World::new(2, 1);
    world.note(0, doc(0, 1), "a");
    converged(&world.sync(0));
    converged(&world.sync(1));
    world.devices[1].forget_cursors();
    converged(&world.sync(1));

    // The same epoch, another history: only the chain hash tells.
    let backup = world.server.clone();
    world.note(0, doc(0, 2), "one way");
    converged(&world.sync(0));
    world.server = backup;
    world.note(1, doc(0, 3), "the other way");
    converged(&world.sync(1));
    let report = world.sync(0);
    converged(&report);
    assert!(world.server.document(&doc(0, 2)).is_some());
    assert!(world.devices[0].document(&doc(0, 3)).is_some());
}

#[test]
fn the_work_of_a_revoked_device_is_held_and_the_rest_goes_on() {
    let mut world = World::new(2, 1);
    world.note(0, doc(0, 1), "honest");
    converged(&world.sync(0));
    converged(&world.sync(1));
    world.note(1, doc(0, 1), "late");
    let late = world.devices[1].document(&doc(0, 1)).unwrap().heads()[0];
    let mut connection = world.open(1);
    // Revoked while it speaks: the hello passed, the work comes too late.
    while !matches!(connection.steps()[..], [Step::Execute(End::Acceptor), ..])
        || connection.sent(End::Acceptor).is_empty()
    {
        let step = connection.steps()[0];
        connection.take(step, [&mut world.devices[1], &mut world.server], NOW);
    }
    let revoked = world.devices[1].public();
    world.server.revoke(revoked, NOW);
    let report = connection.finish(&mut world.devices[1], &mut world.server, NOW).unwrap();
    assert_eq!(report.initiator.outcome, SyncOutcome::Converged, "{:?}", report.initiator);
    assert_eq!(report.initiator.held, 1);
    assert!(!world.server.has(&doc(0, 1), &late));
    let again = world.sync(1);
    assert!(matches!(again.reason, CloseReason::RefusedByPeer(ref why) if why.code == RefusalCode::Revoked));
    assert_eq!(again.initiator.outcome, SyncOutcome::Refused);
    converged(&world.sync(0));
    assert!(world.server.release(doc(0, 1), &late, world.now));
    let report = world.sync(0);
    converged(&report);
    assert!(world.devices[0].has(&doc(0, 1), &late));
}

#[test]
fn what_a_server_held_before_a_restore_is_judged_again() {
    let mut world = World::new(2, 1);
    world.note(0, doc(0, 1), "a");
    converged(&world.sync(0));
    let backup = world.server.clone();
    // Revoked while it speaks, and held; then the server goes back to a time before that.
    world.note(0, doc(0, 1), "b");
    let late = world.devices[0].document(&doc(0, 1)).unwrap().heads()[0];
    let mut connection = world.open(0);
    while connection.sent(End::Acceptor).is_empty() {
        let step = connection.steps()[0];
        connection.take(step, [&mut world.devices[0], &mut world.server], NOW);
    }
    let key = world.devices[0].public();
    world.server.revoke(key, NOW);
    let report = connection.finish(&mut world.devices[0], &mut world.server, NOW).unwrap();
    assert_eq!(report.initiator.held, 1);
    world.server = backup.restored(Epoch([2; 8]), [0; 4]);
    world.note(0, doc(0, 1), "built on the held one");
    let report = world.sync(0);
    // The device brings the revocation back, too: what is sent again is held again,
    // and what builds on it.
    assert_eq!((report.initiator.outcome, report.initiator.held), (SyncOutcome::Converged, 2));
    assert!(world.server.keeps(&doc(0, 1), &late) && !world.server.has(&doc(0, 1), &late));
    // Both for their author's revocation; a person lets them in, the earlier one first.
    let later = world.devices[0].document(&doc(0, 1)).unwrap().heads()[0];
    assert!(world.server.release(doc(0, 1), &late, NOW) && world.server.release(doc(0, 1), &later, NOW));
    assert_eq!(world.server.document(&doc(0, 1)).unwrap().entries().len(), 3);
}
