//! What a monitoring system reads (`/metrics`, Prometheus text): counted while the server works, or
//! looked up when it is asked.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use outlet_core::sync::replica::{Admitted, Outcome};
use outlet_core::sync::summary::Summary;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::db::{DbError, feed, files, ledger, records};
use crate::engine::Engine;
use crate::inventory;

/// Media type of the text.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Label = [(&'static str, String); 1];

/// Counters and histograms of a running server.
#[derive(Debug)]
pub struct Metrics {
    sessions: Family<Label, Counter>,
    sessions_now: Gauge,
    runs: Family<Label, Counter>,
    changes: Counter,
    bytes: Family<Label, Counter>,
    photo_bytes: Counter,
    damaged: Counter,
    copied: Counter,
    admission: Histogram,
    requests: Family<Label, Counter>,
    latency: Family<Label, Histogram>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            sessions: Family::default(),
            sessions_now: Gauge::default(),
            runs: Family::default(),
            changes: Counter::default(),
            bytes: Family::default(),
            photo_bytes: Counter::default(),
            damaged: Counter::default(),
            copied: Counter::default(),
            admission: seconds(),
            requests: Family::default(),
            latency: Family::new_with_constructor(seconds as fn() -> Histogram),
        }
    }
}

/// From 1 ms to 16 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

fn label(name: &'static str, value: impl Into<String>) -> Label {
    [(name, value.into())]
}

impl Metrics {
    /// A device's session began.
    pub fn session_began(&self) {
        self.sessions_now.inc();
    }

    /// It ended.
    pub fn session_ended(&self, summary: Option<&Summary>) {
        self.sessions_now.dec();
        let outcome = summary.map_or("none", |summary| summary.outcome.as_str());
        self.sessions.get_or_create(&label("outcome", outcome)).inc();
        if let Some(summary) = summary {
            self.bytes.get_or_create(&label("direction", "in")).inc_by(summary.received.bytes);
            self.bytes.get_or_create(&label("direction", "out")).inc_by(summary.sent.bytes);
            self.damaged.inc_by(summary.damaged_files);
        }
    }

    /// A batch was stored.
    pub fn admitted(&self, admitted: &Admitted, took: Duration) {
        self.admission.observe(took.as_secs_f64());
        self.changes.inc_by(admitted.new_changes);
        for outcome in &admitted.outcomes {
            let result = match outcome {
                Outcome::Stored { .. } => "stored",
                Outcome::Held { .. } => "held",
                Outcome::Waiting => "waiting",
                Outcome::Refused { .. } => "refused",
                _ => "other",
            };
            self.runs.get_or_create(&label("result", result)).inc();
        }
    }

    /// Two devices spoke with one key at the same time.
    pub fn copied(&self) {
        self.copied.inc();
    }

    /// A photo or attachment was stored.
    pub fn photo(&self, bytes: u64) {
        self.photo_bytes.inc_by(bytes);
    }

    /// A request over HTTP was answered. `group` is one of a few names, never an address.
    pub fn request(&self, group: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&label("status", format!("{}xx", status / 100))).inc();
        self.latency.get_or_create(&label("group", group)).observe(took.as_secs_f64());
    }

    fn register(&self, registry: &mut Registry) {
        registry.register("sessions", "Sessions of devices, by outcome", self.sessions.clone());
        registry.register("sessions_active", "Sessions of devices under way", self.sessions_now.clone());
        registry.register("runs", "Signed runs brought by devices, by what became of them", self.runs.clone());
        registry.register("changes_admitted", "Changes admitted", self.changes.clone());
        registry.register("session_bytes", "Bytes of sessions inside TLS, by direction", self.bytes.clone());
        registry.register("photo_bytes", "Bytes of photos and attachments stored", self.photo_bytes.clone());
        registry.register("copied_keys", "Two devices with one key at the same time, each time", self.copied.clone());
        let help = "Photos and attachments whose bytes were not those of their hash, each time";
        registry.register("damaged_files", help, self.damaged.clone());
        registry.register("admission_seconds", "Time to store a batch", self.admission.clone());
        registry.register("http_requests", "Requests over HTTP, by class of status", self.requests.clone());
        registry.register("http_request_seconds", "Time to answer over HTTP, by group", self.latency.clone());
    }
}

fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<u64, AtomicU64>::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

/// Everything as text.
///
/// # Errors
/// When the database refuses.
pub fn text(engine: &Engine) -> Result<String, DbError> {
    let mut registry = Registry::with_prefix("outlet");
    engine.metrics.register(&mut registry);
    let seqs = Family::<Label, Gauge<u64, AtomicU64>>::default();
    let outlets = Family::<Label, Gauge<u64, AtomicU64>>::default();
    engine.database().read::<_, DbError>(|tx| {
        let mut held = 0;
        for collection in feed::collections(tx)? {
            let name = label("collection", collection.to_string());
            seqs.get_or_create(&name).set(feed::head(tx, collection)?.seq);
            held += records::held_changes(tx, collection)?;
        }
        for (collection, count) in ledger::counts(tx)? {
            outlets.get_or_create(&label("collection", collection.to_string())).set(count);
        }
        gauge(&mut registry, "changes_held", "Changes that wait for a decision", held);
        gauge(&mut registry, "ledger_version", "Number of the ledger's state", inventory::version(tx)?);
        let (count, bytes) = files::totals(tx)?;
        gauge(&mut registry, "photos_stored", "Photos and attachments stored", count);
        gauge(&mut registry, "photos_stored_bytes", "Their bytes", bytes);
        Ok(())
    })?;
    registry.register("feed_seq", "End of the feed, by collection", seqs);
    registry.register("outlets", "Rows of the ledger, by collection", outlets);
    if let Some((free, total)) = crate::space::of(engine.folder.path()) {
        gauge(&mut registry, "disk_free_bytes", "Free space of the data folder's file system", free);
        gauge(&mut registry, "disk_bytes", "Its size", total);
    }
    let mut text = String::new();
    encode(&mut text, &registry).map_err(|_| DbError::Damaged("a metric cannot be written".into()))?;
    Ok(text)
}

/// Whether the server can work now, and what stands in the way.
///
/// # Errors
/// When the database does not answer.
pub fn obstacles(engine: &Engine) -> Result<Vec<&'static str>, DbError> {
    let mut list = Vec::new();
    let stop = u64::from(engine.folder.config.disk.stop_percent);
    if engine.free_percent().is_some_and(|percent| percent < stop) {
        list.push("disk-full");
    }
    let last = engine.database().read::<_, DbError>(|tx| crate::db::meta::last_receipt(tx))?;
    if last.is_some_and(|last| last > engine.folder.now().plus_millis(2_000)) {
        list.push("clock-behind");
    }
    Ok(list)
}
