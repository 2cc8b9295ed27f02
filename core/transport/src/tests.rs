//! Real QUIC on loopback: nothing here waits for a clock.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use outlet_core::identity::SecretKey;
use outlet_core::ids::PublicKey;
use quinn::Endpoint;

use crate::frame::{MAX_FRAME, read_frame, write_frame};
use crate::{Congestion, Connection, FrameError, TransportError, quic, tls};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_bytes([seed; 32])
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
    let (endpoint, address) = server(&key(1));
    let (device, at_server) = tokio::join!(call(address, key(2), key(1).public()), async {
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
