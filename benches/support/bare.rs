//! The primitives of one message with nothing around them: the same libraries, called in a straight line on buffers of the right
//! length. No parsing, no layout check, no choice of key, no wiping, no JSON. As any caller must, it allocates memory for the
//! result and for the copy that sealing in place needs.

use std::hint::black_box;

use aes_gcm::aead::AeadInOut as _;
use aes_gcm::aead::consts::U16;
use aes_gcm::{AesGcm, KeyInit as _};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{self, Digest, SHA256, SHA512};
use aws_lc_rs::rand;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512, RsaEncoding, RsaKeyPair,
};
use base64_simd::{AsOut as _, STANDARD, URL_SAFE_NO_PAD};
use mosip_gateway::crypto::rsa::PublicKey;

use super::vectors::{pem, public_key};

const MODULUS_LEN: usize = 256;
const AAD_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// Where the wrapped key of VER_R2 stands: after `VER_R2` and the thumbprint.
const WRAPPED_AT: usize = 6 + 32;

/// Where its AAD stands: after the wrapped key and the splitter.
const AAD_AT: usize = WRAPPED_AT + MODULUS_LEN + 14;

/// Where its ciphertext stands.
const CIPHERTEXT_AT: usize = AAD_AT + AAD_LEN;

/// Prepared keys of both sides.
pub(crate) struct Bare {
    signing: RsaKeyPair,
    unwrapping: OaepPrivateDecryptingKey,
    wrapping: OaepPublicEncryptingKey,
    verifying: ParsedPublicKey,
}

impl Bare {
    /// `own` signs and opens; what is sealed is sealed to `peer`, which signed what is opened.
    pub(crate) fn new(own: &str, peer: &str) -> Self {
        let own = pem(&format!("keys/{own}.key.pem"));
        let peer: PublicKey = public_key(peer);
        let private = PrivateDecryptingKey::from_pkcs8(&own).expect("a private key");
        let public = PublicEncryptingKey::from_der(peer.spki_der()).expect("a public key");
        Self {
            signing: RsaKeyPair::from_pkcs8(&own).expect("a private key"),
            unwrapping: OaepPrivateDecryptingKey::new(private).expect("a private key"),
            wrapping: OaepPublicEncryptingKey::new(public).expect("a public key"),
            verifying: ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA512, peer.spki_der())
                .expect("a public key"),
        }
    }

    /// Random key and AAD, OAEP, AES-GCM, SHA-512 and RSA over the envelope, base64 of envelope and signature.
    pub(crate) fn seal_and_sign(&self, plaintext: &[u8]) -> (String, String) {
        let (key, aad) = (random::<32>(), random::<AAD_LEN>());
        let mut envelope = Vec::with_capacity(CIPHERTEXT_AT + plaintext.len() + TAG_LEN);
        envelope.extend_from_slice(&[0; CIPHERTEXT_AT]);
        envelope.extend_from_slice(plaintext);
        envelope[WRAPPED_AT..][..MODULUS_LEN].copy_from_slice(&self.wrap(&key));
        envelope[AAD_AT..CIPHERTEXT_AT].copy_from_slice(&aad);
        let tag = gcm(&key)
            .seal_in_place_separate_tag(nonce(&aad), Aad::from(aad), &mut envelope[CIPHERTEXT_AT..])
            .expect("a ciphertext");
        envelope.extend_from_slice(tag.as_ref());
        let signature = self.sign(&RSA_PKCS1_SHA512, &digest::digest(&SHA512, &envelope));
        (STANDARD.encode_to_string(envelope), STANDARD.encode_to_string(signature))
    }

    /// base64 of the envelope, OAEP, AES-GCM.
    pub(crate) fn open(&self, data: &str) -> Vec<u8> {
        self.open_envelope(decode(data))
    }

    /// As [`Bare::open`], then base64 of the signature, SHA-512 and RSA over the plaintext.
    pub(crate) fn open_and_verify(&self, data: &str, signature: &str) -> Vec<u8> {
        let opened = self.open(data);
        self.verify(&opened[CIPHERTEXT_AT..opened.len() - TAG_LEN], signature);
        opened
    }

    /// As [`Bare::open_and_verify`], but SHA-512 and RSA over the envelope.
    pub(crate) fn verify_and_open(&self, data: &str, signature: &str) -> Vec<u8> {
        let envelope = decode(data);
        self.verify(&envelope, signature);
        self.open_envelope(envelope)
    }

    /// Random key and two IVs, OAEP, AES-GCM and SHA-256 of the inner request, AES-GCM of the digest, base64url of the three. Then
    /// the detached JWS over a `body` that is ready: SHA-256 over `head` and base64url of the body, RSA, base64url of the signature.
    pub(crate) fn ida_request(&self, inner: &[u8], head: &str, body: &[u8]) -> [String; 4] {
        let key = random::<32>();
        let wrapped = self.wrap(&key);
        let cipher = AesGcm::<aes::Aes256, U16>::new((&key).into());
        let request = seal_with_iv(&cipher, inner);
        black_box(digest::digest(&SHA256, inner));
        let hmac = seal_with_iv(&cipher, &[b'0'; 64]);
        let mut context = digest::Context::new(&SHA256);
        context.update(head.as_bytes());
        let mut text = [0; 4 * 1024];
        for chunk in body.chunks(3 * 1024) {
            context.update(URL_SAFE_NO_PAD.encode(chunk, text.as_mut_slice().as_out()));
        }
        let signature = self.sign(&RSA_PKCS1_SHA256, &context.finish());
        [&request[..], &wrapped, &hmac, &signature].map(|bytes| URL_SAFE_NO_PAD.encode_to_string(bytes))
    }

    fn open_envelope(&self, mut envelope: Vec<u8>) -> Vec<u8> {
        let (head, sealed) = envelope.split_at_mut(CIPHERTEXT_AT);
        let (wrapped, aad) = (&head[WRAPPED_AT..][..MODULUS_LEN], *head.last_chunk().expect("an AAD"));
        let mut buffer = [0; MODULUS_LEN];
        let key = self
            .unwrapping
            .decrypt(&OAEP_SHA256_MGF1SHA256, wrapped, &mut buffer, None)
            .expect("a session key");
        gcm(key).open_in_place(nonce(&aad), Aad::from(aad), sealed).expect("a plaintext");
        envelope
    }

    fn verify(&self, bytes: &[u8], signature: &str) {
        let signature = decode(signature);
        self.verifying
            .verify_digest_sig(&digest::digest(&SHA512, bytes), &signature)
            .expect("a signature that holds");
    }

    fn wrap(&self, key: &[u8; 32]) -> [u8; MODULUS_LEN] {
        let mut wrapped = [0; MODULUS_LEN];
        self.wrapping.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut wrapped, None).expect("a wrapped key");
        wrapped
    }

    fn sign(&self, alg: &'static dyn RsaEncoding, digest: &Digest) -> [u8; MODULUS_LEN] {
        let mut signature = [0; MODULUS_LEN];
        self.signing.sign_digest(alg, digest, &mut signature).expect("a signature");
        signature
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("random bytes");
    bytes
}

fn gcm(key: &[u8]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("32 bytes"))
}

/// VER_R2 takes its nonce from the AAD.
fn nonce(aad: &[u8; AAD_LEN]) -> Nonce {
    Nonce::from(aad.first_chunk::<12>().expect("12 bytes"))
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode_to_vec(text).expect("base64url")
}

fn seal_with_iv(cipher: &AesGcm<aes::Aes256, U16>, plaintext: &[u8]) -> Vec<u8> {
    let iv = random::<16>();
    let mut sealed = Vec::with_capacity(plaintext.len() + TAG_LEN + iv.len());
    sealed.extend_from_slice(plaintext);
    let tag =
        cipher.encrypt_inout_detached((&iv).into(), &[], sealed.as_mut_slice().into()).expect("a ciphertext");
    sealed.extend_from_slice(&tag);
    sealed.extend_from_slice(&iv);
    sealed
}
