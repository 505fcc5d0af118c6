//! The scene of eSignet: a login is believed, with proofs of possession and sealed userinfo, and three are not.

use std::io::Write;

use http::Method;
use serde_json::json;

use super::{Stage, call, ensure, print_step, text};
use crate::error::Result;
use crate::simulator::{Behaviour, EsignetLie};

/// The form to which the browser comes back.
const FORM: &str = "https://register.example.org/form";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// That of the verifier.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// What is false in the userinfo, in words.
const FALSE_ONES: [(EsignetLie, &str); 3] = [
    (EsignetLie::Unsigned, "has no signature"),
    (EsignetLie::Stranger, "is signed by a stranger"),
    (EsignetLie::WrongSubject, "is about somebody else"),
];

impl Stage {
    pub(super) async fn esignet(&mut self, out: &mut (impl Write + Send)) -> Result<()> {
        let Self { simulator, client, api, .. } = self;
        let mut print_step = |step, what, line| print_step(out, step, what, line);
        let ask = async || {
            let code = simulator.esignet.log_in(FORM, Some(CHALLENGE), None);
            let login = json!({
                "code": code, "clientId": "opencrvs-client", "redirectUri": FORM, "codeVerifier": VERIFIER,
            });
            call(client, Method::POST, &format!("{api}/v1/esignet/userinfo"), login.to_string()).await
        };
        let demanding = Behaviour { esignet_dpop: true, esignet_seals: true, ..Behaviour::default() };
        print_step(
            1,
            "eSignet demands",
            "a signed assertion, PKCE, and proofs of possession; it seals what it knows".to_owned(),
        )?;
        simulator.controls.set(demanding.clone());
        let (status, known) = ask().await?;
        ensure(status == 200 && text(&known, "/verified") == "signature")?;
        let name = format!("{} {}", text(&known, "/claims/given_name"), text(&known, "/claims/family_name"));
        print_step(2, "believed", format!("{name} logged in, under eSignet's signature"))?;
        for (step, (lie, what)) in (3..).zip(FALSE_ONES) {
            simulator.controls.set(Behaviour { esignet_lie: Some(lie), ..demanding.clone() });
            let (status, problem) = ask().await?;
            ensure(status == 502 && problem.get("claims").is_none())?;
            print_step(step, "not believed", format!("userinfo that {what}: {}", text(&problem, "/code")))?;
        }
        Ok(())
    }
}
