//! An identity provider for tests: a key that signs, and the four addresses of the flow on loopback.
//! It does what RFC 6749, RFC 7636 and OpenID Connect ask of one, so that a client that leaves
//! something out fails here as it would outside.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use axum::{Json, Router};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Secret of the client `outlets`. The colon and the percent sign must be encoded in the header.
pub(crate) const SECRET: &str = "s:e%cret";

/// Signs ID tokens.
pub(crate) struct Signer {
    kid: String,
    pair: EcdsaKeyPair,
}

impl Signer {
    pub(crate) fn new(kid: &str) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { kid: kid.into(), pair }
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = (BASE64URL_NOPAD.encode(&point[1..33]), BASE64URL_NOPAD.encode(&point[33..]));
        json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "alg": "ES256", "x": x, "y": y})
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let part = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(json!({"alg": "ES256", "kid": self.kid})), part(claims.clone()));
        let signature = self.pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }
}

/// What tests turn.
pub(crate) struct Turn {
    /// Who signs in.
    pub claims: Value,
    /// The key of today.
    pub signer: Signer,
    /// Its clock, in seconds.
    pub now: i64,
    /// Codes that were not redeemed yet, with the query that they belong to.
    codes: HashMap<String, HashMap<String, String>>,
}

/// The running provider.
pub(crate) struct Fake {
    pub address: SocketAddr,
    pub turn: Arc<Mutex<Turn>>,
}

type Shared = State<(SocketAddr, Arc<Mutex<Turn>>)>;

impl Fake {
    pub(crate) async fn start(now: i64) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let turn = Turn { claims: json!({}), signer: Signer::new("k1"), now, codes: HashMap::new() };
        let turn = Arc::new(Mutex::new(turn));
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state((address, Arc::clone(&turn)));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, turn }
    }

    pub(crate) fn issuer(&self) -> String {
        format!("http://{}/realm", self.address)
    }
}

async fn metadata(State((address, _)): Shared) -> Json<Value> {
    let at = |path: &str| format!("http://{address}/{path}");
    Json(json!({
        "issuer": at("realm"),
        "authorization_endpoint": at("authorize?tenant=1"),
        "token_endpoint": at("token"),
        "jwks_uri": at("keys"),
        "end_session_endpoint": at("end"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
    }))
}

async fn keys(State((_, turn)): Shared) -> Json<Value> {
    Json(json!({"keys": [{"kty": "unheard-of"}, turn.lock().unwrap().signer.jwk()]}))
}

fn pairs(text: &str) -> HashMap<String, String> {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// The person has signed in and agreed already.
async fn authorize(State((_, turn)): Shared, RawQuery(query): RawQuery) -> axum::response::Response {
    let asked = pairs(&query.unwrap_or_default());
    let is = |name: &str, value: &str| asked.get(name).is_some_and(|own| own == value);
    let there = |name: &str| asked.get(name).is_some_and(|own| own.len() >= 32);
    let fine = is("tenant", "1")
        && is("response_type", "code")
        && is("client_id", "outlets")
        && is("code_challenge_method", "S256")
        && asked["scope"].split(' ').any(|scope| scope == "openid")
        && there("state")
        && there("nonce")
        && there("code_challenge");
    if !fine {
        return (StatusCode::BAD_REQUEST, format!("{asked:?}")).into_response();
    }
    let code = format!("code-{}", turn.lock().unwrap().codes.len());
    let back = form_urlencoded::Serializer::new(format!("{}?", asked["redirect_uri"]))
        .extend_pairs([("code", code.as_str()), ("state", &asked["state"])])
        .finish();
    turn.lock().unwrap().codes.insert(code, asked);
    (StatusCode::FOUND, [(header::LOCATION, back)]).into_response()
}

async fn token(State((address, turn)): Shared, headers: HeaderMap, body: String) -> axum::response::Response {
    let refused = |error: &str| (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
    let sent = pairs(&body);
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = format!("Basic {}", BASE64.encode(format!("outlets:{}", encode(SECRET)).as_bytes()));
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value.as_bytes() != basic.as_bytes()) {
        return refused("invalid_client");
    }
    let mut turn = turn.lock().unwrap();
    // A code is good for one time.
    let Some(asked) = sent.get("code").and_then(|code| turn.codes.remove(code)) else {
        return refused("invalid_grant");
    };
    let verifier = sent.get("code_verifier").cloned().unwrap_or_default();
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(verifier));
    if asked["code_challenge"] != challenge || sent.get("redirect_uri") != asked.get("redirect_uri") {
        return refused("invalid_grant");
    }
    let mut claims = json!({
        "iss": format!("http://{address}/realm"), "aud": "outlets", "nonce": asked["nonce"],
        "iat": turn.now, "exp": turn.now + 300,
    });
    for (name, value) in turn.claims.as_object().unwrap() {
        claims[name] = value.clone();
    }
    Json(json!({"access_token": "x", "token_type": "Bearer", "id_token": turn.signer.sign(&claims)})).into_response()
}
