//! What eSignet lies about, and what is broken there: nothing of it is believed.

use mosip_gateway::simulator::{Behaviour, EsignetLie};
use serde_json::json;

use super::{CLIENT, FORM, World};
use crate::support::logs::Logs;

#[tokio::test]
async fn a_lie_is_not_believed_and_nothing_of_the_person_leaves_with_it() {
    let logs = Logs::from_here();
    let world = World::start("").await;
    assert_eq!(world.log_in().await.0, 200);
    for lie in [
        EsignetLie::WrongIssuer,
        EsignetLie::WrongAudience,
        EsignetLie::WrongSubject,
        EsignetLie::Expired,
        EsignetLie::Stranger,
        EsignetLie::AlgNone,
        EsignetLie::Unsigned,
        EsignetLie::Plain,
    ] {
        for seals in [false, true] {
            world.behave(Behaviour { esignet_lie: Some(lie), esignet_seals: seals, ..Behaviour::default() });
            let (status, problem) = world.log_in().await;
            assert_eq!((status, &problem["code"]), (502, &json!("tampered")), "{lie:?} {seals}: {problem}");
            let text = problem.to_string();
            assert!(!text.contains("Leila") && !text.contains("claims"), "{lie:?}: {text}");
        }
    }
    let kept = logs.text();
    assert!(!kept.contains("Leila") && !kept.contains("Karim"), "{kept}");
    assert!(kept.contains("iss is not esignet.issuer"), "the log says which check failed: {kept}");
}

#[tokio::test]
async fn an_id_token_that_lies_is_not_believed() {
    let world = World::start("").await;
    for lie in [
        EsignetLie::WrongIssuer,
        EsignetLie::WrongAudience,
        EsignetLie::WrongSubject,
        EsignetLie::Expired,
        EsignetLie::Stranger,
        EsignetLie::AlgNone,
        EsignetLie::Unsigned,
    ] {
        world.behave(Behaviour {
            esignet_lie: Some(lie),
            esignet_lies_in_id_token: true,
            ..Behaviour::default()
        });
        let code = world.simulator.esignet.log_in(FORM, None, Some("n1"));
        let login = json!({"code": code, "clientId": CLIENT, "redirectUri": FORM, "nonce": "n1"});
        let (status, problem) = world.ask(&login).await;
        assert_eq!((status, &problem["code"]), (502, &json!("tampered")), "{lie:?}: {problem}");
        assert!(!problem.to_string().contains("Leila"), "{lie:?}: {problem}");
    }
}

#[tokio::test]
async fn what_was_altered_on_the_way_is_no_fault_of_our_keys() {
    let world = World::start("").await;
    for lie in [EsignetLie::AlteredSeal, EsignetLie::Bomb] {
        world.behave(Behaviour { esignet_lie: Some(lie), esignet_seals: true, ..Behaviour::default() });
        let (status, problem) = world.log_in().await;
        assert_eq!((status, &problem["code"]), (502, &json!("tampered")), "{lie:?}: {problem}");
        assert_eq!(problem["retryable"], false);
    }
}

#[tokio::test]
async fn a_token_that_is_bound_to_no_key_is_refused_where_each_has_to_be() {
    let world = World::start("dpop = \"always\"").await;
    world.lie(EsignetLie::Unbound);
    let (status, problem) = world.log_in().await;
    assert_eq!((status, &problem["fault"]), (502, &json!("partner")), "{problem}");
    assert!(problem["advice"].as_str().unwrap().contains("esignet.dpop"), "{problem}");
}

#[tokio::test]
async fn what_is_broken_at_esignet_is_esignets() {
    for (lie, fault) in [
        (EsignetLie::Redirect, "partner"),
        (EsignetLie::UserinfoRedirect, "partner"),
        (EsignetLie::Large, "upstream"),
        (EsignetLie::OtherIssuer, "upstream"),
        (EsignetLie::OtherHost, "upstream"),
        (EsignetLie::KeysHtml, "upstream"),
        (EsignetLie::KeysLarge, "upstream"),
        (EsignetLie::KeysThousand, "upstream"),
    ] {
        let world = World::start("").await;
        world.lie(lie);
        let (status, problem) = world.log_in().await;
        assert_eq!(
            (status, &problem["code"], &problem["fault"]),
            (502, &json!("upstream"), &json!(fault)),
            "{lie:?}: {problem}"
        );
    }
    let world = World::start("").await;
    world.behave(Behaviour { down: true, ..Behaviour::default() });
    let (status, problem) = world.log_in().await;
    assert_eq!((status, &problem["fault"]), (502, &json!("upstream")), "{problem}");
}
