//! Signing in through an identity provider (OpenID Connect Core 1.0, authorization code flow with PKCE):
//! off unless `[oidc]` names an issuer. The provider says who somebody is; what they may is said by an
//! account that exists here already ([`crate::accounts::of_identity`]). Nothing of the provider's is kept.
//!
//! State, nonce and code verifier (RFC 7636) are derived from one secret in a cookie of the browser that
//! began, so that an answer is of use to that browser alone and nothing waits in the database.
//!
//! The flow is three requests and a signature, verified by the library that TLS uses here: the crate
//! `openidconnect` would bring 41 crates, among them `rsa` with an open advisory (RUSTSEC-2023-0071).

mod http;
#[cfg(test)]
pub(crate) mod provider;
mod token;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use data_encoding::{BASE64, BASE64URL_NOPAD};
use outlet_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use self::http::{Client, HttpError};
use self::token::{Expected, Jwk, TokenError};
use crate::config::Oidc;
use crate::error::{CommandError, IoContext as _};

/// How long what the provider says of itself is kept.
const KEPT: i64 = 3_600_000;

/// Between two looks for a key that is not known.
const AGAIN: i64 = 60_000;

/// Sign-ins that ask the provider at the same time; more wait.
const AT_ONCE: usize = 8;

/// Longest subject or login that is looked at, in bytes.
const LONGEST: usize = 255;

/// Where the provider sends browsers back to.
pub const BACK: &str = "/signin/oidc/back";

/// Why nobody came in. The log has it; the page says which kind it was.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider cannot be reached, or answers what cannot be used.
    #[error("the identity provider cannot be asked: {0}")]
    Provider(String),
    /// The provider refused.
    #[error("the identity provider refused: {0}")]
    Refused(String),
    /// What came is not what this browser asked for.
    #[error("the answer does not belong to a sign-in that this browser began")]
    Foreign,
    /// The token does not hold.
    #[error("the identity provider's token does not hold: {0}")]
    Token(#[from] TokenError),
}

impl From<HttpError> for OidcError {
    fn from(error: HttpError) -> Self {
        Self::Provider(error.to_string())
    }
}

/// Somebody whom the provider knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who says so.
    pub issuer: String,
    /// Never given to somebody else by this issuer.
    pub subject: String,
    /// The claim that may name an account.
    pub login: Option<String>,
}

/// What the provider says of itself (OpenID Connect Discovery 1.0).
#[derive(Debug, Clone, Deserialize)]
struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
}

#[derive(Debug)]
struct Known {
    metadata: Metadata,
    keys: Vec<Jwk>,
    at: Timestamp,
}

/// The configured provider.
pub struct Provider {
    settings: Oidc,
    secret: String,
    client: Client,
    known: Mutex<Option<Arc<Known>>>,
    gate: Semaphore,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.settings.issuer).finish_non_exhaustive()
    }
}

/// What belongs to one attempt to sign in.
#[derive(Clone, Copy)]
pub struct Attempt<'a>(pub &'a [u8; 32]);

impl Attempt<'_> {
    fn derived(self, what: &str) -> String {
        BASE64URL_NOPAD.encode(&blake3::derive_key(&format!("outlet-server 2026 oidc {what}"), self.0))
    }

    fn state(self) -> String {
        self.derived("state")
    }

    fn nonce(self) -> String {
        self.derived("nonce")
    }

    fn verifier(self) -> String {
        self.derived("code verifier")
    }
}

impl Provider {
    /// From the settings; nothing when no issuer is named. Does not ask the provider: the server starts
    /// without it.
    ///
    /// # Errors
    /// When a setting is missing or wrong, or a file that it names cannot be read.
    pub fn new(settings: &Oidc, data: &Path) -> Result<Option<Self>, CommandError> {
        if settings.issuer.is_empty() {
            return Ok(None);
        }
        let wrong = |message: String| {
            CommandError::user(message)
                .hint("`outlet-server config default` explains [oidc]; an empty issuer turns it off")
        };
        for (name, value) in [("client_id", &settings.client_id), ("url", &settings.url)] {
            if value.is_empty() {
                return Err(wrong(format!("oidc.issuer is set, and oidc.{name} is not")));
            }
        }
        http::usable(&settings.issuer).map_err(|error| wrong(format!("oidc.issuer cannot be used: {error}")))?;
        let secret = match settings.client_secret_file.as_str() {
            "" => String::new(),
            name => {
                let path = data.join(name);
                let text = std::fs::read_to_string(&path).context(format_args!("reading {}", path.display()))?;
                text.trim().to_owned()
            }
        };
        let ca = (!settings.ca.is_empty()).then(|| data.join(&settings.ca));
        let client = Client::new(ca.as_deref())?;
        let gate = Semaphore::new(AT_ONCE);
        Ok(Some(Self { settings: settings.clone(), secret, client, known: Mutex::new(None), gate }))
    }

    /// What the button says.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.settings.label
    }

    fn back(&self) -> String {
        format!("{}{BACK}", self.settings.url.trim_end_matches('/'))
    }

    /// Where to send a browser that wants to sign in.
    ///
    /// # Errors
    /// When the provider cannot be asked.
    pub async fn begin(&self, attempt: Attempt<'_>, now: Timestamp) -> Result<String, OidcError> {
        let known = self.known(now, false).await?;
        let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(attempt.verifier()));
        let scopes = self.settings.scopes.join(" ");
        let (back, state, nonce) = (self.back(), attempt.state(), attempt.nonce());
        let query = [
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", &back),
            ("scope", &scopes),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        Ok(with_query(&known.metadata.authorization_endpoint, &query))
    }

    /// Who came back with a code.
    ///
    /// # Errors
    /// [`OidcError`]: then nobody is signed in.
    pub async fn finish(
        &self,
        attempt: Attempt<'_>,
        state: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<Identity, OidcError> {
        // In constant time: compares hashes.
        if code.is_empty() || blake3::hash(state.as_bytes()) != blake3::hash(attempt.state().as_bytes()) {
            return Err(OidcError::Foreign);
        }
        let _place = self.gate.acquire().await.map_err(|_| OidcError::Provider("shutting down".into()))?;
        let known = self.known(now, false).await?;
        let token = self.redeem(&known.metadata, attempt, code).await?;
        let nonce = attempt.nonce();
        let expected = Expected { issuer: &self.settings.issuer, client: &self.settings.client_id, nonce: &nonce, now };
        let claims = match token::verify(&token, &known.keys, &expected) {
            // The provider may have a new key.
            Err(TokenError::Key) => token::verify(&token, &self.known(now, true).await?.keys, &expected),
            other => other,
        }?;
        self.identity(&claims)
    }

    fn identity(&self, claims: &Map<String, Value>) -> Result<Identity, OidcError> {
        let text = |name: &str| {
            let text = claims.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty() && text.len() <= LONGEST).map(str::to_owned)
        };
        let login = match self.settings.login_claim.as_str() {
            "" => None,
            name => text(name),
        };
        let subject = text("sub").ok_or(TokenError::Subject)?;
        Ok(Identity { issuer: self.settings.issuer.clone(), subject, login })
    }

    /// Trades the code for an ID token.
    async fn redeem(&self, metadata: &Metadata, attempt: Attempt<'_>, code: &str) -> Result<String, OidcError> {
        #[derive(Deserialize)]
        struct Answer {
            id_token: String,
        }
        #[derive(Deserialize)]
        struct Refusal {
            error: String,
        }
        let (form, authorization) = self.question(metadata, attempt, code);
        let (status, body) = self.client.post(&metadata.token_endpoint, form, authorization).await?;
        if status != StatusCode::OK {
            let why = serde_json::from_slice::<Refusal>(&body).map_or_else(|_| status.to_string(), |why| why.error);
            return Err(OidcError::Refused(why));
        }
        let answer: Result<Answer, _> = serde_json::from_slice(&body);
        answer.map(|answer| answer.id_token).map_err(|_| OidcError::Provider("it sent no ID token".into()))
    }

    /// Form and `Authorization` header that trade a code (RFC 6749, 2.3.1 and 4.1.3; RFC 7636, 4.5).
    fn question(&self, metadata: &Metadata, attempt: Attempt<'_>, code: &str) -> (String, Option<String>) {
        let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        let by_header = methods.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"));
        let (back, verifier) = (self.back(), attempt.verifier());
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &back)]);
        form.append_pair("code_verifier", &verifier);
        if by_header && !self.secret.is_empty() {
            let pair = format!("{}:{}", encoded(&self.settings.client_id), encoded(&self.secret));
            return (form.finish(), Some(format!("Basic {}", BASE64.encode(pair.as_bytes()))));
        }
        form.append_pair("client_id", &self.settings.client_id);
        if !self.secret.is_empty() {
            form.append_pair("client_secret", &self.secret);
        }
        (form.finish(), None)
    }

    /// Where a browser ends its session at the provider, if the provider is known and says where.
    #[must_use]
    pub fn end_session(&self) -> Option<String> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let end = known.metadata.end_session_endpoint.as_deref()?;
        let after = format!("{}/signin", self.settings.url.trim_end_matches('/'));
        Some(with_query(end, &[("client_id", &self.settings.client_id), ("post_logout_redirect_uri", &after)]))
    }

    /// The provider's description and keys; asked for again after an hour, and, when a key is missing,
    /// at most once a minute.
    async fn known(&self, now: Timestamp, lacking: bool) -> Result<Arc<Known>, OidcError> {
        let age = |at: Timestamp| now.millis().abs_diff(at.millis());
        let kept = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let longest = if lacking { AGAIN } else { KEPT }.unsigned_abs();
        if let Some(kept) = kept.filter(|kept| age(kept.at) < longest) {
            return Ok(kept);
        }
        let address = format!("{}/.well-known/openid-configuration", self.settings.issuer.trim_end_matches('/'));
        let metadata: Metadata = self.json(&address).await?;
        if metadata.issuer != self.settings.issuer {
            let message = format!("it calls itself {:?}, not {:?}", metadata.issuer, self.settings.issuer);
            return Err(OidcError::Provider(message));
        }
        for address in [&metadata.authorization_endpoint, &metadata.token_endpoint, &metadata.jwks_uri] {
            http::usable(address)?;
        }
        #[derive(Deserialize)]
        struct Keys {
            keys: Vec<Value>,
        }
        let keys: Keys = self.json(&metadata.jwks_uri).await?;
        // Kinds of keys that nobody here knows are passed over.
        let keys = keys.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect();
        let known = Arc::new(Known { metadata, keys, at: now });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }

    async fn json<T: serde::de::DeserializeOwned>(&self, address: &str) -> Result<T, OidcError> {
        let (status, body) = self.client.get(address).await?;
        if status != StatusCode::OK {
            return Err(OidcError::Provider(format!("{address} answers {status}")));
        }
        serde_json::from_slice(&body).map_err(|error| OidcError::Provider(format!("{address}: {error}")))
    }
}

fn with_query(address: &str, query: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    let sign = if address.contains('?') { '&' } else { '?' };
    format!("{address}{sign}{query}")
}
