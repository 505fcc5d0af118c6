//! Takes whatever the program posts to OpenCRVS, or a stand-in for MOSIP pushes, at any path.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use http::{HeaderMap, StatusCode, header};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::bearer;
use crate::simulator::StartError;

/// The largest post, bytes; a larger one is refused.
const LARGEST: usize = 256 << 10;
/// Posts that are kept; the oldest go first.
const MOST: usize = 1024;

/// What arrived. Dropped, it listens no more.
pub(super) struct Inbox {
    desk: Arc<Desk>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Desk {
    posts: Mutex<VecDeque<Post>>,
    changed: watch::Sender<()>,
}

/// A post. No `Debug`: it holds a token.
#[derive(Clone)]
pub(super) struct Post {
    /// The bearer token, where there is one.
    pub(super) bearer: Option<String>,
    pub(super) body: Bytes,
}

impl Inbox {
    pub(super) async fn open(address: SocketAddr) -> Result<Self, StartError> {
        let listener =
            TcpListener::bind(address).await.map_err(|error| StartError::Bind { address, error })?;
        let desk = Arc::<Desk>::default();
        let routes =
            Router::new().fallback(take).layer(DefaultBodyLimit::max(LARGEST)).with_state(Arc::clone(&desk));
        let serving = tokio::spawn(async move {
            // Where it stops, what is waited for does not come, and the report says so.
            let _ = axum::serve(listener, routes).await;
        });
        Ok(Self { desk, serving })
    }

    /// The first post whose body holds `text`.
    pub(super) fn find(&self, text: &str) -> Option<Post> {
        self.desk.posts().iter().find(|post| String::from_utf8_lossy(&post.body).contains(text)).cloned()
    }

    /// The same, once it is there; `None` where it is not within `patience`.
    pub(super) async fn wait_for(&self, text: &str, patience: Duration) -> Option<Post> {
        self.wait(patience, || self.find(text)).await
    }

    /// The first post of all.
    pub(super) async fn first(&self, patience: Duration) -> Option<Post> {
        self.wait(patience, || self.desk.posts().front().cloned()).await
    }

    async fn wait(&self, patience: Duration, look: impl Fn() -> Option<Post>) -> Option<Post> {
        let mut changes = self.desk.changed.subscribe();
        let found = async {
            loop {
                if let Some(post) = look() {
                    return Some(post);
                }
                changes.changed().await.ok()?;
            }
        };
        tokio::time::timeout(patience, found).await.ok().flatten()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Desk {
    fn posts(&self) -> MutexGuard<'_, VecDeque<Post>> {
        self.posts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    let bearer = headers.get(header::AUTHORIZATION).and_then(bearer::token);
    let bearer = bearer.map(|token| String::from_utf8_lossy(token).into_owned());
    {
        let mut posts = desk.posts();
        if posts.len() >= MOST {
            posts.pop_front();
        }
        posts.push_back(Post { bearer, body });
    }
    desk.changed.send_replace(());
    (StatusCode::OK, "{}")
}
