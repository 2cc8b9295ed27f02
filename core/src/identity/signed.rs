//! A signed statement of facts: the bytes that were signed, what they say, who signed.
//!
//! The bytes are kept as they came, so that a field a newer version added survives being stored
//! and passed on, and stays covered by its signature. Decoding does not check the signature: who
//! may sign what is the [`Roster`](super::Roster)'s knowledge.

use std::fmt;

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::IdentityError;
use super::key::{Purpose, SecretKey, verify};
use crate::ids::{PublicKey, Signature};

/// Content that is signed as CBOR.
pub trait Signable: Encode<()> + for<'b> Decode<'b, ()> + Clone {
    /// What the signature is about.
    const PURPOSE: Purpose;
    /// The name in messages.
    const NAME: &'static str;
    /// Larger content is refused before it is read.
    const MAX_BYTES: usize;

    /// What the encoding cannot say about the content.
    ///
    /// # Errors
    /// What is wrong with it.
    fn check(&self) -> Result<(), &'static str> {
        Ok(())
    }
}

/// Content with the signature over its exact bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed<T> {
    body: Vec<u8>,
    value: T,
    signer: PublicKey,
    signature: Signature,
}

impl<T: Signable> Signed<T> {
    /// Signs content.
    #[must_use]
    pub fn sign(key: &SecretKey, value: T) -> Self {
        let body = to_cbor(&value);
        let signature = key.sign(T::PURPOSE, &body);
        Self { body, value, signer: key.public(), signature }
    }

    /// What it claims. Nothing is proven before [`Signed::verify`] *and* a check that the signer
    /// may say so.
    pub fn value(&self) -> &T {
        &self.value
    }

    /// The content alone.
    pub fn into_value(self) -> T {
        self.value
    }

    /// Who claims to have signed.
    pub fn signer(&self) -> PublicKey {
        self.signer
    }

    /// The signature.
    pub fn signature(&self) -> Signature {
        self.signature
    }

    /// The bytes that were signed (after the purpose's tag).
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Checks the signature by the claimed signer.
    ///
    /// # Errors
    /// [`IdentityError::NotAKey`], [`IdentityError::BadSignature`].
    pub fn verify(&self) -> Result<(), IdentityError> {
        verify(&self.signer, T::PURPOSE, &self.body, &self.signature)
    }

    /// Checks the signature and that it is by this key.
    ///
    /// # Errors
    /// As [`Signed::verify`].
    pub fn verify_by(&self, key: &PublicKey) -> Result<&T, IdentityError> {
        verify(key, T::PURPOSE, &self.body, &self.signature)?;
        Ok(&self.value)
    }

    /// The whole as bytes, for files, databases and text.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        to_cbor(self)
    }

    /// Inverse of [`Signed::to_bytes`]; refuses bytes that follow.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], [`IdentityError::TooLarge`], [`IdentityError::Invalid`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IdentityError> {
        // Signer, signature and their headers take 104 bytes.
        from_cbor(bytes, T::NAME, T::MAX_BYTES + 128)
    }
}

impl<T: fmt::Debug> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed").field("value", &self.value).field("signer", &self.signer).finish_non_exhaustive()
    }
}

impl<C, T: Signable> Encode<C> for Signed<T> {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        e.array(3)?.bytes(&self.body)?.encode(self.signer)?.encode(self.signature)?.ok()
    }
}

impl<'b, C, T: Signable> Decode<'b, C> for Signed<T> {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        if d.array()? != Some(3) {
            return Err(decode::Error::message("a signed form is an array of three"));
        }
        let body = d.bytes()?;
        if body.len() > T::MAX_BYTES {
            return Err(decode::Error::message("signed content larger than its kind may be"));
        }
        let mut inner = Decoder::new(body);
        let value: T = inner.decode()?;
        if inner.position() != body.len() {
            return Err(decode::Error::message("bytes after the signed content"));
        }
        value.check().map_err(decode::Error::message)?;
        Ok(Self { body: body.to_vec(), value, signer: d.decode()?, signature: d.decode()? })
    }
}

/// Encodes into a fresh vector.
pub(crate) fn to_cbor<T: Encode<()>>(value: &T) -> Vec<u8> {
    minicbor::to_vec(value).expect("writing to a vector cannot fail")
}

/// Decodes all of `bytes`; the limit is checked before anything is read.
pub(crate) fn from_cbor<'b, T: Decode<'b, ()>>(
    bytes: &'b [u8],
    what: &'static str,
    max: usize,
) -> Result<T, IdentityError> {
    if bytes.len() > max {
        return Err(IdentityError::TooLarge { what, bytes: bytes.len(), max });
    }
    let mut decoder = Decoder::new(bytes);
    let value = decoder.decode().map_err(|source| IdentityError::Malformed { what, source })?;
    if decoder.position() != bytes.len() {
        return Err(IdentityError::Invalid { what, why: "bytes follow the end" });
    }
    Ok(value)
}
