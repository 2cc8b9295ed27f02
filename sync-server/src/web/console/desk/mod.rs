//! Pages of supervisors: the review queue and one record in review, conflicts, possible duplicates.
//! They show what [`crate::desk`] answers, and hand decisions to the engine with the heads that were
//! on the page; a record that moved on comes back with what came in between, nothing overwritten.

mod pairs;
mod record;
mod review;
pub(super) mod sheets;
#[cfg(test)]
mod tests;

use axum::http::StatusCode;

use super::outlet::described;
use super::{Fault, Page};
use crate::engine::{DecideError, Since};

pub(super) use pairs::{conflicts, duplicates, settle, tell_apart};
pub(super) use record::{decide, page as record};
pub(super) use review::{next, queue};

/// A decision that was not written: the sentence for it, and what came in between.
struct Refused {
    status: StatusCode,
    text: String,
    /// Who wrote what since the page was made.
    since: Vec<(String, String)>,
}

impl Refused {
    /// In the words of the page. What is no decision of the visitor's is a fault.
    fn new(page: &Page, error: DecideError) -> Result<Self, Fault> {
        let text = match &error {
            DecideError::Engine(_) => return Err(engine_fault(error)),
            DecideError::Missing(_) | DecideError::Collection { .. } => return Err(Fault::NOT_FOUND),
            DecideError::Stale(_) => page.t("desk-stale"),
            DecideError::Claimed { by, until, .. } => {
                page.t2("refused-claimed", ("by", by), ("until", page.moment(until)))
            }
            DecideError::Objection { objection, .. } => super::deciding::objection_text(page, objection),
            DecideError::Proposal(why) => proposal_text(page, why),
            DecideError::Account(_) => return Err(Fault::FORBIDDEN),
        };
        let shown = |since: &Since| (since.by.clone(), described(page, &since.content));
        let since = match error {
            DecideError::Stale(stale) => stale.since.iter().map(shown).collect(),
            _ => Vec::new(),
        };
        Ok(Self { status: StatusCode::CONFLICT, text, since })
    }
}

/// The sentence of a proposal that is none: `proposal-` and its English words in the message files.
fn proposal_text(page: &Page, why: &str) -> String {
    let slug: Vec<&str> = why.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let key = format!("proposal-{}", slug.join("-"));
    let text = page.t(&key);
    if text == key { page.t1("refused-proposal", "why", why) } else { text }
}

fn engine_fault(error: DecideError) -> Fault {
    match error {
        DecideError::Engine(error) => error.into(),
        _ => Fault::INTERNAL,
    }
}
