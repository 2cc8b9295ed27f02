//! How long a saved act takes beside a bare append and `fdatasync` of the same size, and what a
//! list costs. `cargo run -p outlet-core --example save_latency -- DIR OUTLETS`; figures depend on
//! the disk, so nothing is asserted.
#![expect(clippy::print_stdout, reason = "an example that prints its figures")]

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use outlet_core::ids::{DocKey, DocKind, OutletId};
use outlet_core::store::{EdgeStore, Entropy, Filter, OpenStore, Store as _, boot_id};
use outlet_core::time::Timestamp;

const NOW: Timestamp = Timestamp::from_millis(1_640_000_000_000);

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let home = PathBuf::from(arguments.next().ok_or("which directory?")?);
    let outlets: u32 = arguments.next().map_or(Ok(2000), |text| text.parse())?;
    let mut store = open(&home)?;
    let mut saves = Vec::new();
    for number in 0..outlets {
        let started = Instant::now();
        store.write(&key(number)?, &[fact("name", "\"an outlet\"", number)], &[], NOW)?;
        saves.push(started.elapsed());
    }
    let bytes = std::fs::metadata(home.join("journal/00000001.seg"))?.len() / u64::from(outlets.max(1));
    let mut appends = bare(&home.join("bare"), usize::try_from(bytes)?, outlets)?;
    print("save of one act", &mut saves);
    print("append + fdatasync", &mut appends);
    let started = Instant::now();
    store.close()?;
    println!("close: {:?}", started.elapsed());
    let started = Instant::now();
    let store = open(&home)?;
    println!("open: {:?} ({:?})", started.elapsed(), store.report().index);
    let started = Instant::now();
    let listed = store.summaries(&Filter::default())?.len();
    println!("list of {listed}: {:?}", started.elapsed());
    Ok(())
}

fn open(home: &Path) -> Result<EdgeStore, Box<dyn Error>> {
    let options = OpenStore {
        home: home.to_owned(),
        who: "save_latency".to_owned(),
        now: NOW,
        entropy: Entropy { key: [7; 32], incarnation: [1; 4] },
        boot: boot_id(),
        create: true,
        accept_weak_storage: false,
    };
    Ok(EdgeStore::open(&options, &mut |_| {})?)
}

fn key(number: u32) -> Result<DocKey, Box<dyn Error>> {
    let mut random = [0; 10];
    random[..4].copy_from_slice(&number.to_be_bytes());
    Ok(DocKey { kind: DocKind::Field, collection: "511902".parse()?, id: OutletId::new(NOW, random) })
}

fn fact(field: &str, value: &str, at: u32) -> String {
    format!(r#"{{"type":"fact","field":"{field}","value":{value},"at":{at}}}"#)
}

fn bare(path: &Path, bytes: usize, count: u32) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut file = std::fs::File::create(path)?;
    let payload = vec![0xA5; bytes];
    let mut all = Vec::new();
    for _ in 0..count.min(1000) {
        let started = Instant::now();
        file.write_all(&payload)?;
        file.sync_data()?;
        all.push(started.elapsed());
    }
    Ok(all)
}

fn print(what: &str, all: &mut [Duration]) {
    all.sort_unstable();
    let at = |share: usize| all.get(all.len() * share / 100).copied().unwrap_or_default();
    println!("{what}: median {:?}, p95 {:?}", at(50), at(95));
}
