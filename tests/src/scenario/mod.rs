//! About two hundred outlets through 2021–2023, written only as command lines of `outlet`: what
//! three inspectors, a county and a city supervisor and an admin type, in rounds between which they
//! sync. At least one outlet stands for every cell of the milestone tables (`cases::special`),
//! the rest are an ordinary inventory.
//!
//! Everything follows from the index of the outlet, so that two runs write the same lines. Names of
//! enterprises and documents are invented placeholders.

mod cases;
mod lines;

use std::path::Path;

pub use cases::{Case, Class, Counted, Scale, Stage};
pub use lines::Shot;

use lines::Rounds;

/// Outlets in the whole scenario.
pub const OUTLETS: usize = 200;

/// Whose device a script is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// One of three inspectors, by index.
    Inspector(usize),
    /// 县级: reviews, drafts plans, reports completion.
    County,
    /// 县级, another person: who reported a completion may not check it.
    Checker,
    /// 市级.
    City,
    /// Enters what imported facts rest on.
    Admin,
}

/// A script for one device; afterwards the device syncs.
#[derive(Debug, Clone)]
pub struct Step {
    /// Whose.
    pub who: Who,
    /// What happens in it, for people.
    pub title: &'static str,
    /// Command lines, without `outlet`.
    pub lines: Vec<String>,
}

/// Scripts in order, and the photographs that they name.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// In the order in which they happen.
    pub steps: Vec<Step>,
    /// File name (relative to where the scripts run) and what is on it.
    pub shots: Vec<(String, Shot)>,
    /// The outlets behind it.
    pub cases: Vec<Case>,
}

impl Scenario {
    /// The scenario with this many outlets in all; never fewer than the special cases.
    #[must_use]
    pub fn new(outlets: usize) -> Self {
        let cases = cases::all(outlets);
        let mut rounds = Rounds::default();
        for case in &cases {
            rounds.write(case);
        }
        let (steps, shots) = rounds.finish();
        Self { steps, shots, cases }
    }

    /// Writes every photograph below `folder`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_photos(&self, folder: &Path, picture: &dyn Fn(&Shot) -> Vec<u8>) -> std::io::Result<()> {
        for (name, shot) in &self.shots {
            let path = folder.join(name);
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::write(path, picture(shot))?;
        }
        Ok(())
    }

    /// Command lines in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.iter().map(|step| step.lines.len()).sum()
    }

    /// True when nothing happens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_outlet_has_its_own_number_and_the_scenario_is_the_same_each_time() {
        let scenario = Scenario::new(OUTLETS);
        assert_eq!(scenario.cases.len(), OUTLETS);
        let numbers: BTreeSet<_> = scenario.cases.iter().map(|case| case.number.clone()).collect();
        assert_eq!(numbers.len(), OUTLETS);
        let again = Scenario::new(OUTLETS);
        assert_eq!(
            scenario.steps.iter().map(|step| &step.lines).collect::<Vec<_>>(),
            again.steps.iter().map(|step| &step.lines).collect::<Vec<_>>()
        );
    }

    #[test]
    fn every_photo_named_in_a_line_is_among_the_shots() {
        let scenario = Scenario::new(OUTLETS);
        let shots: BTreeSet<_> = scenario.shots.iter().map(|(name, _)| name.as_str()).collect();
        let named = scenario.steps.iter().flat_map(|step| &step.lines).flat_map(|line| line.split_whitespace());
        let named: Vec<_> = named.filter(|word| word.starts_with("photos/")).collect();
        assert!(named.len() > OUTLETS);
        assert!(named.iter().all(|name| shots.contains(name)));
    }
}
