//! `[upstream.packets]`

use super::{accepted, problems, refused};

const PACKETS: &str = r#"
[upstream.packets]
create = "https://mosip.example.org/createPacket"
process = "https://mosip.example.org/workflowinstance"
center_id = "10123"
machine_id = "10234"
"#;

#[test]
fn what_is_not_said_has_its_default() {
    let config = accepted(PACKETS, &[]);
    assert_eq!(config.warnings, [""; 0]);
    let packets = &config.destinations.packets;
    assert_eq!((packets.source.as_str(), packets.schema_version.as_str()), ("OPENCRVS", "0.100"));
    assert_eq!((packets.processes["birth"].as_str(), packets.id_prefix.as_str()), ("CRVS_NEW", "10001"));
    assert!(packets.schema.is_none() && packets.unset.is_empty());
    let other = format!(
        "{PACKETS}source = \"CRVS1\"\nbirth-correction = \"UPDATE\"\nschema_file = \"own.schema.json\""
    );
    let config = accepted(&other, &[]);
    let packets = &config.destinations.packets;
    assert_eq!(
        (packets.source.as_str(), packets.processes["birth-correction"].as_str()),
        ("CRVS1", "UPDATE")
    );
    assert_eq!(packets.schema.as_ref().unwrap().get(), r#""{}""#, "a text in a JSON string");
}

#[test]
fn what_is_missing_is_named_and_stops_no_start() {
    let lacks = |text: &str| -> Vec<String> {
        let lacks = accepted(text, &[]).destinations.lacks().into_iter();
        lacks.map(|lack| lack.what).collect()
    };
    let whats = ["process", "center_id", "machine_id"]
        .map(|name| format!("upstream.packets.{name} is not set, and packets need it"));
    assert_eq!(lacks("upstream.packets.create = \"https://mosip.example.org/createPacket\""), whats);
    let without_create = lacks("upstream.packets.process = \"https://mosip.example.org/w\"");
    assert!(without_create[0].contains("upstream.packets.create"), "{without_create:?}");
    assert_eq!(lacks("upstream.packets.source = \"CRVS1\""), [""; 0], "nothing is sent");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    refused(
        &format!("{PACKETS}id_prefix = \"../1\""),
        "file: upstream.packets.id_prefix: is longer than 20 characters or holds others than letters and digits; write the digits that the MOSIP administrator gives",
    );
    refused(
        &format!("{PACKETS}schema_file = \"schema.txt\""),
        "file: upstream.packets.schema_file: leads to a file that holds no JSON object; put the identity schema of this MOSIP there, a JSON object",
    );
    refused(
        &format!("{PACKETS}death-correction = \"X\""),
        "file: upstream.packets.death-correction: is not a setting; did you mean birth-correction?",
    );
    assert_eq!(problems(&format!("{PACKETS}schema_file = \"absent\""), &[]).len(), 1);
    let token = format!("{PACKETS}token = {{ url = \"https://iam.example.org/token\", client_id = \"c\" }}");
    assert_eq!(problems(&token, &[]).len(), 1, "the secret is missing");
}

#[test]
fn the_token_of_mosip_api_is_that_of_packets() {
    let set = [
        ("MOSIP_CREATE_PACKET_URL", "https://mosip.example.org/createPacket"),
        ("MOSIP_PROCESS_PACKET_URL", "https://mosip.example.org/workflowinstance"),
        ("MOSIP_CENTER_ID", "10123"),
        ("MOSIP_MACHINE_ID", "10234"),
        ("TRANSACTION_ID_PREFIX", "20002"),
        ("MOSIP_AUTH_URL", "https://mosip.example.org/v1/authmanager/authenticate/clientidsecretkey"),
        ("MOSIP_AUTH_CLIENT_APP_ID", "admin"),
        ("MOSIP_PACKET_AUTH_CLIENT_ID", "mosip-regproc-client"),
        ("MOSIP_PACKET_AUTH_CLIENT_SECRET", "s"),
    ];
    let packets = accepted("", &set).destinations.packets;
    assert_eq!((packets.id_prefix.as_str(), packets.unset.len()), ("20002", 0));
    assert_eq!(packets.token.unwrap().client_id, "mosip-regproc-client");
}

#[test]
fn a_variable_of_an_older_system_that_the_file_names_has_its_effect() {
    let set = [
        ("MOSIP_PACKET_AUTH_CLIENT_SECRET", "s"),
        ("MOSIP_WEBSUB_AUTH_CLIENT_SECRET", "t"),
        ("MOSIP_AUTH_URL", "https://iam.example.org/auth/realms/mosip/protocol/openid-connect/token"),
        ("MOSIP_AUTH_CLIENT_ID", "opencrvs"),
        ("MOSIP_AUTH_CLIENT_SECRET", "u"),
    ];
    let token = "token = { url = \"https://iam.example.org/token\", client_id = \"c\", client_secret_env = \"MOSIP_PACKET_AUTH_CLIENT_SECRET\" }";
    let config = accepted(&format!("{PACKETS}{token}"), &set);
    let idle: Vec<_> = config.warnings.iter().filter(|warning| warning.contains("no effect")).collect();
    assert_eq!(
        idle,
        ["these variables of an older system have no effect here: MOSIP_WEBSUB_AUTH_CLIENT_SECRET"]
    );
}

#[test]
fn a_schema_that_each_registration_may_bring_is_no_trouble_of_the_gateway() {
    let config = accepted(PACKETS, &[]);
    assert!(config.destinations.packets.lacks_schema(), "doctor says so");
    let troubles = crate::gateway::troubles::all(&config);
    let said: Vec<_> = troubles.iter().filter(|trouble| trouble.to_string().contains("schema")).collect();
    assert!(said.is_empty(), "{said:?}");
}
