//! IDA: one call that does no harm and shows which of registration, certificate and clock is wrong.

use std::sync::Arc;

use super::Finding;
use crate::destinations::ida::{Ida, Requests};
use crate::error::{Code, Error, Fault};
use crate::mosip::ida::{Answer, Intent, Service};
use crate::pool::Pool;
use crate::queue::outside::Network;

const SUBJECT: &str = "upstream.ida";

/// No person has this number: a UIN never begins with 0. So the call counts as an attempt of no person.
fn nobody(uin_length: usize) -> String {
    let uin = "0".repeat(uin_length);
    format!(
        r#"{{"individualId":"{uin}","individualIdType":"UIN","consent":true,"demographics":{{"name":[{{"language":"eng","value":"doctor"}}]}}}}"#
    )
}

/// Asks IDA about a person who does not exist. A refusal proves everything before that question: path, partner, licence and API
/// key, our signature and certificate, IDA's certificate, both clocks, and the signer of replies.
pub(super) async fn call(
    network: Arc<Network>,
    requests: Arc<Requests>,
    uin_length: usize,
    pool: Pool,
) -> Finding {
    let nobody = nobody(uin_length);
    let answer = async {
        let ida = Ida::new(requests, network, pool);
        ida.authenticate(Arc::new(Intent::parse(Service::Auth, nobody.as_bytes())?)).await
    };
    match answer.await {
        Ok(Answer::Refused(_)) => {
            Finding::ok(SUBJECT, "a call goes there and back; the made-up person was not found, as expected")
        }
        Ok(Answer::Given(_)) => Finding::fail(
            SUBJECT,
            "confirms a person who does not exist",
            "ask the MOSIP administrator; a test system may be set to say yes to everything",
        ),
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Finding {
    let code = error.upstream().map(|said| said.code.as_str());
    let said = code.map(|code| format!(" ({code})")).unwrap_or_default();
    let suspect = match error.fault() {
        Fault::Partner if error.code() == Code::Upstream => "the URL leads elsewhere",
        Fault::Partner => "the registration (licence key, partner, API key, policy) is refused",
        Fault::Keys if error.code() == Code::KeyUnavailable => "a key is away",
        Fault::Keys => match code {
            Some("IDA-MPA-001") => "our signature is refused",
            Some("IDA-MPA-002" | "IDA-MPA-021" | "IDA-MPA-022") => "our certificate is refused",
            Some("IDA-MPA-003" | "IDA-MPA-004") => "IDA has no key for the certificate of peer `ida`",
            _ => "a key or certificate is missing or refused",
        },
        Fault::Tampered => "the reply does not verify",
        Fault::Upstream if error.code() == Code::UpstreamTimeout => "there is no answer in time",
        Fault::Upstream => "the call fails",
        Fault::Caller | Fault::Storage | Fault::Bug => "the call is refused",
    };
    Finding::fail(SUBJECT, format!("{suspect}{said}: {}", error.detail()), error.advice())
}
