//! What we send to, one folder for each destination, with its settings and its tokens. A destination says what the next step of an
//! entry is, and does no I/O of its own: the engine makes the calls, stores how far the entry has come after each, and asks again.
//!
//! One more destination is a folder of its own and a line in the list below.

pub(crate) mod delivery;
pub(crate) mod drive;
pub(crate) mod esignet;
#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod fetched;
pub(crate) mod hub;
pub(crate) mod iam;
pub(crate) mod ida;
pub(crate) mod mediator;
#[macro_use]
mod list;
mod names;
pub(crate) mod opencrvs;
pub(crate) mod packets;
mod settings;
mod standard_webhooks;
pub(crate) mod system;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use zeroize::Zeroizing;

pub(crate) use self::settings::{DestinationSettings, KeyNeeds, Lack, Recipient, Sources, Url};
pub(crate) use self::system::{NationalId, NoNumber};
pub(crate) use self::token::{Grant, Token, TokenRequest, TokenSource};
use crate::clock::Clock;
use crate::error::{Code, Error, Fault, Result};
use crate::keys::Keyring;
use crate::mosip::Transport;
use crate::opencrvs::event::EventKind;
use crate::opencrvs::record_token::KeptToken;
use crate::store::Queue;
use crate::upstream::{self, Reply, Request, SendError};

destinations! {
    one {
        mediator: mediator::Mediator,
        packets: packets::Packets,
        ida: ida::Records,
        opencrvs: opencrvs::Opencrvs,
        hub: hub::Publisher,
        delivery: delivery::Delivery,
        #[cfg(test)]
        example: tests::addition::Example,
    }
    each {
        systems: system::System,
    }
}

/// A system that entries go to.
pub(crate) trait Destination: Steps {
    /// How its rows are called.
    fn rows(&self) -> Rows;

    /// The URLs, and what goes to each; none where none is set.
    fn routes(&self) -> Vec<Route>;

    /// The tokens that its calls carry.
    fn tokens(&self) -> Vec<Arc<TokenSource>> {
        Vec::new()
    }

    /// In which form what comes from a caller goes there.
    fn form(&self) -> Form {
        Form::Event
    }

    /// Which codes say that what was sent was refused before anybody looked at what is in it: it could not be verified or opened, or the
    /// sender was refused. That may be one entry or all.
    fn is_unread(&self) -> fn(code: &str) -> bool {
        |_| false
    }
}

/// The form of what a destination takes of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A webhook of OpenCRVS.
    Event,
    /// A webhook of OpenCRVS, or an EventDocument, as it came.
    EventOrDocument,
    /// A registration whose fields the country configuration has mapped.
    Registration,
}

/// A destination of the list.
pub(crate) trait Listed: Destination + Sized {
    /// How its rows are called; those of a system that the configuration names go by that name.
    const ROWS: Rows;

    /// What the configuration says of it.
    type Settings;

    /// Nothing is called yet.
    fn new(settings: Self::Settings, tools: &Tools) -> Self;
}

/// The words of the rows of one destination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    /// The word in the database, in lists and in the log.
    pub(crate) destination: &'static str,
    /// What people call it.
    pub(crate) system: &'static str,
    /// Which rows go there.
    pub(crate) queue: Queue,
    /// The kinds that it takes, as they stand in the database and in the API; none is named where all rows of its queue go there.
    pub(crate) kinds: &'static [&'static str],
    /// MOSIP's answer to an event comes from there: of all entries of that event, the one there speaks for it.
    pub(crate) speaks: bool,
    /// What a person puts right where calls pause.
    pub(crate) remedy: Remedy,
}

/// What a person puts right where the calls to a destination pause: the words behind `Put right`. `None`: what is said of any destination.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Remedy {
    /// Where what it needs is not set.
    pub(crate) unset: Option<&'static str>,
    /// Where keys are in the way.
    pub(crate) keys: Option<&'static str>,
    /// Where replies do not verify.
    pub(crate) tampered: Option<&'static str>,
    /// Where anything else is.
    pub(crate) other: Option<&'static str>,
}

impl Remedy {
    /// That of any destination: our keys, or the registration with its system.
    pub(crate) const COMMON: Self = Self { unset: None, keys: None, tampered: None, other: None };

    /// The same, whatever is in the way.
    pub(crate) const fn always(what: &'static str) -> Self {
        Self { unset: Some(what), keys: Some(what), tampered: Some(what), other: Some(what) }
    }
}

impl Rows {
    /// What people call the destination that the rows name `destination`. One that is not in the list, since a row is of another
    /// version, goes by its word.
    pub(crate) fn system(destination: &str) -> &str {
        Self::find(destination).map_or(destination, |rows| rows.system)
    }

    /// Whether the entry at `destination` speaks for its event.
    pub(crate) fn speaks(destination: &str) -> bool {
        Self::find(destination).is_some_and(|rows| rows.speaks)
    }

    /// What a person puts right where `fault` lets the calls to `destination` pause. `is_set`: what it needs is set.
    pub(crate) fn to_put_right(destination: &str, fault: Fault, is_set: bool) -> String {
        let Remedy { unset, keys, tampered, other } =
            Self::find(destination).map_or(Remedy::COMMON, |rows| rows.remedy);
        let own = match fault {
            _ if !is_set && unset.is_some() => unset,
            Fault::Keys => Some(keys.unwrap_or("our keys")),
            Fault::Tampered => tampered.or(other),
            _ => other,
        };
        own.map_or_else(|| format!("the registration with {}", Self::system(destination)), str::to_owned)
    }

    fn find(destination: &str) -> Option<&'static Self> {
        Self::ALL.iter().find(|rows| rows.destination == destination)
    }
}

/// Where events and registrations go. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EventRoutes(Arc<[(&'static str, Form, Vec<String>)]>);

impl EventRoutes {
    /// The kinds for which a URL is set, at each of `destinations`.
    pub(crate) fn of(destinations: &[Arc<dyn Destination>]) -> Self {
        let of_entries = destinations.iter().filter(|destination| destination.rows().queue == Queue::Entries);
        let kinds = |destination: &Arc<dyn Destination>| {
            let kinds = destination.routes().into_iter().flat_map(|route| route.kinds);
            (destination.rows().destination, destination.form(), kinds.collect())
        };
        Self(of_entries.map(kinds).collect())
    }

    /// Where an event of `kind` goes, in the order of the list: one entry is made for each of these destinations.
    ///
    /// # Errors
    ///
    /// [`Code::KindNotConfigured`] unless a URL is set for it.
    pub(crate) fn destinations_of(&self, kind: EventKind) -> Result<Vec<&'static str>> {
        self.takers(&[Form::Event, Form::EventOrDocument], kind)
            .ok_or_else(|| Error::new(Code::KindNotConfigured, format!("no URL is set for {kind}")))
    }

    /// As [`Self::destinations_of`], of an EventDocument.
    pub(crate) fn destinations_of_document(&self, kind: EventKind) -> Result<Vec<&'static str>> {
        self.takers(&[Form::EventOrDocument], kind).ok_or_else(|| {
            Error::new(Code::KindNotConfigured, format!("no system takes the EventDocument of a {kind}")).advise(
                "Name this kind in kinds of one of [[systems]] with body = \"webhook\". MOSIP takes no EventDocument: post a \
                 registration to /v1/packets for it.",
            )
        })
    }

    /// As [`Self::destinations_of`], of a registration.
    pub(crate) fn destinations_of_registration(&self, kind: EventKind) -> Result<Vec<&'static str>> {
        self.takers(&[Form::Registration], kind).ok_or_else(|| {
            Error::new(Code::KindNotConfigured, "no URL is set for packets").advise(
                "Set upstream.packets.create and upstream.packets.process, or name this kind in kinds of one of [[systems]] with \
                 body = \"registration\".",
            )
        })
    }

    fn takers(&self, forms: &[Form], kind: EventKind) -> Option<Vec<&'static str>> {
        let takes = |kinds: &[String]| kinds.iter().any(|taken| taken == kind.as_str());
        let takers = self.0.iter().filter(|(_, form, kinds)| forms.contains(form) && takes(kinds));
        let takers: Vec<_> = takers.map(|(destination, ..)| *destination).collect();
        (!takers.is_empty()).then_some(takers)
    }
}

/// What destinations are made of.
pub(crate) struct Tools {
    pub(crate) keys: Keyring,
    pub(crate) clock: Clock,
    /// The calls to IDA, which several make.
    pub(crate) ida: Arc<ida::Requests>,
    /// `events.death.link`
    pub(crate) death_link: bool,
}

/// The steps of an entry on its way.
pub(crate) trait Steps: Send + Sync {
    /// The next step of `work`. It is asked for again after each call, and after a crash with what was stored last; so it depends on
    /// `work`, the current keys and the clock alone. It may sign and decrypt, so it is called where that may take long.
    ///
    /// # Errors
    ///
    /// What prevents a step counts as a failed attempt: a key that is missing pauses the channel, a fault of the caller
    /// parks the entry.
    fn next(&self, work: &Work) -> Result<Step>;

    /// Whether [`Self::next`] neither signs nor decrypts: what does is left to [`Call::seal`].
    fn is_quick(&self) -> bool {
        false
    }
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
    /// Of a confirmation: the record token that came with its registration.
    pub(crate) record_token: KeptToken,
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
    /// Where the token comes from that goes with it, if one does.
    pub(crate) token: Option<Arc<TokenSource>>,
    /// Stored before the first byte leaves, where it is set; all that the progress of the entry holds is in it.
    pub(crate) before: Option<Progress>,
    /// Makes the body of the request, where that takes a private key: while [`Self::before`] is being stored.
    pub(crate) seal: Option<Seal>,
    /// Where nothing of the request has left, the step is made once more at once: for calls whose failure a caller would see, or that
    /// are made only once.
    pub(crate) resend: bool,
    /// What the answer, or the lack of one, means.
    pub(crate) read: ReadReply,
}

/// Makes the body of a call. Which keys it takes is settled before; what it returns depends on nothing else than when it was made.
pub(crate) type Seal = Box<dyn FnOnce() -> Result<Bytes> + Send>;

/// Reads the answer to a call, or why there is none.
pub(crate) type ReadReply = Box<dyn FnOnce(Result<Reply, SendError>) -> Result<Read> + Send>;

/// What an answer means.
pub(crate) enum Read {
    /// The entry has come this far. It is stored, and OpenCRVS's mediator gets the news with it, before anything else leaves: with [`Call::before`]
    /// of the next step, which holds it, or by itself.
    Advance { progress: Progress, news: Option<News> },
    /// It has arrived.
    Done(Done),
    /// It was refused, and has come this far: that is stored before the attempt ends.
    Refused { progress: Progress, error: Error },
    /// Our keys may be old. They are read again, and then `then` says what the answer means; `None`: the step is made again.
    KeysMayBeOld { then: Box<dyn FnOnce() -> Result<Option<Read>> + Send> },
}

/// An entry has arrived. No `Debug`: its result may be about a person.
#[derive(Clone, Default)]
pub(crate) struct Done {
    pub(crate) news: Option<News>,
    /// What came of it, where that is not known yet.
    pub(crate) result: Option<Zeroizing<Vec<u8>>>,
    /// MOSIP took a registration, and says later, in a push, what came of it: as of a packet.
    pub(crate) is_answered_later: bool,
}

/// What others learn of a step, and the connection that it came over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// An application id was assigned.
    AidAssigned(crate::registration::Aid, Transport),
    /// The destination took the event.
    Accepted(Transport),
    /// Another ID system took the event, and this is what its reply holds where a number was looked for.
    Numbered(Result<NationalId, NoNumber>, Transport),
}

/// The connection that an answer of `url` comes over.
pub(crate) fn transport_of(url: &Uri) -> Transport {
    if upstream::is_plain(url) { Transport::Plain } else { Transport::Protected }
}
