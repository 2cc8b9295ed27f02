//! Suggestions of a class: rules R1 to R11b as pure functions, one each, and R12, which puts them in
//! order. A suggestion names the legal basis (only if in force on the day) and the layer it used;
//! what cannot be answered says so. The class itself is always a person's decision.

mod condition;
mod enforcement;
mod network;
mod reason;
mod set;
mod subject;
mod suggest;
#[cfg(test)]
mod tests;
mod zone;

pub use reason::{Reason, reasons};
pub use set::{Basis, Rule, RuleSet, RuleSetError};
pub use subject::Subject;
pub use suggest::{Outcome, Report, suggest};

use serde::Serialize;

use crate::zones::ZoneHit;

/// What a rule says of an outlet, before legal bases are looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The condition holds.
    Met(Met),
    /// It does not.
    NotMet,
    /// What the rule asks is not known: these things are missing.
    Unknown(Vec<Reason>),
}

/// The condition of a rule holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Met {
    pub effect: Effect,
    pub strong: bool,
    pub why: Vec<Reason>,
    pub zones: Vec<ZoneHit>,
    pub pre_existing: Option<bool>,
}

impl Met {
    fn new(effect: Effect, why: Reason) -> Self {
        Self { effect, strong: false, why: vec![why], zones: Vec::new(), pre_existing: None }
    }

    fn strong(self) -> Self {
        Self { strong: true, ..self }
    }
}

/// What follows from a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// 取缔.
    Ban,
    /// 清理合并.
    Merge,
    /// 规范.
    Regulate,
    /// 无需整治.
    NoneNeeded,
    /// A person looks at it; no class follows.
    Review,
    /// A new outlet may not be set up here.
    BlockNew,
    /// 线索 for the executing team; no class follows.
    EnforcementLead,
}

impl Effect {
    /// The class suggested, if one is.
    #[must_use]
    pub fn class(self) -> Option<&'static str> {
        match self {
            Self::Ban => Some("ban"),
            Self::Merge => Some("merge"),
            Self::Regulate => Some("regulate"),
            Self::NoneNeeded => Some("none_needed"),
            Self::Review | Self::BlockNew | Self::EnforcementLead => None,
        }
    }
}
