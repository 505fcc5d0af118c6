//! Names that MOSIP gives registrations, with characters that have a meaning in a path.

use super::*;

/// What stands behind the last slash of a subject's id is the name of its registration.
#[tokio::test]
async fn a_registration_that_mosip_names_with_characters_of_a_path_is_told_and_is_none_of_ours() {
    let mut world = world(Setup::default()).await;
    let ours = birth(&world, "e1").await;
    let names = [
        "..".to_owned(),
        "../../v1/outbox".to_owned(),
        format!("{ours}/.."),
        format!("{ours}%2F.."),
        format!("{ours}?confirm=true"),
        format!("{ours}#fragment"),
        format!("{ours};v=1"),
        confirmation(&ours),
        format!("{ours}@opencrvs@opencrvs"),
        format!("{ours}.."),
        "~".repeat(128),
    ];
    for name in &names {
        let said = name.rsplit('/').next().unwrap();
        issue(&world, name, Some(NUMBER));
        let (_, told) = world.mediator.next_of("credential.issued").await;
        assert_eq!(
            (&told["data"]["registrationId"], &told["subject"]["eventId"]),
            (&json!(said), &Value::Null),
            "{told}"
        );
        assert_eq!(world.simulator.hub.publish_result(name, "REJECTED"), 1);
        let (_, told) = world.mediator.next_of("registration.rejected").await;
        assert_eq!(
            (&told["data"]["registrationId"], &told["subject"]["eventId"]),
            (&json!(name), &Value::Null),
            "{told}"
        );
    }
    assert_eq!(world.gateway.ids("").await, std::slice::from_ref(&ours), "no confirmation was made");
    issue(&world, &ours, Some(NUMBER));
    world.gateway.event_in(&confirmation(&ours), "done").await;
    assert_eq!(decisions(&world).len(), 1);
}
