//! One topic: what the hub was asked about it, what is asked next, and when.

mod heard;
mod kept;

use std::time::Duration;

use tokio::time::Instant;

use super::doubts::{Cause, Doubts};
use super::state::{Refused, Standing, Subscription};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Fault, Result};
use crate::mosip::websub::{Answer, Mode};

/// The hub verifies a request within this time, or it does not reach the callback.
const VERIFIED_WITHIN: Duration = Duration::from_mins(2);
/// A hub that does not name the topic asks within this time.
const UNNAMED_WITHIN: Duration = Duration::from_mins(1);
/// A hub whose connection broke may ask again whether a request is meant, within this time.
const REPEATED_WITHIN: Duration = Duration::from_secs(30);
/// Pauses between attempts begin with this, and double.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause between attempts is longer.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// What anybody can say on the callback makes the gateway ask the hub about a topic no more often than this.
const HINTS_EVERY: Duration = Duration::from_mins(5);
/// A subscription is ended, to be made anew, no more often than this: what MOSIP publishes in between may be lost.
const ENDED_EVERY: Duration = Duration::from_hours(1);

pub(super) struct Topic {
    /// As the hub names it.
    pub(super) topic: String,
    pub(super) shown: Subscription,
    /// What is asked next, and when.
    pub(super) next: Mode,
    pub(super) next_at: Instant,
    /// The last request.
    request: Option<Request>,
    failures: u32,
    /// Why messages may be missing.
    pub(super) doubts: Doubts,
    /// Messages of this topic that were refused, where none was taken since.
    pub(super) refused: Option<Refused>,
    /// When the last message was taken, or the hub last verified a new subscription.
    quiet_since: Instant,
    /// When the last message of any topic was taken.
    hub_quiet_since: Instant,
    /// When the last message was taken, or when the subscription was first known, in this run or one before.
    last_known: Option<Timestamp>,
    /// Until when a gateway before this start was up for it.
    up: Option<Timestamp>,
    /// Registrations without an answer that say nothing against this topic, since it delivered or was made anew after them.
    excused: u64,
    /// What makes the subscription that the settings ask for.
    identity: i64,
    /// Nothing is known of the subscription that the hub may have.
    is_unknown: bool,
    /// The hub's last lease asks for a renewal so soon.
    renew_in: Option<Duration>,
    /// The hub has had the subscription, and it was not ended since.
    is_subscribed: bool,
    /// When this run last ended it.
    ended_at: Option<Instant>,
    /// The same by the machine's clock, of this run or one before.
    ended: Option<Timestamp>,
    /// When anybody's word last had the hub asked again.
    hinted_at: Option<Instant>,
    /// The last word on the callback that a request is denied, since the hub last confirmed the subscription.
    denied: Option<Error>,
    /// How far the end of the subscription is, until the hub verifies a new one or a message of the topic is taken.
    ending: Option<Ending>,
}

/// How far the end of a subscription is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The hub was asked to end it, and has not verified that.
    Asked,
    /// The hub has verified it. It removes the subscription after that, and may say for a while that it has it.
    Verified,
}

/// What a denial on the callback changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// A request waits for the hub's question: if the question does not come, the denial says why.
    Request,
    /// The hub is asked again at once.
    Hint,
    /// Nothing.
    Ignored,
}

/// A request about a topic. The hub asks on the callback whether it is meant, and anybody who knows the callback can ask the same.
struct Request {
    mode: Mode,
    /// The question is answered until then.
    until: Instant,
    /// No further answer to the question, nor a word that the hub has the topic, changes anything.
    is_settled: bool,
    /// The hub took the request before it and never verified it.
    follows_unverified: bool,
}

impl Topic {
    pub(super) fn new(setting: &'static str, topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            shown: Subscription {
                name: setting,
                standing: Standing::Pending,
                since: None,
                refusal: None,
                gap: None,
                refused: None,
            },
            next: Mode::Subscribe,
            next_at: Instant::now(),
            request: None,
            failures: 0,
            doubts: Doubts::default(),
            refused: None,
            last_known: None,
            up: None,
            is_subscribed: false,
            // Before a whole term has passed, nothing is known.
            quiet_since: Instant::now(),
            hub_quiet_since: Instant::now(),
            excused: 0,
            identity: 0,
            is_unknown: true,
            renew_in: None,
            ended_at: None,
            ended: None,
            hinted_at: None,
            denied: None,
            ending: None,
        }
    }

    /// The hub, or anybody, says on the callback that the topic is denied, because of `error`; `random`: 32 random bits. Nothing proves who
    /// says it: the hub's question is answered all the same, and a subscription that is active stays active until a question does not come.
    /// Once in a while the hub is asked again sooner.
    pub(super) fn denied(&mut self, error: Error, random: u32, now: Timestamp) -> Denied {
        let instant = Instant::now();
        let may_ask = self.hinted_at.is_none_or(|hinted| instant >= hinted + HINTS_EVERY);
        let waiting = self.request.as_ref().filter(|request| !request.is_settled && instant < request.until);
        let waiting = waiting.map(|request| request.mode);
        match waiting {
            // Whether the hub ended the subscription, the request after it tells.
            Some(Mode::Unsubscribe) => return Denied::Ignored,
            Some(Mode::Subscribe) => {
                if self.shown.standing != Standing::Active {
                    self.fail(error.clone(), now);
                }
                self.denied = Some(error);
            }
            None => {}
        }
        if !may_ask {
            return Denied::Ignored;
        }
        self.hinted_at = Some(instant);
        if waiting.is_none() {
            self.next_at = instant;
            return Denied::Hint;
        }
        self.next_at = self.next_at.min(instant + self.pause(random));
        Denied::Request
    }

    /// A request is about to leave.
    pub(super) fn ask(&mut self, mode: Mode) {
        let (before, instant) = (self.request.take(), Instant::now());
        let is_unverified =
            |before: Request| before.mode == mode && !before.is_settled && before.until <= instant;
        let follows_unverified = before.is_some_and(is_unverified);
        let until = instant + VERIFIED_WITHIN;
        self.request = Some(Request { mode, until, is_settled: false, follows_unverified });
    }

    /// Until when the hub verifies the subscription that it was asked for within the last minute; `None`: it was not asked, or has verified it.
    pub(super) fn waits_until(&self) -> Option<Instant> {
        let earliest = Instant::now() + (VERIFIED_WITHIN - UNNAMED_WITHIN);
        let request = self.request.as_ref();
        let waits = request.filter(|request| request.mode == Mode::Subscribe && !request.is_settled)?;
        (waits.until >= earliest).then_some(waits.until)
    }

    /// What the hub may ask about, and until when.
    pub(super) fn request(&self) -> Option<(Mode, Instant)> {
        let request = self.request.as_ref().filter(|request| Instant::now() < request.until);
        request.map(|request| (request.mode, request.until))
    }

    /// What the hub answered to it; `random`: 32 random bits.
    pub(super) fn answered(
        &mut self,
        answer: Result<Answer>,
        random: u32,
        renew_every: Duration,
        now: Timestamp,
    ) {
        let Some(request) = self.request.as_mut() else { return };
        match (answer, request.mode) {
            // Its verification came while the answer was on its way.
            (Ok(Answer::Accepted), _) if request.is_settled => {}
            (Ok(Answer::Accepted), Mode::Subscribe) => {
                request.until = Instant::now() + VERIFIED_WITHIN;
                let is_unreached = request.follows_unverified;
                self.next_at = Instant::now() + VERIFIED_WITHIN.max(self.pause(random));
                if is_unreached {
                    let error = self.denied.take().unwrap_or_else(|| {
                        Error::new(Code::Partner, "MOSIP's hub took the subscription and did not verify it").advise(
                            "Check that the hub reaches websub.callback_url, with the whole of its path, and that it leads to /websub/callback of this gateway.",
                        )
                    });
                    self.fail(error, now);
                }
            }
            (Ok(_), Mode::Unsubscribe) => {
                self.next = Mode::Subscribe;
                self.next_at = Instant::now() + REPEATED_WITHIN;
            }
            (Ok(Answer::AlreadyRegistered), Mode::Subscribe) => {
                self.request = None;
                self.registered(renew_every, now);
            }
            (Err(error), mode) => {
                // Where the answer did not come, the hub may have taken the request, and may ask. That it does proves nothing.
                match error.fault() {
                    Fault::Upstream => request.is_settled = true,
                    _ => self.request = None,
                }
                let asked_to_wait = error.retry_after().unwrap_or_default().min(LONGEST_PAUSE);
                let pause = self.pause(random).max(asked_to_wait);
                self.not_taken(mode, error, pause, now);
            }
        }
    }

    fn not_taken(&mut self, mode: Mode, error: Error, pause: Duration, now: Timestamp) {
        if mode == Mode::Unsubscribe {
            // The next request tells whether the hub still has it.
            self.next = Mode::Subscribe;
        }
        self.next_at = Instant::now() + pause;
        self.fail(error, now);
    }

    /// The hub, or anybody, asks whether the request is meant; `silent` registrations have no answer. False: none of ours waits for that.
    pub(super) fn verified(&mut self, mode: Mode, renew_in: Duration, silent: u64, now: Timestamp) -> bool {
        let Some(request) = self.awaited(mode) else { return false };
        if !std::mem::replace(&mut request.is_settled, true) {
            request.until = Instant::now() + REPEATED_WITHIN;
            match mode {
                // What the hub verifies is new there.
                Mode::Subscribe => {
                    (self.ending, self.is_unknown, self.excused) = (None, false, silent);
                    self.doubts.verified(now);
                    self.last_known = Some(now);
                    (self.renew_in, self.quiet_since) = (Some(renew_in), Instant::now());
                    self.activate(renew_in, now);
                }
                Mode::Unsubscribe => self.ended(now),
            }
        }
        true
    }

    /// The hub, or anybody, says on the callback that it has this topic already.
    pub(super) fn registered_late(&mut self, renew_every: Duration, now: Timestamp) {
        let Some(request) = self.awaited(Mode::Subscribe) else { return };
        if !std::mem::replace(&mut request.is_settled, true) {
            self.registered(renew_every, now);
        }
    }

    /// The hub has this topic. It says so, too, where it has stopped delivering: then the subscription is ended and made anew.
    fn registered(&mut self, renew_every: Duration, now: Timestamp) {
        if std::mem::take(&mut self.is_unknown) {
            self.doubts.stopped(Cause::WasAway, self.last_known.max(self.up).unwrap_or(now), now);
        }
        let ends_at = self.doubts.ends_at();
        let is_over = ends_at.is_some_and(|at| at <= Instant::now());
        let has_rested = self.ended_at.is_none_or(|ended| Instant::now() >= ended + ENDED_EVERY);
        if is_over && has_rested {
            (self.ended_at, self.ended) = (Some(Instant::now()), Some(now));
            self.ending = Some(Ending::Asked);
            (self.next, self.next_at) = (Mode::Unsubscribe, Instant::now());
            return;
        }
        if let Some(ending) = self.ending {
            // What the hub still has is the subscription that ends.
            self.next = if ending == Ending::Asked { Mode::Unsubscribe } else { Mode::Subscribe };
            self.next_at = Instant::now() + self.pause(u32::MAX);
            let error = Error::new(
                Code::Partner,
                "MOSIP's hub still has the subscription that the gateway cancelled",
            );
            self.fail(error.advise("The gateway asks again by itself. If this lasts, ask MOSIP to remove this partner's subscription."), now);
            return;
        }
        let ends_in = ends_at.filter(|_| !is_over).map(|at| at.duration_since(Instant::now()));
        // Whether a renewal extends the lease that the hub granted, nobody says.
        let renew_in = [ends_in, self.renew_in].into_iter().flatten().fold(renew_every, Duration::min);
        self.activate(renew_in, now);
    }

    fn activate(&mut self, renew_in: Duration, now: Timestamp) {
        self.stand(Standing::Active, now);
        (self.shown.refusal, self.denied) = (None, None);
        self.is_subscribed = true;
        self.last_known.get_or_insert(now);
        self.failures = 0;
        (self.next, self.next_at) = (Mode::Subscribe, Instant::now() + renew_in);
    }

    /// The subscription ends once the hub has read the answer to its question.
    fn ended(&mut self, now: Timestamp) {
        self.ending = Some(Ending::Verified);
        self.is_subscribed = false;
        self.stand(Standing::Pending, now);
        (self.next, self.next_at) = (Mode::Subscribe, Instant::now() + FIRST_PAUSE);
    }

    fn fail(&mut self, error: Error, now: Timestamp) {
        self.stand(Standing::Failing, now);
        self.shown.refusal = Some(error);
    }

    fn stand(&mut self, standing: Standing, now: Timestamp) {
        if self.shown.standing != standing {
            self.shown.since = Some(now);
        }
        self.shown.standing = standing;
    }

    /// The request that the hub may ask about.
    fn awaited(&mut self, mode: Mode) -> Option<&mut Request> {
        self.request.as_mut().filter(|request| request.mode == mode && Instant::now() < request.until)
    }

    /// 1 s, doubling, at most five minutes, and by chance at least half of that.
    fn pause(&mut self, random: u32) -> Duration {
        let longest = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let half = longest / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

/// The time between two moments, whichever is the later one: the machine's clock may have been put back.
fn distance(one: Timestamp, other: Timestamp) -> Duration {
    Duration::from_millis(one.millis().abs_diff(other.millis()))
}
