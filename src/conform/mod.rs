//! `mosip-gateway conform`: the conformance kit. It runs known answers and a hostile counterpart against somebody else's program, and says
//! which rules of the wire that program breaks.
//!
//! A program stands in one of two places ([`Role`]). Of a mediator the kit plays everything around it: OpenCRVS, which posts webhooks, and
//! MOSIP, which takes events, answers as IDA and pushes UINTOKENs. Of a stand-in for MOSIP it plays the gateway.
//!
//! A check sends something and compares what comes with one [`Rule`]. What a rule says, and where it was read, stands in the report beside
//! every finding. The list of checks is the source: one file for each subject.

mod event;
mod inbox;
mod keys;
mod mediator;
mod mosip;
mod report;
mod target;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;

pub use self::report::{Case, Report, Rule, Verdict};

use self::keys::Keys;
use self::target::Target;
use crate::crypto::secret::SecretBytes;
use crate::error::Error;
use crate::simulator::StartError;

/// Where the program stands that is examined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    /// Between OpenCRVS and MOSIP, as the gateway does.
    Mediator,
    /// In place of MOSIP.
    Mosip,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Mediator => "mediator",
            Self::Mosip => "mosip",
        }
    }
}

/// What is examined, and how. No `Debug`: it holds secrets.
pub struct Plan {
    /// Base URL of the program.
    pub against: Uri,
    /// Its place.
    pub role: Role,
    /// Where a mediator takes webhooks; absent: `/webhooks` behind `against`.
    pub webhooks: Option<Uri>,
    /// Where a mediator takes UINTOKENs; absent: `/birthReceiveNid` behind `against`.
    pub pushes: Option<Uri>,
    /// Where a mediator answers the forms of OpenCRVS about a person; absent: it does not.
    pub verify: Option<Uri>,
    /// Whether UINTOKENs are left out.
    pub without_pushes: bool,
    /// The folder of a development key set, whose public halves the program knows.
    pub keys: PathBuf,
    /// What OpenCRVS signs its webhooks with; absent: the secret of the vectors.
    pub webhook_secret: Option<SecretBytes>,
    /// The registration of the gateway at MOSIP; what is absent is as in the example configuration.
    pub registration: Registration,
    /// Where the kit plays MOSIP towards a mediator.
    pub listen: SocketAddr,
    /// Where what the program tells OpenCRVS arrives, and the UINTOKENs of a stand-in for MOSIP.
    pub inbox: SocketAddr,
    /// PEM roots for `https`; absent: the public ones.
    pub roots: Option<Vec<u8>>,
    /// Plain http to another machine is allowed.
    pub danger_plain_http: bool,
    /// The time for one answer.
    pub deadline: Duration,
    /// How long the kit waits for what follows an answer, such as an event that reaches MOSIP.
    pub patience: Duration,
}

/// Who the gateway is at MOSIP. No `Debug`: it holds secrets.
#[derive(Default)]
pub struct Registration {
    /// `client_id` at MOSIP's IAM.
    pub client_id: Option<String>,
    /// Its secret.
    pub client_secret: Option<SecretBytes>,
    /// The partner at IDA.
    pub partner_id: Option<String>,
    /// The licence key of its MISP.
    pub licence_key: Option<SecretBytes>,
    /// Its API key.
    pub api_key: Option<SecretBytes>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum CannotRun {
    /// A port that is taken, or a key set that is not whole.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The keys of the gateway's side cannot be read.
    #[error("{0}")]
    Keys(String),
    /// Nobody answers at the URL.
    #[error("{0}; start the program that is to be examined, or correct the URL")]
    Unreachable(String),
    /// A part of the kit itself fails.
    #[error("the kit cannot run: {0}")]
    Kit(#[from] Error),
}

/// Examines the program. It takes as long as the program needs to bring some twenty events home.
pub async fn run(mut plan: Plan) -> Result<Report, CannotRun> {
    let keys = Keys::read(&mut plan)?;
    let mut target = Target::new(&plan, &keys)?;
    let mut report = Report::new(plan.role.as_str(), &plan.against);
    match plan.role {
        Role::Mediator => mediator::run(plan, keys, &mut target, &mut report).await?,
        Role::Mosip => mosip::run(&plan, &keys, &mut target, &mut report).await?,
    }
    Ok(report)
}
