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
/// Longer than this nobody waits for a phase; what passed until then counts.
const PATIENCE: Duration = Duration::from_secs(300);
/// A document that has arrived is found at once.
const FINDING: Duration = Duration::from_secs(2);

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
    let dialled = left.dial(BackoffConfig::default(), Arc::clone(&link)).expect("a running repository");
    let _ = dialled.established().await;
    settle(&link.meter).await;
    // The last byte, without the time that it takes to see that no more come: nobody has to wait for
    // a document that was asked for before it was announced.
    let first = link.meter.last();
    let arrived = arrived(&right, &handles).await;
    if arrived < handles.len() {
        let all = handles.len();
        crate::print(&format!("samod: {arrived} of {all} documents arrived before nothing more moved\n"));
    }
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

/// Documents that are there with the heads they have here.
async fn arrived(right: &Repo, handles: &[DocHandle]) -> usize {
    futures::stream::iter(handles)
        .map(|handle| async move {
            let heads = handle.with_document(|document| document.get_heads());
            let found = tokio::time::timeout(FINDING, right.find(handle.document_id().clone())).await;
            let found = found.ok().and_then(|found| found.expect("a running repository"));
            found.is_some_and(|found| found.with_document(|document| document.get_heads()) == heads)
        })
        .buffer_unordered(64)
        .filter(|same| futures::future::ready(*same))
        .count()
        .await
}

async fn settle(meter: &Meter) {
    while meter.begun.elapsed().saturating_sub(meter.last()) < QUIET && meter.begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
