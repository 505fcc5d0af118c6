//! Requests to IDA as the gateway makes them, and with one defect each.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use super::super::CannotRun;
use super::super::report::{Report, Rule, Verdict};
use super::super::target::{Came, in_path};
use super::Stage;
use crate::clock::{Clock, Timestamp};
use crate::crypto::jws::{self, Protected};
use crate::crypto::rsa::SignatureAlgorithm::Rs256;
use crate::error::{Code, Error};
use crate::keys::OwnKey;
use crate::mosip::Transport;
use crate::mosip::ida::{
    Answer, Expected, Intent, Origin, RawReply, Response, Service, TransactionId, read, read_known, request,
    verify_body,
};

const SUBJECT: &str = "ida";
/// Where the licence key, the partner and the API key stand in a path that a report shows.
const PATH: &str = "/{licence key}/{partner}/{API key}";
/// How old a request is that IDA takes no more, milliseconds; it takes 60 s.
const STALE: i64 = 5 * 60 * 1000;

const CONFIRMED: Rule = Rule {
    text: "A reply that confirms a person is signed over its exact bytes (response-signature) and names service, transaction and time of the call.",
    source: "MOSIP id-authentication; RFC 7515 appendix F",
};
const KNOWN: Rule = Rule {
    text: "The identity is sealed to the partner's certificate: AES-256-GCM with a nonce of 16 bytes behind the tag, its key under RSA-OAEP-256.",
    source: "MOSIP id-authentication, KycFacadeImpl and IdAuthSecurityManager",
};
const DIFFERS: Rule = Rule {
    text: "A person who does not match is refused with HTTP 200, `authStatus` false and the code of the verdict alone, under IDA's signature.",
    source: "MOSIP id-authentication, AuthController; tests/vectors/ida-errors.json",
};
const PAIR: Rule = Rule {
    text: "What IDA's filter refuses is answered HTTP 200 with two errors, IDA-MLC-007 and the code that says why, with `id` and `version` null.",
    source: "MOSIP id-authentication, BaseIDAFilter.sendErrorResponse; tests/vectors/ida-errors.json",
};
const WINDOW: Rule = Rule {
    text: "A request that is older than 60 s is refused with IDA-MLC-001.",
    source: "MOSIP id-authentication, IdAuthValidator",
};

/// A request, whole or spoiled.
struct Made {
    service: Service,
    transaction: TransactionId,
    licence_key: String,
    body: Bytes,
    signature: Option<String>,
    is_authorized: bool,
}

pub(super) async fn run(stage: &Stage<'_>, report: &mut Report) -> Result<(), CannotRun> {
    let now = Clock::system().now();
    let made = Made::new(stage, Service::Auth, "Leila Karim", now)?;
    let came = made.send(stage).await?;
    let verdict = Verdict::of(
        made.given(stage, &came).is_ok(),
        made.shown("a person who matches"),
        told(stage, &made, &came),
    );
    report.add(SUBJECT, "a person who matches", &CONFIRMED, verdict);

    let made = Made::new(stage, Service::Kyc, "Leila Karim", now)?;
    let came = made.send(stage).await?;
    let opened = made.given(stage, &came).and_then(|answer| {
        answer.try_map(|response| read_known(response, &stage.keys.ours))?.given().map(drop)
    });
    let verdict = Verdict::of(opened.is_ok(), made.shown("a person who matches"), told(stage, &made, &came));
    report.add(SUBJECT, "an identity", &KNOWN, verdict);

    let made = Made::new(stage, Service::Auth, "Somebody Else", now)?;
    let came = made.send(stage).await?;
    let holds = codes(&came).iter().any(|code| code.starts_with("IDA-DEA-"))
        && codes(&came).len() == 1
        && status_of(&came) == Some(false)
        && made.is_signed(stage, &came);
    report.add(
        SUBJECT,
        "somebody else",
        &DIFFERS,
        Verdict::of(holds, made.shown("another name"), stage.target.describe(&came)),
    );

    for Spoiled { name, made, why } in spoiled(stage)? {
        let came = made.send(stage).await?;
        let codes = codes(&came);
        let is_pair = matches!(codes.as_slice(), [first, second] if first == "IDA-MLC-007" && why.contains(&second.as_str()));
        let named = |member: &str| body_of(&came).get(member).is_none_or(Value::is_null);
        let holds = came.status() == Some(200) && is_pair && named("id") && named("version");
        let sent = format!("{}; owed: IDA-MLC-007 and {}", made.shown(name), why.join(" or "));
        report.add(SUBJECT, name, &PAIR, Verdict::of(holds, sent, stage.target.describe(&came)));
    }

    let made = Made::new(stage, Service::Auth, "Leila Karim", Timestamp::from_millis(now.millis() - STALE))?;
    let came = made.send(stage).await?;
    let holds = codes(&came).iter().any(|code| code == "IDA-MLC-001") && status_of(&came) != Some(true);
    let verdict =
        Verdict::of(holds, made.shown("a request of five minutes ago"), stage.target.describe(&came));
    report.add(SUBJECT, "a request of five minutes ago", &WINDOW, verdict);
    Ok(())
}

/// What IDA's filter refuses.
struct Spoiled {
    name: &'static str,
    made: Made,
    /// The codes that may say why.
    why: &'static [&'static str],
}

fn spoiled(stage: &Stage<'_>) -> Result<Vec<Spoiled>, CannotRun> {
    let now = Clock::system().now();
    let make = |service| Made::new(stage, service, "Leila Karim", now);
    let theirs = &stage.keys.theirs;
    let mut unsigned = make(Service::Auth)?;
    unsigned.signature = None;
    let mut strange = make(Service::Auth)?;
    let x5c = [theirs.issuer.certificate.der()];
    let protected = Protected { alg: Rs256, x5c: &x5c, kid: None, b64: true };
    let signature = jws::sign_detached(&theirs.issuer.key, protected, &strange.body).map_err(Error::from)?;
    strange.signature = Some(signature);
    let mut changed = make(Service::Auth)?;
    changed.body = [b" ".as_slice(), &changed.body].concat().into();
    let mut unauthorized = make(Service::Auth)?;
    unauthorized.is_authorized = false;
    let mut unlicensed = make(Service::Auth)?;
    unlicensed.licence_key = "nobodys-licence-key".to_owned();
    let mut unlicensed_kyc = make(Service::Kyc)?;
    unlicensed_kyc.licence_key = "nobodys-licence-key".to_owned();
    // A digest that was sealed with the key of another request.
    let (mut mixed, other) = (make(Service::Auth)?, make(Service::Auth)?);
    let mut members: Value = serde_json::from_slice(&mixed.body).unwrap_or_default();
    let others: Value = serde_json::from_slice(&other.body).unwrap_or_default();
    if let (Some(member), Some(other)) = (members.get_mut("requestHMAC"), others.get("requestHMAC")) {
        *member = other.clone();
    }
    mixed.body = members.to_string().into();
    mixed.signature = Some(sign(stage, &mixed.body)?);
    let elsewhere = Made::sealed_to(stage, Service::Auth, "Leila Karim", now, &theirs.opencrvs.certificate)?;
    let spoiled = |name, made, why: &'static [&'static str]| Spoiled { name, made, why };
    let partner = &["IDA-MPA-009", "IDA-MPA-007"];
    Ok(vec![
        spoiled("a request without a signature", unsigned, &["IDA-MLC-006", "IDA-MPA-022"]),
        spoiled("signed by a stranger", strange, &["IDA-MPA-021", "IDA-MPA-001"]),
        spoiled("changed after it was signed", changed, &["IDA-MPA-001"]),
        spoiled("without the header Authorization", unauthorized, &["IDA-MLC-006"]),
        spoiled("sealed to somebody else", elsewhere, &["IDA-MPA-003"]),
        spoiled("the digest of another request", mixed, &["IDA-MPA-003", "IDA-MPA-016"]),
        spoiled("a licence key that is nobody's", unlicensed, partner),
        spoiled("a licence key that is nobody's, for kyc", unlicensed_kyc, partner),
    ])
}

fn partner<'s>(stage: &'s Stage<'_>) -> Result<&'s OwnKey, Error> {
    let key = stage.keys.ours.signer(Some("partner"));
    key.map(AsRef::as_ref).ok_or_else(|| Error::new(Code::Bug, "the key set has no key that signs"))
}

fn sign(stage: &Stage<'_>, body: &[u8]) -> Result<String, Error> {
    crate::mosip::ida::sign_body(partner(stage)?, body)
}

impl Made {
    fn new(stage: &Stage<'_>, service: Service, name: &str, now: Timestamp) -> Result<Self, Error> {
        Self::sealed_to(stage, service, name, now, &stage.keys.theirs.ida.certificate)
    }

    /// About the person whom the simulator's IDA knows under this number as Leila Karim.
    fn sealed_to(
        stage: &Stage<'_>,
        service: Service,
        name: &str,
        now: Timestamp,
        to: &crate::keys::Certificate,
    ) -> Result<Self, Error> {
        let transaction = TransactionId::generate();
        let asked = json!({
            "individualId": "4152630978", "individualIdType": "UIN", "consent": true,
            "transactionId": transaction.as_str(),
            "demographics": { "name": [{ "language": "eng", "value": name }], "dob": "1990/03/14" },
        });
        let intent = Intent::parse(service, asked.to_string().as_bytes())?;
        let signed = request(&intent, Origin::default(), to, partner(stage)?, now)?;
        Ok(Self {
            service,
            transaction,
            licence_key: in_path(&stage.keys.theirs.ida.license_key),
            body: signed.body,
            signature: Some(signed.signature),
            is_authorized: true,
        })
    }

    async fn send(&self, stage: &Stage<'_>) -> Result<Came, CannotRun> {
        let ida = &stage.keys.theirs.ida;
        let (service, licence_key, api_key) =
            (self.service.segment(), &self.licence_key, in_path(&ida.api_key));
        let path = format!("/idauthentication/v1/{service}/{licence_key}/{}/{api_key}", ida.partner_id);
        let signature = self.signature.as_deref().and_then(|signature| HeaderValue::from_str(signature).ok());
        let signature = signature.map(|value| (HeaderName::from_static("signature"), value));
        let authorization = (header::AUTHORIZATION, HeaderValue::from_static("Authorization"));
        let headers = signature.into_iter().chain(self.is_authorized.then_some(authorization));
        Ok(stage.target.post(&stage.url(&path)?, headers, self.body.clone()).await)
    }

    fn shown(&self, what: &str) -> String {
        format!("POST /idauthentication/v1/{}{PATH}: {what}", self.service.segment())
    }

    /// The reply, as the gateway reads it.
    fn given(&self, stage: &Stage<'_>, came: &Came) -> Result<Answer<Response>, Error> {
        let Ok(reply) = &came.0 else { return Err(Error::new(Code::Upstream, "no answer came")) };
        let signer = stage.keys.ours.peer("ida-sign");
        let signers: Vec<_> = signer.map(AsRef::as_ref).into_iter().collect();
        let expected = Expected {
            service: self.service,
            transaction: &self.transaction,
            signers: &signers,
            danger_accept_unsigned: false,
            transport: Transport::Protected,
            now: Clock::system().now(),
        };
        let raw = RawReply { status: reply.status, headers: &reply.headers, body: &reply.body };
        match read(raw, expected)? {
            answer @ Answer::Given(_) => Ok(answer),
            Answer::Refused(_) => Err(Error::new(Code::Upstream, "it refuses a person who matches")),
        }
    }

    fn is_signed(&self, stage: &Stage<'_>, came: &Came) -> bool {
        let Ok(reply) = &came.0 else { return false };
        let signature = reply.headers.get("response-signature").and_then(|value| value.to_str().ok());
        let signer = stage.keys.ours.peer("ida-sign");
        signature.zip(signer).is_some_and(|(signature, signer)| {
            verify_body(&[signer.as_ref()], &reply.body, signature, Clock::system().now()).is_ok()
        })
    }
}

/// What came in place of a success, and what is wrong with it.
fn told(stage: &Stage<'_>, made: &Made, came: &Came) -> String {
    let answered = stage.target.describe(came);
    match made.given(stage, came) {
        Err(error) => format!("{answered}; {}", stage.target.shown(error.to_string().as_bytes())),
        Ok(_) => format!("{answered}; the identity does not open"),
    }
}

fn body_of(came: &Came) -> Value {
    serde_json::from_slice(came.body()).unwrap_or_default()
}

/// The codes of `errors`.
fn codes(came: &Came) -> Vec<String> {
    let body = body_of(came);
    let errors = body.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
    errors.iter().filter_map(|error| Some(error.get("errorCode")?.as_str()?.to_owned())).collect()
}

fn status_of(came: &Came) -> Option<bool> {
    body_of(came).pointer("/response/authStatus")?.as_bool()
}
