//! What every page that decides has in common: the heads that its page carried, the decision through
//! the engine, and what to show when it is not taken — the sentence beside the form, or, when
//! somebody decided meanwhile, both versions.

use std::sync::Arc;

use axum::http::StatusCode;
use outlet_core::domain::case::{CaseEntry, Decision};
use outlet_core::domain::field::DocumentRef;
use outlet_core::ids::{ChangeHash, DocKey};
use outlet_core::ledger::Objection;
use outlet_core::time::{Day, Timestamp};

use super::outlet::described;
use super::{Console, Fault, Form, Page, Visitor};
use crate::engine::{DecideError, Seen, Since, Stale, Witnessed};

/// Name of the hidden field.
pub(super) const SEEN: &str = "seen";

/// Heads as a form carries them: field record, then case file.
#[must_use]
pub fn seen_text(seen: &Seen) -> String {
    let list = |heads: &[ChangeHash]| heads.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    format!("{};{}", list(&seen.field), list(&seen.case))
}

/// Inverse of [`seen_text`].
///
/// # Errors
/// When it was not made by a page.
pub fn read_seen(text: &str) -> Result<Seen, Fault> {
    let (field, case) = text.split_once(';').ok_or(Fault::BAD_REQUEST)?;
    let list = |text: &str| {
        let heads = text.split(',').filter(|head| !head.is_empty()).take(64);
        heads.map(|head| head.parse().map_err(|_| Fault::BAD_REQUEST)).collect::<Result<Vec<ChangeHash>, Fault>>()
    };
    Ok(Seen { field: list(field)?, case: list(case)? })
}

/// Why nothing was decided, as a page says it.
pub struct Refused {
    /// 409 for a stale page, 422 otherwise.
    pub status: StatusCode,
    /// One sentence.
    pub sentence: String,
    /// What came in between: who, and what.
    pub since: Vec<(String, String)>,
    /// The heads now: the same form, sent again, decides on what is there.
    pub now: Option<Seen>,
}

/// Takes decisions on one outlet, by the heads that the form carried.
///
/// # Errors
/// A fault of the server; a refusal is the inner error.
pub async fn decide(
    console: &Arc<Console>,
    page: &Page,
    visitor: &Visitor,
    key: DocKey,
    form: &Form,
    entries: Vec<CaseEntry>,
) -> Result<Result<Witnessed, Refused>, Fault> {
    let (acting, seen) = (visitor.acting(), read_seen(form.value(SEEN))?);
    let outcome = console.ask(move |console| Ok(console.engine.decide(&acting, key, seen, entries))).await?;
    match outcome {
        Ok(witnessed) => Ok(Ok(witnessed)),
        Err(error) => refused(page, error).map(Err),
    }
}

/// A refusal in words.
///
/// # Errors
/// What is the server's own failure.
pub fn refused(page: &Page, error: DecideError) -> Result<Refused, Fault> {
    let say =
        |sentence| Ok(Refused { status: StatusCode::UNPROCESSABLE_ENTITY, sentence, since: Vec::new(), now: None });
    match error {
        DecideError::Engine(error) => Err(error.into()),
        DecideError::Account(error) => {
            tracing::warn!(%error, "an account could not decide");
            Err(Fault::FORBIDDEN)
        }
        DecideError::Collection { .. } | DecideError::Missing(_) => Err(Fault::NOT_FOUND),
        DecideError::Stale(stale) => Ok(stale_page(page, *stale)),
        DecideError::Claimed { by, until, .. } => {
            say(page.t2("refused-claimed", ("by", by), ("until", page.moment(&until))))
        }
        DecideError::Objection { objection, .. } => say(objection_text(page, &objection)),
        DecideError::Proposal(_) => Err(Fault::BAD_REQUEST),
    }
}

fn stale_page(page: &Page, stale: Stale) -> Refused {
    let line = |since: &Since| (since.by.clone(), described(page, &since.content));
    Refused {
        status: StatusCode::CONFLICT,
        sentence: page.t1("refused-stale", "count", stale.since.len()),
        since: stale.since.iter().take(30).map(line).collect(),
        now: Some(stale.now),
    }
}

pub(super) fn objection_text(page: &Page, objection: &Objection) -> String {
    let key = format!("objection-{}", objection.code().replace('_', "-"));
    match objection {
        Objection::Conflicts(fields) => {
            page.t1(&key, "fields", page.list(fields.iter().map(|field| page.column(field))))
        }
        Objection::Value { given, .. } => page.t1(&key, "given", given),
        Objection::NotAValue { field, .. } => page.t1(&key, "given", page.column(field)),
        Objection::BasisNotInForce { document, on, .. } => page.t2(&key, ("document", document), ("on", on)),
        Objection::PlanAfterDeadline { due, statutory } => page.t2(&key, ("due", due), ("statutory", statutory)),
        _ => page.t(&key),
    }
}

/// A decision with what all forms ask beside it: day, document, note. Wrong days are said beside
/// their fields.
pub fn entry(page: &Page, form: &mut Form, decision: Decision) -> CaseEntry {
    let on = day(page, form, "on");
    let document = document(page, form, "document");
    CaseEntry {
        on,
        at: Timestamp::from_millis(0),
        document,
        field_heads: Vec::new(),
        overrules: Vec::new(),
        note: form.given("note").map(str::to_owned),
        witness: None,
        decision,
    }
}

/// A document by number and day: fields `NAME` and `NAME_dated`.
pub fn document(page: &Page, form: &mut Form, name: &str) -> Option<DocumentRef> {
    let dated = day(page, form, &format!("{name}_dated"));
    let number = form.given(name)?.to_owned();
    Some(DocumentRef { number, dated, file: None })
}

/// A day of a form; nothing when it is empty or wrong, and then the form says so.
pub fn day(page: &Page, form: &mut Form, name: &str) -> Option<Day> {
    let text = form.given(name)?.to_owned();
    match text.parse() {
        Ok(day) => Some(day),
        Err(_) => {
            form.fail(name, page.t("wrong-day"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outlet_core::domain::dictionary::Lang;

    #[test]
    fn every_objection_has_a_sentence_in_both_languages() {
        for lang in [Lang::Zh, Lang::En] {
            let page = Page::new(lang, "/".into(), None, String::new());
            for code in Objection::CODES {
                let key = format!("objection-{}", code.replace('_', "-"));
                assert_ne!(page.t(&key), key);
            }
        }
    }

    #[test]
    fn heads_go_through_a_form_and_back() {
        let seen = Seen { field: vec![ChangeHash([1; 32]), ChangeHash([2; 32])], case: vec![] };
        assert_eq!(read_seen(&seen_text(&seen)).unwrap(), seen);
        for text in ["", "x;y", "zz", ";;"] {
            assert!(read_seen(text).is_err(), "{text:?}");
        }
    }
}
