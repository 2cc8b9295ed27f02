//! R11 and R11b: leads for the executing team. The class stays a person's question.

use super::{Effect, Met, Subject, Verdict};

/// R11: set up without consent (未审批), or without the registration that its type asks for.
pub(super) fn r11(subject: &Subject) -> Verdict {
    if subject.has_problem(&["no_consent"]) == Some(true) {
        return Verdict::Met(Met::new(Effect::EnforcementLead, "the survey found no consent (无审批手续)"));
    }
    match subject.approval_status.as_deref() {
        Some("not_approved") => Verdict::Met(Met::new(Effect::EnforcementLead, "set up without consent (未审批)")),
        Some("not_registered") => Verdict::Met(Met::new(Effect::EnforcementLead, "not registered (未登记)")),
        Some(_) => Verdict::NotMet,
        None => Verdict::Unknown(vec!["whether it was approved or registered is not recorded".to_owned()]),
    }
}

/// R11b: a hidden pipe, or set up to evade supervision.
pub(super) fn r11b(subject: &Subject) -> Verdict {
    match subject.has_problem(&["evading_supervision"]) {
        None => Verdict::Unknown(vec!["nobody has surveyed the outlet".to_owned()]),
        Some(true) => Verdict::Met(Met::new(Effect::EnforcementLead, "set up to evade supervision (逃避监管私自设置)")),
        Some(false) => Verdict::NotMet,
    }
}
