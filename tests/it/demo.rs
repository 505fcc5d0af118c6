//! The demo's path, as the README's first command runs it.

use mosip_gateway::demo::{Scene, run};

#[tokio::test]
async fn a_birth_goes_out_sealed_and_its_answer_comes_back_verified() {
    let mut out = Vec::new();
    run(Scene::Birth, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("MOSIP is off") && text.contains("answered 202 queued"), "{text}");
    let last = text.lines().last().unwrap();
    assert!(
        last.contains("verified answer")
            && last.contains("2026BDEMO01")
            && last.ends_with("delivered in plain JSON")
    );
}

#[tokio::test]
async fn a_person_is_confirmed_and_what_does_not_verify_is_refused() {
    let mut out = Vec::new();
    run(Scene::Ida, &mut out).await.unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text.matches("tampered").count(), 3, "{text}");
}
