//! Records that the server makes itself: of lists that an admin imports. Signed with the server's
//! own key, and admitted on the same way as everybody's changes.

use outlet_core::admission::check_form;
use outlet_core::doc::{Document, first_change};
use outlet_core::identity::SignedRun;
use outlet_core::ids::DocKey;
use outlet_core::sync::replica::Outcome;

use super::{Checked, Engine, EngineError, policy};
use crate::db::{DbError, imports, records};

/// A record to be made.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Its key.
    pub key: DocKey,
    /// Entries as JSON texts.
    pub entries: Vec<String>,
    /// Registers: name and text.
    pub registers: Vec<(String, String)>,
}

impl Engine {
    /// How many of these records there are already.
    ///
    /// # Errors
    /// When the database refuses.
    pub fn known_records(&self, keys: &[DocKey]) -> Result<u64, EngineError> {
        self.database().read(|tx| {
            let mut known = 0;
            for key in keys {
                known += u64::from(records::exists(tx, key)?);
            }
            Ok(known)
        })
    }

    /// Changes and signatures of records that are to be made; those that are there already are left out.
    /// Nothing is written: another thread may prepare the next records while these are stored.
    ///
    /// # Errors
    /// [`EngineError`].
    pub fn prepare_records(&self, mut records: Vec<NewRecord>) -> Result<PreparedRecords, EngineError> {
        self.database().read::<_, EngineError>(|tx| {
            let mut missing = Vec::with_capacity(records.len());
            for record in records.drain(..) {
                if !records::exists(tx, &record.key)? {
                    missing.push(record);
                }
            }
            records = missing;
            Ok(())
        })?;
        let (actor, now) = (self.folder.actor(), self.folder.now());
        let make = |record: NewRecord| {
            let change = first_change(record.key.kind, &actor, now, &record.entries, &record.registers)
                .map_err(|error| EngineError::Document(record.key, error))?;
            let run = SignedRun::sign(self.folder.key(), record.key, vec![change.raw])
                .ok_or_else(|| DbError::Damaged("a change that is none".into()))?;
            // Signed a line above: what its signature says need not be asked again.
            let run = check_form(&run).map_err(|error| EngineError::Peer(error.to_string()))?;
            Ok(Checked::Made(run))
        };
        records.into_iter().map(make).collect::<Result<_, _>>().map(PreparedRecords)
    }

    /// Makes records in one transaction that is durable when this returns; how many. One that has come
    /// to be since it was prepared is left alone. `import` is the row of the register that counts them.
    ///
    /// # Errors
    /// [`EngineError`]; then none of them is made.
    pub fn store_records(&self, records: PreparedRecords, import: Option<i64>) -> Result<u64, EngineError> {
        if records.0.is_empty() {
            return Ok(0);
        }
        let carrier = self.folder.key().public();
        let admitted = self.admit_checked(&carrier, records.0, policy::Rules::Released, |tx, made| {
            import.map_or(Ok(()), |import| imports::add_created(tx, import, made))
        })?;
        let refused = admitted.outcomes.iter().find(|outcome| !matches!(outcome, Outcome::Stored { .. }));
        match refused {
            None => Ok(admitted.new_changes),
            Some(outcome) => Err(EngineError::Peer(format!("the server's own record was not admitted: {outcome:?}"))),
        }
    }

    /// Both at once.
    ///
    /// # Errors
    /// [`EngineError`]; then none of them is made.
    pub fn create_records(&self, records: Vec<NewRecord>, import: Option<i64>) -> Result<u64, EngineError> {
        self.store_records(self.prepare_records(records)?, import)
    }
}

/// Records of [`Engine::prepare_records`].
pub struct PreparedRecords(Vec<Checked>);

impl std::fmt::Debug for PreparedRecords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PreparedRecords").field(&self.0.len()).finish()
    }
}

impl Engine {
    /// Adds entries to a record, as the server. One of them must name the list they come from
    /// ([`outlet_core::domain::field::Imported`]): every replica refuses the change otherwise.
    ///
    /// # Errors
    /// When there is no such record, or the change is not admitted.
    pub fn add_to_record(&self, key: &DocKey, entries: &[String]) -> Result<(), EngineError> {
        let begin =
            |document: Option<Document>| document.ok_or_else(|| EngineError::Peer(format!("there is no record {key}")));
        self.write_own(*key, entries, begin)
    }
}
