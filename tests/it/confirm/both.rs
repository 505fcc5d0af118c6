//! A birth and a death that came in one body, and so for one action of one record.

use super::*;

/// Each has a credential of its own, and whichever comes first registers the record.
#[tokio::test]
async fn the_first_credential_of_a_birth_and_a_death_in_one_body_registers_the_record() {
    let face =
        [("FACES__MOSIP_API", "true"), ("FACES__OPENCRVS_JWT__FILE", "../keys.example/opencrvs-jwt.pem")];
    for birth_first in [true, false] {
        let world = world(Setup { set: face.to_vec(), ..Setup::default() }).await;
        world.simulator.core.asks("e1", "a1", Waiting::Registration);
        let mut headers = HeaderMap::new();
        let token = caller_token_of(&[("eventId", "e1"), ("actionId", "a1")]);
        headers.insert(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let fields = json!({ "birthCertificateNumber": "B1", "deathCertificateNumber": "D1" });
        let body = json!({ "trackingId": "T1", "requestFields": fields }).to_string();
        let url = format!("http://{}/events/registration", world.gateway.api);
        assert_eq!(world.gateway.request(Method::POST, url, headers, &body).await.status, 202);
        let [birth, death] = <[String; 2]>::try_from(world.gateway.ids("").await).unwrap();
        let of_both = [(&birth, Some(NUMBER), "B1"), (&death, None, "D1")];
        let (first, second) = if birth_first { (of_both[0], of_both[1]) } else { (of_both[1], of_both[0]) };
        for (id, number, _) in [first, second] {
            world.gateway.event_in(id, "done").await;
            issue(&world, id, number);
            world.gateway.event_in(&confirmation(id), "done").await;
        }
        let decisions = decisions(&world);
        let [call] = decisions.as_slice() else { panic!("{decisions:?}") };
        assert_eq!((call.procedure.as_str(), &call.input["registrationNumber"]), (ACCEPT, &json!(first.2)));
    }
}
