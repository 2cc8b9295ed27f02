//! Records that the server makes itself: of lists that an admin imports. Signed with the server's
//! own key, and admitted on the same way as everybody's changes.

use outlet_core::admission::check_form;
use outlet_core::doc::Document;
use outlet_core::identity::SignedRun;
use outlet_core::ids::DocKey;
use outlet_core::sync::replica::Outcome;
use rayon::prelude::*;

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

    /// Makes those of the records that are not there, in one transaction that is durable when this
    /// returns; how many. `import` is the row of the register that counts them.
    ///
    /// # Errors
    /// [`EngineError`]; then none of them is made.
    pub fn create_records(&self, records: Vec<NewRecord>, import: Option<i64>) -> Result<u64, EngineError> {
        let mut missing = Vec::with_capacity(records.len());
        self.database().read::<_, EngineError>(|tx| {
            for record in records {
                if !records::exists(tx, &record.key)? {
                    missing.push(record);
                }
            }
            Ok(())
        })?;
        if missing.is_empty() {
            return Ok(0);
        }
        let (actor, now) = (self.folder.actor(), self.folder.now());
        let make = |record: NewRecord| {
            let mut document = Document::new(record.key.kind);
            let change = document
                .write(&actor, now, &record.entries, &record.registers)
                .map_err(|error| EngineError::Document(record.key, error))?;
            let run = SignedRun::sign(self.folder.key(), record.key, vec![change.raw])
                .ok_or_else(|| DbError::Damaged("a change that is none".into()))?;
            // Signed a line above: what its signature says need not be asked again.
            let run = check_form(&run).map_err(|error| EngineError::Peer(error.to_string()))?;
            Ok(Checked::Run(run))
        };
        let checked: Result<Vec<Checked>, EngineError> =
            self.pool.install(|| missing.into_par_iter().map(make).collect());
        let checked = checked?;
        let made = checked.len() as u64;
        let carrier = self.folder.key().public();
        let admitted = self.admit_checked(&carrier, checked, policy::Rules::Released, |tx, _| {
            import.map_or(Ok(()), |import| imports::add_created(tx, import, made))
        })?;
        let refused = admitted.outcomes.iter().find(|outcome| !matches!(outcome, Outcome::Stored { .. }));
        match refused {
            None => Ok(made),
            Some(outcome) => Err(EngineError::Peer(format!("the server's own record was not admitted: {outcome:?}"))),
        }
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
