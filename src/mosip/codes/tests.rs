use super::*;

fn errors(json: &str) -> Option<Vec<UpstreamError>> {
    serde_json::from_str(json).unwrap()
}

fn error(code: &str) -> UpstreamError {
    UpstreamError { error_code: code.to_owned(), error_message: "UIN".to_owned() }
}

#[test]
fn null_and_empty_are_success() {
    assert!(check(None).is_ok());
    assert!(check(errors("null")).is_ok());
    assert!(check(errors("[]")).is_ok());
}

#[test]
fn both_spellings_of_the_message_are_carried_along_and_never_shown_in_the_detail() {
    for key in ["errorMessage", "message"] {
        let error =
            check(errors(&format!(r#"[{{"errorCode":"OPN-AUT-002","{key}":"Jane Doe"}}]"#))).unwrap_err();
        assert_eq!(error.fault(), Fault::Partner);
        assert_eq!(error.upstream().unwrap().message, "Jane Doe");
        assert!(!error.to_string().contains("Jane"));
    }
}

#[test]
fn an_unknown_code_is_never_the_records_fault_and_is_not_logged() {
    for code in ["<script>Jane", "", "IDA-NEW-001"] {
        let error = Error::from(error(code));
        assert_eq!((error.fault(), error.retryable()), (Fault::Upstream, true));
        let said = format!("{} {}", error.detail(), error.advice());
        assert!(
            said.contains("does not know") && !said.to_lowercase().contains("nothing is wrong"),
            "{said}"
        );
        assert!(!error.detail().contains("script") && !error.upstream().unwrap().code.contains("script"));
    }
}

/// Every code that IDA is known to send, and the families of them.
fn protocol_codes() -> Vec<String> {
    let numbered = |family: &str, numbers: &[u32]| -> Vec<String> {
        numbers.iter().map(|number| format!("IDA-{family}-{number:03}")).collect()
    };
    let mut mpa: Vec<u32> = (1..=10).chain(12..=22).collect();
    mpa.push(39);
    [
        numbered("MLC", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 18, 19, 22, 23, 25]),
        numbered("DEA", &[1, 3]),
        numbered("OTA", &(1..=13).collect::<Vec<_>>()),
        numbered("BIA", &[1, 2, 6, 11]),
        numbered("MPA", &mpa),
        numbered("EKA", &[1]),
    ]
    .concat()
}

#[test]
fn every_code_of_the_protocol_has_a_row_with_a_sentence_for_each_reader() {
    for code in protocol_codes() {
        let meaning = ida_codes::meaning(&code).unwrap_or_else(|| panic!("{code} has no row"));
        for sentence in [meaning.registrar, meaning.operator] {
            assert!(
                sentence.starts_with(|c: char| c.is_ascii_uppercase()) && sentence.ends_with('.'),
                "{code}: {sentence}"
            );
        }
        assert_eq!(Error::from(error(&code)).upstream().unwrap().code, code);
    }
}

#[test]
fn what_is_wrong_with_a_person_is_for_the_registrar_or_the_administrator_of_mosip() {
    for code in ["IDA-MLC-002", "IDA-DEA-001", "IDA-OTA-004", "IDA-BIA-001"] {
        let refusal = Error::from(error(code));
        assert_eq!(refusal.fault(), Fault::Caller);
        let advice = refusal.advice();
        assert!(advice.contains("registrar") && advice.contains("MOSIP administrator"), "{code}: {advice}");
    }
}

#[test]
fn what_mosip_does_not_accept_of_a_record_is_a_wrong_value_wherever_it_stands() {
    for (code, pointer) in [("KER-PUT-020", None), ("IDA-OTA-008", Some("/otpChannel"))] {
        let refusal = Error::from(error(code));
        assert_eq!((refusal.code(), refusal.pointer()), (Code::Field, pointer), "{code}");
        assert!(!refusal.retryable(), "{code}");
    }
}

#[test]
fn operators_read_no_sentence_that_is_for_the_registrar() {
    for code in protocol_codes().iter().map(String::as_str).chain(["OPN-AUT-003", "NEW-001"]) {
        let refusal = Error::from(error(code));
        let meaning = Meaning::of(code);
        let told = refusal.detail_for_registrar().into_owned();
        assert_eq!(told, format!("MOSIP answered {code}. {}", meaning.registrar));
        if meaning.fault != Fault::Caller {
            assert_eq!(refusal.detail(), format!("MOSIP answered {code}"));
        }
        assert!(!refusal.detail().contains("operator"), "{code}: {}", refusal.detail());
    }
}

#[test]
fn verdicts_are_these_and_no_others() {
    let verdicts = ["MLC-002", "MLC-004", "MLC-018", "MLC-019", "MLC-022", "MLC-023"];
    let technical = ["IDA-OTA-002"];
    for code in protocol_codes() {
        let family = code.get(4..7).unwrap();
        let wanted = (verdicts.iter().any(|verdict| code.ends_with(verdict))
            || matches!(family, "DEA" | "OTA" | "BIA"))
            && !technical.contains(&code.as_str());
        assert_eq!(Meaning::of(&code).is_verdict, wanted, "{code}");
        assert_eq!(verdict(vec![error(&code)]).is_ok(), wanted, "{code}");
    }
}

#[test]
fn a_failure_of_idas_own_matching_is_no_verdict() {
    for code in ["IDA-BIA-016", "IDA-BIA-017", "IDA-BIA-018", "IDA-OTA-002"] {
        let refusal = verdict(vec![error(code)]).err().unwrap();
        assert_eq!((refusal.code(), refusal.fault()), (Code::Upstream, Fault::Upstream), "{code}");
    }
}

#[test]
fn one_failure_of_the_call_among_the_errors_leaves_no_verdict() {
    for list in [["IDA-DEA-001", "IDA-MPA-009"], ["IDA-MPA-009", "IDA-DEA-001"]] {
        let refusal = verdict(list.map(error).into()).err().unwrap();
        assert_eq!(refusal.code(), Code::Partner);
    }
}

#[test]
fn of_several_failures_the_one_that_says_most_decides() {
    for (list, decisive) in [
        (&["IDA-MLC-007", "IDA-MPA-009"][..], "IDA-MPA-009"),
        (&["IDA-MPA-009", "IDA-MLC-007"], "IDA-MPA-009"),
        (&["IDA-MLC-007", "IDA-NEW-001"], "IDA-NEW-001"),
        (&["IDA-NEW-001", "IDA-MLC-007", "IDA-MPA-777"], "IDA-MPA-777"),
        (&["", "IDA-MLC-007"], "IDA-MLC-007"),
        (&["<b>", "IDA-NEW-001"], "IDA-NEW-001"),
        (&["IDA-MPA-021", "IDA-MPA-009"], "IDA-MPA-021"),
        (&["IDA-DEA-001", "IDA-MLC-007"], "IDA-MLC-007"),
        (&["IDA-MLC-007", "IDA-DEA-001", "IDA-MPA-009"], "IDA-MPA-009"),
    ] {
        let refusal = verdict(list.iter().map(|code| error(code)).collect()).err().unwrap();
        assert_eq!(refusal.upstream().unwrap().code, decisive, "{list:?}");
        assert_eq!(refusal.fault(), Meaning::of(decisive).fault, "{list:?}");
        assert_eq!(refusal.advice(), Meaning::of(decisive).operator, "{list:?}");
    }
}

#[test]
fn an_otp_that_was_not_asked_for_and_one_that_is_frozen_have_advice_of_their_own() {
    let (absent, frozen) = (Meaning::of("IDA-OTA-012"), Meaning::of("IDA-OTA-013"));
    assert!(!absent.retryable && absent.registrar.contains("sent first"), "{absent:?}");
    assert!(absent.operator.contains("/v1/ida/otp"), "{absent:?}");
    assert!(frozen.retryable && frozen.registrar.contains("Wait"), "{frozen:?}");
    assert!(!frozen.registrar.contains("Send a new one"), "{frozen:?}");
    assert!(frozen.operator.contains("administrator"), "{frozen:?}");
}

#[test]
fn each_fault_has_its_problem() {
    let cases = [
        ("IDA-MPA-009", Code::Partner, Fault::Partner),
        ("IDA-MPA-039", Code::Partner, Fault::Partner),
        ("IDA-MPA-777", Code::Partner, Fault::Partner),
        ("IDA-MPA-004", Code::Keys, Fault::Keys),
        ("IDA-MPA-021", Code::Keys, Fault::Keys),
        ("IDA-MPA-016", Code::Upstream, Fault::Bug),
        ("IDA-MLC-001", Code::Upstream, Fault::Upstream),
        ("IDA-MLC-006", Code::Upstream, Fault::Bug),
        ("IDA-MLC-007", Code::Upstream, Fault::Upstream),
        ("IDA-MLC-012", Code::Field, Fault::Caller),
        ("IDA-DEA-002", Code::Field, Fault::Caller),
    ];
    for (code, wanted, fault) in cases {
        let refusal = Error::from(error(code));
        assert_eq!((refusal.code(), refusal.fault()), (wanted, fault), "{code}");
    }
    assert_eq!(Error::from(error("IDA-MLC-012")).pointer(), Some("/consent"));
}

#[test]
fn a_blocked_partner_or_device_is_no_blocked_person() {
    let said = |message: &str| UpstreamError {
        error_code: "IDA-MLC-022".to_owned(),
        error_message: message.to_owned(),
    };
    for about_her in ["UIN is deactivated/blocked", "VID is blocked", "individualId is blocked"] {
        assert!(verdict(vec![said(about_her)]).is_ok(), "{about_her}");
    }
    for about_us in ["PARTNER_ID is blocked", "Device Provider is blocked", "device is blocked", ""] {
        assert_eq!(verdict(vec![said(about_us)]).err().unwrap().fault(), Fault::Partner, "{about_us}");
    }
}

#[test]
fn a_fault_of_the_capture_device_is_no_verdict() {
    for code in ["IDA-BIA-004", "IDA-BIA-005", "IDA-BIA-012", "IDA-BIA-014", "IDA-BIA-015"] {
        let refusal = verdict(vec![error(code)]).err().unwrap();
        assert!(matches!(refusal.fault(), Fault::Partner | Fault::Caller), "{code}");
    }
}

#[test]
fn a_refusal_before_the_content_is_looked_at_may_hit_every_entry_and_one_of_the_content_may_not() {
    for code in ["OPN-CRVS-026", "OPN-CRVS-022", "IDA-MPA-009", "IDA-MLC-007"] {
        assert!(is_unread(code), "{code}");
    }
    for code in ["OPN-CRVS-001", "OPN-SUB-001", "KER-ATH-401", "RPR-PKR-002", ""] {
        assert!(!is_unread(code), "{code}");
    }
}

/// Before its mend they named settings that exist with `_file` and `_env` alone.
#[test]
fn a_setting_of_a_secret_is_named_as_it_is_written() {
    for code in ["IDA-MPA-007", "IDA-MPA-009", "IDA-MPA-039"] {
        let error = Error::from(error(code));
        assert!(error.advice().contains("_file") && error.advice().contains("_env"), "{}", error.advice());
        for name in ["misp_license_key", "api_key"] {
            let mut ends = error.advice().split(name).skip(1);
            assert!(
                ends.all(|end| end.starts_with("_file") || end.starts_with("_env")),
                "{}",
                error.advice()
            );
        }
    }
}
