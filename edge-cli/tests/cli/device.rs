//! A device under test and its transcripts.

use std::path::Path;

use outlet_core::ids::Collection;
use outlet_core::time::Timestamp;
use outlet_edge::testing::{Member, TestEnv, carry, enrol};
use tempfile::TempDir;

/// Who uses a device.
pub(crate) use outlet_core::identity::{Level, Role};

/// Five in the afternoon of a June day in Shanghai, after the days that the tests speak of.
const START: &str = "2023-06-03T17:00:00+08:00";

/// A device with its home.
pub(crate) struct Device {
    pub(crate) env: TestEnv,
    pub(crate) dir: TempDir,
}

impl Device {
    /// A device that nobody enrolled.
    pub(crate) fn fresh() -> Self {
        Self::seeded(7)
    }

    fn seeded(seed: u64) -> Self {
        let now: Timestamp = START.parse().unwrap();
        Self { env: TestEnv::new(now, seed), dir: tempfile::tempdir().unwrap() }
    }

    /// A device of a member of the collection 511902.
    pub(crate) fn of(name: &str, role: Role, level: Option<Level>) -> Self {
        Self::covering(name, role, level, &["511902"])
    }

    /// A device of a member of several collections.
    pub(crate) fn covering(name: &str, role: Role, level: Option<Level>, collections: &[&str]) -> Self {
        // Everybody's device has a key of its own.
        let mut device =
            Self::seeded(name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte))));
        let collections: Vec<Collection> = collections.iter().map(|code| code.parse().unwrap()).collect();
        let home = device.home();
        enrol(&mut device.env, &home, &Member { name: name.to_owned(), role, level, collections });
        device
    }

    /// An inspector's device with one outlet, T-1.
    pub(crate) fn with_outlet() -> Self {
        let mut device = Self::of("张三", Role::Inspector, None);
        device.does("add --lon 106.769215 --lat 31.851020 --accuracy 5 --number T-1 --name 东兴食品厂排污口");
        device
    }

    /// Gets everything that another device has, as over the server.
    pub(crate) fn receives(&mut self, other: &Self) {
        let home = self.home();
        carry(&mut self.env, &other.home(), &home);
    }

    pub(crate) fn home(&self) -> std::path::PathBuf {
        self.dir.path().join("home")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// Runs lines that must succeed.
    #[track_caller]
    pub(crate) fn does(&mut self, line: &str) -> String {
        let (code, shown) = self.ran(line);
        assert_eq!(code, 0, "{line}\n{shown}");
        shown
    }

    /// What `--json` prints for a line that must succeed.
    #[track_caller]
    pub(crate) fn json(&mut self, line: &str) -> serde_json::Value {
        let home = self.home();
        let mut words = words(line);
        words.push("--json".to_owned());
        let ran = self.env.run(&home, &words);
        assert_eq!(ran.code, 0, "{line}\n{}", ran.stderr);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// The commands with what they printed and their exit codes, redacted.
    pub(crate) fn transcript(&mut self, lines: &[&str]) -> String {
        let mut all = String::new();
        for line in lines {
            let (code, shown) = self.ran(line);
            all.push_str(&format!("$ outlet {line}\n{shown}[exit {code}]\n"));
        }
        redact(&all, self.dir.path())
    }

    fn ran(&mut self, line: &str) -> (u8, String) {
        let home = self.home();
        let line = line.replace("DIR", &self.dir.path().display().to_string());
        let ran = self.env.run(&home, &words(&line));
        let mut shown = String::new();
        for (mark, text) in [("", &ran.stdout), ("! ", &ran.stderr)] {
            text.lines().for_each(|line| shown.push_str(&format!("{mark}{line}\n")));
        }
        (ran.code, shown)
    }
}

/// Words of a line: single quotes group.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Replaces what differs from run to run: the directory, UUIDs, hashes.
fn redact(text: &str, dir: &Path) -> String {
    let text = text.replace(&dir.display().to_string(), "DIR");
    let mut out = String::new();
    let mut word = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_hexdigit() || c == '-' {
            word.push(c);
            continue;
        }
        out.push_str(match (word.len(), word.matches('-').count()) {
            (36, 4) => "UUID",
            (64, 0) => "SHA256",
            (32, 0) => "ENTRY",
            _ => &word,
        });
        word.clear();
        if c != '\0' {
            out.push(c);
        }
    }
    out
}
