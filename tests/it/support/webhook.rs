//! OpenCRVS as it posts webhooks. `webhooks.rs` holds its signatures against those that OpenCRVS's own formula made.

use data_encoding::HEXLOWER;
use mosip_gateway::crypto::hmac::{self, HmacAlgorithm};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The `sha_secret` of the vectors.
pub(crate) const SHA_SECRET: &str = "3f6c1a4e-9a0e-4a53-8f63-2f4c7a0d11aa";

/// `X-Hub-Signature` as OpenCRVS makes it.
pub(crate) fn signature(body: &str) -> String {
    header("sha256", HmacAlgorithm::Sha256, format!("sha256:{}", utf8_percent_encode(body, KEPT)).as_bytes())
}

/// `X-Hub-Signature` over the body itself.
pub(crate) fn raw_signature(body: &[u8]) -> String {
    header("sha256", HmacAlgorithm::Sha256, body)
}

/// `method=hex` over `signed`.
pub(crate) fn header(method: &str, algorithm: HmacAlgorithm, signed: &[u8]) -> String {
    let tag = hmac::tag(algorithm, SHA_SECRET.as_bytes(), &[signed]);
    format!("{method}={}", HEXLOWER.encode(&tag))
}

/// What JavaScript's `encodeURIComponent` leaves as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// A post whose answer has not been read yet.
pub(crate) struct Post(TcpStream);

impl Post {
    /// Posts a webhook that OpenCRVS signed to `address` (`ip:port`).
    pub(crate) async fn send(address: &str, body: &str) -> Self {
        Self::send_with(address, Some(&signature(body)), body.as_bytes()).await
    }

    /// Posts `body` under this signature or none.
    pub(crate) async fn send_with(address: &str, signature: Option<&str>, body: &[u8]) -> Self {
        let mut post = Self::begin(address, signature, body.len()).await;
        // A body that is refused before it is read may find nobody who takes it.
        let _ = post.0.write_all(body).await;
        post
    }

    /// Sends the head of a post of `length` bytes, as a host that the gateway was never told of.
    pub(crate) async fn begin(address: &str, signature: Option<&str>, length: usize) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let signature = signature.map(|signature| format!("X-Hub-Signature: {signature}\r\n"));
        let head = format!(
            "POST /webhooks HTTP/1.1\r\nHost: gateway.somewhere\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n{}\r\n",
            signature.unwrap_or_default()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Self(stream)
    }

    /// Sends a part of the body.
    pub(crate) async fn body(&mut self, part: &[u8]) {
        self.0.write_all(part).await.unwrap();
    }

    /// Status, head and body; none: the connection broke without an answer.
    pub(crate) async fn answer(mut self) -> Option<(u16, String, Value)> {
        let mut answer = Vec::new();
        // A reset is an end too.
        let _ = self.0.read_to_end(&mut answer).await;
        let text = String::from_utf8(answer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some((status, head.to_owned(), serde_json::from_str(body).unwrap_or_default()))
    }

    /// Status and body of an answer that has to come.
    pub(crate) async fn answered(self) -> (u16, Value) {
        let (status, _, body) = self.answer().await.expect("an answer");
        (status, body)
    }
}
