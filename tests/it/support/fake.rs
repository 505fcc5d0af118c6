//! A MOSIP that answers byte for byte, for what the simulator cannot be turned to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::patience;

/// What the mediator says when it takes an event.
pub(crate) const ACCEPTANCE: &str = r#"{"response":{"message":"Received"}}"#;

/// Answers whatever it is sent with the same bytes, and closes or falls silent.
pub(crate) struct Fake {
    pub(crate) url: String,
    desk: Arc<Mutex<Desk>>,
}

struct Desk {
    answer: (Vec<u8>, Then),
    by_id: BTreeMap<String, (Vec<u8>, Then)>,
    ids: Vec<String>,
}

#[derive(Clone, Copy)]
pub(crate) enum Then {
    Closes,
    Hangs,
}

impl Fake {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let desk = Desk { answer: (Vec::new(), Then::Closes), by_id: BTreeMap::new(), ids: Vec::new() };
        let fake = Self { url, desk: Arc::new(Mutex::new(desk)) };
        let desk = Arc::clone(&fake.desk);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, Arc::clone(&desk)));
            }
        });
        fake
    }

    pub(crate) fn answers(&self, bytes: impl Into<Vec<u8>>, then: Then) {
        self.desk().answer = (bytes.into(), then);
    }

    pub(crate) fn answers_json(&self, status: &str, body: &str) {
        self.answers(answer(status, body), Then::Closes);
    }

    /// As [`Self::answers_json`], and asks to be left alone for an hour.
    pub(crate) fn answers_retry_after_an_hour(&self, status: &str, body: &str) {
        let plain = String::from_utf8(answer(status, body)).unwrap();
        self.answers(plain.replacen("\r\n", "\r\nRetry-After: 3600\r\n", 1), Then::Closes);
    }

    /// Takes every event, except those that are treated otherwise by their id.
    pub(crate) fn accepts(&self) {
        self.answers_json("200 OK", ACCEPTANCE);
    }

    /// From now on the event `id` is refused with MOSIP's `code`, whatever the others are answered.
    pub(crate) fn refuses(&self, id: &str, code: &str) {
        let words = json!({"errors": [{"errorCode": code, "errorMessage": "in MOSIP's words"}]});
        self.desk().by_id.insert(id.to_owned(), (answer("200 OK", &words.to_string()), Then::Closes));
    }

    /// From now on the event `id` is never answered, whatever the others are.
    pub(crate) fn hangs(&self, id: &str) {
        self.desk().by_id.insert(id.to_owned(), (Vec::new(), Then::Hangs));
    }

    /// From now on no event is treated otherwise by its id.
    pub(crate) fn treats_all_alike(&self) {
        self.desk().by_id.clear();
    }

    /// The id of the next event that comes, or came and was not taken yet.
    pub(crate) async fn next_id(&self) -> String {
        patience::until("a post", async || {
            let mut desk = self.desk();
            if desk.ids.is_empty() { Err(()) } else { Ok(desk.ids.remove(0)) }
        })
        .await
    }

    /// The ids of the events that came since the last time that this was asked, empty for what is no event.
    pub(crate) fn take_ids(&self) -> Vec<String> {
        std::mem::take(&mut self.desk().ids)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n{body}").into_bytes()
}

async fn serve(mut stream: TcpStream, desk: Arc<Mutex<Desk>>) {
    let id = read_id(&mut stream).await;
    let (bytes, then) = {
        let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = desk.by_id.get(&id).unwrap_or(&desk.answer).clone();
        desk.ids.push(id);
        answer
    };
    // A caller that has heard enough may be gone already.
    let _ = stream.write_all(&bytes).await;
    match then {
        Then::Closes => stream.shutdown().await.unwrap_or_default(),
        Then::Hangs => std::future::pending().await,
    }
}

/// Reads one request to the end of its body; the `id` in it.
async fn read_id(stream: &mut TcpStream) -> String {
    let mut seen = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&seen);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                return body["id"].as_str().unwrap_or_default().to_owned();
            }
        }
        if stream.read_buf(&mut seen).await.unwrap() == 0 {
            return String::new();
        }
    }
}
