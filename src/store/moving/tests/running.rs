//! Gateways and other commands that have one of the two databases open, or would.

use super::*;
use crate::store::Trouble;

/// What is wrong with `store`, once it has looked after its database.
fn look_after(store: &Store) -> Option<Trouble> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _ = runtime.block_on(store.look_after());
    store.trouble()
}

#[test]
fn a_database_that_a_gateway_has_open_or_that_holds_something_is_left_alone() {
    let mut places = Places::new();
    for (from, to) in places.pairs() {
        assert!(copy(&from, &to).unwrap_err().contains("there is no outbox"));
        let store = open(&from);
        run(&store, fill);
        assert!(matches!(Copying::hold(&from, &to), Err(OpenError::InUse(_))), "{from}");
        drop(store);
        let other = open(&to);
        assert!(matches!(Copying::hold(&from, &to), Err(OpenError::InUse(_))), "{to}");
        drop(other);
        let refused = copy(&from, &to).unwrap_err();
        assert!(refused.contains("there is an outbox already"), "{refused}");
        assert!(copy(&from, &from).is_err());
        assert!(matches!(condition(&from), Condition::Usable { came_by: None, .. }));
    }
}

#[test]
fn no_gateway_begins_on_a_database_that_is_being_copied() {
    let mut places = Places::new();
    for (from, to) in places.pairs() {
        filled(&from);
        let copying = Copying::hold(&from, &to).map_err(|error| error.to_string()).unwrap();
        let waiting = [&from, &to].map(|location| match location.open(Arc::new(Unsealed)) {
            Err(error) => {
                assert!(matches!(error, OpenError::InUse(_)), "{error}");
                None
            }
            // It waits, as for a server that is away.
            Ok(store) => {
                assert!(store.trouble().unwrap().detail().contains("outbox copy"));
                Some(store)
            }
        });
        let second = Copying::hold(&from, &to).err().unwrap().to_string();
        assert!(second.contains("has it open"), "{second}");
        copying.run().unwrap();
        assert!(open(&to).trouble().is_none());
        let [Some(store), _] = waiting else { continue };
        let moved = loop {
            let trouble = look_after(&store).unwrap();
            if trouble.detail().contains("were moved to") {
                break trouble;
            }
        };
        assert!(!moved.advice().contains("by itself"), "nothing but a person helps: {}", moved.advice());
    }
}
