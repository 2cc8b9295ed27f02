//! Whose rows a question may see.

use std::collections::BTreeSet;

use outlet_core::ids::Collection;

/// The collections whose outlets somebody may see. Part of every [`super::Filter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope(Option<BTreeSet<Collection>>);

impl Scope {
    /// Everything: for the operator at the server's own command line, and for accounts without a
    /// limit to collections.
    #[must_use]
    pub fn everything() -> Self {
        Self(None)
    }

    /// These collections only; none at all, if there are none.
    #[must_use]
    pub fn of(collections: impl IntoIterator<Item = Collection>) -> Self {
        Self(Some(collections.into_iter().collect()))
    }

    /// May outlets of this collection be seen?
    #[must_use]
    pub fn holds(&self, collection: Collection) -> bool {
        self.0.as_ref().is_none_or(|own| own.contains(&collection))
    }

    /// The collections; `None` for all.
    #[must_use]
    pub fn collections(&self) -> Option<&BTreeSet<Collection>> {
        self.0.as_ref()
    }

    /// What both allow.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        match (&self.0, &other.0) {
            (None, _) => other.clone(),
            (_, None) => self.clone(),
            (Some(left), Some(right)) => Self(Some(left.intersection(right).copied().collect())),
        }
    }

    /// A text that differs where scopes differ: part of an ETag.
    #[must_use]
    pub fn tag(&self) -> String {
        match &self.0 {
            None => "all".to_owned(),
            Some(own) => own.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        }
    }
}
