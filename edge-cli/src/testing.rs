//! Surroundings for tests in process: a clock that stands still until it is moved, randomness from
//! a seed, captured streams.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use outlet_core::identity::{
    Certificate, Level, Membership, Role, SecretKey, ServerCert, ServerGrant, ServerStanding, Signed,
};
use outlet_core::ids::{Collection, DocKind, PersonId, PublicKey};
use outlet_core::store::{EdgeStore, Enrolment, Entropy, OpenStore, Store};
use outlet_core::sync::replica::{Batch, FeedItem, Replica, Sealed};
use outlet_core::time::Timestamp;

use crate::env::{Clock, Env};

/// What a command line printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Exit code.
    pub code: u8,
    /// Data.
    pub stdout: String,
    /// Messages.
    pub stderr: String,
}

/// A fake environment.
pub struct TestEnv {
    now: Arc<AtomicI64>,
    seed: u64,
    vars: BTreeMap<String, String>,
    stdin: Cursor<Vec<u8>>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl TestEnv {
    /// Starts at the given instant; the seed decides every key and id.
    #[must_use]
    pub fn new(now: Timestamp, seed: u64) -> Self {
        Self {
            now: Arc::new(AtomicI64::new(now.millis())),
            seed,
            vars: BTreeMap::new(),
            stdin: Cursor::default(),
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    /// Sets an environment variable.
    pub fn set_var(&mut self, name: &str, value: &str) {
        self.vars.insert(name.to_owned(), value.to_owned());
    }

    /// Moves the clock.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now.store(now.millis(), Ordering::Relaxed);
    }

    /// What the next command reads from standard input.
    pub fn set_stdin(&mut self, bytes: impl Into<Vec<u8>>) {
        self.stdin = Cursor::new(bytes.into());
    }

    /// Runs `outlet --home HOME ARGS…` and takes what it printed.
    pub fn run<S: AsRef<str>>(&mut self, home: &Path, args: &[S]) -> Ran {
        let mut line: Vec<OsString> = vec!["outlet".into(), "--home".into(), home.into()];
        line.extend(args.iter().map(|arg| arg.as_ref().into()));
        let code = crate::run_code(line, self);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ran { code, stdout: text(std::mem::take(&mut self.stdout)), stderr: text(std::mem::take(&mut self.stderr)) }
    }
}

impl Env for TestEnv {
    fn clock(&self) -> Clock {
        let now = Arc::clone(&self.now);
        Arc::new(move || Timestamp::from_millis(now.load(Ordering::Relaxed)))
    }

    fn random(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        // SplitMix64: repeatable, and worthless for real keys, which is the point of a test.
        for chunk in bytes.chunks_mut(8) {
            self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = self.seed;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let word = (mixed ^ (mixed >> 31)).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }

    fn var(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned()
    }

    fn stdout(&mut self) -> &mut dyn Write {
        &mut self.stdout
    }

    fn stderr(&mut self) -> &mut dyn Write {
        &mut self.stderr
    }

    fn stdin(&mut self) -> &mut dyn Read {
        &mut self.stdin
    }

    fn stderr_is_terminal(&self) -> bool {
        false
    }
}

/// Who uses a device.
#[derive(Debug, Clone)]
pub struct Member {
    /// Name; the same name is the same person.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Level of a supervisor.
    pub level: Option<Level>,
    /// Counties.
    pub collections: Vec<Collection>,
}

/// The root key of the test system.
#[must_use]
pub fn root_key() -> SecretKey {
    SecretKey::from_bytes([0xa1; 32])
}

/// The server key of the test system: signs memberships, and nothing listens behind it.
#[must_use]
pub fn server_key() -> SecretKey {
    SecretKey::from_bytes([0xb2; 32])
}

/// The server's certificate by the root.
#[must_use]
pub fn server_certificate(now: Timestamp) -> ServerCert {
    let (key, standing) = (server_key().public(), ServerStanding::Active);
    Signed::sign(&root_key(), ServerGrant { key, name: "test".to_owned(), issued_at: now, serial: 1, standing })
}

/// A membership certificate of a device.
#[must_use]
pub fn certificate(device: PublicKey, member: &Member, now: Timestamp) -> Certificate {
    let mut person = [0; 16];
    member.name.bytes().enumerate().for_each(|(at, byte)| person[at % 16] ^= byte.wrapping_add(1));
    let membership = Membership {
        key: device,
        person: PersonId(person),
        name: member.name.clone(),
        role: member.role,
        level: member.level,
        collections: member.collections.iter().copied().collect(),
        not_before: now,
        not_after: now.plus_millis(4 * 366 * 86_400_000),
        serial: 1,
    };
    Signed::sign(&server_key(), membership)
}

/// Makes a store that is enrolled with the test system, without a server.
///
/// # Panics
/// When the store cannot be made: a test without its device has nothing to say.
pub fn enrol(env: &mut TestEnv, home: &Path, member: &Member) {
    let now = env.now();
    let mut store = open(env, home);
    let device = store.identity().public();
    let collections: BTreeSet<Collection> = member.collections.iter().copied().collect();
    let enrolment = Enrolment {
        root: root_key().public(),
        servers: vec![server_key().public()],
        addresses: vec!["quic://127.0.0.1:9".to_owned()],
        collections: collections.into_iter().collect(),
        certificate: Some(Sealed(certificate(device, member, now).to_bytes())),
        server_certificate: Some(Sealed(server_certificate(now).to_bytes())),
        name: Some(member.name.clone()),
    };
    store.enrol(&enrolment, now).expect("a fresh store takes an enrolment");
    store.close().expect("a fresh store closes");
}

/// Carries every record of one device to another, with the certificates of their authors, as a
/// server would.
///
/// # Panics
/// When one of the stores fails.
pub fn carry(env: &mut TestEnv, from: &Path, to: &Path) {
    let now = env.now();
    let mut source = open(env, from);
    let mut items = Vec::new();
    let roster = source.roster().expect("the roster is readable").expect("the device is enrolled");
    items.extend(roster.certificates().map(|cert| FeedItem::Certificate(Sealed(cert.to_bytes()))));
    for kind in DocKind::ALL {
        for doc in source.keys(kind).expect("keys are readable") {
            let runs = source.runs_for(&doc, &[]).expect("runs are readable").runs;
            items.extend(runs.into_iter().map(FeedItem::Run));
        }
    }
    drop(source);
    let mut target = open(env, to);
    let batch = Batch { items, ..Batch::default() };
    let admitted = target.admit(&server_key().public(), &batch, now).expect("the batch is admitted");
    drop(admitted);
    target.close().expect("the store closes");
}

fn open(env: &mut TestEnv, home: &Path) -> EdgeStore {
    let mut entropy = Entropy { key: [0; 32], incarnation: [0; 4] };
    env.random(&mut entropy.key).and_then(|()| env.random(&mut entropy.incarnation)).expect("fake randomness");
    let options = OpenStore {
        home: home.to_owned(),
        who: "a test".to_owned(),
        now: env.now(),
        entropy,
        boot: None,
        create: true,
        accept_weak_storage: false,
    };
    EdgeStore::open(&options, &mut |_| {}).expect("the store opens")
}
