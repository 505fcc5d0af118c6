//! Each field of a body in every form of JSON that is none of its own: refused at its place, or travelling on as it came.

use super::recorded::pointers;
use super::*;

/// The members that mean something here, and whether null stands for one that is missing. What is in `requestFields`, `metaInfo` and
/// `audit` is between OpenCRVS and MOSIP.
const READ: [(&str, bool); 12] = [
    ("/trackingId", true),
    ("/eventId", true),
    ("/actionId", true),
    ("/notification", true),
    ("/notification/recipientFullName", true),
    ("/notification/recipientEmail", true),
    ("/notification/recipientPhone", true),
    ("/requestFields", false),
    ("/requestFields/birthCertificateNumber", false),
    ("/metaInfo", true),
    ("/audit", true),
    ("/schemaJson", true),
];

fn forms() -> [Value; 6] {
    [
        json!(null),
        json!(true),
        json!(47_110_815),
        json!("47110815"),
        json!(["47110815"]),
        json!({ "k": "47110815" }),
    ]
}

fn is_alike(one: &Value, other: &Value) -> bool {
    std::mem::discriminant(one) == std::mem::discriminant(other)
}

#[tokio::test]
async fn each_field_of_a_registration_of_another_type_is_refused_at_its_place_or_travels_on_as_it_came() {
    let site = Site::start(&[]).await;
    let mut whole = birth("B");
    (whole["eventId"], whole["actionId"], whole["schemaJson"]) = (json!("e"), json!("a"), json!("{}"));
    let (mut taken, mut of_mosip) = (0, birth("B-all"));
    for pointer in pointers("", &whole) {
        let read = READ.iter().find(|(read, _)| *read == pointer);
        for form in forms().into_iter().filter(|form| !is_alike(form, whole.pointer(&pointer).unwrap())) {
            let Some((_, is_optional)) = read else {
                // A text and a number alone are fields to MOSIP.
                if pointer.starts_with("/requestFields/") && (form.is_number() || form.is_string()) {
                    *of_mosip.pointer_mut(&pointer).unwrap() = form;
                }
                continue;
            };
            let mut body = whole.clone();
            body["requestFields"]["birthCertificateNumber"] = json!(format!("B{taken}"));
            *body.pointer_mut(&pointer).unwrap() = form.clone();
            let (status, answer) = site.post(REGISTRATION, &body).await;
            if *is_optional && form.is_null() {
                assert_eq!((status, &*answer), (202, "{}"), "{pointer} {form}");
                taken += 1;
            } else {
                // A number that is null is not there.
                let place = if form.is_null() { "/requestFields" } else { &pointer };
                assert_eq!(status, 422, "{pointer} {form}: {answer}");
                assert!(
                    answer.starts_with(&format!(r#"{{"error":"{place}: "#)),
                    "{pointer} {form}: {answer}"
                );
                assert!(!answer.contains("47110815"), "{pointer} {form}: {answer}");
            }
        }
    }
    assert_eq!(taken, READ.iter().filter(|(_, is_optional)| *is_optional).count());
    site.taken(REGISTRATION, &of_mosip).await;
    let packets = site.packets(taken + 1).await;
    assert_eq!(packets[taken].content["fields"], of_mosip["requestFields"], "as it came");
}

#[tokio::test]
async fn the_number_of_a_change_that_is_missing_of_another_type_or_too_long_is_refused_at_its_place() {
    let site = Site::start(&[]).await;
    let long = json!("7".repeat(256));
    for number in forms().into_iter().filter(|form| !form.is_string()).chain([
        json!(""),
        json!(" "),
        json!("1\u{0}"),
        long,
    ]) {
        let body = json!({ "requestFields": { "VID": number, "fullName": "47110815" } });
        let (status, answer) = site.post(UPDATE, &body).await;
        assert_eq!(status, 422, "{number}: {answer}");
        assert!(answer.starts_with(r#"{"error":"/requestFields/VID: "#), "{number}: {answer}");
        assert!(!answer.contains("47110815") && !answer.contains("7777"), "{number}: {answer}");
    }
    assert!(site.gateway.ids("").await.is_empty());
}

#[tokio::test]
async fn each_field_of_a_question_about_a_person_of_another_type_or_too_long_asks_ida_nothing() {
    let site = Site::start(&[]).await;
    let whole = json!({
        "nid": "4152630978", "dob": "1990-03-14", "gender": "female",
        "name": { "firstname": "Leila", "middlename": "Noor", "surname": "Karim" },
    });
    for pointer in pointers("", &whole) {
        let own = whole.pointer(&pointer).unwrap();
        // Null stands for one of these two that is missing.
        let is_none = |form: &Value| form.is_null() && ["/gender", "/name/middlename"].contains(&&*pointer);
        for form in forms().into_iter().filter(|form| !is_alike(form, own)) {
            if is_none(&form) {
                continue;
            }
            let mut body = whole.clone();
            *body.pointer_mut(&pointer).unwrap() = form.clone();
            let (status, answer) = site.post("/verify", &body).await;
            assert_eq!(status, 422, "{pointer} {form}: {answer}");
            assert!(answer.starts_with(&format!(r#"{{"error":"{pointer}"#)), "{pointer} {form}: {answer}");
            assert!(!answer.contains("47110815"), "{pointer} {form}: {answer}");
        }
    }
    for (pointer, long) in [("/nid", 129), ("/dob", 4_096), ("/gender", 1 << 20), ("/name/surname", 1 << 20)]
    {
        let mut body = whole.clone();
        *body.pointer_mut(pointer).unwrap() = json!("7".repeat(long));
        let (status, answer) = site.post("/verify", &body).await;
        assert_eq!(status, 422, "{pointer}: {answer}");
        assert!(!answer.contains("7777"), "{pointer}: {answer}");
    }
    assert!(site.simulator.history.record().ida.is_empty());
}
