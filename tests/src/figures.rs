//! Figures of a benchmark run: a table for people and JSON for machines. A figure that misses its
//! limit says `holds: false`; it never fails the run.

use std::path::Path;

use serde_json::{Value, json};

/// One measured figure with its limit.
#[derive(Debug, Clone)]
pub struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    limit: Option<f64>,
    /// The limit is the least, not the most.
    least: bool,
    compared_with: String,
}

impl Figure {
    fn holds(&self) -> Option<bool> {
        self.limit.map(|limit| if self.least { self.value >= limit } else { self.value <= limit })
    }
}

/// All figures of one run.
#[derive(Debug, Default)]
pub struct Figures(Vec<Figure>);

impl Figures {
    /// A figure that should not exceed `limit`; what it is a ratio to goes into `compared_with`.
    pub fn at_most(&mut self, name: &str, value: f64, unit: &'static str, limit: f64, compared_with: &str) {
        self.push(name, value, unit, Some(limit), compared_with);
    }

    /// A figure that should reach `limit`.
    pub fn at_least(&mut self, name: &str, value: f64, unit: &'static str, limit: f64, compared_with: &str) {
        self.push(name, value, unit, Some(limit), compared_with);
        if let Some(figure) = self.0.last_mut() {
            figure.least = true;
        }
    }

    /// A figure without a limit, beside the others.
    pub fn beside(&mut self, name: &str, value: f64, unit: &'static str, compared_with: &str) {
        self.push(name, value, unit, None, compared_with);
    }

    fn push(&mut self, name: &str, value: f64, unit: &'static str, limit: Option<f64>, compared_with: &str) {
        let (name, compared_with) = (name.to_owned(), compared_with.to_owned());
        self.0.push(Figure { name, value, unit, limit, least: false, compared_with });
    }

    /// The shape scripts read: `[{"name", "value", "unit", "limit", "holds", "compared_with"}]`;
    /// `limit` and `holds` are null for a figure without a limit.
    #[must_use]
    pub fn json(&self) -> Value {
        self.0
            .iter()
            .map(|figure| {
                json!({
                    "name": figure.name,
                    "value": figure.value,
                    "unit": figure.unit,
                    "limit": figure.limit,
                    "holds": figure.holds(),
                    "compared_with": figure.compared_with,
                })
            })
            .collect()
    }

    /// The table, one line a figure.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table =
            format!("{:<58} {:>14} {:<12} {:>10}  {:<6} compared with\n", "figure", "value", "unit", "limit", "holds");
        for figure in &self.0 {
            let limit = figure.limit.map_or_else(|| "-".to_owned(), |limit| format!("{limit:.2}"));
            let holds = figure.holds().map_or("-", |holds| if holds { "true" } else { "false" });
            table += &format!(
                "{:<58} {:>14.3} {:<12} {limit:>10}  {holds:<6} {}\n",
                figure.name, figure.value, figure.unit, figure.compared_with
            );
        }
        table
    }

    /// Writes the JSON beside the build.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        std::fs::write(path, serde_json::to_vec_pretty(&self.json())?)
    }
}

/// CPU time of a process in milliseconds (user and system, 10 ms steps): its own with `skip` 0, of
/// its ended children with `skip` 2.
///
/// # Panics
/// Where `/proc` is missing.
#[must_use]
pub fn cpu_millis_of(pid: u32, skip: usize) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("/proc/PID/stat is readable");
    let after = stat.rsplit(')').next().expect("a process has a name in brackets");
    let fields = after.split_whitespace().skip(11 + skip).take(2).filter_map(|field| field.parse::<u64>().ok());
    fields.sum::<u64>() as f64 * 10.0
}

/// The most memory that a running process has had so far (resident, MiB). `None` once it has ended.
#[must_use]
pub fn peak_mib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<f64>().ok().map(|kib| kib / 1024.0)
}

/// The value at the given share of the sorted samples (0.95 = p95).
///
/// # Panics
/// Without samples.
#[must_use]
pub fn percentile(samples: &mut [f64], share: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let last = samples.len().checked_sub(1).expect("at least one sample");
    samples[((last as f64 * share).ceil() as usize).min(last)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_limit_is_said_and_a_figure_without_one_is_null() {
        let mut figures = Figures::default();
        figures.at_most("slow", 2.0, "ratio", 1.5, "the bare loop");
        figures.beside("rate", 10.0, "outlets/s", "");
        let json = figures.json();
        assert_eq!(json[0]["holds"], false);
        assert_eq!(json[1]["holds"], Value::Null);
        assert!(figures.table().contains("false"));
    }

    #[test]
    fn the_95th_percentile_of_a_hundred_is_the_95th_or_96th() {
        let mut samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut samples, 0.95), 96.0);
    }
}
