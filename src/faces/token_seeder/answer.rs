//! The answer at once, in the shape of IDA's own, which OpenCRVS reads. `authStatus` stands in it only where IDA has decided about the
//! person: while IDA is away no person is invalid.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::error::{Fault, Result};
use crate::faces::App;
use crate::mosip::authtoken::{Refused, UNKNOWN_ERROR};
use crate::mosip::codes::Reason;
use crate::mosip::ida::{Answer, ListedRecord, Record};

const NOT_ASKED: &str = "Correct the record; MOSIP was not asked.";

/// Asks IDA about one person.
pub(super) async fn at_once(app: &App, line: ListedRecord<Refused>) -> Value {
    let record = match line.record {
        Ok(record) => record,
        Err(Refused { code, message }) => return nobody_decided(app, code, message, NOT_ASKED),
    };
    ask(app, &record).await.unwrap_or_else(|error| {
        tracing::warn!(
            code = error.code().as_str(),
            fault = error.fault().as_str(),
            detail = error.detail(),
            upstream = error.upstream().map(|said| said.code.as_str()),
            "IDA could not be asked for a UINTOKEN"
        );
        // What IDA says of the record itself keeps its code.
        let code = error.upstream().filter(|_| error.fault() == Fault::Caller).map(|said| said.code.as_str());
        nobody_decided(app, code.unwrap_or(UNKNOWN_ERROR), &error.detail_for_registrar(), error.advice())
    })
}

async fn ask(app: &App, record: &Record) -> Result<Value> {
    let intent = Arc::new(record.intent()?);
    let (response, errors) = match app.ida().authenticate(Arc::clone(&intent)).await? {
        Answer::Given(given) => {
            let given = given.into_inner();
            (json!({ "authStatus": given.auth_status, "authToken": given.token }), Vec::new())
        }
        Answer::Refused(reasons) => {
            let errors = reasons.into_inner().into_iter().map(in_words_of_ida).collect();
            (json!({ "authStatus": false, "authToken": null }), errors)
        }
    };
    Ok(in_shape_of_ida(app, Some(intent.transaction().as_str()), response, errors))
}

fn in_words_of_ida(reason: Reason) -> Value {
    json!({
        "errorCode": reason.code,
        "errorMessage": reason.message,
        "actionMessage": reason.meaning.registrar,
    })
}

fn nobody_decided(app: &App, code: &str, message: &str, action: &str) -> Value {
    let error = json!({ "errorCode": code, "errorMessage": message, "actionMessage": action });
    in_shape_of_ida(app, None, Value::Null, vec![error])
}

fn in_shape_of_ida(app: &App, transaction: Option<&str>, response: Value, errors: Vec<Value>) -> Value {
    json!({
        "id": "mosip.identity.auth",
        "version": "v1",
        "responseTime": app.now().to_iso(),
        "transactionID": transaction,
        "response": response,
        "errors": errors,
    })
}
