//! The JWTs of callers: `opencrvs-jwt`, made by OpenCRVS's auth service and brought by the MOSIP-side mediator and by OpenCRVS's pages, and
//! `mosip-jwt`, made by MOSIP's IAM.

mod known;

use http::Uri;
use jsonwebtoken::Algorithm;

use self::known::Known;
use super::jwks::{Denied, Jwks, Unverified};
use super::jwt::{self, Audience, Claims, Key, Refusal};
use crate::clock::Timestamp;
use crate::error::{Code, Error, Result};

/// The public keys of an issuer, and the tokens that hold under them. No `Debug`.
pub(crate) struct Keys {
    keys: Source,
    known: Known,
}

enum Source {
    /// An RSA key.
    One(Key),
    /// A JSON Web Key Set.
    Set(Jwks),
}

impl From<Source> for Keys {
    fn from(keys: Source) -> Self {
        Self { keys, known: Known::default() }
    }
}

impl Keys {
    /// Of OpenCRVS's auth service: `pem` is an RSA public key or a certificate.
    pub(crate) fn from_pem(pem: &[u8]) -> Result<Self> {
        Key::from_pem(pem, jwt::OF_OPENCRVS).map(|key| Source::One(key).into()).ok_or_else(|| {
            Error::new(Code::Keys, "this is neither an RSA public key nor a certificate in PEM")
        })
    }

    /// Of MOSIP's IAM: `json` is a JSON Web Key Set.
    pub(crate) fn from_jwks(json: &[u8]) -> Result<Self> {
        Jwks::read(json, jwt::OF_MOSIP).map(|keys| Source::Set(keys).into())
    }

    /// The claims of `token`, whose signature is checked under these keys.
    fn verify(&self, token: &str) -> Result<Vec<u8>, Unverified> {
        self.known.claims(token, || match &self.keys {
            Source::One(key) => key.verify(token).map_err(Unverified::UnknownKey),
            Source::Set(keys) => keys.verify(token),
        })
    }
}

/// What the tokens of one kind of caller have to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Demands {
    /// OpenCRVS's auth service made it.
    Opencrvs {
        /// `iss`
        issuer: String,
        /// In `aud`; `None`: whatever is there.
        audience: Option<String>,
    },
    /// MOSIP's IAM made it, a Keycloak. The comparisons are those of MOSIP's own services.
    Mosip {
        /// The host of `iss`.
        issuer_host: String,
        /// One of these is in `aud` or is `azp`, in upper or lower case.
        allowed: Vec<String>,
        /// Among the roles of the realm.
        role: Option<String>,
    },
}

/// What a token of OpenCRVS that came with a registration is for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Purpose {
    /// `eventId`, the record.
    pub(crate) event_id: Option<String>,
    /// `actionId`, the action of it that waits.
    pub(crate) action_id: Option<String>,
    /// `exp`
    pub(crate) ends: Option<Timestamp>,
}

impl Demands {
    /// What these tokens may be signed with.
    fn algs(&self) -> &'static [Algorithm] {
        match self {
            Self::Opencrvs { .. } => jwt::OF_OPENCRVS,
            Self::Mosip { .. } => jwt::OF_MOSIP,
        }
    }

    fn check(&self, claims: &[u8], now: Timestamp) -> Result<Purpose, Refusal> {
        let claims = Claims::read(claims)?;
        claims.check_ends(now)?;
        claims.check_issued(now)?;
        let audience = claims.aud.as_ref().map(Audience::all).unwrap_or_default();
        let is_right = match self {
            Self::Opencrvs { issuer, .. } if claims.iss.as_ref() != Some(issuer) => {
                return Err("iss is not the configured issuer");
            }
            Self::Opencrvs { audience: Some(wanted), .. } if !audience.contains(wanted) => {
                return Err("aud does not hold the configured audience");
            }
            Self::Opencrvs { .. } => true,
            Self::Mosip { issuer_host, allowed, role } => {
                let issuer: Option<Uri> = claims.iss.as_ref().and_then(|iss| iss.parse().ok());
                let host = issuer.as_ref().and_then(Uri::host);
                if !host.is_some_and(|host| host.eq_ignore_ascii_case(issuer_host)) {
                    return Err("the host of iss is not the configured one");
                }
                let is_allowed = |name: &String| allowed.iter().any(|known| known.eq_ignore_ascii_case(name));
                if !audience.iter().chain(&claims.azp).any(is_allowed) {
                    return Err("neither aud nor azp is an allowed one");
                }
                role.as_ref().is_none_or(|role| claims.has_role(role))
            }
        };
        if !is_right {
            return Err("the demanded role is not among its roles");
        }
        let ends = claims.ends();
        let (event_id, action_id) = claims.names_record();
        Ok(Purpose { event_id, action_id, ends })
    }
}

fn refuse(why: &str) -> Error {
    Error::new(Code::Unauthorized, "the bearer token is refused").for_operator(why)
}

/// Whether some key could make `token` good at `now`: it is a JWT under an accepted algorithm that says what it has to. The caller gets the
/// same refusal for every failed check.
pub(crate) fn could_be_good(demands: &Demands, token: &str, now: Timestamp) -> Result<()> {
    let claims = jwt::unverified(token, demands.algs()).map_err(refuse)?;
    demands.check(&claims, now).map(drop).map_err(refuse)
}

/// Checks a bearer token at `now`, and says what it is for. The caller gets the same refusal for every failed check. The operator's log names
/// the check.
pub(crate) fn check(keys: &Keys, demands: &Demands, token: &str, now: Timestamp) -> Result<Purpose, Denied> {
    let claims = keys.verify(token).map_err(|unverified| unverified.denied(refuse))?;
    demands.check(&claims, now).map_err(|why| Denied::Refused(refuse(why)))
}

/// The key of OpenCRVS's auth service and the claims that its tokens must have. No `Debug`.
pub struct CallerKey {
    keys: Keys,
    demands: Demands,
}

impl CallerKey {
    /// `pem` is an RSA public key or a certificate.
    pub fn from_pem(pem: &[u8], issuer: String, audience: String) -> Result<Self> {
        let demands = Demands::Opencrvs { issuer, audience: Some(audience) };
        Ok(Self { keys: Keys::from_pem(pem)?, demands })
    }

    /// Checks a bearer token at `now`, as every kind of caller's is.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<()> {
        check(&self.keys, &self.demands, token, now).map(drop).map_err(Error::from)
    }
}

#[cfg(test)]
mod tests;
