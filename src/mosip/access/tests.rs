use serde_json::json;

use super::*;
use crate::crypto::secret::SecretBytes;
use crate::error::Fault;

const NOW: Timestamp = Timestamp::from_seconds(1_767_225_600);
/// The section of a token that is not `upstream.token`.
const IAM: Iam = Iam { of: "MOSIP", section: "websub.token" };
const KEYCLOAK: TokenKind = TokenKind::KeycloakClientCredentials;

type Headers<'a> = &'a [(&'a str, &'a str)];

fn authmanager() -> TokenKind {
    TokenKind::Authmanager { app_id: "regproc".to_owned() }
}

fn settings(kind: TokenKind) -> Token {
    Token {
        url: "https://iam.example/token".parse().unwrap(),
        kind,
        client_id: "opencrvs".to_owned(),
        client_secret: SecretBytes::new(b"s&cret +%=\xC3\xA9".to_vec()),
    }
}

/// A token whose claims are `claims`, signed by nobody.
fn jwt(claims: &str) -> String {
    format!("e30.{}.c2ln", crate::crypto::base64::encode_url(claims.as_bytes()))
}

fn read_with(kind: &TokenKind, status: u16, headers: Headers<'_>, body: &str) -> Result<AccessToken> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
    }
    IAM.read(kind, StatusCode::from_u16(status).unwrap(), &map, body.as_bytes(), NOW)
}

fn keycloak(status: u16, body: &str) -> Result<AccessToken> {
    read_with(&KEYCLOAK, status, &[], body)
}

#[test]
fn client_credentials_go_out_as_a_form() {
    let (url, headers, body) = IAM.request(&settings(KEYCLOAK), NOW).unwrap();
    assert!(!body.is_unique(), "it belongs to what wipes it");
    assert_eq!(url, "https://iam.example/token");
    assert_eq!(headers[header::CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(
        body,
        "grant_type=client_credentials&client_id=opencrvs&client_secret=s%26cret+%2B%25%3D%C3%A9"
    );
}

#[test]
fn the_password_grant_adds_user_and_password() {
    let kind = TokenKind::KeycloakPassword {
        username: "u@x".to_owned(),
        password: SecretBytes::new(b"p&w".to_vec()),
    };
    let (.., body) = IAM.request(&settings(kind), NOW).unwrap();
    assert!(body.starts_with(b"grant_type=password&client_id=opencrvs&client_secret="));
    assert!(body.ends_with(b"&username=u%40x&password=p%26w"));
}

#[test]
fn authmanager_is_asked_in_json() {
    let (_, headers, body) = IAM.request(&settings(authmanager()), NOW).unwrap();
    assert!(!body.is_unique(), "it belongs to what wipes it");
    assert_eq!(headers[header::CONTENT_TYPE], "application/json");
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["requesttime"], "2026-01-01T00:00:00.000Z");
    assert_eq!(
        body["request"],
        serde_json::json!({ "clientId": "opencrvs", "secretKey": "s&cret +%=é", "appId": "regproc" })
    );
}

#[test]
fn a_secret_that_json_cannot_carry_is_refused_before_it_is_sent_wrong() {
    let token = Token { client_secret: SecretBytes::new(vec![0xFF]), ..settings(authmanager()) };
    assert_eq!(IAM.request(&token, NOW).unwrap_err().code(), Code::Partner);
}

#[test]
fn the_token_goes_into_the_cookie_and_never_into_debug() {
    let token = keycloak(200, r#"{"access_token":"opaque-1","expires_in":300}"#).unwrap();
    assert_eq!(cookie(&token), "Authorization=opaque-1");
    assert!(cookie(&token).is_sensitive());
    assert!(!format!("{token:?}").contains("opaque-1"));
}

#[test]
fn the_end_is_exp_else_expires_in_else_unknown() {
    let at = |seconds| Some(Timestamp::from_seconds(NOW.seconds() + seconds));
    let exp = NOW.seconds() + 600;
    let with_exp = jwt(&format!(r#"{{"exp":{exp}}}"#));
    let cases = [
        (with_exp.clone(), r#","expires_in":300"#, at(600)),
        (with_exp, "", at(600)),
        (jwt(&format!(r#"{{"exp":{exp}.5}}"#)), "", at(600)),
        (jwt("{}"), r#","expires_in":300"#, at(300)),
        (jwt(r#"{"exp":"soon"}"#), r#","expires_in":300"#, at(300)),
        ("a.!.c".to_owned(), r#","expires_in":300"#, at(300)),
        (jwt(&format!(r#"{{"exp":"{exp}"}}"#)), "", at(600)),
        ("opaque".to_owned(), r#","expires_in":"300""#, at(300)),
        ("opaque".to_owned(), r#","expires_in":300.9"#, at(300)),
        ("opaque".to_owned(), r#","expires_in":" 300.9 ""#, at(300)),
        ("opaque".to_owned(), r#","expires_in":"soon""#, None),
        ("opaque".to_owned(), r#","expires_in":"NaN""#, None),
        ("opaque".to_owned(), r#","expires_in":{}"#, None),
        ("opaque".to_owned(), r#","expires_in":99999999999"#, at(86_400)),
        ("opaque".to_owned(), r#","expires_in":-1"#, None),
        ("opaque".to_owned(), r#","expires_in":null"#, None),
        ("opaque".to_owned(), "", None),
    ];
    for (token, rest, expires) in cases {
        let body = format!(r#"{{"access_token":"{token}"{rest}}}"#);
        assert_eq!(keycloak(200, &body).unwrap().expires(), expires, "{body}");
    }
}

#[test]
fn a_token_that_would_break_out_of_the_cookie_is_refused() {
    for token in ["", "a;b=c", "a b", "a,b", r#"a\"b"#, r"a\\b", r"a\r\nb", "é"] {
        let error = keycloak(200, &format!(r#"{{"access_token":"{token}"}}"#)).unwrap_err();
        assert_eq!(error.code(), Code::Upstream, "{token}");
    }
}

#[test]
fn a_refused_client_is_the_partners_fault() {
    for (status, word) in [(401, "invalid_client"), (400, "unauthorized_client"), (401, "invalid_grant")] {
        let body = format!(r#"{{"error":"{word}","error_description":"Invalid user credentials"}}"#);
        let error = keycloak(status, &body).unwrap_err();
        assert_eq!((error.code(), error.fault()), (Code::Partner, Fault::Partner), "{word}");
        assert!(error.detail().contains(word) && error.advice().contains("secret"), "{error}");
        assert_eq!(error.upstream().unwrap().message, "Invalid user credentials");
    }
}

#[test]
fn an_error_word_that_is_no_code_does_not_travel_as_one() {
    for word in ["Realm does not exist", "a\nb", &"x".repeat(4096), ""] {
        let body = json!({ "error": word, "error_description": null }).to_string();
        let error = keycloak(404, &body).unwrap_err();
        let upstream = error.upstream().unwrap();
        assert_eq!((upstream.code.as_str(), upstream.message.as_str()), ("an error without a code", word));
    }
}

#[test]
fn a_list_is_not_taken_for_the_answer_member_by_member() {
    assert_eq!(keycloak(200, r#"["token",300,null,null]"#).unwrap_err().code(), Code::Upstream);
    let headers: Headers<'_> = &[("set-cookie", "Authorization=token")];
    assert_eq!(read_with(&authmanager(), 200, headers, "[null]").unwrap_err().code(), Code::Upstream);
}

#[test]
fn an_iam_that_is_away_or_is_none_is_upstreams_fault() {
    let cases = [
        (500, r#"{"error":"invalid_client"}"#),
        (503, ""),
        (200, "<html>login</html>"),
        (401, "<html>proxy</html>"),
        (200, "{}"),
        (200, "[]"),
        (200, r#"{"access_token":7}"#),
        (302, r#"{"access_token":"t"}"#),
        (404, r#"{"error":"Realm does not exist"}"#),
        (404, r#"{"error":"invalid_client"}"#),
    ];
    for (status, body) in cases {
        let error = keycloak(status, body).unwrap_err();
        assert_eq!((error.code(), error.retryable()), (Code::Upstream, true), "{status} {body}");
    }
    assert!(keycloak(200, r#"{"error":"x"}"#).unwrap_err().detail().contains("error inside of success"));
}

#[test]
fn an_address_that_leads_elsewhere_waits_for_a_person_and_names_the_setting() {
    for (status, body) in [
        (302, ""),
        (404, r#"{"error":"Unable to find matching target resource method"}"#),
        (404, ""),
        (405, ""),
    ] {
        let error = keycloak(status, body).unwrap_err();
        assert_eq!(error.fault(), Fault::Partner, "{status} {body}");
        assert!(error.advice().contains("websub.token.url"), "{status} {body}: {}", error.advice());
    }
}

#[test]
fn authmanagers_token_comes_in_the_cookie_or_in_the_header() {
    let token = jwt(&format!(r#"{{"exp":{}}}"#, NOW.seconds() + 600));
    let set_cookie = format!("Authorization={token}; Max-Age=6000000; Path=/; HttpOnly");
    let (bearer, lower) = (format!("Bearer {token}"), format!("bearer {token}"));
    let cases: [Headers<'_>; 5] = [
        &[("set-cookie", "JSESSIONID=1; Path=/"), ("set-cookie", &set_cookie)],
        &[("set-cookie", "Authorization=; Max-Age=0"), ("authorization", &token)],
        &[("authorization", &token)],
        &[("authorization", &bearer)],
        &[("authorization", &lower)],
    ];
    for headers in cases {
        let body = r#"{"response":{"status":"Success"},"errors":null}"#;
        let read = read_with(&authmanager(), 200, headers, body).unwrap();
        assert_eq!(cookie(&read), format!("Authorization={token}"));
        assert_eq!(read.expires(), Some(Timestamp::from_seconds(NOW.seconds() + 600)));
    }
}

/// The cookie's own age is a setting of authmanager that has nothing to do with the token.
#[test]
fn max_age_of_the_cookie_is_not_the_tokens_life() {
    let read =
        read_with(&authmanager(), 200, &[("set-cookie", "Authorization=opaque; Max-Age=6000000")], "{}");
    assert_eq!(read.unwrap().expires(), None);
}

#[test]
fn authmanagers_refusal_inside_http_200_is_the_partners_fault() {
    let headers = [("set-cookie", "Authorization=opaque")];
    for status in [200, 401] {
        let body =
            r#"{"response":null,"errors":[{"errorCode":"KER-ATH-401","message":"Authentication Failed"}]}"#;
        let error = read_with(&authmanager(), status, &headers, body).unwrap_err();
        assert_eq!((error.code(), error.fault()), (Code::Partner, Fault::Partner));
        assert_eq!(error.upstream().unwrap().code, "KER-ATH-401");
        assert!(
            error.advice().contains("client id") && error.advice().contains("secret"),
            "{}",
            error.advice()
        );
    }
}

#[test]
fn authmanager_without_a_token_is_upstreams_fault() {
    let cases: [(u16, Headers<'_>, &str); 4] = [
        (200, &[], r#"{"response":{"status":"Success"},"errors":null}"#),
        (200, &[("set-cookie", "Authorization=t")], "<html>"),
        (404, &[("set-cookie", "Authorization=t")], "{}"),
        (500, &[], r#"{"errors":[{"errorCode":"KER-ATH-401"}]}"#),
    ];
    for (status, headers, body) in cases {
        let error = read_with(&authmanager(), status, headers, body).unwrap_err();
        assert_eq!(error.code(), Code::Upstream, "{status} {body}");
    }
}

/// A person who follows the advice puts right the section that this token belongs to, and not another.
#[test]
fn whatever_is_wrong_the_advice_names_the_section_of_this_token_alone() {
    let no_headers: Headers<'_> = &[];
    let from_keycloak = [
        (302, ""),
        (404, ""),
        (404, r#"{"error":"Realm does not exist"}"#),
        (405, ""),
        (413, "{}"),
        (200, "<html>login</html>"),
        (200, "{}"),
        (200, r#"{"access_token":""}"#),
        (200, r#"{"error":"x"}"#),
        (401, r#"{"error":"invalid_client"}"#),
    ];
    let from_authmanager = [
        (200, "<html>login</html>"),
        (200, "{}"),
        (200, r#"{"errors":[{"errorCode":"KER-ATH-401","message":"Authentication Failed"}]}"#),
    ];
    let refused = from_keycloak
        .map(|(status, body)| keycloak(status, body))
        .into_iter()
        .chain(from_authmanager.map(|(status, body)| read_with(&authmanager(), status, no_headers, body)));
    for error in refused.map(Result::unwrap_err) {
        assert!(error.advice().contains("websub.token"), "{}: {}", error.detail(), error.advice());
        assert!(!error.advice().contains("upstream.token"), "{}: {}", error.detail(), error.advice());
    }
}
