//! Many posts at once, and how long each of them takes.

use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::rings::event::birth;
use super::rings::process::Gateway;
use super::rings::world::urls;

/// Nobody listens here.
pub(crate) const AWAY: &str = "http://127.0.0.1:9";

/// Whether the bench only has to show that it runs.
pub(crate) fn is_test() -> bool {
    std::env::args().any(|word| word == "--test")
}

/// A gateway that is still to be started, over the file `database`, whose upstreams are all at `mosip`.
pub(crate) fn gateway_over(database: &Path, mosip: &str) -> Gateway {
    let mut gateway = Gateway::new();
    let mosip = urls(mosip);
    gateway.set(&mosip.iter().map(|(name, url)| (*name, url.as_str())).collect::<Vec<_>>());
    gateway.set(&[("OUTBOX__PATH", &std::path::absolute(database).unwrap().display().to_string())]);
    gateway
}

/// The birth of the demo under a composition of its own, padded to `bytes`.
pub(crate) fn padded_birth(number: usize, bytes: usize) -> String {
    let text = birth(&format!("3b1c2f40-0000-4000-8000-{number:012x}"));
    let padding = "x".repeat(bytes.saturating_sub(text.len() + r#""pad":"","#.len()));
    text.replacen('{', &format!("{{\"pad\":\"{padding}\","), 1)
}

/// Writes and syncs of 4 KiB a second, as one commit needs.
pub(crate) fn fsync_rate(disk: &Path, count: usize) -> f64 {
    let mut file = std::fs::File::create(disk.join("fsync")).unwrap();
    let begun = Instant::now();
    for _ in 0..count {
        file.rewind().unwrap();
        file.write_all(&[7; 4 << 10]).unwrap();
        file.sync_data().unwrap();
    }
    count as f64 / begun.elapsed().as_secs_f64()
}

/// How long each of many posts took, the shortest first, and all of them together.
#[derive(Default)]
pub(crate) struct Measured {
    latencies: Vec<Duration>,
    time: Duration,
}

impl Measured {
    /// `count` posts over `connections`. `post` sends the one of a number, from `first` on, and says how long it took.
    pub(crate) async fn of<F>(
        first: usize,
        count: usize,
        connections: usize,
        post: impl Fn(usize) -> F + Clone + Send + 'static,
    ) -> Self
    where
        F: Future<Output = Duration> + Send + 'static,
    {
        let next = Arc::new(AtomicUsize::new(first));
        let mut posting = JoinSet::new();
        let begun = Instant::now();
        for _ in 0..connections {
            let (next, post) = (Arc::clone(&next), post.clone());
            posting.spawn(async move {
                let mut latencies = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= first + count {
                        return latencies;
                    }
                    latencies.push(post(number).await);
                }
            });
        }
        let mut latencies = posting.join_all().await.concat();
        let time = begun.elapsed();
        latencies.sort_unstable();
        Self { latencies, time }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
        self.time += other.time;
    }

    /// Posts a second.
    pub(crate) fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    /// What `share` percent of the posts took at most.
    pub(crate) fn at(&self, share: usize) -> Duration {
        self.latencies[(self.latencies.len() * share / 100).min(self.latencies.len() - 1)]
    }
}
