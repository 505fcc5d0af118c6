//! What ID tokens are believed, and whose fault it is where one is not.

use super::*;

#[test]
fn an_id_token_says_who_logged_in() {
    let file = file();
    let keys = read_keys(file["jwks"].to_string().as_bytes()).unwrap();
    for case in file["id_tokens"].as_array().unwrap() {
        let name = text(case, "name");
        let read = read_id_token(&file, &keys, text(case, "token"), &[]);
        match case["valid"].as_bool().unwrap() {
            true => assert_eq!(read.unwrap(), text(&file, "sub"), "{name}"),
            false if name.ends_with("-nonce") => {
                assert_eq!(read.unwrap_err().pointer(), Some("/nonce"), "{name}")
            }
            false => assert_eq!(read.unwrap_err().code(), Code::Tampered, "{name}"),
        }
    }
}

/// What `token` says to the login of the vectors, where the country has `clients`.
fn read_id_token(file: &Value, keys: &Jwks, token: &str, clients: &[String]) -> Result<String> {
    let reply = json!({"access_token": file["access_token"], "token_type": "Bearer", "id_token": token});
    let reply = TokenReply::read(StatusCode::OK, &HeaderMap::new(), reply.to_string().as_bytes())?;
    let TokenReply::Given(tokens) = reply else { panic!("no challenge") };
    let login = login(json!({ "clientId": file["client_id"], "nonce": file["nonce"] }));
    let read = Subject::read(&tokens, keys, text(file, "issuer"), (&login, clients), now(file));
    read.map(|subject| subject.as_str().to_owned()).map_err(Error::from)
}

/// An ID token of eSignet with these members in place of the usual ones.
fn id_token(file: &Value, more: Value) -> String {
    let iat = file["now"].as_i64().unwrap();
    let mut claims = json!({
        "iss": file["issuer"], "sub": file["sub"], "aud": file["client_id"], "iat": iat, "exp": iat + 600, "nonce": file["nonce"],
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut header = jsonwebtoken::Header::new(Algorithm::PS256);
    header.kid = Some("es-rsa".to_owned());
    let key = include_bytes!("../../../../tests/vectors/keys/issuer.key.pem");
    jsonwebtoken::encode(&header, &claims, &jsonwebtoken::EncodingKey::from_rsa_pem(key).unwrap()).unwrap()
}

#[test]
fn an_id_token_for_several_says_that_it_was_made_for_us() {
    let file = file();
    let keys = read_keys(file["jwks"].to_string().as_bytes()).unwrap();
    let us = text(&file, "client_id");
    for (more, is_believed) in [
        (json!({ "aud": [us] }), true),
        (json!({ "aud": [us, "other"] }), false),
        (json!({ "aud": [us, "other"], "azp": us }), true),
        (json!({ "aud": [us, "other"], "azp": "other" }), false),
        (json!({ "aud": us, "azp": "other" }), false),
        (json!({ "aud": [] }), false),
    ] {
        let read = read_id_token(&file, &keys, &id_token(&file, more.clone()), &[]);
        assert_eq!(read.as_ref().err().map(Error::code), (!is_believed).then_some(Code::Tampered), "{more}");
    }
}

#[test]
fn what_the_caller_mistook_is_no_lie_of_esignet() {
    let file = file();
    let keys = read_keys(file["jwks"].to_string().as_bytes()).unwrap();
    let clients = ["another".to_owned(), text(&file, "client_id").to_owned()];
    for (more, clients, pointer) in [
        (json!({ "nonce": "another" }), &clients[..0], Some("/nonce")),
        (json!({ "nonce": null }), &clients[..0], Some("/nonce")),
        (json!({ "aud": "another" }), &clients[..], Some("/clientId")),
        (json!({ "aud": "another" }), &clients[1..], None),
        (json!({ "aud": "another" }), &clients[..0], None),
    ] {
        let refused = read_id_token(&file, &keys, &id_token(&file, more.clone()), clients).unwrap_err();
        let fault = if pointer.is_some() { Fault::Caller } else { Fault::Tampered };
        assert_eq!((refused.fault(), refused.pointer()), (fault, pointer), "{more}: {refused}");
        assert!(!refused.retryable());
    }
    let lie = id_token(&file, json!({ "nonce": "another", "iss": "https://other.example.org" }));
    assert_eq!(read_id_token(&file, &keys, &lie, &clients).unwrap_err().code(), Code::Tampered);
}
