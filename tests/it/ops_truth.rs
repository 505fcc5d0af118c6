//! What the page, `/readyz` and the metrics say while something does not flow, and when they stop saying it.

use crate::support::event::{BIRTH, birth};
use crate::support::gateway::Running;
use crate::support::mosip::Push;
use crate::support::patience;
use crate::support::world::{Setup, World};
use http::{HeaderMap, Method};
use mosip_gateway::simulator::Behaviour;
use serde_json::json;
use time::{Duration, OffsetDateTime};

async fn text(gateway: &Running, path: &str) -> String {
    let url = format!("http://{}{path}", gateway.ops);
    let reply = gateway.request(Method::GET, url, HeaderMap::new(), "").await;
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// The page as soon as `words` stand on it.
async fn page_with(gateway: &Running, words: &str) -> String {
    patience::until(words, async || {
        let page = text(gateway, "/").await;
        if page.contains(words) { Ok(page) } else { Err(page) }
    })
    .await
}

async fn refusing(probe_interval: &str) -> World {
    let set = vec![("UPSTREAM__PROBE_INTERVAL", probe_interval)];
    let world = World::start(Setup { set, ..Setup::default() }).await;
    world.simulator.controls.set(Behaviour { bad_client_secret: true, ..Behaviour::default() });
    world
}

#[tokio::test]
async fn results_that_do_not_reach_the_mediator_stand_on_the_page_in_readiness_and_in_metrics() {
    let nobody = crate::support::port::Port::hold();
    let url = format!("http://{}/deliveries", nobody.address());
    let gateway = Running::start(&[("DELIVER__URL", &url)]).await;
    gateway.push(&Push::new("1").body()).await;
    let page = page_with(&gateway, "<h1>Results do not reach the mediator").await;
    assert!(
        page.contains(">No usable answer since ") && !page.contains(">Refuses<"),
        "nobody listens: {page}"
    );
    assert!(!page.contains("Everything flows") && page.contains("messages, to the mediator"), "{page}");
    let (_, ready) = gateway.readiness().await;
    assert_eq!(ready["deliveries"]["waiting"], 1, "{ready}");
    assert!(ready["deliveries"]["refusal"]["fault"].is_string(), "{ready}");
    let channels = ready["channels"].as_array().unwrap();
    let channel = channels.iter().find(|channel| channel["destination"] == "delivery").unwrap();
    assert_eq!((&channel["state"], &channel["fault"]), (&json!("failing"), &json!("upstream")), "{ready}");
    assert!(channel["advice"].is_string() && channel["since"].is_string(), "{ready}");
    assert_eq!(ready["faces"]["webhooks"], false, "{ready}");
    let certificates = ready["certificates"].as_array().unwrap();
    assert!(certificates.iter().any(|one| one["role"] == "own" && one["days_to_expiry"].is_i64()), "{ready}");
    let metrics = text(&gateway, "/metrics").await;
    let host = nobody.address();
    let labels = format!("destination=\"delivery\",host=\"{host}\",kind=\"delivery\",state=\"failing\"");
    let channel = format!("mosip_gateway_channel{{{labels}}} 1");
    for sample in [
        channel.as_str(),
        "mosip_gateway_oldest_delivery_seconds ",
        "mosip_gateway_face{name=\"webhooks\"} 0",
    ] {
        assert!(metrics.lines().any(|line| line.starts_with(sample)), "{sample} is not in\n{metrics}");
    }
}

#[tokio::test]
async fn while_paused_the_next_try_is_the_probe() {
    let world = refusing("1h").await;
    world.gateway.accept("birth", &birth("waits")).await;
    page_with(&world.gateway, "<h1>Put right the registration with MOSIP.").await;
    let event = world.gateway.until("/v1/events/waits", |event| event["state"] == "queued").await;
    let seconds = event["nextTryIn"].as_i64().unwrap();
    assert!((3_000..=3_600).contains(&seconds), "{event}");
    let page = text(&world.gateway, "/?event=waits").await;
    assert!(page.contains("in 59m"), "{page}");
    let (_, ready) = world.gateway.readiness().await;
    let channels = ready["channels"].as_array().unwrap();
    let channel = channels.iter().find(|channel| channel["state"] == "paused").unwrap();
    assert!((3_000..=3_600).contains(&channel["next_try_in"].as_i64().unwrap()), "{ready}");
    let page = text(&world.gateway, "/").await;
    let says = "These wait until a person puts right what pauses them: see the reason beside their host.";
    assert_eq!(page.matches(says).count(), 2, "what failed, and what is queued: {page}");
    assert!(
        !page.contains("These go by themselves") && !page.contains("These are tried again by themselves")
    );
}

#[tokio::test]
async fn one_event_that_nobody_answers_shows_that_nobody_answers_from_the_first_attempt_on() {
    let nobody = crate::support::port::Port::hold();
    let url = format!("http://{}/birth", nobody.address());
    let set = vec![("UPSTREAM__MEDIATOR__BIRTH", url.as_str())];
    let world = World::start(Setup { set, ..Setup::default() }).await;
    world.gateway.accept("birth", &birth("waits")).await;
    let page = page_with(&world.gateway, "The last attempt failed: 1 event waits for MOSIP").await;
    assert!(page.contains(">No usable answer since "), "{page}");
    let advice = format!("Start the server that is to listen at {}, or correct its URL", nobody.address());
    assert!(page.contains(&advice), "{advice}: {page}");
    let (_, ready) = world.gateway.readiness().await;
    let channels = ready["channels"].as_array().unwrap();
    let state = |kind: &str| {
        let carries =
            |channel: &&serde_json::Value| channel["kinds"].as_array().unwrap().contains(&json!(kind));
        channels.iter().find(carries).unwrap()["state"].clone()
    };
    assert_eq!((state("birth"), state("death")), (json!("failing"), json!("open")), "{ready}");
}

#[tokio::test]
async fn the_last_success_is_remembered_over_a_restart() {
    let mut world = World::start(Setup::default()).await;
    world.gateway.push(&Push::new("1").body()).await;
    world.gateway.settle("birth", BIRTH).await;
    let last = async |gateway: &Running| {
        let (_, ready) = gateway.readiness().await;
        let channels = ready["channels"].as_array().unwrap();
        let births = channels.iter().find(|channel| channel["kinds"][0] == "birth").unwrap();
        births["last_success"].as_str().map(str::to_owned)
    };
    let before = last(&world.gateway).await.unwrap();
    world.gateway.restart(&[]).await;
    let after = patience::until("the last success", async || last(&world.gateway).await.ok_or(())).await;
    // Of a running process the moment is counted back from now.
    let of =
        |text: &str| OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).unwrap();
    assert!((of(&after) - of(&before)).abs() < Duration::seconds(1), "{before} {after}");
    let metrics = text(&world.gateway, "/metrics").await;
    let success = "mosip_gateway_last_success_timestamp_seconds{destination=\"mediator\",host=";
    assert!(metrics.contains(success), "{metrics}");
}

#[tokio::test]
async fn a_pause_ends_on_the_page_once_nothing_waits() {
    let world = refusing("1s").await;
    world.gateway.accept("birth", &birth("waits")).await;
    page_with(&world.gateway, "<h1>Put right the registration with MOSIP.").await;
    patience::until("the end of an attempt", async || {
        let reply = world.gateway.ask(Method::DELETE, "/v1/events/waits?reason=wrong").await;
        if reply.status == 200 { Ok(()) } else { Err(reply.status) }
    })
    .await;
    page_with(&world.gateway, "<h1>Everything flows.").await;
}

#[tokio::test]
async fn an_event_is_found_by_its_id_a_number_or_the_application_id() {
    let world = World::start(Setup::default()).await;
    let gateway = &world.gateway;
    let settled = gateway.settle("birth", BIRTH).await;
    let id = settled["id"].as_str().unwrap();
    let find = async |sought: &str| {
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("find", sought).finish();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
        gateway.request(Method::POST, format!("http://{}/", gateway.ops), headers, &form).await
    };
    for sought in [id, crate::support::event::BRN, settled["aid"].as_str().unwrap()] {
        let reply = find(&format!(" {sought} ")).await;
        assert_eq!(
            (reply.status.as_u16(), reply.headers["location"].to_str().unwrap()),
            (303, format!("?event={id}").as_str())
        );
    }
    assert_eq!(find("nobody").await.status.as_u16(), 404);
    let page = text(gateway, &format!("/?event={id}")).await;
    for words in [id, "done", "Attempts", "never: it is settled"] {
        assert!(page.contains(words), "{words} is not in\n{page}");
    }
    assert!(text(gateway, "/?find=").await.contains("name=\"find\""));
}

#[tokio::test]
async fn the_overview_names_its_installation_and_loads_again_without_a_script() {
    let gateway = Running::start(&[("OPS__NAME", "Exampleland <staging>")]).await;
    let page = text(&gateway, "/").await;
    assert!(
        page.contains("<title>Everything flows. – Exampleland &lt;staging&gt; – mosip-gateway</title>"),
        "{page}"
    );
    assert!(page.contains("<p class=\"name\">Exampleland &lt;staging&gt;</p>"), "{page}");
    assert!(page.contains("<meta http-equiv=\"refresh\" content=\"20;url=?\">"), "{page}");
    assert!(!page.contains("<form"), "what is loaded again takes nobody's words: {page}");
    let list = text(&gateway, "/?list=parked").await;
    assert!(!list.contains("http-equiv"), "{list}");
}

#[tokio::test]
async fn an_authority_of_the_keys_stands_with_its_days_in_metrics_in_readiness_and_on_the_page() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("authorities.pem");
    let set = [("KEYS__CA_FILE", file.to_str().unwrap())];
    for (days, on_the_page, said) in [
        (12, "12 days", "The certificate of keys.ca_file expires in 12 days."),
        // One that has expired beside others that have not is named, and the next of those counts.
        (-1, "expired", ": the certificate expired on "),
    ] {
        // Every certificate of the example is trusted too, so that no key is missing.
        let examples = [
            "partner.crt",
            "opencrvs-pub.key",
            "mosip-public.key",
            "ida-partner.crt",
            "ida-sign.crt",
            "issuer.crt",
        ];
        let pem = examples.map(|name| std::fs::read_to_string(format!("keys.example/{name}")).unwrap());
        let authority =
            authority_until(OffsetDateTime::now_utc() + Duration::days(days) + Duration::hours(1));
        std::fs::write(&file, pem.concat() + &authority).unwrap();
        let gateway = Running::start(&set).await;

        let (status, ready) = gateway.readiness().await;
        let certificates = ready["certificates"].as_array().unwrap();
        let of_authorities = certificates.iter().filter(|one| one["role"] == "authority");
        let all: Vec<_> = of_authorities.collect();
        let number = examples.len() + 1;
        let shown =
            json!({"role": "authority", "name": "keys.ca_file", "number": number, "days_to_expiry": days});
        assert_eq!((all.len(), all.last()), (number, Some(&&shown)), "each of them is shown: {ready}");
        let first = ready["keys"]["days_to_first_expiry"].as_i64().unwrap();
        assert!(status == 200 && if days < 0 { first >= 0 } else { first == days }, "{ready}");

        let metrics = text(&gateway, "/metrics").await;
        let labels = format!("role=\"authority\",name=\"keys.ca_file\",number=\"{number}\"");
        let sample = format!("mosip_gateway_certificate_days_left{{{labels}}} {days}");
        assert!(metrics.lines().any(|line| line == sample), "{sample} is not in\n{metrics}");

        let page = page_with(&gateway, said).await;
        let mut rows = page.split("<tr").filter(|row| row.contains("keys.ca_file") && row.contains("<td"));
        let is_told = |row: &str| row.contains("trusted by a setting") && row.contains(on_the_page);
        assert!(rows.any(is_told), "{page}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_file_of_authorities_that_is_missing_is_told_before_what_it_keeps() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("authorities.pem");
    let set = vec![("KEYS__CA_FILE", file.to_str().unwrap())];
    let world = World::start(Setup { set, ..Setup::default() }).await;
    world.gateway.accept("birth", &birth("waits")).await;
    let page = page_with(&world.gateway, ">Paused since ").await;
    assert!(page.contains("<h1>Put right: authorities.pem: "), "{page}");
    assert!(page.contains(", so that these are not trusted: "), "{page}");
    let (_, ready) = world.gateway.readiness().await;
    let fatal = ready["troubles"].as_array().unwrap().iter().filter(|trouble| trouble["fatal"] == true);
    assert_eq!(fatal.count(), 1, "{ready}");
}

#[tokio::test]
async fn development_keys_are_on_the_page_in_readiness_and_in_metrics() {
    let gateway = Running::start(&[]).await;
    let page = text(&gateway, "/").await;
    assert!(page.contains(" development keys are in use, whose private halves are public."), "{page}");
    let words = "holds a development key, whose private half is public";
    assert!(page.contains(&format!("opencrvs-priv.key: {words}")), "{page}");
    let (_, ready) = gateway.readiness().await;
    let troubles = ready["troubles"].as_array().unwrap().iter();
    let files: Vec<_> = troubles.filter(|trouble| trouble["detail"] == words).collect();
    assert!(files.iter().any(|trouble| trouble["subject"] == "opencrvs-priv.key"), "{ready}");
    let metrics = text(&gateway, "/metrics").await;
    let sample = format!("mosip_gateway_example_keys {}", files.len());
    assert!(metrics.lines().any(|line| line == sample), "{sample} is not in\n{metrics}");
}

/// A browser asks for the token by itself; who does not have it learns where it is. Programs get a problem, as before.
#[tokio::test]
async fn a_browser_without_the_token_shows_a_page_that_says_which_and_how() {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "the-operators-token").unwrap();
    let gateway = Running::start(&[("OPS__TOKEN_FILE", token.path().to_str().unwrap())]).await;
    let ask = async |accept: &str, host: Option<&str>| {
        let mut headers = HeaderMap::new();
        headers.insert("accept", accept.parse().unwrap());
        if let Some(host) = host {
            headers.insert("host", host.parse().unwrap());
        }
        gateway.request(Method::GET, format!("http://{}/", gateway.ops), headers, "").await
    };
    let firefox = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let reply = ask(firefox, None).await;
    let page = String::from_utf8_lossy(&reply.body);
    assert_eq!(
        (reply.status.as_u16(), reply.headers["content-type"].as_bytes()),
        (401, &b"text/html; charset=utf-8"[..])
    );
    let challenges = reply.headers.get_all("www-authenticate").iter();
    assert!(challenges.filter_map(|value| value.to_str().ok()).any(|value| value.starts_with("Basic ")));
    assert!(reply.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    for words in ["ops.token_file", "as the password", "there is no bearer token"] {
        assert!(page.to_lowercase().contains(words), "{words}: {page}");
    }
    let reply = ask(firefox, Some("gateway.example")).await;
    let page = String::from_utf8_lossy(&reply.body);
    assert!(reply.status == 403 && page.contains("listen.hosts"), "{page}");
    for accept in ["*/*", "application/json"] {
        let reply = ask(accept, None).await;
        assert_eq!(
            (reply.status.as_u16(), reply.headers["content-type"].as_bytes()),
            (401, &b"application/problem+json"[..])
        );
    }
}

/// The certificate of an authority that is valid up to `not_after`, in PEM.
fn authority_until(not_after: OffsetDateTime) -> String {
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = not_after;
    // The authorities of MOSIP have RSA keys, which are the ones that are read.
    let key = std::fs::read_to_string("tests/vectors/keys/issuer.key.pem").unwrap();
    parameters.self_signed(&rcgen::KeyPair::from_pem(&key).unwrap()).unwrap().pem()
}
