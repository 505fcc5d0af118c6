//! IDA's codes, as its `IdAuthenticationErrorConstants.java` lists them.

use super::Meaning;
use crate::error::Fault;
use crate::refusal;

/// IDA's filter puts this code in front of the one that says what is wrong. Alone it says nothing.
pub(super) const GENERIC: &str = "IDA-MLC-007";

/// The row of `code`, of its family, or the general row for codes that begin like IDA's. `None` where it is not a code of IDA.
pub(super) fn meaning(code: &str) -> Option<Meaning> {
    known(code).or_else(|| code.starts_with("IDA-").then_some(UNKNOWN))
}

/// The row of `code`, or of its family.
pub(super) fn known(code: &str) -> Option<Meaning> {
    let exact = ROWS.iter().find(|(row, _)| *row == code);
    exact
        .or_else(|| FAMILIES.iter().find(|(family, _)| code.starts_with(family)))
        .map(|&(_, meaning)| meaning)
}

/// A verdict about the person. `retryable` says whether time alone may change it.
const fn person(retryable: bool, registrar: &'static str, operator: &'static str) -> Meaning {
    Meaning {
        fault: Fault::Caller,
        retryable,
        is_verdict: true,
        pointer: Some("/individualId"),
        registrar,
        operator,
    }
}

/// A verdict about the channel of a one-time password.
const fn channel(registrar: &'static str, operator: &'static str) -> Meaning {
    Meaning { pointer: Some("/otpChannel"), ..person(false, registrar, operator) }
}

/// A failure because of what the caller sent.
const fn sent(pointer: &'static str, registrar: &'static str, operator: &'static str) -> Meaning {
    Meaning {
        fault: Fault::Caller,
        retryable: false,
        is_verdict: false,
        pointer: Some(pointer),
        registrar,
        operator,
    }
}

/// A failure of the call: IDA did not look at the person.
const fn failure(fault: Fault, retryable: bool, registrar: &'static str, operator: &'static str) -> Meaning {
    Meaning { fault, retryable, is_verdict: false, pointer: None, registrar, operator }
}

const fn partner(operator: &'static str) -> Meaning {
    failure(Fault::Partner, true, REGISTRATION, operator)
}

/// The policy of the partner does not allow what was asked. The caller may ask for something else.
const fn policy(registrar: &'static str, operator: &'static str) -> Meaning {
    failure(Fault::Partner, true, registrar, operator)
}

const fn keys(operator: &'static str) -> Meaning {
    failure(Fault::Keys, true, KEYS, operator)
}

const fn ida_failed(operator: &'static str) -> Meaning {
    failure(Fault::Upstream, true, AWAY, operator)
}

const fn defect(operator: &'static str) -> Meaning {
    failure(Fault::Bug, false, BROKEN, operator)
}

const AWAY: &str = "MOSIP could not answer now; this says nothing about the person. Try again later.";
const REGISTRATION: &str =
    "MOSIP does not serve this office at the moment; this says nothing about the person. Tell the operator.";
const KEYS: &str =
    "The connection to MOSIP has to be repaired; this says nothing about the person. Tell the operator.";
const BROKEN: &str =
    "The request did not reach MOSIP as it should; this says nothing about the person. Tell the operator.";
/// The person, or what was written of them, is at fault: the registrar knows the one, and MOSIP holds the other.
const WITH_THE_PERSON: &str = "The registrar settles this with the person. Where what was sent is right, ask the MOSIP administrator what MOSIP holds.";
const POLICY: &str =
    "Have the MOSIP administrator change the policy of this partner, or leave this factor out.";

#[rustfmt::skip]
const ROWS: &[(&str, Meaning)] = &[
    ("IDA-MLC-001", ida_failed("Set the clocks of this machine and of MOSIP by NTP: a request counts for 60 s, and 30 s ahead of time. A slow line has the same effect.")),
    ("IDA-MLC-002", person(false, "This is not a UIN. Compare it with the person's card.", WITH_THE_PERSON)),
    ("IDA-MLC-003", sent("/individualId", "The UIN has been deactivated.", WITH_THE_PERSON)),
    ("IDA-MLC-004", person(false, "This is not a VID. Compare it with the person's card.", WITH_THE_PERSON)),
    ("IDA-MLC-005", sent("/individualId", "The VID has expired. The person can ask for a new one.", WITH_THE_PERSON)),
    ("IDA-MLC-006", defect("IDA did not receive a parameter that the gateway always sends: look for a proxy that drops headers (Signature, Authorization), else report a defect.")),
    (GENERIC, ida_failed("IDA gives no reason. If every request ends so, ask the MOSIP administrator whether the partner has expired, and for IDA's log of this time.")),
    ("IDA-MLC-008", sent("", "Nothing was sent by which the person can be recognised.", "Send demographics, an OTP or biometrics.")),
    ("IDA-MLC-009", sent("", "MOSIP does not accept a value that was sent.", "MOSIP's message names the parameter; correct it.")),
    ("IDA-MLC-010", sent("/individualId", "The UIN behind this VID has been deactivated.", WITH_THE_PERSON)),
    ("IDA-MLC-011", sent("", "This way of recognising a person is not supported here. Use another one.", "MOSIP's message names the factor; leave it out.")),
    ("IDA-MLC-012", sent("/consent", "The person's consent is missing. Ask for it.", "Send \"consent\": true once the person has agreed.")),
    ("IDA-MLC-013", sent("", "A value is missing by which the person can be recognised.", "MOSIP's message names it.")),
    ("IDA-MLC-014", sent("/otpChannel", "The person has no telephone number or e-mail address with MOSIP. Use the other channel, or demographics.", WITH_THE_PERSON)),
    ("IDA-MLC-015", sent("/individualIdType", "This kind of identifier is not used in this country.", "Send another individualIdType.")),
    ("IDA-MLC-016", sent("/biometrics", "The biometrics belong to another transaction. Capture them again.", "Give the transactionId under which they were captured.")),
    ("IDA-MLC-018", person(true, "MOSIP has no such number, or does not know it yet. Compare it with the person's card; a new number takes a while.", WITH_THE_PERSON)),
    ("IDA-MLC-019", person(false, "The person has locked this way of being recognised. Use another one, or let them unlock it.", WITH_THE_PERSON)),
    ("IDA-MLC-020", ida_failed("IDA cannot encrypt: ask the MOSIP administrator.")),
    ("IDA-MLC-021", ida_failed("IDA does not reach its key store: ask the MOSIP administrator.")),
    ("IDA-MLC-022", person(false, "The person's number is deactivated or blocked.", WITH_THE_PERSON)),
    ("IDA-MLC-023", person(false, "The VID has expired or was revoked. The person can ask for a new one.", WITH_THE_PERSON)),
    ("IDA-MLC-024", sent("/biometrics", "The biometrics were captured for another environment.", "Let upstream.ida.domain_uri and upstream.ida.env equal what the capture device writes.")),
    ("IDA-MLC-025", partner("IDA has no certificate of this partner: upload it again in MOSIP's partner management.")),
    ("IDA-MLC-026", sent("/individualId", "The UIN has not the right number of digits.", WITH_THE_PERSON)),
    ("IDA-MLC-027", sent("/individualId", "A digit of the UIN is wrong. Compare it with the person's card.", WITH_THE_PERSON)),
    ("IDA-MLC-028", sent("/individualId", "The VID has not the right number of digits.", WITH_THE_PERSON)),
    ("IDA-MLC-029", sent("/individualId", "A digit of the VID is wrong. Compare it with the person's card.", WITH_THE_PERSON)),
    ("IDA-MLC-030", sent("/biometrics", "The captures lie too far apart. Capture them again.", WITH_THE_PERSON)),
    ("IDA-MLC-031", sent("/biometrics", "The captures lie too far apart. Capture them again.", WITH_THE_PERSON)),

    ("IDA-DEA-001", person(false, "A detail differs from what MOSIP holds; its message says which. Ask the person and correct it.", WITH_THE_PERSON)),
    ("IDA-DEA-002", sent("/demographics", "MOSIP does not use this language.", "Send the languages that this country's MOSIP is set up with.")),
    ("IDA-DEA-003", person(false, "MOSIP does not hold this detail of the person. Leave it out.", WITH_THE_PERSON)),

    ("IDA-OTA-001", person(true, "Too many one-time passwords were asked for. Wait a few minutes.", WITH_THE_PERSON)),
    ("IDA-OTA-002", ida_failed("IDA could not send the one-time password: ask the MOSIP administrator about its mail and message gateways.")),
    ("IDA-OTA-003", person(false, "The one-time password has expired. Send a new one.", WITH_THE_PERSON)),
    ("IDA-OTA-004", person(false, "The one-time password is wrong. Let the person read it again.", WITH_THE_PERSON)),
    ("IDA-OTA-005", person(false, "The one-time password belongs to another request. Send a new one.", "The caller has to give the transactionId that /v1/ida/otp answered.")),
    ("IDA-OTA-006", person(true, "No one-time password is sent to this person for now. Try again later.", WITH_THE_PERSON)),
    ("IDA-OTA-007", person(true, "After too many wrong one-time passwords the person is locked for now. Try again later.", WITH_THE_PERSON)),
    ("IDA-OTA-008", channel("No channel was chosen for the one-time password.", "The caller has to send otpChannel.")),
    ("IDA-OTA-009", channel("This country sends no one-time passwords over this channel. Use the other one.", WITH_THE_PERSON)),
    ("IDA-OTA-010", person(false, "The one-time password was sent for another kind of identifier. Use the same one.", "The caller has to send the same individualIdType to /v1/ida/otp and afterwards.")),
    ("IDA-OTA-011", person(false, "The one-time password was asked for by another office. Send a new one.", "Ask for and use a password under the same upstream.ida.partner_id.")),
    ("IDA-OTA-012", person(false, "No one-time password was asked for. Have one sent first, then enter it.", "The caller has to call /v1/ida/otp first, and then give the transactionId that it answered.")),
    ("IDA-OTA-013", person(true, "One-time passwords are frozen for this person for a time. Wait, then try again; a new one does not help.", "MOSIP ends the freeze by itself; its administrator knows after how long.")),

    ("IDA-BIA-001", person(false, "The biometrics are not those of the person. Capture them again.", WITH_THE_PERSON)),
    ("IDA-BIA-002", person(false, "One finger was captured twice. Capture different ones.", WITH_THE_PERSON)),
    ("IDA-BIA-004", partner(DEVICE)),
    ("IDA-BIA-005", partner(DEVICE)),
    ("IDA-BIA-006", person(false, "MOSIP holds no such biometrics of the person. Use another way.", WITH_THE_PERSON)),
    ("IDA-BIA-007", person(false, "One eye was captured twice. Capture both.", WITH_THE_PERSON)),
    ("IDA-BIA-012", sent("/biometrics", "The capture device could not be asked. Capture them again.", "Look after the capture device and its service.")),
    ("IDA-BIA-014", sent("/biometrics", "The biometrics arrived otherwise than they were captured. Capture them again.", "The hash of the capture device does not fit: pass on what it hands out, unaltered and in its order.")),
    ("IDA-BIA-015", sent("/biometrics", "The biometrics are not signed by a device that MOSIP trusts. Use another device.", "Register the capture device and its provider with MOSIP, and pass on what it hands out unaltered.")),
    ("IDA-BIA-016", ida_failed("IDA's quality check of biometrics does not work: ask the MOSIP administrator.")),
    ("IDA-BIA-017", ida_failed("IDA's matching of biometrics does not work: ask the MOSIP administrator.")),
    ("IDA-BIA-018", ida_failed("IDA's processing of biometrics does not work: ask the MOSIP administrator.")),

    ("IDA-MPA-001", keys("IDA does not accept the signature: the certificate of upstream.ida.sign_with has to lead to an authority that MOSIP trusts, and a proxy must not change the body; or IDA knows another certificate of this partner: compare it with the one in MOSIP's partner management.")),
    ("IDA-MPA-002", keys("IDA does not accept the signing certificate: compare it with the one in MOSIP's partner management.")),
    ("IDA-MPA-003", keys(NEW_CERTIFICATE)),
    ("IDA-MPA-004", keys(NEW_CERTIFICATE)),
    ("IDA-MPA-005", policy("This office may not use one-time passwords. Use another way of recognising the person.", POLICY)),
    ("IDA-MPA-006", policy("This office may not use this way of recognising a person. Use another one.", POLICY)),
    ("IDA-MPA-007", partner("IDA does not know the licence key: compare the one of the MISP with what upstream.ida.misp_license_key_file holds, or the variable of misp_license_key_env.")),
    ("IDA-MPA-008", partner("The licence key has expired: have the MISP renew it.")),
    ("IDA-MPA-009", partner("IDA does not know the licence key, the partner or the API key: compare what upstream.ida.misp_license_key_file and api_key_file hold, or the variables of misp_license_key_env and api_key_env, and partner_id with MOSIP's partner management. An API key that is deactivated or has expired has the same code.")),
    ("IDA-MPA-010", partner("Partner and licence key do not belong together: have the MISP map this partner.")),
    ("IDA-MPA-012", partner("The partner is deactivated: ask the MOSIP administrator.")),
    ("IDA-MPA-013", policy("This office may not fetch a person's details from MOSIP. Ask whether they are who they say.", "The partner may not ask for e-KYC: have the MOSIP administrator allow it, or use /v1/ida/auth.")),
    ("IDA-MPA-014", partner("The partner has no policy: ask the MOSIP administrator.")),
    ("IDA-MPA-015", policy("MOSIP demands one more way of recognising the person; its message names it.", "The policy of this partner demands a factor that was not sent; MOSIP's message names it. Send it, or have the policy changed.")),
    ("IDA-MPA-016", defect("What IDA opened is not what was sealed: look for a proxy that changes bodies, else report a defect.")),
    ("IDA-MPA-017", partner("The licence key is blocked: ask the MISP.")),
    ("IDA-MPA-018", partner("The policy is not one of this partner: compare the API key with the one of the approved policy.")),
    ("IDA-MPA-019", partner("The policy of this partner is not active: ask the MOSIP administrator.")),
    ("IDA-MPA-020", partner("IDA has no certificate of this partner: upload it again in MOSIP's partner management.")),
    ("IDA-MPA-021", keys("IDA knows another certificate of this partner: put the one that MOSIP's partner management shows, with its key, where upstream.ida.sign_with points.")),
    ("IDA-MPA-022", keys("The signing key has no certificate: put it into the file of upstream.ida.sign_with, or name it as its `cert`.")),
    ("IDA-MPA-039", partner("The API key has expired: ask for a new one in MOSIP's partner management, and put it into the file of upstream.ida.api_key_file, or the variable of api_key_env.")),

    ("IDA-EKA-001", partner("IDA cannot seal the e-KYC reply: renew the partner's certificate in MOSIP's partner management.")),
];

const DEVICE: &str = "Register the capture device and its provider in MOSIP's partner management.";

/// IDA-MLC-022 is sent for a number and, with the same words, for a partner or a device that is hot-listed.
pub(super) fn meaning_of_sentence(code: &str, message: &str) -> Option<Meaning> {
    const NUMBERS: [&str; 4] = ["uin", "vid", "handle", "individual"];
    let message = message.to_ascii_lowercase();
    // A provider is no VID.
    let is_about = |number| {
        message.split(|c: char| !c.is_ascii_alphanumeric()).any(|word: &str| word.starts_with(number))
    };
    (code == "IDA-MLC-022" && !NUMBERS.into_iter().any(is_about)).then(|| {
        partner("MOSIP has blocked this partner, or the capture device or its provider; its message says which. Ask the MOSIP administrator.")
    })
}

const NEW_CERTIFICATE: &str = "Fetch IDA's current certificate from MOSIP's partner management into the file of peer `ida`; the gateway takes it at the next request.";

#[rustfmt::skip]
const FAMILIES: &[(&str, Meaning)] = &[
    ("IDA-DEA-", person(false, "The demographic details do not fit; MOSIP's message says which.", WITH_THE_PERSON)),
    ("IDA-OTA-", person(false, "The one-time password is not accepted. Send a new one.", WITH_THE_PERSON)),
    ("IDA-BIA-", person(false, "The biometrics are not accepted; MOSIP's message says why. Capture them again.", WITH_THE_PERSON)),
    ("IDA-MPA-", partner("Ask the MOSIP administrator about this partner; MOSIP's message says what is wrong.")),
];

const UNKNOWN: Meaning = failure(Fault::Upstream, true, super::UNKNOWN_TO_REGISTRAR, refusal::UNKNOWN);
