use http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use serde_json::json;

use super::partner::{COMPOSITION, Partner, START, birth, private_key, vector};
use crate::clock::Timestamp;
use crate::simulator::tokens::sign;

#[tokio::test]
async fn keycloak_grants_a_token_to_the_client_it_knows() {
    let partner = Partner::start().await;
    let cases = [
        ("grant_type=client_credentials&client_id=opencrvs&client_secret=secret", 200, None),
        (
            "grant_type=password&client_id=opencrvs&client_secret=secret&username=user&password=password",
            200,
            None,
        ),
        (
            "grant_type=client_credentials&client_id=opencrvs&client_secret=guess",
            401,
            Some("unauthorized_client"),
        ),
        (
            "grant_type=client_credentials&client_id=other&client_secret=secret",
            401,
            Some("unauthorized_client"),
        ),
        (
            "grant_type=password&client_id=opencrvs&client_secret=secret&username=user&password=guess",
            401,
            Some("invalid_grant"),
        ),
        ("grant_type=password&client_id=opencrvs&client_secret=secret", 401, Some("invalid_grant")),
        ("grant_type=magic&client_id=opencrvs&client_secret=secret", 400, Some("unsupported_grant_type")),
        ("grant_type=client_credentials&client_id=opencrvs", 400, Some("invalid_request")),
    ];
    for (form, status, error) in cases {
        let answer = partner.ask_for_token(form).await;
        assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (status, error), "{form}");
    }
    let record = partner.simulator.history.record();
    assert_eq!((record.tokens_issued, record.tokens_refused), (2, 6));
}

#[tokio::test]
async fn a_token_says_who_made_it_and_when_it_ends() {
    let partner = Partner::start().await;
    let form = "grant_type=client_credentials&client_id=opencrvs&client_secret=secret";
    let answer = partner.ask_for_token(form).await.json();
    let token = answer["access_token"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims: serde_json::Value =
        serde_json::from_slice(&crate::crypto::base64::decode_url_strict(claims.as_bytes()).unwrap())
            .unwrap();

    assert_eq!(answer["expires_in"], 300);
    assert_eq!(claims["iat"], START.seconds());
    assert_eq!(claims["exp"], START.seconds() + 300);
    assert_eq!(claims["azp"], "opencrvs");
    assert_eq!(claims["iss"], format!("{}/auth/realms/mosip", partner.simulator.base_url));
    assert!(claims["sub"].is_string());
}

#[tokio::test]
async fn authmanager_hands_the_token_out_in_cookie_and_header() {
    let partner = Partner::start().await;
    let ask = async |secret: &str| {
        let body = json!({ "id": "", "version": "", "requesttime": "2026-11-24T08:00:00.000Z", "metadata": {},
            "request": { "clientId": "opencrvs", "secretKey": secret, "appId": "regproc" } });
        let path = "/v1/authmanager/authenticate/clientidsecretkey";
        partner.call("POST", path, &[(CONTENT_TYPE, "application/json")], body.to_string()).await.unwrap()
    };

    let granted = ask("secret").await;
    let token = granted.headers["authorization"].to_str().unwrap();
    assert_eq!(granted.json()["response"]["status"], "Success");
    assert!(granted.headers[SET_COOKIE].to_str().unwrap().starts_with(&format!("Authorization={token};")));
    assert_eq!(partner.generate_aid(token).await.unwrap().status, 200);

    let refused = ask("guess").await;
    assert_eq!(refused.refusal(), (200, "KER-ATH-401".to_owned()));
    assert!(!refused.headers.contains_key(SET_COOKIE));
}

#[tokio::test]
async fn a_missing_token_is_refused() {
    let partner = Partner::start().await;
    let body = partner.sealed(COMPOSITION, &birth(&[&partner.aid().await])).to_string();
    for cookie in [None, Some("Authorization="), Some("Session=1")] {
        let mut headers = vec![(CONTENT_TYPE, "application/json")];
        headers.extend(cookie.map(|cookie| (COOKIE, cookie)));
        for (method, path) in [
            ("GET", "/opencrvs/v1/generateAid"),
            ("POST", "/opencrvs/v1/birth"),
            ("POST", "/opencrvs/v1/death"),
        ] {
            let answer = partner.call(method, path, &headers, body.clone()).await.unwrap();
            assert_eq!(answer.refusal(), (401, "OPN-AUT-003".to_owned()), "{path} with {cookie:?}");
        }
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    let partner = Partner::start().await;
    let body = partner.sealed(COMPOSITION, &birth(&[&partner.aid().await]));
    let token = partner.token().await;
    partner.clock.set(Timestamp::from_seconds(START.seconds() + 299));
    assert_eq!(partner.post("birth", &token, &body).await.unwrap().status, 200);
    partner.clock.set(Timestamp::from_seconds(START.seconds() + 300));
    let answer = partner.post("birth", &token, &body).await.unwrap();
    assert_eq!(answer.refusal(), (401, "OPN-AUT-002".to_owned()));
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused() {
    let partner = Partner::start().await;
    let other_run = Partner::start().await.token().await;
    let forged = sign(
        &private_key(vector!("stranger.key.pem")),
        &json!({ "exp": START.seconds() + 300, "iat": START.seconds(), "jti": "1", "aud": "account", "sub": "1",
            "iss": format!("{}/auth/realms/mosip", partner.simulator.base_url), "azp": "opencrvs",
            "preferred_username": "service-account-opencrvs" }),
    )
    .unwrap();
    let mut altered = partner.token().await;
    altered.truncate(altered.len() - 8);
    for token in [other_run.as_str(), &forged, &altered, "not-a-token"] {
        let answer = partner.generate_aid(token).await.unwrap();
        assert_eq!(answer.refusal(), (401, "OPN-AUT-002".to_owned()), "{token}");
    }
}
