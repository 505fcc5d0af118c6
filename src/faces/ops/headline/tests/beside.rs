//! What is said of settings, their files and certificates.

use super::*;
use crate::config;
use crate::keys::Dated;
use crate::keys::dated::{TRUSTED, lasting};

fn trusted(ends: &[(&str, i64)]) -> Vec<Dated> {
    ends.iter().map(|(setting, days)| lasting(TRUSTED, setting, 1, NOON, *days)).collect()
}

#[test]
fn a_certificate_that_expires_is_told_beside_what_flows() {
    let mut standing = standing(0, 0, 0, Vec::new());
    standing.certificates = trusted(&[("ops.tls.client_ca", 12), ("callback.tls.client_ca", 90)]);
    assert_eq!(
        texts(&standing),
        ["Everything flows.", "The certificate in ops.tls.client_ca expires in 12 days."]
    );
}

#[test]
fn nothing_is_said_to_flow_while_a_certificate_has_expired() {
    let mut standing = standing(0, 0, 0, Vec::new());
    standing.certificates = trusted(&[("ops.tls.client_ca", 12), ("upstream.ca_file", -1)]);
    assert_eq!(
        texts(&standing),
        [
            "Put right: the certificate in upstream.ca_file has expired.",
            "The certificate in ops.tls.client_ca expires in 12 days.",
        ]
    );
    assert_eq!(remarks(&standing)[0].tone, Tone::Act);
}

#[test]
fn nothing_is_said_to_flow_while_something_configured_cannot_work() {
    let mut standing = standing(0, 0, 0, Vec::new());
    let odd = config::Trouble::new("faces.token_file", "protects nothing", "remove it");
    standing.setting_troubles = Arc::new([odd.clone()]);
    assert_eq!(texts(&standing), ["Everything flows.", "1 setting carries a warning."]);
    let fatal = config::Trouble::fatal("credentials", "lost.crt cannot be read", "correct the file");
    standing.setting_troubles = Arc::new([odd, fatal]);
    assert_eq!(
        texts(&standing),
        ["Put right: credentials: lost.crt cannot be read.", "1 setting carries a warning."]
    );
}

#[test]
fn what_one_setting_lacks_is_one_line_and_what_others_tell_is_told_once() {
    let mut standing = standing(0, 0, 0, Vec::new());
    let lacks = |what: &str| config::Trouble::fatal("upstream.ida", what, "set it as MOSIP gave it");
    let role = config::Trouble::fatal("keys.own", "names no key that signs", "add one");
    standing.setting_troubles =
        Arc::new([lacks("partner_id is not set"), lacks("api_key is not set"), role.clone()]);
    assert_eq!(
        texts(&standing),
        [
            "Put right: upstream.ida: partner_id is not set; api_key is not set.",
            "Put right: keys.own: names no key that signs.",
        ]
    );
    standing.setting_troubles = Arc::new([role]);
    standing.lacking = vec![("mediator", Error::new(Code::Keys, "no own key may sign"))];
    assert_eq!(
        texts(&standing),
        ["Put right our keys: what goes to MOSIP waits for one. No own key may sign."]
    );
}

#[test]
fn nothing_is_said_to_flow_where_nothing_is_connected_and_other_settings_are_told_all_the_same() {
    let mut standing = standing(0, 0, 0, Vec::new());
    let unconnected =
        config::Trouble::new("configuration", "connects nothing: no event is taken", "set a URL");
    let odd = config::Trouble::new("faces.token_file", "protects nothing", "remove it");
    standing.setting_troubles = Arc::new([unconnected, odd]);
    assert_eq!(
        texts(&standing),
        ["Nothing is connected: no event is taken.", "1 setting carries a warning."]
    );
}

#[test]
fn what_keeps_events_comes_before_a_setting_that_cannot_work() {
    let channels = vec![channel(EventKind::Birth, Flow::Broken { until: 0 })];
    let mut standing = standing(1, 0, 0, channels);
    standing.setting_troubles =
        Arc::new([config::Trouble::fatal("faces.listen", "serves nothing", "set it")]);
    let told = texts(&standing);
    assert!(told[0].starts_with("MOSIP has been away") && told.len() == 2, "{told:?}");
}
