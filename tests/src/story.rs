//! The main job from end to end, with the real binaries: a server, three inspectors, two
//! supervisors and an admin, a link that breaks, and the scenario of 2021–2023. The demo tells it,
//! the tests check it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process::{Edge, Ran, Server};
use crate::relay::{Relay, Weather};
use crate::scenario::{Scenario, Shot, Step, Who};

/// Password of the story's accounts, which live as long as its folder.
pub const PASSWORD: &str = "bazhong-2021-demo";

/// County codes of Bazhong.
pub const COUNTIES: [&str; 5] = ["511902", "511903", "511921", "511922", "511923"];

/// Everybody and everything of the story.
#[derive(Debug)]
pub struct Story {
    /// The server.
    pub server: Server,
    /// The link between devices and server.
    pub relay: Relay,
    /// Three inspectors.
    pub inspectors: Vec<Edge>,
    /// 县级.
    pub county: Edge,
    /// 县级, a second person.
    pub checker: Edge,
    /// 市级.
    pub city: Edge,
    /// Admin.
    pub admin: Edge,
    folder: PathBuf,
}

/// One thing that happened, for whoever tells the story.
pub type Tell<'a> = &'a mut dyn FnMut(&str);

impl Story {
    /// Server, reference data, tickets, enrolment; everything below `folder`.
    ///
    /// # Panics
    /// When a step fails; the message holds all that was printed.
    #[must_use]
    pub fn begin(folder: &Path, fixtures: &Path, tell: Tell<'_>) -> Self {
        let mut server = Server::init(folder.join("server"));
        let files: Vec<String> = reference_files(fixtures);
        let mut load = vec!["load-reference"];
        load.extend(files.iter().map(String::as_str));
        let _ = server.admin(&load).expect_code(0);
        server.serve();
        tell(&format!("server: devices at {}, page at {}", server.quic, server.http));
        let relay = Relay::start(server.quic, Weather::default(), 20);
        let edge = |name: &str| Edge::new(folder.join(name));
        let story = Self {
            inspectors: (1..=3).map(|number| edge(&format!("inspector-{number}"))).collect(),
            county: edge("county"),
            checker: edge("checker"),
            city: edge("city"),
            admin: edge("admin"),
            folder: folder.to_path_buf(),
            server,
            relay,
        };
        story.enrol(tell);
        story
    }

    fn enrol(&self, tell: Tell<'_>) {
        let walks: [&[&str]; 3] = [&["511902", "511903"], &["511921", "511922"], &["511902", "511923"]];
        for (number, (edge, counties)) in self.inspectors.iter().zip(walks).enumerate() {
            self.enrol_one(edge, &["--role", "inspector", "--name", &format!("排查员{}", number + 1)], counties);
        }
        let county = ["--role", "supervisor", "--level", "county", "--name"];
        self.enrol_one(&self.county, &[&county[..], &["县级审核员"]].concat(), &COUNTIES);
        self.enrol_one(&self.checker, &[&county[..], &["县级验收员"]].concat(), &COUNTIES);
        self.enrol_one(&self.city, &["--role", "supervisor", "--level", "city", "--name", "市级审核员"], &COUNTIES);
        self.enrol_one(&self.admin, &["--role", "admin", "--name", "管理员"], &COUNTIES);
        tell(
            "three inspectors, two county supervisors, one of the city and an admin have enrolled with one-time tickets",
        );
    }

    fn enrol_one(&self, edge: &Edge, who: &[&str], counties: &[&str]) {
        let mut args = who.to_vec();
        args.extend(counties.iter().flat_map(|county| ["--collection", county]));
        let ticket = self.server.ticket(&args, Some(self.relay.address));
        let _ = edge.ok(&["enroll", &ticket]);
    }

    /// The device of a person of the scenario.
    #[must_use]
    pub fn edge(&self, who: Who) -> &Edge {
        match who {
            Who::Inspector(index) => &self.inspectors[index],
            Who::County => &self.county,
            Who::Checker => &self.checker,
            Who::City => &self.city,
            Who::Admin => &self.admin,
        }
    }

    /// Runs a script on its device, where the photographs are.
    ///
    /// # Panics
    /// When a line fails.
    pub fn script(&self, at: usize, step: &Step) {
        let name = format!("step-{at:02}.txt");
        std::fs::write(self.folder.join(&name), step.lines.join("\n") + "\n").expect("the script can be written");
        let edge = self.edge(step.who);
        let mut command = edge.command();
        let output = command.current_dir(&self.folder).args(["batch", &name]).output().expect("outlet starts");
        assert!(
            output.status.success(),
            "{name} ({:?}): {}\n{}",
            step.who,
            String::from_utf8_lossy(&output.stderr),
            String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default()
        );
    }

    /// Runs the whole scenario, each script followed by a sync; the first sync breaks in the middle.
    ///
    /// # Panics
    /// When a step fails.
    pub fn play(&self, scenario: &Scenario, picture: &dyn Fn(&Shot) -> Vec<u8>, tell: Tell<'_>) {
        scenario.write_photos(&self.folder, picture).expect("the photographs can be written");
        for (at, step) in scenario.steps.iter().enumerate() {
            let before = self.edge(step.who);
            if at > 0 {
                let _ = converged(&sync(before));
            }
            self.script(at, step);
            tell(&format!("{:?}: {} — {} command lines, offline", step.who, step.title, step.lines.len()));
            if at == 0 {
                self.broken_sync(before, tell);
            }
            let answer = converged(&sync(before));
            tell(&format!(
                "  synced: {} changes and {} files sent, {} changes received, {} round trips",
                answer["sent"]["changes"],
                answer["sent"]["photos"],
                answer["received"]["changes"],
                answer["round_trips"]
            ));
        }
    }

    /// A sync whose link is cut after some datagrams; what was acknowledged stays acknowledged.
    fn broken_sync(&self, edge: &Edge, tell: Tell<'_>) {
        self.relay.mend(Some(40));
        let ran = sync(edge);
        assert_ne!(ran.code, Some(0), "the link was cut, yet the sync says it converged: {}", ran.stdout);
        self.relay.mend(None);
        let status = edge.json(&["status"]);
        tell(&format!("  the link broke in the middle (exit code {:?}); records now: {}", ran.code, status["records"]));
    }

    /// Ledger and problem list as sealed at the end of 2021; one county never sealed its problem list.
    ///
    /// # Panics
    /// When a seal is refused.
    pub fn seal(&self) {
        for unit in ["5119", "511902", "511903", "511921", "511922", "511923", "511971"] {
            for what in ["ledger", "problem_list"] {
                if (unit, what) == ("511923", "problem_list") {
                    continue;
                }
                let document = format!("{unit}号封存件（{what}）");
                let args = ["seal", "--what", what, "--unit", unit, "--on", "2021-12-25", "--document", &document];
                let _ = self.server.admin(&args).expect_code(0);
            }
        }
    }

    /// The person whose device has this name.
    ///
    /// # Panics
    /// When nobody's has.
    #[must_use]
    pub fn person(&self, name: &str) -> String {
        let devices = self.server.admin_json(&["device", "list"]);
        let device = devices.as_array().into_iter().flatten().find(|device| device["name"] == name);
        device.and_then(|device| device["person"].as_str()).expect("the person has a device").to_owned()
    }

    /// Accounts at the server for the county's reviewer and the city, each the same person as on their
    /// device.
    ///
    /// # Panics
    /// When an account is refused.
    pub fn accounts(&self) {
        let file = self.folder.join("password.txt");
        std::fs::write(&file, format!("{PASSWORD}\n")).expect("a file for the password");
        let file = file.display().to_string();
        for (login, name, level) in [("county", "县级审核员", "county"), ("city", "市级审核员", "city")] {
            let person = self.person(name);
            let mut args = vec!["account", "add", login, "--name", name, "--role", "supervisor", "--level", level];
            args.extend(["--person", &person, "--password-file", &file]);
            args.extend(COUNTIES.iter().flat_map(|county| ["--collection", county]));
            let _ = self.server.admin(&args).expect_code(0);
        }
    }

    /// What the county's reviewer does at the server: records that were edited after their approval
    /// are looked at and approved again, a return is taken back, possible duplicates are compared.
    /// Returns the number approved.
    ///
    /// # Panics
    /// When a decision is refused.
    pub fn review(&self, tell: Tell<'_>) -> usize {
        let amended = ["review", "queue", "--as", "county", "--state", "approved_amended", "--limit", "1000"];
        let queue = self.server.admin_json(&amended);
        let waiting: Vec<String> =
            queue.as_array().into_iter().flatten().filter_map(|line| line["id"].as_str().map(str::to_owned)).collect();
        for id in &waiting {
            let brief = self.server.admin_json(&["review", "show", id]);
            let changed = |name: &str| brief[name].as_array().is_some_and(|all| !all.is_empty());
            assert!(changed("facts") || changed("entries"), "what changed since the approval: {brief}");
            let seen = seen(&brief["seen"]);
            let _ = self.server.admin(&["review", "approve", id, "--as", "county", "--seen", &seen]).expect_code(0);
        }
        let left = self.server.admin_json(&amended);
        assert_eq!(left.as_array().map(Vec::len), Some(0), "what was approved does not wait any more");
        let pairs = self.server.admin_json(&["duplicates", "list", "--as", "county"]);
        let pace = self.server.admin(&["review", "pace", "--as", "county"]).expect_code(0).stdout;
        tell(&format!("review at the server: {} amended records approved again; {}", waiting.len(), pace.trim()));
        tell(&format!("possible duplicates: {} pairs", pairs.as_array().map_or(0, Vec::len)));
        let _ = self.server.admin(&["review", "audit", "--verify"]).expect_code(0);
        waiting.len()
    }

    /// Everybody syncs once more; the digest of each collection, equal on all who share it.
    ///
    /// # Panics
    /// When two replicas differ.
    pub fn second_round(&self, tell: Tell<'_>) {
        let everybody = self.inspectors.iter().chain([&self.county, &self.checker, &self.city, &self.admin]);
        let mut digests: std::collections::BTreeMap<String, Vec<String>> = std::collections::BTreeMap::new();
        for edge in everybody {
            let answer = converged(&sync(edge));
            let collections = answer["collections"].as_object().expect("digests by collection");
            for (collection, digest) in collections {
                let digest = digest.as_str().expect("a digest is text").to_owned();
                digests.entry(collection.clone()).or_default().push(digest);
            }
        }
        assert!(digests.len() > 5, "five counties and the reference data: {digests:?}");
        for (collection, digests) in digests {
            let first = &digests[0];
            assert!(digests.iter().all(|digest| digest == first), "{collection}: replicas differ: {digests:?}");
            tell(&format!("  {collection}: {} replicas share digest {}", digests.len(), &first[..16.min(first.len())]));
        }
    }
}

/// Heads as the command line takes them.
fn seen(value: &Value) -> String {
    let join = |name: &str| {
        let heads = value[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        heads.collect::<Vec<_>>().join(".")
    };
    format!("{}/{}", join("field"), join("case"))
}

/// `outlet sync --json`, whatever its exit code.
#[must_use]
pub fn sync(edge: &Edge) -> Ran {
    edge.run(&["sync", "--json"])
}

/// The answer of a sync that must have converged.
///
/// # Panics
/// When it has not.
#[track_caller]
#[must_use]
pub fn converged(ran: &Ran) -> Value {
    let answer = ran.clone().expect_code(0).json();
    assert_eq!(answer["outcome"], "converged", "{}", ran.stdout);
    answer
}

/// Data sets of the fixtures folder, in an order in which they can be loaded.
fn reference_files(fixtures: &Path) -> Vec<String> {
    let mut files: Vec<String> = ["milestones", "dictionaries", "regions", "rivers"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(fixtures.join(folder)).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| path.to_string_lossy().into_owned())
        .collect();
    files.sort();
    files
}
