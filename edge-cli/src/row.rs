//! One outlet's row of the ledger, made on the device from what it holds.

use outlet_core::doc::Document;
use outlet_core::ids::{DocKey, DocKind, PublicKey};
use outlet_core::ledger::{Author, History, LedgerRow, OutletInput, Reference, project};

use crate::context::Context;
use crate::error::{CommandError, Result};

impl Context<'_> {
    /// The row as of now.
    pub(crate) fn ledger_row(&mut self, key: &DocKey, reference: &Reference) -> Result<LedgerRow> {
        let missing = || CommandError::user(format!("{} is not on this device", key.id)).hint("run `outlet sync`");
        let field = self.document(key)?.ok_or_else(missing)?;
        let case = self.document(&key.with_kind(DocKind::Case))?;
        let roster = self.workspace()?.roster();
        let authors = |key: &PublicKey| {
            let membership = roster.as_ref()?.membership(key)?;
            Some(Author {
                person: membership.person,
                name: membership.name.clone(),
                role: membership.role,
                level: membership.level,
                witnessed: false,
            })
        };
        let history = |document: &Document| History::of(&document.history());
        let input = OutletInput {
            key: *key,
            field: &field.entries(),
            case: &case.as_ref().map(Document::entries).unwrap_or_default(),
            field_history: &history(&field),
            case_history: &case.as_ref().map(history).unwrap_or_default(),
            authors: &authors,
        };
        Ok(project(&input, reference, None, None).0)
    }
}
