//! The sign (标识牌) of an outlet, to be printed: its text from the ledger, so that sign and ledger
//! agree, and the QR code behind which the public page is.

use askama::Template;
use axum::extract::{Path, State};

use super::super::{Answer, Fault, Page, Shared, Visitor, show};
use super::{key_of, number};
use crate::db::DbError;
use crate::inventory;
use crate::signs::{self, SignText};

#[derive(Template)]
#[template(path = "console/plate.html")]
struct PlatePage {
    page: Page,
    address: String,
    name: String,
    sign: SignText,
    /// Dark squares of the QR code as one path, and its side; nothing without a code.
    squares: Option<(String, usize)>,
    /// May the account record codes?
    decides: bool,
}

impl PlatePage {
    /// What the sign still needs, in the language of the page; the sign itself is Chinese.
    fn missing(&self) -> String {
        self.page.list(self.sign.missing.iter().map(|code| self.page.key(code)))
    }
}

/// `GET /outlets/{collection}/{id}/sign`.
pub(in super::super) async fn page(
    State(console): Shared,
    page: Page,
    visitor: Visitor,
    Path((collection, id)): Path<(String, String)>,
) -> Answer {
    let key = key_of(&visitor, &collection, &id)?;
    let scope = visitor.scope();
    let (row, sign) = console
        .ask(move |console| {
            let engine = &console.engine;
            let entry = engine.database().read::<_, DbError>(|tx| inventory::one(tx, &scope, &key))?;
            let row = entry.ok_or(Fault::NOT_FOUND)?.row;
            let sign = signs::sign(engine, &row)?;
            Ok((row, sign))
        })
        .await?;
    let squares = sign.url.as_deref().map(signs::squares).transpose().map_err(|error| {
        tracing::error!(%error, "the address of a sign does not fit a QR code");
        Fault::INTERNAL
    })?;
    let squares = squares.map(|squares| (squares.path(), squares.side));
    let decides = visitor.decides();
    let name = row.name.clone().unwrap_or_else(|| number(&row));
    show(&PlatePage { page, address: super::super::outlets::address(&key), name, sign, squares, decides })
}
