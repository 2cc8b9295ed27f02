//! Admission: what stands between bytes from outside and a document.
//!
//! Each step comes before the next one touches the bytes: size, our own bounded reader
//! ([`read_change`]), the structure that every change of this program has, the signature by the key
//! in the actor, the signer's rights ([`check_run`]), then what depends on the change's ancestors:
//! numbers and names alone where a document is a straight line of entries and first assignments
//! ([`continue_line`]), with a trial on a copy of the document everywhere else ([`apply()`]). automerge
//! sees nothing that did not pass all steps before.

mod ancestry;
mod apply;
mod chunk;
mod columns;
pub(crate) mod cursor;
mod line;
mod malformed;
mod refusal;
mod rules;
mod run;

pub use apply::{Applied, Context, Outcome, apply, apply_each};
pub(crate) use chunk::encode_named;
pub use chunk::{ChangeHead, Limits, Op, OpRef, encode_change, read_admitted, read_change};
pub use line::{Continued, continue_line, start_line};
pub use malformed::Malformed;
pub use refusal::Refusal;
pub use run::{CheckedRun, check_form, check_form_with, check_run, check_run_with};

#[cfg(test)]
mod tests;
