//! The bare loop that an upload is measured against: per document parse, batch apply, save,
//! verification of the signatures sent, and insert of the same bytes into SQLite, one transaction
//! per 500 documents, on as many threads as the server uses. No feed, no digest, no receipt, no
//! ledger, no network, no check of what automerge is fed.

use std::path::Path;
use std::time::{Duration, Instant};

use automerge::{Automerge, Change};
use outlet_core::doc::{Constants, RESERVED};
use outlet_core::identity::SignedRun;
use outlet_core::ids::{Actor, DocKind};

/// Documents per transaction.
const PER_TRANSACTION: usize = 500;

/// Runs it over new documents (one run each) into a fresh database at `path`; the wall time.
///
/// # Panics
/// When the workload is not what it claims to be, or the disk refuses.
#[must_use]
pub fn upload(runs: &[SignedRun], path: &Path, threads: usize) -> Duration {
    assert_eq!(RESERVED, Actor([0; 36]), "genesis is by the reserved actor");
    let genesis = Constants::shipped().of(DocKind::Field)[0].raw.clone();
    let genesis = Change::try_from(genesis.as_slice()).expect("the genesis constant is a change");
    let started = Instant::now();
    let mut connection = rusqlite::Connection::open(path).expect("a fresh database");
    connection.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    connection.pragma_update(None, "synchronous", "FULL").expect("synchronous");
    connection
        .execute_batch(
            "CREATE TABLE runs (doc BLOB NOT NULL, changes BLOB NOT NULL, signature BLOB NOT NULL);
             CREATE TABLE documents (doc BLOB PRIMARY KEY, saved BLOB NOT NULL) WITHOUT ROWID;",
        )
        .expect("tables");
    for part in runs.chunks(PER_TRANSACTION) {
        let saved = applied(part, &genesis, threads);
        let transaction = connection.transaction().expect("a transaction");
        {
            let mut run = transaction.prepare_cached("INSERT INTO runs VALUES ($1, $2, $3)").expect("a statement");
            let mut document =
                transaction.prepare_cached("INSERT INTO documents VALUES ($1, $2)").expect("a statement");
            for (signed, saved) in part.iter().zip(saved) {
                let key = signed.doc.to_bytes();
                run.execute((&key[..], signed.changes.concat(), &signed.signature.0[..])).expect("inserted");
                document.execute((&key[..], saved)).expect("inserted");
            }
        }
        transaction.commit().expect("committed");
    }
    started.elapsed()
}

fn applied(part: &[SignedRun], genesis: &Change, threads: usize) -> Vec<Vec<u8>> {
    let share = part.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let workers: Vec<_> = part
            .chunks(share)
            .map(|runs| scope.spawn(move || runs.iter().map(|run| one(run, genesis)).collect::<Vec<_>>()))
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no worker panics")).collect()
    })
}

fn one(run: &SignedRun, genesis: &Change) -> Vec<u8> {
    let mut changes = vec![genesis.clone()];
    changes.extend(run.changes.iter().map(|raw| Change::try_from(raw.as_slice()).expect("a change")));
    let actor = Actor::from_slice(changes[1].actor_id().to_bytes()).expect("an actor of ours");
    run.verify(&actor.key()).expect("a good signature");
    let mut document = Automerge::new();
    document.apply_changes(changes).expect("applies");
    document.save()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Writer;
    use outlet_core::identity::SecretKey;

    #[test]
    fn the_bare_loop_stores_every_document_of_the_workload() {
        let mut writer = Writer::new(SecretKey::from_bytes([3; 32]), [0; 4], 1);
        let runs: Vec<_> = (0..7).map(|_| writer.run("511902".parse().unwrap())).collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bare.sqlite");
        let _ = upload(&runs, &path, 2);
        let count: i64 = rusqlite::Connection::open(&path)
            .unwrap()
            .query_row("SELECT count(*) FROM documents", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 7);
    }
}
