//! ID systems that the configuration names, or named.

use super::*;

#[test]
fn what_waits_for_a_system_that_nothing_names_any_more_is_told() {
    let mut standing = standing(0, 0, 0, Vec::new());
    let entries = &mut standing.stored.as_mut().unwrap().entries;
    entries.counts.insert(("nia".to_owned(), "birth".to_owned(), State::Queued), 3);
    entries.oldest_waiting.insert("nia".to_owned(), BEFORE);
    let told = remarks(&standing);
    let first = told.first().unwrap();
    assert_eq!(first.tone, Tone::Act);
    assert_eq!(first.text, "Put right the settings: 3 events wait for nia, which none of [[systems]] names.");

    let nia = Rows { destination: "nia", system: "nia", ..*Rows::ALL.first().unwrap() };
    standing.rows = Rows::ALL.iter().copied().chain([nia]).collect();
    assert!(remarks(&standing).iter().all(|remark| !remark.text.contains("none of [[systems]]")));
}
