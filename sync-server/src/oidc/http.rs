//! Asks the identity provider: one connection per question, TLS by the library that serves our own,
//! no redirects, a limit on time and size. Plain HTTP on loopback only.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::error::{CommandError, IoContext as _};

/// Longest question, from the connection to the last byte.
const LONGEST: Duration = Duration::from_secs(10);

/// Largest answer.
const LARGEST: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Neither HTTPS nor loopback.
    #[error("{0} is no https:// address (http:// is for loopback only)")]
    Address(String),
    /// It took too long.
    #[error("{0} does not answer within ten seconds")]
    Slow(String),
    /// The network, TLS, or an answer that is too large.
    #[error("{address}: {why}")]
    Failed {
        /// Who was asked.
        address: String,
        /// The cause.
        why: String,
    },
}

/// What is asked of an address.
struct Target {
    host: String,
    port: u16,
    secure: bool,
    path: String,
}

/// Whether secrets may be sent to an address.
pub(super) fn usable(address: &str) -> Result<(), HttpError> {
    target(address).map(drop)
}

fn target(address: &str) -> Result<Target, HttpError> {
    let wrong = || HttpError::Address(address.chars().take(200).collect());
    let uri: Uri = address.parse().map_err(|_| wrong())?;
    let authority = uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(wrong)?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") if loopback => false,
        _ => return Err(wrong()),
    };
    let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Ok(Target { host, port, secure, path })
}

/// Asks.
pub(super) struct Client {
    tls: TlsConnector,
}

impl Client {
    /// Trusts the system's authorities, and those of a PEM file.
    pub(super) fn new(ca: Option<&Path>) -> Result<Self, CommandError> {
        let mut roots = RootCertStore::empty();
        // Some systems have none, or damaged ones among good ones.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca {
            let wrong = |error: &dyn std::fmt::Display| {
                CommandError::user(format!("{} holds no certificate: {error}", path.display()))
                    .hint("oidc.ca is a PEM file with the certificate of the authority behind the identity provider")
            };
            let text = std::fs::read(path).context(format_args!("reading {}", path.display()))?;
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(&text) {
                let certificate = certificate.map_err(|error| wrong(&error))?;
                roots.add(certificate).map_err(|error| wrong(&error))?;
            }
            if roots.len() == before {
                return Err(wrong(&"nothing between BEGIN CERTIFICATE and END CERTIFICATE"));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| CommandError::internal(format!("TLS: {error}")))?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    pub(super) async fn get(&self, address: &str) -> Result<(StatusCode, Bytes), HttpError> {
        self.send(address, Request::get("/"), Bytes::new()).await
    }

    /// A form, with what the `Authorization` header is to hold.
    pub(super) async fn post(
        &self,
        address: &str,
        form: String,
        authorization: Option<String>,
    ) -> Result<(StatusCode, Bytes), HttpError> {
        let mut request = Request::post("/").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.send(address, request, Bytes::from(form)).await
    }

    async fn send(
        &self,
        address: &str,
        request: axum::http::request::Builder,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), HttpError> {
        let target = target(address)?;
        let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
        let request = request
            .uri(&target.path)
            .header(header::HOST, format!("{host}:{}", target.port))
            .header(header::ACCEPT, "application/json")
            .body(Full::new(body));
        let failed = |why: String| HttpError::Failed { address: address.to_owned(), why };
        let request = request.map_err(|error| failed(error.to_string()))?;
        let asked = async {
            let stream = TcpStream::connect((target.host.as_str(), target.port)).await;
            let stream = stream.map_err(|error| failed(error.to_string()))?;
            if !target.secure {
                return exchange(stream, request).await.map_err(failed);
            }
            let name = ServerName::try_from(target.host.clone()).map_err(|error| failed(error.to_string()))?;
            let stream = self.tls.connect(name, stream).await.map_err(|error| failed(error.to_string()))?;
            exchange(stream, request).await.map_err(failed)
        };
        tokio::time::timeout(LONGEST, asked).await.map_err(|_| HttpError::Slow(address.to_owned()))?
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), String> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let asked = async {
        let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    };
    // The connection moves bytes while the answer is read, and ends with it.
    tokio::pin!(connection, asked);
    tokio::select! {
        answer = &mut asked => answer,
        closed = &mut connection => match closed {
            Ok(()) => asked.await,
            Err(error) => Err(error.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_https_or_stay_on_this_machine() {
        for fine in ["https://id.example.org/realms/a", "http://127.0.0.1:8080/x", "http://[::1]/", "http://localhost"]
        {
            assert!(usable(fine).is_ok(), "{fine}");
        }
        let refused = [
            "http://id.example.org",
            "ftp://127.0.0.1",
            "id.example.org",
            "https://u:p@id.example.org",
            "http://10.0.0.1",
            "",
        ];
        for address in refused {
            assert!(usable(address).unwrap_err().to_string().contains("https://"), "{address}");
        }
    }
}
