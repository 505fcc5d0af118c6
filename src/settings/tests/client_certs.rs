//! `client_cert` and `client_key`, in whatever section.

use super::*;

const PAIR: &str = "client_cert = \"a.crt\"\nclient_key = \"a.key\"\n";

#[test]
fn the_certificate_of_the_nearest_section_counts_and_else_that_of_all() {
    let text = "[upstream]\nclient_cert = \"all.crt\"\nclient_key = \"all.key\"\n\
        token = { url = \"https://iam.example/token\", client_id = \"a\", client_secret_env = \"S\" }\n\
        [upstream.mediator]\nbirth = \"https://mosip.example/birth\"\nclient_cert = \"m.crt\"\nclient_key = \"m.key\"\n\
        [opencrvs]\nlegacy_url = \"https://crvs.example/post\"\n\
        [[systems]]\nname = \"nia\"\nurl = \"https://nia.example/in\"\nkinds = [\"birth\"]\nclient_cert = \"n.crt\"\nclient_key = \"n.key\"\n";
    let client = accepted(text, &[("S", "s")]).upstream.client;
    for (setting, cert) in [
        ("upstream.mediator.birth", "m.crt"),
        ("upstream.token.url", "all.crt"),
        ("opencrvs.legacy_url", "all.crt"),
        ("systems[0].url", "n.crt"),
        ("systems[0].token.url", "n.crt"),
        ("systems[01].url", "all.crt"),
    ] {
        let file = client.of(setting).map(|one| one.cert.clone());
        assert_eq!(file, Some(Path::new(BASE).join(cert)), "{setting}");
    }
    let called: Vec<_> = client.called.iter().map(|(setting, _)| setting.as_str()).collect();
    assert!(called.contains(&"systems[0].url") && called.contains(&"upstream.mediator.birth"), "{called:?}");
}

#[test]
fn every_section_that_calls_somebody_may_have_one() {
    for section in
        ["upstream", "upstream.mediator", "upstream.packets", "opencrvs", "websub", "esignet", "deliver"]
    {
        let client = accepted(&format!("[{section}]\n{PAIR}"), &[]).upstream.client;
        let sections: Vec<_> = client.all.iter().map(|one| one.section.as_str()).collect();
        assert_eq!(sections, [section]);
    }
}

#[test]
fn half_a_pair_is_refused() {
    refused(
        "upstream.client_cert = \"a.crt\"",
        "file: upstream.client_key: is missing beside client_cert; set both, or neither",
    );
    refused(
        "opencrvs.client_key = \"a.key\"",
        "file: opencrvs.client_cert: is missing beside client_key; set both, or neither",
    );
}

#[test]
fn one_url_under_two_certificates_is_refused_and_under_one_it_is_not() {
    let system = |name: &str, more: &str| {
        format!(
            "[[systems]]\nname = \"{name}\"\nurl = \"https://nia.example/in\"\nkinds = [\"birth\"]\n{more}\n"
        )
    };
    assert_eq!(problems(&(system("a", PAIR) + &system("b", PAIR)), &[]), [""; 0]);
    assert_eq!(problems(&(system("a", "") + &system("b", "")), &[]), [""; 0]);
    refused(
        &(system("a", PAIR) + &system("b", "")),
        "file: systems[1].url: is the URL of systems[0].url, too, which has another client certificate; set the same client_cert and client_key for both",
    );
}
