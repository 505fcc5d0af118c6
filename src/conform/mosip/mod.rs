//! A stand-in for MOSIP: the kit plays the gateway.

mod events;
mod ida;
mod pushes;

use std::time::Duration;

use http::{HeaderValue, Method, Uri, header};

use super::event::Registry;
use super::inbox::Inbox;
use super::keys::Keys;
use super::report::{Report, Rule, Verdict};
use super::target::{Came, Target, behind};
use super::{CannotRun, Plan};
use crate::clock::Clock;
use crate::config::{Token, TokenKind};
use crate::crypto::secret::SecretBytes;
use crate::mosip::Transport;
use crate::mosip::access::{Iam, cookie};
use crate::mosip::mediator::read_aid;

const TOKENS: &str = "tokens";
const TOKEN_PATH: &str = "/auth/realms/mosip/protocol/openid-connect/token";
const IAM: Iam = Iam { of: "MOSIP", section: "upstream.token" };

const GIVEN: Rule = Rule {
    text: "A client that is registered gets an access token for its secret.",
    source: "RFC 6749 4.4; Keycloak's token endpoint",
};
const REFUSED: Rule = Rule {
    text: "A client with a wrong secret gets no token.",
    source: "RFC 6749 5.2; Keycloak's token endpoint",
};
const DEMANDED: Rule = Rule {
    text: "Without a token in the cookie `Authorization`, or with one that nobody issued, nothing is given and nothing is taken.",
    source: "mosip-openid-bridge (the cookie); tf-govstack/mosip-opencrvs",
};

/// The stand-in and the gateway's side of the conversation.
struct Stage<'t> {
    target: &'t Target,
    base: Uri,
    keys: &'t Keys,
    registry: Registry,
    /// `Authorization=<token>`; absent where the stand-in gave none.
    cookie: Option<HeaderValue>,
    patience: Duration,
}

pub(super) async fn run(
    plan: &Plan,
    keys: &Keys,
    target: &mut Target,
    report: &mut Report,
) -> Result<(), CannotRun> {
    let inbox = if plan.without_pushes { None } else { Some(Inbox::open(plan.inbox).await?) };
    target.reach(&plan.against).await?;
    let token = tokens(plan, keys, target, report).await?;
    let shown = token.as_ref().and_then(|token| token.to_str().ok()).map(str::to_owned);
    if let Some(shown) = shown {
        target.hide(shown.trim_start_matches("Authorization="));
    }
    let stage = Stage {
        target,
        base: plan.against.clone(),
        keys,
        registry: Registry::new(),
        cookie: token,
        patience: plan.patience,
    };
    demanded(&stage, report).await?;
    let born = events::run(&stage, report).await?;
    ida::run(&stage, report).await?;
    pushes::run(&stage, inbox.as_ref(), born.as_ref(), report).await
}

async fn tokens(
    plan: &Plan,
    keys: &Keys,
    target: &Target,
    report: &mut Report,
) -> Result<Option<HeaderValue>, CannotRun> {
    let client = &keys.theirs.client;
    let ask = async |secret: &[u8]| -> Result<_, CannotRun> {
        let settings = Token {
            url: behind(&plan.against, TOKEN_PATH)?,
            kind: TokenKind::KeycloakClientCredentials,
            client_id: client.id.clone(),
            client_secret: SecretBytes::new(secret.to_vec()),
        };
        let now = Clock::system().now();
        let (url, headers, body) = IAM.request(&settings, now)?;
        let headers = headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
        let came = target.send(Method::POST, &url, headers, body).await;
        let token =
            came.0.as_ref().ok().and_then(|reply| {
                IAM.read(&settings.kind, reply.status, &reply.headers, &reply.body, now).ok()
            });
        Ok((came, token.map(|token| cookie(&token))))
    };
    let (wrong, stolen) = ask(b"the secret of somebody else").await?;
    let (right, given) = ask(client.secret.expose()).await?;
    let sent = |which: &str| format!("POST {TOKEN_PATH} for client {} with {which} secret", client.id);
    // A body may hold a token, which no report shows.
    let answered = |came: &Came, has_token: bool| match came.status() {
        Some(status) if has_token => format!("HTTP {status} with a token"),
        Some(status) => format!("HTTP {status} without a token"),
        None => target.describe(came),
    };
    let verdict = Verdict::of(given.is_some(), sent("its"), answered(&right, false));
    report.add(TOKENS, "the right secret", &GIVEN, verdict);
    let verdict = Verdict::of(
        stolen.is_none() && wrong.status().is_some(),
        sent("another"),
        answered(&wrong, stolen.is_some()),
    );
    report.add(TOKENS, "a wrong secret", &REFUSED, verdict);
    Ok(given)
}

async fn demanded(stage: &Stage<'_>, report: &mut Report) -> Result<(), CannotRun> {
    let forged = HeaderValue::from_static("Authorization=eyJhbGciOiJub25lIn0.e30.");
    for (name, cookie) in [("no token", None), ("a token that nobody signed", Some(forged))] {
        let came = stage.get_aid(cookie).await?;
        let is_given = came
            .0
            .as_ref()
            .is_ok_and(|reply| read_aid(reply.status, &reply.body, Transport::Protected).is_ok());
        let holds = !is_given && came.status().is_some();
        let sent = format!("GET {} with {name}", events::AID);
        report.add(TOKENS, name, &DEMANDED, Verdict::of(holds, sent, stage.target.describe(&came)));
    }
    Ok(())
}

impl Stage<'_> {
    fn url(&self, path: &str) -> Result<Uri, CannotRun> {
        behind(&self.base, path)
    }

    async fn get_aid(&self, cookie: Option<HeaderValue>) -> Result<Came, CannotRun> {
        let cookie = cookie.map(|cookie| (header::COOKIE, cookie));
        Ok(self.target.send(Method::GET, &self.url(events::AID)?, cookie, "").await)
    }
}
