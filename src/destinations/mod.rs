//! What we send to, one folder for each destination. A destination says what the next step of an entry is, and does no I/O of its
//! own: the engine makes the calls, stores how far the entry has come after each, and asks again.

pub(crate) mod delivery;
pub(crate) mod drive;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod ida;
pub(crate) mod mediator;
pub(crate) mod opencrvs;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::error::Result;
use crate::store::Queue;
use crate::upstream::{Reply, Request, SendError};

/// Every destination of a gateway. One more is a folder of its own and a line here and in [`Self::list`].
pub(crate) struct Destinations {
    pub(crate) mediator: Arc<mediator::Mediator>,
    pub(crate) ida: Arc<ida::Records>,
    pub(crate) opencrvs: Arc<opencrvs::Opencrvs>,
    pub(crate) delivery: Arc<delivery::Delivery>,
}

impl Destinations {
    /// All of them, also those that no entry goes to because their URL is not set.
    pub(crate) fn list(self) -> Vec<Arc<dyn Destination>> {
        vec![self.mediator, self.ida, self.opencrvs, self.delivery]
    }
}

/// Somewhere that entries go.
pub(crate) trait Destination: Steps {
    /// The word in the database, in lists and in the log.
    fn name(&self) -> &'static str;

    /// Which rows go there.
    fn queue(&self) -> Queue;

    /// The URLs, and what goes to each; none where none is set.
    fn routes(&self) -> Vec<Route>;
}

/// The steps of an entry on its way.
pub(crate) trait Steps: Send + Sync {
    /// The next step of `work`. It is asked for again after each call, and after a crash with what was stored last; so it depends on
    /// `work` alone, and on keys and clock of the moment. It may sign and decrypt, so it is called where that may take its time.
    ///
    /// # Errors
    ///
    /// What stands in the way of a step counts as a failed attempt: a key that is missing pauses the channel, a fault of the caller
    /// parks the entry.
    fn next(&self, work: &Work) -> Result<Step>;
}

/// An upstream URL, and what goes there.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    /// Host and port, as people see them.
    pub(crate) host: String,
    /// Kinds of entries; none is named where all go there.
    pub(crate) kinds: Vec<String>,
    /// Entries under way at once.
    pub(crate) concurrency: usize,
    /// The longest that one call may take.
    pub(crate) deadline: Duration,
}

/// An entry as its destination sees it. No `Debug`: it holds personal data.
pub(crate) struct Work {
    /// The id that it goes under, the same in every attempt.
    pub(crate) id: String,
    pub(crate) kind: String,
    /// What was accepted.
    pub(crate) payload: Bytes,
    pub(crate) progress: Progress,
}

/// How far an entry has come. No `Debug`: it may hold numbers of a person.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// What the destination remembers between its steps; its own JSON.
    pub(crate) notes: Option<Zeroizing<Vec<u8>>>,
    /// What came of the entry so far: of an event, its application id.
    pub(crate) result: Option<Zeroizing<Vec<u8>>>,
    /// Whether the destination may have received it.
    pub(crate) sent: bool,
}

/// What is to be done next.
pub(crate) enum Step {
    /// Make this call.
    Call(Box<Call>),
    /// Nothing: it has arrived.
    #[allow(dead_code, reason = "a destination of today ends with the answer to a call")]
    Done(Done),
}

impl From<Call> for Step {
    fn from(call: Call) -> Self {
        Self::Call(Box::new(call))
    }
}

/// A call and what its answer means.
pub(crate) struct Call {
    pub(crate) request: Request,
    /// The token that goes with it, if one does.
    pub(crate) token: Option<TokenOf>,
    /// Stored before the first byte leaves, where it is set.
    pub(crate) before: Option<Progress>,
    /// Where nothing of the request has left, the step is made once more at once: for calls whose failure a caller would see, or that
    /// are made only once.
    pub(crate) resend: bool,
    /// What the answer, or the lack of one, means.
    pub(crate) read: ReadReply,
}

/// Reads the answer to a call, or why there is none.
pub(crate) type ReadReply = Box<dyn FnOnce(Result<Reply, SendError>) -> Result<Read> + Send>;

/// Whose access token a call carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TokenOf {
    /// `upstream.token`; where none is set, the call goes without.
    Mosip,
    /// The own client at OpenCRVS.
    OpenCrvs,
}

/// What an answer means.
pub(crate) enum Read {
    /// The entry has come this far. It is stored, and the mediator learns the news with it, before the next step.
    Advance { progress: Progress, news: Option<News> },
    /// It has arrived.
    Done(Done),
    /// Our keys may be old. They are read anew, and then `then` says what the answer means; `None`: the step is made again.
    KeysMayBeOld { then: Box<dyn FnOnce() -> Result<Option<Read>> + Send> },
}

/// An entry has arrived.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) news: Option<News>,
    /// What came of it, where that is not known yet.
    pub(crate) result: Option<Zeroizing<Vec<u8>>>,
}

/// What others learn of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// An application id was assigned.
    AidAssigned(crate::mosip::event::Aid),
    /// MOSIP took the event.
    Accepted,
}
