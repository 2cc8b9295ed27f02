//! The menu: one line per page that has an entry. A page of a new track adds one line here and one
//! in the map of addresses.

use super::visitor::{Need, Visitor};

/// Address, message, who sees it.
type Item = (&'static str, &'static str, Need);

const MENU: &[(&str, &[Item])] = &[
    (
        "menu-see",
        &[
            ("/", "nav-dashboard", Need::Viewer),
            ("/map", "nav-map", Need::Viewer),
            ("/outlets", "nav-outlets", Need::Viewer),
            ("/worklists", "nav-worklists", Need::Viewer),
            ("/milestones", "milestones", Need::Viewer),
            ("/assess", "nav-assess", Need::Viewer),
        ],
    ),
    (
        "menu-decide",
        &[
            ("/review", "nav-review", Need::Supervisor),
            ("/sheets", "sheet", Need::Supervisor),
            ("/conflicts", "nav-conflicts", Need::Supervisor),
            ("/duplicates", "nav-duplicates", Need::Supervisor),
            ("/assignments", "nav-assignments", Need::Supervisor),
            ("/codes", "nav-codes", Need::Supervisor),
            ("/reports", "nav-reports", Need::Supervisor),
        ],
    ),
    (
        "menu-exchange",
        &[
            ("/imports", "nav-imports", Need::Admin),
            ("/zones", "nav-zones", Need::Viewer),
            ("/exports", "nav-exports", Need::Viewer),
        ],
    ),
    (
        "menu-administer",
        &[
            ("/devices", "nav-devices", Need::Admin),
            ("/quarantine", "nav-quarantine", Need::Admin),
            ("/accounts", "nav-accounts", Need::Admin),
            ("/audit", "nav-audit", Need::Admin),
        ],
    ),
];

/// A group of entries.
pub(super) struct Group {
    pub title: &'static str,
    pub entries: Vec<MenuEntry>,
}

/// One entry.
pub(super) struct MenuEntry {
    pub address: &'static str,
    pub message: &'static str,
    pub current: bool,
}

/// What this visitor may open; `path` is the page that is shown.
pub(super) fn of(visitor: &Visitor, path: &str) -> Vec<Group> {
    let groups = MENU.iter().map(|(title, items)| {
        let seen = items.iter().filter(|(.., need)| visitor.may(*need));
        let entries = seen.map(|(address, message, _)| MenuEntry { address, message, current: is_at(path, address) });
        Group { title, entries: entries.collect() }
    });
    groups.filter(|group| !group.entries.is_empty()).collect()
}

fn is_at(path: &str, address: &str) -> bool {
    let under = || path.strip_prefix(address).is_some_and(|rest| rest.starts_with('/'));
    path == address || (address != "/" && under())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_current_on_its_page_and_below() {
        assert!(is_at("/outlets", "/outlets") && is_at("/outlets/1", "/outlets"));
        assert!(!is_at("/outlets2", "/outlets") && !is_at("/outlets", "/"));
    }
}
