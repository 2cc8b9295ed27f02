//! samod (automerge-repo in Rust): two repositories in one process, over channels that count.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use samod::{AcceptorHandle, BackoffConfig, DialError, Dialer, DocHandle, Repo, Transport};
use url::Url;

use crate::Measured;
use crate::documents::Made;

/// A pair that moved nothing for so long has nothing more to say.
const QUIET: Duration = Duration::from_secs(2);
/// A first sync that takes longer is reported as if it had taken this long.
const PATIENCE: Duration = Duration::from_secs(600);

/// Bytes that passed, and when the last ones did.
struct Meter {
    bytes: AtomicU64,
    last: AtomicU64,
    begun: Instant,
}

impl Meter {
    fn count(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let now = u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    fn last(&self) -> Duration {
        Duration::from_nanos(self.last.load(Ordering::Relaxed))
    }
}

struct Link {
    acceptor: AcceptorHandle,
    meter: Arc<Meter>,
    url: Url,
}

impl Dialer for Link {
    type Error = Infallible;

    fn url(&self) -> Url {
        self.url.clone()
    }

    fn connect(&self) -> BoxFuture<'static, Result<Transport, DialError<Infallible>>> {
        let (acceptor, there, back) = (self.acceptor.clone(), Arc::clone(&self.meter), Arc::clone(&self.meter));
        async move {
            let (to_right, from_left) = mpsc::channel::<Vec<u8>>(64);
            let (to_left, from_right) = mpsc::channel::<Vec<u8>>(64);
            let from_left = from_left.map(move |bytes| {
                there.count(bytes.len());
                Ok::<_, Infallible>(bytes)
            });
            let from_right = from_right.map(move |bytes| {
                back.count(bytes.len());
                Ok::<_, Infallible>(bytes)
            });
            acceptor.accept(Transport::new(from_left, to_left)).map_err(DialError::transient)?;
            Ok(Transport::new(from_right, to_right))
        }
        .boxed()
    }
}

pub(crate) fn measure(documents: &[Made]) -> Measured {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(pair(documents))
}

async fn pair(documents: &[Made]) -> Measured {
    let (left, right) = (Repo::build_tokio().load().await, Repo::build_tokio().load().await);
    let mut handles = Vec::new();
    for made in documents {
        handles.push(left.create(made.document.clone()).await.expect("a running repository"));
    }
    let acceptor = right.make_acceptor(Url::parse("memory://right").expect("a URL")).expect("a running repository");

    let link = Arc::new(link(&acceptor, 1));
    let started = Instant::now();
    let dialled = left.dial(BackoffConfig::default(), Arc::clone(&link)).expect("a running repository");
    let _ = dialled.established().await;
    let arrived = tokio::time::timeout(PATIENCE, all_arrive(&right, &handles)).await;
    let first = started.elapsed();
    if arrived.is_err() {
        crate::print("samod did not finish its first sync: its time below is where we stopped waiting\n");
    }
    settle(&link.meter).await;
    let first_bytes = link.meter.bytes.load(Ordering::Relaxed) as f64;
    dialled.close();

    // Again between the same repositories, every document open on both sides: the best case.
    let link = Arc::new(self::link(&acceptor, 2));
    let again = left.dial(BackoffConfig::default(), Arc::clone(&link)).expect("a running repository");
    let _ = again.established().await;
    settle(&link.meter).await;
    let (idle, idle_bytes) = (link.meter.last(), link.meter.bytes.load(Ordering::Relaxed) as f64);
    left.stop().await;
    right.stop().await;
    Measured { first, first_bytes, idle, idle_bytes }
}

fn link(acceptor: &AcceptorHandle, number: u8) -> Link {
    let meter = Arc::new(Meter { bytes: AtomicU64::new(0), last: AtomicU64::new(0), begun: Instant::now() });
    Link { acceptor: acceptor.clone(), meter, url: Url::parse(&format!("memory://link-{number}")).expect("a URL") }
}

/// Every document is there with the heads it has here.
async fn all_arrive(right: &Repo, handles: &[DocHandle]) {
    futures::stream::iter(handles)
        .for_each_concurrent(64, |handle| async move {
            let heads = handle.with_document(|document| document.get_heads());
            let found = right.find(handle.document_id().clone()).await.expect("a running repository");
            let found = found.expect("the other side has it");
            while found.with_document(|document| document.get_heads()) != heads {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
}

async fn settle(meter: &Meter) {
    while meter.begun.elapsed().saturating_sub(meter.last()) < QUIET {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
