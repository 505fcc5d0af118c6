//! Proofs of possession, and what servers say of them.

use super::*;

#[test]
fn a_challenge_is_told_from_a_refusal() {
    let challenged = |headers: &[(&str, &str)], word: &str| match token_reply(
        400,
        headers,
        &json!({ "error": word }).to_string(),
    ) {
        Ok(TokenReply::Challenged(challenge)) => Ok(challenge.nonce),
        Ok(TokenReply::Given(_)) => panic!("tokens with an error"),
        Err(error) => Err(error.code()),
    };
    let nonce = [("dpop-nonce", "eyJ7S_zG.eyJH0-Z")];
    assert_eq!(challenged(&nonce, "use_dpop_nonce"), Ok(Some("eyJ7S_zG.eyJH0-Z".to_owned())));
    assert_eq!(challenged(&nonce, "invalid_dpop_proof"), Ok(Some("eyJ7S_zG.eyJH0-Z".to_owned())));
    assert_eq!(challenged(&[], "invalid_dpop_proof"), Ok(None));
    assert_eq!(challenged(&[], "use_dpop_nonce"), Err(Code::Upstream));
    for odd in ["", "n\u{fc}", &"n".repeat(1025)] {
        let headers = [("dpop-nonce", odd)];
        assert_eq!(challenged(&headers, "use_dpop_nonce"), Err(Code::Upstream), "{odd}");
        assert_eq!(
            challenged(&headers, "invalid_grant"),
            Err(Code::Field),
            "it does not hide the error: {odd}"
        );
        assert_eq!(challenged(&headers, "invalid_dpop_proof"), Ok(None), "{odd}");
    }
    assert_eq!(challenged(&nonce, "invalid_grant"), Err(Code::Field));

    let answer = |challenge: &'static str| {
        let headers = HeaderMap::from_iter([
            (header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)),
            ("dpop-nonce".parse().unwrap(), HeaderValue::from_static("n")),
        ]);
        match super::challenge(StatusCode::UNAUTHORIZED, &headers) {
            Ok(Some(challenge)) => Ok(challenge.nonce),
            Ok(None) => panic!("a userinfo with an error"),
            Err(error) => Err(error.code()),
        }
    };
    assert_eq!(answer(r#"DPoP error="use_dpop_nonce", error_description="..""#), Ok(Some("n".to_owned())));
    assert_eq!(answer("DPoP algs=\"ES256\", error=use_dpop_nonce"), Ok(Some("n".to_owned())));
    for refused in [
        r#"Bearer error="invalid_token""#,
        "Bearer",
        "error=",
        r#"DPoP x_error="use_dpop_nonce", error="invalid_token""#,
    ] {
        assert_eq!(answer(refused), Err(Code::Upstream), "{refused}");
    }
    let mut several = HeaderMap::from_iter([("dpop-nonce".parse().unwrap(), HeaderValue::from_static("n"))]);
    for challenge in ["Basic realm=\"e\"", "Bearer error=\"invalid_token\"", "DPoP error=\"use_dpop_nonce\""]
    {
        several.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    let demanded = challenge(StatusCode::UNAUTHORIZED, &several).unwrap().unwrap();
    assert_eq!(demanded.nonce.as_deref(), Some("n"), "the third one counts");
}

#[test]
fn a_proof_that_is_refused_is_told_from_one_that_lacked_the_nonce() {
    let of = |word: &str, nonce: Option<&'static str>| {
        let nonce = nonce.map(|nonce| ("dpop-nonce".parse().unwrap(), HeaderValue::from_static(nonce)));
        Challenge::of(word, &HeaderMap::from_iter(nonce)).unwrap().unwrap()
    };
    let [bare, with_nonce] = [None, Some("n0".to_owned())].map(Challenge::unasked);
    for (demanded, former, is_answered) in [
        (of("use_dpop_nonce", Some("n1")), None, true),
        (of("use_dpop_nonce", Some("n1")), Some(&bare), true),
        (of("use_dpop_nonce", Some("n1")), Some(&with_nonce), true),
        (of("invalid_dpop_proof", None), None, true),
        (of("invalid_dpop_proof", Some("n1")), None, true),
        (of("invalid_dpop_proof", Some("n1")), Some(&bare), true),
        (of("invalid_dpop_proof", None), Some(&bare), false),
        (of("invalid_dpop_proof", None), Some(&with_nonce), false),
        (of("invalid_dpop_proof", Some("n1")), Some(&with_nonce), false),
    ] {
        let (what, answered) = (format!("{demanded:?} {former:?}"), demanded.after(former));
        assert_eq!(answered.is_ok(), is_answered, "{what}");
        if let Err(refused) = answered {
            assert_eq!((refused.code(), refused.fault()), (Code::Partner, Fault::Partner));
            assert!(refused.detail().contains("refuses our proof"), "{refused}");
        }
    }
}

#[test]
fn a_proof_that_is_demanded_of_pushed_parameters_is_named() {
    for word in ["use_dpop_nonce", "invalid_dpop_proof"] {
        let body = json!({ "error": word }).to_string();
        let refused = Pushed::read(StatusCode::BAD_REQUEST, body.as_bytes()).err().unwrap();
        assert_eq!((refused.fault(), &*refused.upstream().unwrap().code), (Fault::Partner, word));
        assert!(refused.detail().contains("pushed parameters"), "{refused}");
    }
}

#[test]
fn a_proof_names_its_request_its_token_and_the_nonce() {
    let file = file();
    let key = DpopKey::generate().unwrap();
    let url = "https://e.example.org/v1/userinfo?a=b".parse().unwrap();
    let example = &file["access_token_hash"];
    let proof = Proof {
        method: "GET",
        url: &url,
        nonce: Some("n1"),
        access_token: Some(text(example, "token")),
        jti: "j1",
        now: now(&file),
    };
    let proof = key.prove(&proof).unwrap();
    assert!(proof.is_sensitive());
    let proof = proof.to_str().unwrap();
    let header = jsonwebtoken::decode_header(proof).unwrap();
    let jwk = serde_json::to_value(header.jwk.as_ref().unwrap()).unwrap();
    let (header, claims) = decoded(proof, &jwk, Algorithm::ES256);
    assert_eq!(header.typ.as_deref(), Some("dpop+jwt"));
    assert!(jwk.get("d").is_none(), "{jwk}");
    assert_eq!(
        claims,
        json!({"jti": "j1", "htm": "GET", "htu": "https://e.example.org/v1/userinfo", "iat": file["now"],
               "nonce": "n1", "ath": example["ath"]})
    );
    // Our JSON is the one that the thumbprint is made of, as jsonwebtoken makes it.
    let ours = base64::encode_url(&sha256(
        crate::crypto::jwk::Jwk::of_ec(
            &ec::PublicKey::from_coordinates(
                &base64::decode_url_strict(jwk["x"].as_str().unwrap().as_bytes()).unwrap(),
                &base64::decode_url_strict(jwk["y"].as_str().unwrap().as_bytes()).unwrap(),
            )
            .unwrap(),
        )
        .as_json()
        .as_bytes(),
    ));
    let theirs: Jwk = serde_json::from_value(jwk).unwrap();
    assert_eq!(ours, theirs.thumbprint(ThumbprintHash::SHA256).unwrap());
}
