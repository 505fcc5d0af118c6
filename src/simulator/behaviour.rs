//! How the simulator behaves, which can be changed while it runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// How the simulator behaves. The default is a friendly MOSIP. Flags and `SIMULATOR_*` variables of `mosip-gateway simulator`, and the body of
/// `POST /simulator/behaviour`, set it. Members that are left out have their default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Share of requests answered 503 before anything is done with them, 0 to 1.
    #[arg(long, env = "SIMULATOR_FAULT_RATE", default_value_t = 0.0)]
    pub fault_rate: f64,
    /// Decides which requests `fault_rate` hits: the same seed hits the same ones, counted from the moment the behaviour is set.
    #[arg(long, env = "SIMULATOR_SEED", default_value_t = 0)]
    pub seed: u64,
    /// Milliseconds before any answer.
    #[arg(long, env = "SIMULATOR_DELAY_MS", default_value_t = 0)]
    pub delay_ms: u64,
    /// Close every connection without an answer.
    #[arg(long, env = "SIMULATOR_DOWN")]
    pub down: bool,
    /// The MOSIP-side mediator, the packet manager and the workflow answer HTTP 200 with an HTML error page, and do nothing.
    #[arg(long, env = "SIMULATOR_ANSWER_HTML")]
    pub answer_html: bool,
    /// The MOSIP-side mediator, the packet manager and the workflow answer HTTP 200 with this error code, and do nothing.
    #[arg(long, env = "SIMULATOR_ERRORS_IN_200")]
    pub errors_in_200: Option<String>,
    /// The MOSIP-side mediator, the packet manager, the workflow and OpenCRVS's core accept what comes, and then fail to say so.
    #[arg(long, env = "SIMULATOR_FAULT_AFTER_ACCEPT")]
    pub fault_after_accept: Option<AfterAccept>,
    /// What is taken and never answered: the connection stays open.
    #[arg(long, env = "SIMULATOR_HOLDS")]
    pub holds: Option<Held>,
    /// The MOSIP-side mediator, or OpenCRVS's core, answers the next request 401; then this is off again.
    #[arg(long, env = "SIMULATOR_REJECT_TOKEN_ONCE")]
    pub reject_token_once: bool,
    /// Refuse every client secret.
    #[arg(long, env = "SIMULATOR_BAD_CLIENT_SECRET")]
    pub bad_client_secret: bool,
    /// Take events under any thumbprint, as the real MOSIP-side mediator does.
    #[arg(long, env = "SIMULATOR_ANY_THUMBPRINT")]
    pub any_thumbprint: bool,
    /// Seconds that a token lives; 0 makes tokens that have expired already.
    #[arg(long, env = "SIMULATOR_TOKEN_LIFETIME_S", default_value_t = DEFAULT_TOKEN_LIFETIME_S)]
    pub token_lifetime_s: u32,
    /// Sign another text than the one pushed.
    #[arg(long, env = "SIMULATOR_WRONG_PUSH_SIGNATURE")]
    pub wrong_push_signature: bool,
    /// Push without a signature.
    #[arg(long, env = "SIMULATOR_UNSIGNED_PUSH")]
    pub unsigned_push: bool,
    /// Seal the push to a key that no one has.
    #[arg(long, env = "SIMULATOR_PUSH_SEALED_TO_STRANGER")]
    pub push_sealed_to_stranger: bool,
    /// IDA answers HTTP 200 with this error code, behind IDA-MLC-007 where its filter says it, and does nothing.
    #[arg(long, env = "SIMULATOR_IDA_ERRORS_IN_200")]
    pub ida_errors_in_200: Option<String>,
    /// What is wrong with IDA's replies.
    #[arg(long, env = "SIMULATOR_IDA_REPLY")]
    pub ida_reply: Option<IdaReply>,
    /// What is there in place of every data share.
    #[arg(long, env = "SIMULATOR_SHARE")]
    pub share: Option<ShareReply>,
    /// How OpenCRVS's core answers in place of deciding, or of what it decided.
    #[arg(long, env = "SIMULATOR_OPENCRVS")]
    pub opencrvs: Option<OpencrvsReply>,
    /// How the webhooks service of OpenCRVS lies.
    #[arg(long, env = "SIMULATOR_OPENCRVS_WEBHOOKS")]
    pub opencrvs_webhooks: Option<WebhooksLie>,
    /// How the search of OpenCRVS lies.
    #[arg(long, env = "SIMULATOR_OPENCRVS_SEARCH")]
    pub opencrvs_search: Option<SearchLie>,
    /// eSignet demands proofs of possession (DPoP) with its own nonce.
    #[arg(long, env = "SIMULATOR_ESIGNET_DPOP")]
    pub esignet_dpop: bool,
    /// eSignet demands that the parameters of a login are pushed to it.
    #[arg(long, env = "SIMULATOR_ESIGNET_PAR")]
    pub esignet_par: bool,
    /// eSignet seals the userinfo.
    #[arg(long, env = "SIMULATOR_ESIGNET_SEALS")]
    pub esignet_seals: bool,
    /// eSignet signs with a key that it has made since the start, which stands in its key set from now on.
    #[arg(long, env = "SIMULATOR_ESIGNET_ROTATED")]
    pub esignet_rotated: bool,
    /// How eSignet lies.
    #[arg(long, env = "SIMULATOR_ESIGNET_LIE")]
    pub esignet_lie: Option<EsignetLie>,
    /// What eSignet would lie in the userinfo it lies in the ID token.
    #[arg(long, env = "SIMULATOR_ESIGNET_LIES_IN_ID_TOKEN")]
    pub esignet_lies_in_id_token: bool,
    /// The hub denies every subscription and publication.
    #[arg(long, env = "SIMULATOR_HUB_DENIES")]
    pub hub_denies: bool,
    /// The hub takes subscriptions and verifies none.
    #[arg(long, env = "SIMULATOR_HUB_NEVER_VERIFIES")]
    pub hub_never_verifies: bool,
    /// The hub signs another text than the one that it delivers.
    #[arg(long, env = "SIMULATOR_HUB_WRONG_HMAC")]
    pub hub_wrong_hmac: bool,
    /// The hub delivers messages that bear the topic of somebody else.
    #[arg(long, env = "SIMULATOR_HUB_WRONG_TOPIC")]
    pub hub_wrong_topic: bool,
    /// The hub delivers each message twice.
    #[arg(long, env = "SIMULATOR_HUB_DUPLICATES")]
    pub hub_duplicates: bool,
    /// The hub delivers of each two messages the second one first.
    #[arg(long, env = "SIMULATOR_HUB_REORDERS")]
    pub hub_reorders: bool,
    /// Milliseconds between the hub's first attempt and the second.
    #[arg(long, env = "SIMULATOR_HUB_RETRY_MS", default_value_t = DEFAULT_HUB_RETRY_MS)]
    pub hub_retry_ms: u64,
}

/// Keycloak's default for access tokens.
const DEFAULT_TOKEN_LIFETIME_S: u32 = 300;

/// The interval of MOSIP's hub.
const DEFAULT_HUB_RETRY_MS: u64 = 3_000;

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            fault_rate: 0.0,
            seed: 0,
            delay_ms: 0,
            down: false,
            answer_html: false,
            errors_in_200: None,
            fault_after_accept: None,
            holds: None,
            reject_token_once: false,
            bad_client_secret: false,
            any_thumbprint: false,
            token_lifetime_s: DEFAULT_TOKEN_LIFETIME_S,
            wrong_push_signature: false,
            unsigned_push: false,
            push_sealed_to_stranger: false,
            ida_errors_in_200: None,
            ida_reply: None,
            share: None,
            opencrvs: None,
            opencrvs_webhooks: None,
            opencrvs_search: None,
            esignet_dpop: false,
            esignet_par: false,
            esignet_seals: false,
            esignet_rotated: false,
            esignet_lie: None,
            esignet_lies_in_id_token: false,
            hub_denies: false,
            hub_never_verifies: false,
            hub_wrong_hmac: false,
            hub_wrong_topic: false,
            hub_duplicates: false,
            hub_reorders: false,
            hub_retry_ms: DEFAULT_HUB_RETRY_MS,
        }
    }
}

/// How the answer to an accepted event is lost, so that the gateway sends the event again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum AfterAccept {
    /// The connection is closed without an answer.
    HangUp,
    /// HTTP 500 with `OPN-CRVS-010`.
    #[value(name = "answer-500")]
    #[serde(rename = "answer-500")]
    Answer500,
}

/// A step of a registration on its way that is taken and never answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// The packet manager creates the packet.
    Packet,
    /// The workflow begins to process it.
    Workflow,
    /// OpenCRVS's core decides.
    Decision,
}

/// What is there in place of a data share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ShareReply {
    /// HTTP 404.
    Missing,
    /// A page, with HTTP 200.
    Html,
    /// A picture, with HTTP 200.
    Image,
    /// A redirect to another path.
    Redirect,
    /// 7 MiB.
    Large,
    /// A body without end.
    Endless,
}

/// How OpenCRVS's core answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OpencrvsReply {
    /// A user is assigned to the record: it decides nothing.
    Conflict,
    /// The client lacks a scope: it decides nothing.
    Forbidden,
    /// It decides, and a page comes in place of its answer, with HTTP 200.
    Html,
    /// It decides, and half of its answer comes.
    Half,
}

/// How the webhooks service of OpenCRVS lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum WebhooksLie {
    /// It denies every subscription.
    Denies,
    /// It takes a subscription and forgets it.
    Forgets,
    /// It lists the subscriptions of other clients, too.
    ListsOthers,
    /// It takes a subscription, and asks and keeps it only later.
    Late,
}

/// How the search of OpenCRVS lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SearchLie {
    /// It refuses, with HTTP 200.
    Refuses,
    /// It gives five records at once, however many are asked for.
    Five,
    /// It has further records on every page.
    Endless,
    /// It gives the first page again and again.
    Repeats,
}

/// How eSignet lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum EsignetLie {
    /// The userinfo names another issuer.
    WrongIssuer,
    /// The userinfo is for another client.
    WrongAudience,
    /// The userinfo is somebody else's.
    WrongSubject,
    /// The userinfo has ended.
    Expired,
    /// A stranger has signed the userinfo, and shows the kid of the right key.
    Stranger,
    /// The userinfo says that it needs no signature.
    AlgNone,
    /// The signature of the userinfo is missing.
    Unsigned,
    /// The userinfo is plain JSON.
    Plain,
    /// No key has the kid of the userinfo, however often the keys are fetched.
    UnknownKid,
    /// What was sealed was altered on the way.
    AlteredSeal,
    /// The sealed userinfo inflates without end.
    Bomb,
    /// A token is bound to no key, whatever was proved.
    Unbound,
    /// The userinfo leads elsewhere.
    UserinfoRedirect,
    /// Each proof of possession is answered with another nonce.
    EndlessNonce,
    /// The same, for the userinfo alone.
    EndlessUserinfoNonce,
    /// Each proof of possession is refused.
    ProofRefused,
    /// A name in the userinfo is no text.
    OddName,
    /// The token endpoint leads elsewhere.
    Redirect,
    /// The userinfo has 10 MiB.
    Large,
    /// The document names another issuer.
    OtherIssuer,
    /// The document names a token endpoint on another host.
    OtherHost,
    /// A page stands in place of the keys.
    KeysHtml,
    /// The keys have 10 MiB.
    KeysLarge,
    /// There are a thousand keys.
    KeysThousand,
    /// The token endpoint answers with an error that repeats the code of the login.
    Echo,
}

/// What is wrong with a reply of IDA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum IdaReply {
    /// It bears no signature; refusals too.
    Unsigned,
    /// A stranger has signed it, under a certificate of their own; refusals too.
    Stranger,
    /// A stranger has signed it, and shows IDA's certificate; refusals too.
    Forged,
    /// It was changed after it was signed; refusals too.
    Altered,
    /// A success is the former reply of the same service, of another transaction.
    Replayed,
    /// A success says that it is ten minutes old.
    Stale,
    /// Half of the sealed identity is missing.
    TruncatedIdentity,
}

/// The handle to the behaviour of a running simulator. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Controls(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    behaviour: Mutex<Behaviour>,
    requests: AtomicU64,
}

impl Controls {
    /// The current values.
    pub fn get(&self) -> Behaviour {
        self.lock().clone()
    }

    /// Sets all of them, and starts the count behind `fault_rate` again.
    pub fn set(&self, behaviour: Behaviour) {
        *self.lock() = behaviour;
        self.0.requests.store(0, Ordering::SeqCst);
    }

    /// Whether `reject_token_once` was on; it is off afterwards.
    pub(super) fn take_reject_token(&self) -> bool {
        std::mem::take(&mut self.lock().reject_token_once)
    }

    /// Answers never where `what`, which was taken, is held.
    pub(super) async fn hold(&self, what: Held) {
        if self.get().holds == Some(what) {
            std::future::pending::<()>().await;
        }
    }

    /// Whether `fault_rate` hits the request that asks.
    pub(super) fn fault_strikes(&self) -> bool {
        let number = self.0.requests.fetch_add(1, Ordering::SeqCst);
        let Behaviour { fault_rate, seed, .. } = *self.lock();
        share(seed, number) < fault_rate
    }

    fn lock(&self) -> MutexGuard<'_, Behaviour> {
        self.0.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The `number`-th of the numbers in `0.0..1.0` that `seed` stands for (SplitMix64).
fn share(seed: u64, number: u64) -> f64 {
    let mut bits = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^= bits >> 31;
    // 53 bits: what an f64 holds exactly.
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
