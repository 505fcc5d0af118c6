//! Who posts, and what they know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::site::Site;
use crate::support::event::event;
use crate::support::process;
use crate::support::random::Random;

/// Milliseconds between two stories of one poster, at most.
const BETWEEN_STORIES: u64 = 800;

/// An event of a composition: its kind and the child's given name.
pub(super) type Told = (&'static str, &'static str);

/// Posts stories until it is told to end and enough is taken.
pub(super) struct Load {
    wanted: usize,
    taken: AtomicUsize,
    ends: AtomicBool,
    pub(super) known: Mutex<Known>,
}

#[derive(Default)]
pub(super) struct Known {
    /// Of each composition what was posted, in order, and under which ids it was taken; more than one is a failure.
    pub(super) stories: BTreeMap<String, Vec<(Told, BTreeSet<String>)>>,
    /// Posts that were refused or had no answer, as may be where something is broken.
    pub(super) refused: usize,
    /// The same, to a gateway that was up, with a database that was: what was answered instead.
    pub(super) let_down: Vec<String>,
    pub(super) longest: Duration,
}

impl Load {
    pub(super) fn new(wanted: usize) -> Self {
        Self { wanted, taken: AtomicUsize::new(0), ends: AtomicBool::new(false), known: Mutex::default() }
    }

    /// Nothing breaks any more.
    pub(super) fn end(&self) {
        self.ends.store(true, Ordering::SeqCst);
    }

    pub(super) async fn post(&self, site: &Site, mut random: Random) {
        let client = process::client();
        while !self.ends.load(Ordering::SeqCst) || self.taken.load(Ordering::SeqCst) < self.wanted {
            let pause = if self.ends.load(Ordering::SeqCst) { 0 } else { random.below(BETWEEN_STORIES) };
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let composition = {
                let mut known = self.known.lock().unwrap();
                let composition = format!("f{}", known.stories.len());
                known.stories.insert(composition.clone(), Vec::new());
                composition
            };
            for told in story(&mut random) {
                let id = self.post_until_taken(&client, site, &composition, told, &mut random).await;
                let mut known = self.known.lock().unwrap();
                let story = known.stories.get_mut(&composition).unwrap();
                match story.iter_mut().find(|(known, _)| *known == told) {
                    Some((_, ids)) => drop(ids.insert(id)),
                    None => {
                        self.taken.fetch_add(1, Ordering::SeqCst);
                        story.push((told, BTreeSet::from([id])));
                    }
                }
            }
        }
    }

    /// To any gateway, as a load balancer does that knows which of them are up; its id.
    async fn post_until_taken(
        &self,
        client: &mosip_gateway::upstream::Client,
        site: &Site,
        composition: &str,
        (kind, name): Told,
        random: &mut Random,
    ) -> String {
        let body = event(kind, composition, name);
        let begun = Instant::now();
        loop {
            let up: Vec<_> = site.peers.iter().filter(|peer| peer.standing.is_up()).collect();
            let Some(peer) = up.get(random.index(up.len().max(1))) else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let times = || [peer.standing.time_up(), site.database.time_up()];
            let (before, asked) = (times(), Instant::now());
            let reply = process::post(client, &format!("{}/v1/events/{kind}", peer.api), body.clone()).await;
            let status = reply.as_ref().map(|reply| reply.status.as_u16());
            if let Some(reply) = reply.filter(|reply| matches!(reply.status.as_u16(), 200 | 202)) {
                let answer: Value = serde_json::from_slice(&reply.body).unwrap();
                let mut known = self.known.lock().unwrap();
                known.longest = known.longest.max(begun.elapsed());
                return answer["id"].as_str().unwrap().to_owned();
            }
            let is_let_down = before == times() && before.iter().all(Option::is_some);
            self.hear_no(is_let_down || !matches!(status, None | Some(503 | 507)), || {
                format!("{} {status:?} after {:.1?}", peer.api, asked.elapsed())
            });
            // Until it is back.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Load {
    fn hear_no(&self, is_let_down: bool, what: impl Fn() -> String) {
        let mut known = self.known.lock().unwrap();
        known.refused += 1;
        known.let_down.extend(is_let_down.then(what));
    }
}

/// A birth or death; sometimes its correction, the same again, or the same composition registered with other content.
fn story(random: &mut Random) -> Vec<Told> {
    let (kind, correction) =
        if random.one_in(3) { ("death", "death-correction") } else { ("birth", "birth-correction") };
    let mut story = vec![(kind, "Ada")];
    let further = [(2, (correction, "Ada")), (3, (kind, "Ada")), (4, (kind, "Mary"))];
    story.extend(further.into_iter().filter_map(|(share, told)| random.one_in(share).then_some(told)));
    story
}
