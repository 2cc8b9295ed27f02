//! R11 and R11b: leads for the executing team. The class stays a person's question.

use super::{Effect, Met, Reason, Subject, Verdict};

/// R11: set up without consent (未审批), or without the registration that its type asks for.
pub(super) fn r11(subject: &Subject) -> Verdict {
    if subject.has_problem(&["no_consent"]) == Some(true) {
        return Verdict::Met(Met::new(Effect::EnforcementLead, Reason::new("no_consent")));
    }
    match subject.approval_status.as_deref() {
        Some("not_approved") => Verdict::Met(Met::new(Effect::EnforcementLead, Reason::new("not_approved"))),
        Some("not_registered") => Verdict::Met(Met::new(Effect::EnforcementLead, Reason::new("not_registered"))),
        Some(_) => Verdict::NotMet,
        None => Verdict::Unknown(vec![Reason::new("approval_missing")]),
    }
}

/// R11b: a hidden pipe, or set up to evade supervision.
pub(super) fn r11b(subject: &Subject) -> Verdict {
    match subject.has_problem(&["evading_supervision"]) {
        None => Verdict::Unknown(vec![Reason::new("not_surveyed")]),
        Some(true) => Verdict::Met(Met::new(Effect::EnforcementLead, Reason::new("evading_supervision"))),
        Some(false) => Verdict::NotMet,
    }
}
