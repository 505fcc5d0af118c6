use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// What is told of each, with whether something cannot work for it.
fn told(all: &[Dated]) -> Vec<(String, bool)> {
    troubles(all, NOW).into_iter().map(|trouble| (trouble.what, trouble.fatal)).collect()
}

#[test]
fn a_certificate_is_warned_of_at_90_30_7_and_1_days_and_once_it_has_ended() {
    for (days, stage) in [
        (91, None),
        (90, None),
        (89, Some(90)),
        (30, Some(90)),
        (29, Some(30)),
        (7, Some(30)),
        (6, Some(7)),
        (1, Some(7)),
        (0, Some(1)),
        (-1, Some(0)),
    ] {
        let one = lasting(LISTENER, "ops", 1, NOW, days);
        assert_eq!(one.stage(NOW), stage, "{days}");
        assert_eq!(told(&[one]).len(), usize::from(stage.is_some()), "{days}");
    }
}

#[test]
fn what_a_listener_or_a_client_shows_cannot_work_once_any_of_its_chain_has_ended() {
    for role in [LISTENER, CLIENT] {
        let [certificate, issuer] =
            [(1, 300), (2, -3)].map(|(number, days)| lasting(role, "a", number, NOW, days));
        let [(what, is_fatal)] = &told(&[certificate, issuer])[..] else { panic!("{role}") };
        assert!(*is_fatal && what.contains("CN=2") && what.contains("expired on"), "{what}");
    }
}

#[test]
fn an_authority_that_has_ended_stops_nothing_while_another_of_its_file_counts() {
    let [former, current] = [-3, 300].map(|days| lasting(TRUSTED, "upstream.ca_file", 1, NOW, days));
    let both = [former.clone(), current];
    let [trouble] = &troubles(&both, NOW)[..] else { panic!("one trouble is expected") };
    assert_eq!((trouble.fatal, trouble.advice.as_str()), (false, "remove it from the file"));
    let [soonest] = &soonest(&both, NOW)[..] else { panic!("they are of one file") };
    assert_eq!(soonest.days_left(NOW), 300);
    let older = lasting(TRUSTED, "upstream.ca_file", 2, NOW, -9);
    let both = [older, former];
    let fatal: Vec<_> = troubles(&both, NOW).into_iter().filter(|trouble| trouble.fatal).collect();
    let [trouble] = &fatal[..] else { panic!("{fatal:?}") };
    assert!(trouble.what.starts_with("trusts a certificate that has expired on"), "{trouble}");
}

/// Their rings tell those, with what becomes of the key.
#[test]
fn keys_peers_and_authorities_outside_their_dates_are_told_elsewhere_and_those_that_end_soon_here() {
    for role in [OWN, PEER, AUTHORITY] {
        assert_eq!(told(&[lasting(role, "a", 1, NOW, -1)]), []);
        assert_eq!(told(&[lasting(role, "a", 1, NOW, 12)]).len(), 1);
    }
    let issuer = told(&[lasting(OWN, "a", 1, NOW, 300), lasting(OWN, "a", 2, NOW, -1)]);
    let [(what, false)] = &issuer[..] else { panic!("{issuer:?}") };
    assert!(what.starts_with("issuer CN=2: expired on"), "{what}");
}
