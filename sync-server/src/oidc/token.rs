//! An ID token: is it signed by the provider, for us, now, and for this attempt (OpenID Connect Core
//! 1.0, 3.1.3.7; RFC 7515, 7518, 8037)?

use data_encoding::BASE64URL_NOPAD;
use outlet_core::time::Timestamp;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Longest token that is looked at.
const LONGEST: usize = 64 << 10;

/// How far two clocks may be apart, in seconds.
const LEEWAY: i64 = 120;

/// What is wrong with a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not three parts of base64 with JSON in them.
    #[error("it is not a token")]
    Malformed,
    /// Unsigned, signed by a shared secret, or in a way that is not known here.
    #[error("it is signed by {0:?}, which is not taken")]
    Algorithm(String),
    /// The provider's keys have none that fits.
    #[error("the provider publishes no key for it")]
    Key,
    /// Not signed by that key.
    #[error("its signature is wrong")]
    Signature,
    /// From somebody else.
    #[error("it is of another issuer")]
    Issuer,
    /// For somebody else.
    #[error("it is for another client")]
    Audience,
    /// Not now.
    #[error("it is expired, or not yet valid: are both clocks right?")]
    Time,
    /// Of another attempt.
    #[error("it belongs to another attempt to sign in")]
    Nonce,
    /// Of nobody.
    #[error("it names nobody")]
    Subject,
}

/// A public key as the provider publishes it (RFC 7517).
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// What must be in a token.
pub(super) struct Expected<'a> {
    pub issuer: &'a str,
    pub client: &'a str,
    pub nonce: &'a str,
    pub now: Timestamp,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// How a key verifies.
enum Way {
    Rsa(&'static RsaParameters),
    Curve(&'static str, &'static dyn VerificationAlgorithm),
}

fn way(algorithm: &str) -> Option<Way> {
    Some(match algorithm {
        "RS256" => Way::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => Way::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => Way::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        "PS256" => Way::Rsa(&signature::RSA_PSS_2048_8192_SHA256),
        "PS384" => Way::Rsa(&signature::RSA_PSS_2048_8192_SHA384),
        "PS512" => Way::Rsa(&signature::RSA_PSS_2048_8192_SHA512),
        "ES256" => Way::Curve("P-256", &signature::ECDSA_P256_SHA256_FIXED),
        "ES384" => Way::Curve("P-384", &signature::ECDSA_P384_SHA384_FIXED),
        "EdDSA" => Way::Curve("Ed25519", &signature::ED25519),
        _ => return None,
    })
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text?.as_bytes()).ok()
}

impl Jwk {
    fn fits(&self, header: &Header, way: &Way) -> bool {
        let kind = match way {
            Way::Rsa(_) => self.kty == "RSA",
            Way::Curve("Ed25519", _) => self.kty == "OKP" && self.crv.as_deref() == Some("Ed25519"),
            Way::Curve(curve, _) => self.kty == "EC" && self.crv.as_deref() == Some(curve),
        };
        let named = header.kid.is_none() || header.kid == self.kid;
        let meant = self.alg.as_ref().is_none_or(|own| *own == header.alg);
        kind && named && meant && self.purpose.as_ref().is_none_or(|own| own == "sig")
    }

    fn verifies(&self, way: &Way, message: &[u8], signed: &[u8]) -> bool {
        match way {
            Way::Rsa(parameters) => {
                let Some((n, e)) = bytes(self.n.as_ref()).zip(bytes(self.e.as_ref())) else { return false };
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signed).is_ok()
            }
            Way::Curve(curve, algorithm) => {
                let Some(x) = bytes(self.x.as_ref()) else { return false };
                let key = match (*curve, bytes(self.y.as_ref())) {
                    ("Ed25519", _) => x,
                    (_, Some(y)) => [&[4][..], &x, &y].concat(),
                    (_, None) => return false,
                };
                UnparsedPublicKey::new(*algorithm, key).verify(message, signed).is_ok()
            }
        }
    }
}

/// The claims of a token that holds.
pub(super) fn verify(token: &str, keys: &[Jwk], expected: &Expected<'_>) -> Result<Map<String, Value>, TokenError> {
    let claims = signed(token, keys)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(expected.issuer) {
        return Err(TokenError::Issuer);
    }
    let (single, several) = match claims.get("aud") {
        Some(Value::String(one)) => (one == expected.client, false),
        Some(Value::Array(all)) => (all.iter().any(|one| one.as_str() == Some(expected.client)), all.len() > 1),
        _ => (false, false),
    };
    let party = claims.get("azp").map(|party| party.as_str() == Some(expected.client));
    if !single || !party.unwrap_or(!several) {
        return Err(TokenError::Audience);
    }
    let now = expected.now.millis().div_euclid(1000);
    // Numbers with a fraction are allowed (RFC 7519, NumericDate); the second is enough.
    #[expect(clippy::cast_possible_truncation, reason = "out of range becomes the nearest, which is refused")]
    let second = |name: &str| claims.get(name).and_then(Value::as_f64).map(|second| second as i64);
    let expired = second("exp").is_none_or(|end| now >= end.saturating_add(LEEWAY));
    let early = |name: &str| second(name).is_some_and(|begin| begin > now.saturating_add(LEEWAY));
    if expired || early("nbf") || early("iat") || (claims.contains_key("nbf") && second("nbf").is_none()) {
        return Err(TokenError::Time);
    }
    let nonce = text("nonce").unwrap_or_default();
    if blake3::hash(nonce.as_bytes()) != blake3::hash(expected.nonce.as_bytes()) {
        return Err(TokenError::Nonce);
    }
    Ok(claims)
}

/// The payload, if one of the keys signed it.
fn signed(token: &str, keys: &[Jwk]) -> Result<Map<String, Value>, TokenError> {
    if token.len() > LONGEST {
        return Err(TokenError::Malformed);
    }
    let decode = |part: &str| BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| TokenError::Malformed);
    let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| TokenError::Malformed)?;
    let payload = decode(payload)?;
    let signature = decode(signature)?;
    let way = way(&header.alg).filter(|_| header.crit.is_none());
    let way = way.ok_or_else(|| TokenError::Algorithm(header.alg.chars().take(20).collect()))?;
    let mut fitting = keys.iter().filter(|key| key.fits(&header, &way)).peekable();
    fitting.peek().ok_or(TokenError::Key)?;
    if !fitting.any(|key| key.verifies(&way, message.as_bytes(), &signature)) {
        return Err(TokenError::Signature);
    }
    serde_json::from_slice(&payload).map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oidc::provider::Signer;

    const NOW: i64 = 1_646_100_000;

    fn expected() -> Expected<'static> {
        Expected { issuer: "https://id.example", client: "us", nonce: "n", now: Timestamp::from_millis(NOW * 1000) }
    }

    fn claims(change: Value) -> Value {
        let mut claims =
            json!({"iss": "https://id.example", "aud": "us", "sub": "7", "nonce": "n", "exp": NOW + 60, "iat": NOW});
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    #[test]
    fn every_claim_that_is_wrong_is_refused() {
        let signer = Signer::new("k1");
        let keys: Vec<Jwk> = vec![serde_json::from_value(signer.jwk()).unwrap()];
        let check = |change: Value| verify(&signer.sign(&claims(change)), &keys, &expected()).map(drop);
        assert_eq!(check(json!({})), Ok(()));
        assert_eq!(check(json!({"aud": ["us"]})), Ok(()));
        assert_eq!(check(json!({"aud": ["us", "them"], "azp": "us"})), Ok(()));
        let wrong = [
            (json!({"iss": "https://id.example/"}), TokenError::Issuer),
            (json!({"iss": null}), TokenError::Issuer),
            (json!({"aud": "them"}), TokenError::Audience),
            (json!({"aud": ["us", "them"]}), TokenError::Audience),
            (json!({"aud": "us", "azp": "them"}), TokenError::Audience),
            (json!({"aud": null}), TokenError::Audience),
            (json!({"exp": NOW - LEEWAY}), TokenError::Time),
            (json!({"exp": (NOW + 60).to_string()}), TokenError::Time),
            (json!({"exp": null}), TokenError::Time),
            (json!({"nbf": NOW + LEEWAY + 1}), TokenError::Time),
            (json!({"nbf": "never"}), TokenError::Time),
            (json!({"iat": NOW + LEEWAY + 1}), TokenError::Time),
            (json!({"nonce": "m"}), TokenError::Nonce),
            (json!({"nonce": null}), TokenError::Nonce),
        ];
        for (change, why) in wrong {
            assert_eq!(check(change.clone()), Err(why), "{change}");
        }
    }

    #[test]
    fn only_the_providers_own_signature_counts() {
        let (signer, other) = (Signer::new("k1"), Signer::new("k1"));
        let key = |signer: &Signer, change: Value| -> Jwk {
            let mut key = signer.jwk();
            for (name, value) in change.as_object().unwrap() {
                key[name] = value.clone();
            }
            serde_json::from_value(key).unwrap()
        };
        let token = signer.sign(&claims(json!({})));
        let check = |token: &str, keys: &[Jwk]| verify(token, keys, &expected()).map(drop).unwrap_err();
        assert_eq!(check(&token, &[key(&other, json!({}))]), TokenError::Signature);
        assert_eq!(check(&token, &[]), TokenError::Key);
        for change in [json!({"kid": "k2"}), json!({"use": "enc"}), json!({"alg": "ES384"}), json!({"crv": "P-384"})] {
            assert_eq!(check(&token, &[key(&signer, change.clone())]), TokenError::Key, "{change}");
        }
        let parts: Vec<&str> = token.split('.').collect();
        let encode = |value: Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let payload = encode(claims(json!({"sub": "admin"})));
        let keys = [key(&signer, json!({}))];
        assert_eq!(check(&format!("{}.{payload}.{}", parts[0], parts[2]), &keys), TokenError::Signature);
        for alg in ["none", "HS256", "RS1"] {
            let header = encode(json!({"alg": alg, "kid": "k1"}));
            for signed in ["", parts[2]] {
                let why = check(&format!("{header}.{payload}.{signed}"), &keys);
                assert_eq!(why, TokenError::Algorithm(alg.into()));
            }
        }
        for text in ["", ".", "..", "a.b.c", "e30.e30.", &"a".repeat(LONGEST + 1)] {
            assert_eq!(check(text, &keys), TokenError::Malformed, "{text:.20}");
        }
    }

    #[test]
    fn the_published_example_of_rsa_holds() {
        // RFC 7515, A.2.
        let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2l\
                 ZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa\
                 2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAc\
                 DTW9gb54h4FRWyuXpoQ";
        let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19y\
                     b290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2\
                     Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K\
                     0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs\
                     98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
        let key = |n: &str| vec![serde_json::from_value(json!({"kty": "RSA", "n": n, "e": "AQAB"})).unwrap()];
        assert_eq!(signed(token, &key(n)).unwrap()["iss"], "joe");
        assert_eq!(signed(token, &key(&n.replacen("ofgW", "ofgX", 1))), Err(TokenError::Signature));
        // The same bytes by another way of the same key.
        let header = BASE64URL_NOPAD.encode(br#"{"alg":"PS256"}"#);
        let other = token.replacen("eyJhbGciOiJSUzI1NiJ9", &header, 1);
        assert_eq!(signed(&other, &key(n)), Err(TokenError::Signature));
    }
}
