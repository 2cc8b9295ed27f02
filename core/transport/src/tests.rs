//! Real QUIC on loopback: nothing here waits for a clock.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use outlet_core::identity::{Roster, SecretKey, ServerAddress, ServerCert, ServerGrant, ServerStanding, TransportKind};
use outlet_core::ids::PublicKey;
use quinn::Endpoint;

use crate::frame::{MAX_FRAME, read_frame, write_frame};
use crate::{
    Congestion, Connection, FrameError, LaneEnds, Link, QuicServer, TcpServer, TransportError, dial, dial_by_roster,
    quic, tcp, tls,
};

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes([seed; 32])
}

fn root() -> SecretKey {
    key(200)
}

fn cert(of: u8, standing: ServerStanding) -> ServerCert {
    let serial = if standing == ServerStanding::Active { 1 } else { 2 };
    let (key, issued_at) = (key(of).public(), outlet_core::time::Timestamp::default());
    ServerCert::sign(&root(), ServerGrant { key, name: "测试".to_owned(), issued_at, serial, standing })
}

fn server(key: &SecretKey) -> (Endpoint, SocketAddr) {
    let endpoint = quic::listen((Ipv4Addr::LOCALHOST, 0).into(), key, Congestion::Cubic).unwrap();
    let address = endpoint.local_addr().unwrap();
    (endpoint, address)
}

async fn call(address: SocketAddr, device: SecretKey, pin: PublicKey) -> Result<Connection, TransportError> {
    quic::connect(address, &device, &BTreeSet::from([pin]), Congestion::Cubic).await
}

/// Both ends of a connection between device 2 and server 1.
async fn pair() -> (Connection, Connection, Endpoint) {
    pair_as(2).await
}

async fn pair_as(device: u8) -> (Connection, Connection, Endpoint) {
    let (endpoint, address) = server(&key(1));
    let (device, at_server) = tokio::join!(call(address, key(device), key(1).public()), async {
        quic::accept(endpoint.accept().await.unwrap()).await
    });
    (device.unwrap(), at_server.unwrap(), endpoint)
}

#[tokio::test]
async fn each_side_knows_the_others_key_and_both_know_the_connection() {
    let (device, at_server, _endpoint) = pair().await;
    assert_eq!(device.peer(), key(1).public());
    assert_eq!(at_server.peer(), key(2).public());
    assert_eq!(device.binding(), at_server.binding());

    let (second, _, _other) = pair().await;
    assert_ne!(second.binding(), device.binding());
}

#[tokio::test]
async fn a_server_with_another_key_is_refused_and_named() {
    let (endpoint, address) = server(&key(1));
    let expected = key(9).public();
    let (result, _) =
        tokio::join!(call(address, key(2), expected), async { quic::accept(endpoint.accept().await.unwrap()).await });
    let error = result.unwrap_err();
    let TransportError::WrongServerKey { expected: pins, got } = &error else { panic!("{error:?}") };
    assert_eq!((pins.as_slice(), *got), (&[expected][..], key(1).public()));
    let text = error.to_string();
    assert!(text.contains(&outlet_core::identity::fingerprint(got)), "{text}");
    assert!(text.contains("new ticket"), "{text}");
}

#[tokio::test]
async fn frames_go_both_ways_on_both_lanes() {
    let (device, at_server, _endpoint) = pair().await;
    let (ours, theirs) = tokio::join!(device.open_lanes(), at_server.accept_lanes());
    let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());

    let large = vec![5; MAX_FRAME];
    let echo = async {
        let record = read_frame(&mut theirs.records.receive).await.unwrap().unwrap();
        write_frame(&mut theirs.records.send, &record).await.unwrap();
        let file = read_frame(&mut theirs.files.receive).await.unwrap().unwrap();
        write_frame(&mut theirs.files.send, &file).await.unwrap();
    };
    let ask = async {
        write_frame(&mut ours.records.send, b"a record").await.unwrap();
        assert_eq!(read_frame(&mut ours.records.receive).await.unwrap().unwrap(), b"a record");
        write_frame(&mut ours.files.send, &large).await.unwrap();
        assert_eq!(read_frame(&mut ours.files.receive).await.unwrap().unwrap(), large);
    };
    tokio::join!(echo, ask);
    assert!(ours.records.send.priority().unwrap() > ours.files.send.priority().unwrap());
    assert!(theirs.records.send.priority().unwrap() > theirs.files.send.priority().unwrap());
    assert!(device.wire_bytes().sent > MAX_FRAME as u64);

    ours.records.send.finish().unwrap();
    assert!(read_frame(&mut theirs.records.receive).await.unwrap().is_none());
    device.close(0, "done").await;
    let closed = at_server.closed().await;
    assert!(closed.to_string().contains("done"), "{closed}");
}

#[tokio::test]
async fn an_oversize_frame_is_refused_by_its_header() {
    let (device, at_server, _endpoint) = pair().await;
    let (ours, theirs) = tokio::join!(device.open_lanes(), at_server.accept_lanes());
    let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
    ours.records.send.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
    let error = read_frame(&mut theirs.records.receive).await.unwrap_err();
    assert!(matches!(error, FrameError::TooLarge { announced: 0xffff_ffff, .. }), "{error:?}");
}

#[tokio::test]
async fn lanes_opened_twice_are_refused() {
    let (device, at_server, _endpoint) = pair().await;
    let (result, _kept) = tokio::join!(at_server.accept_lanes(), device.open_records_twice());
    assert!(matches!(result.unwrap_err(), TransportError::Frame(FrameError::Lanes)));
}

#[tokio::test]
async fn another_protocol_version_gets_no_connection() {
    let (endpoint, address) = server(&key(1));
    let pins = BTreeSet::from([key(1).public()]);
    let mut config = tls::client_config(&key(2), pins, tls::SeenKey::default()).unwrap();
    config.alpn_protocols = vec![b"outlet/2".to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap();
    let client = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let connecting = client.connect_with(config, address, "outlet").unwrap();
    let (called, accepted) = tokio::join!(connecting, async { quic::accept(endpoint.accept().await.unwrap()).await });
    assert!(called.is_err());
    assert!(matches!(accepted, Err(TransportError::Connection(_))));
}

#[tokio::test]
async fn a_client_without_a_key_gets_no_connection() {
    let (endpoint, address) = server(&key(1));
    let pins = BTreeSet::from([key(1).public()]);
    let mut config = tls::client_config(&key(2), pins, tls::SeenKey::default()).unwrap();
    config.client_auth_cert_resolver = Arc::new(NoKey);
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap();
    let client = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let connecting = client.connect_with(config, address, "outlet").unwrap();
    let (_, accepted) = tokio::join!(connecting, async { quic::accept(endpoint.accept().await.unwrap()).await });
    assert!(accepted.is_err());
}

#[derive(Debug)]
struct NoKey;

impl rustls::client::ResolvesClientCert for NoKey {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn only_raw_public_keys(&self) -> bool {
        true
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// Both ends of a link between device 2 and server 1, over QUIC or over TLS on TCP.
pub(crate) async fn links(kind: TransportKind) -> (Link, Link) {
    links_as(kind, 2).await
}

/// The same for another device.
pub(crate) async fn links_as(kind: TransportKind, device: u8) -> (Link, Link) {
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    match kind {
        TransportKind::Quic => {
            let (device, at_server, _endpoint) = pair_as(device).await;
            let (ours, theirs) = tokio::join!(Link::open(device), Link::accept(at_server));
            (ours.unwrap(), theirs.unwrap())
        }
        TransportKind::Tls => {
            let server = TcpServer::listen(any, &key(1), &cert(1, ServerStanding::Active)).await.unwrap();
            let address = server.local_address().unwrap();
            let (pins, device) = (BTreeSet::from([key(1).public()]), key(device));
            let (ours, theirs) =
                tokio::join!(tcp::connect(address, &device, &pins), async { server.accept().await.unwrap().await });
            (ours.unwrap(), theirs.unwrap().unwrap())
        }
    }
}

pub(crate) const BOTH: [TransportKind; 2] = [TransportKind::Quic, TransportKind::Tls];

async fn next(lane: &mut LaneEnds) -> Option<Vec<u8>> {
    lane.incoming.recv().await.map(|frame| frame.unwrap())
}

#[tokio::test]
async fn a_link_carries_both_lanes_and_counts_over_quic_and_tls() {
    for kind in BOTH {
        let (ours, mut theirs) = links(kind).await;
        assert_eq!((ours.peer, theirs.peer), (key(1).public(), key(2).public()));
        assert_eq!(ours.binding, theirs.binding);
        ours.files.out.send(vec![1; 60_000]).await.unwrap();
        ours.records.out.send(b"hello".to_vec()).await.unwrap();
        theirs.records.out.send(b"welcome".to_vec()).await.unwrap();
        let mut ours = ours;
        assert_eq!(next(&mut theirs.records).await.unwrap(), b"hello");
        assert_eq!(next(&mut theirs.files).await.unwrap(), vec![1; 60_000]);
        assert_eq!(next(&mut ours.records).await.unwrap(), b"welcome");
        let (mine, other) = (ours.meter(), theirs.meter());
        assert_eq!((mine.sent(), mine.received()), (other.received(), other.sent()), "{kind:?}");
        assert!(mine.sent() > 60_005 && mine.sent() < 60_005 + 20);
    }
}

#[tokio::test]
async fn the_last_frames_arrive_before_the_link_closes() {
    for kind in BOTH {
        let (ours, mut theirs) = links(kind).await;
        let reader = async {
            let mut got = 0;
            while let Some(frame) = next(&mut theirs.records).await {
                got += frame.len();
            }
            theirs.close(0, "done").await;
            got
        };
        let writer = async {
            for _ in 0..8 {
                ours.records.out.send(vec![3; 500_000]).await.unwrap();
            }
            ours.close(0, "done").await;
        };
        let (got, ()) = tokio::join!(reader, writer);
        assert_eq!(got, 4_000_000, "{kind:?}");
    }
}

#[tokio::test]
async fn a_peer_that_does_not_read_stops_the_writer() {
    for kind in BOTH {
        let (ours, _theirs) = links(kind).await;
        let mut accepted = 0_usize;
        // Nothing is read over there: queues and windows fill up, and then there is no more room.
        while let Ok(permit) =
            tokio::time::timeout(std::time::Duration::from_millis(500), ours.files.out.reserve()).await
        {
            permit.unwrap().send(vec![0; MAX_FRAME]);
            accepted += MAX_FRAME;
            assert!(accepted < 64 << 20, "{kind:?} buffers without a bound");
        }
        assert!(accepted >= 2 * MAX_FRAME);
    }
}

#[tokio::test]
async fn a_full_files_lane_does_not_stop_the_records_of_quic() {
    let (ours, mut theirs) = links(TransportKind::Quic).await;
    while let Ok(permit) = tokio::time::timeout(std::time::Duration::from_millis(200), ours.files.out.reserve()).await {
        permit.unwrap().send(vec![0; MAX_FRAME]);
    }
    ours.records.out.send(b"a record".to_vec()).await.unwrap();
    assert_eq!(next(&mut theirs.records).await.unwrap(), b"a record");
}

#[tokio::test]
async fn a_link_that_is_dropped_tells_the_other_side() {
    for kind in BOTH {
        let (ours, mut theirs) = links(kind).await;
        ours.abort(7, "no more");
        let last = theirs.records.incoming.recv().await;
        assert!(matches!(last, None | Some(Err(_))), "{kind:?}: {last:?}");
    }
}

#[tokio::test]
async fn dialling_goes_on_to_the_next_address_and_names_every_failure() {
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let server = TcpServer::listen(any, &key(1), &cert(1, ServerStanding::Active)).await.unwrap();
    let port = server.local_address().unwrap().port();
    // A port that was just closed: nobody answers there.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let dead: ServerAddress = format!("tls://127.0.0.1:{closed}").parse().unwrap();
    let live: ServerAddress = format!("tls://127.0.0.1:{port}").parse().unwrap();
    let (pins, device) = (BTreeSet::from([key(1).public()]), key(2));

    let addresses = [dead.clone(), live.clone()];
    let (dialled, accepted) = tokio::join!(dial(&addresses, &device, &pins, Congestion::Cubic), async {
        server.accept().await.unwrap().await
    });
    assert_eq!(dialled.unwrap().0, live);
    assert_eq!(accepted.unwrap().unwrap().peer, device.public());

    let error = dial(&[dead.clone(), dead], &device, &pins, Congestion::Cubic).await.unwrap_err();
    let TransportError::Unreachable(failures) = &error else { panic!("{error:?}") };
    assert_eq!(failures.len(), 2);
    assert!(error.to_string().contains(&format!("tls://127.0.0.1:{closed}")), "{error}");

    let wrong = BTreeSet::from([key(9).public()]);
    let addresses = [live];
    let (dialled, _) = tokio::join!(dial(&addresses, &device, &wrong, Congestion::Cubic), async {
        server.accept().await.unwrap().await
    });
    assert!(matches!(dialled, Err(TransportError::WrongServerKey { .. })));
}

/// A server with key 3 and this certificate, over both carriers; answers so many callers.
async fn rotated(
    kind: TransportKind,
    shown: ServerCert,
    callers: usize,
) -> (ServerAddress, tokio::task::JoinHandle<Option<Link>>) {
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    match kind {
        TransportKind::Quic => {
            let server = QuicServer::listen(any, &key(3), &shown, Congestion::Cubic).unwrap();
            let port = server.endpoint().local_addr().unwrap().port();
            let serving = tokio::spawn(async move {
                let mut last = None;
                for _ in 0..callers {
                    // The first call ends in the caller's refusal.
                    last = server.accept().await.unwrap().await.ok().flatten();
                }
                last
            });
            (format!("quic://127.0.0.1:{port}").parse().unwrap(), serving)
        }
        TransportKind::Tls => {
            let server = TcpServer::listen(any, &key(3), &shown).await.unwrap();
            let port = server.local_address().unwrap().port();
            let serving = tokio::spawn(async move {
                let mut last = None;
                for _ in 0..callers {
                    last = server.accept().await.unwrap().await.ok().flatten();
                }
                last
            });
            (format!("tls://127.0.0.1:{port}").parse().unwrap(), serving)
        }
    }
}

async fn call_rotated(address: &ServerAddress, roster: &Roster) -> Result<(ServerAddress, Link), TransportError> {
    let (addresses, pins, device) = ([address.clone()], BTreeSet::from([key(1).public()]), key(2));
    dial_by_roster(&addresses, &device, &pins, roster, Congestion::Cubic).await
}

#[tokio::test]
async fn a_server_key_replaced_by_the_root_is_found_and_believed() {
    for kind in BOTH {
        let (address, serving) = rotated(kind, cert(3, ServerStanding::Active), 3).await;
        let (_, link) = call_rotated(&address, &Roster::new(root().public())).await.unwrap();
        assert_eq!(link.peer, key(3).public());
        assert_eq!(link.introduced, Some(cert(3, ServerStanding::Active)), "{kind:?}");
        assert_eq!(serving.await.unwrap().unwrap().peer, key(2).public());
    }
}

#[tokio::test]
async fn a_strange_server_is_not_believed_whatever_certificate_it_shows() {
    let mut knows_more = Roster::new(root().public());
    knows_more.add_server(&cert(3, ServerStanding::Distrusted)).unwrap();
    let by_root = Roster::new(root().public());
    let by_another = Roster::new(key(201).public());
    let cases = [
        (cert(1, ServerStanding::Active), &by_root, "another server's certificate"),
        (cert(3, ServerStanding::Retired), &by_root, "a retired key"),
        (cert(3, ServerStanding::Active), &by_another, "another root's"),
        (cert(3, ServerStanding::Active), &knows_more, "a key that lost trust, with its old certificate"),
    ];
    for kind in BOTH {
        for (shown, roster, what) in &cases {
            let (address, serving) = rotated(kind, shown.clone(), 2).await;
            let error = call_rotated(&address, roster).await.unwrap_err();
            assert!(matches!(error, TransportError::WrongServerKey { got, .. } if got == key(3).public()), "{what}");
            assert!(serving.await.unwrap().is_none(), "{what}");
        }
    }
}

#[tokio::test]
async fn browsers_and_devices_share_a_port_by_what_they_ask_for() {
    let any: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    // Stands in for a certificate that browsers believe.
    let mut https = tls::server_config(&key(7)).unwrap();
    https.alpn_protocols = vec![b"http/1.1".to_vec()];
    let (streams, mut browsers) = tokio::sync::mpsc::channel(1);
    let server = TcpServer::listen(any, &key(1), &cert(1, ServerStanding::Active)).await.unwrap();
    let server = server.share(crate::Https { config: Arc::new(https), streams });
    let at = server.local_address().unwrap();
    let serving = tokio::spawn(async move {
        let browser = server.accept().await.unwrap().await.unwrap();
        let device = server.accept().await.unwrap().await.unwrap();
        (browser.is_none(), device.map(|link| link.peer))
    });
    let mut browser = tls::client_config(&key(9), BTreeSet::from([key(7).public()]), tls::SeenKey::default()).unwrap();
    browser.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let name = rustls::pki_types::ServerName::IpAddress(at.ip().into());
    let stream = tokio_rustls::TlsConnector::from(Arc::new(browser)).connect(name, stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(browsers.recv().await.is_some());
    let link = tcp::connect(at, &key(2), &BTreeSet::from([key(1).public()])).await.unwrap();
    assert_eq!(link.peer, key(1).public());
    assert_eq!(serving.await.unwrap(), (true, Some(key(2).public())));
}
