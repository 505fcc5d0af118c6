//! Which host is in the way.

use super::*;

#[test]
fn a_channel_names_the_host_of_the_call_that_failed_until_it_flows_again() {
    let mut channel = channel();
    let at = |error: Error| error.of_call_to("workflow.example.org");
    fail(&mut channel, "a", &at(away()), 0);
    assert_eq!((channel.flow(), channel.failed_at()), (&Flow::Open, Some("workflow.example.org")));
    let own = Error::new(Code::Field, "a value of the entry is wrong");
    fail(&mut channel, "b", &own, 0);
    assert_eq!(channel.failed_at(), Some("workflow.example.org"), "the entry says nothing of its way");
    channel.succeeded("a");
    assert_eq!(channel.failed_at(), None);
    fail(&mut channel, "a", &at(Error::new(Code::Partner, "MOSIP answered 403")), 0);
    assert_eq!(channel.failed_at(), Some("workflow.example.org"));
    fail(&mut channel, "a", &Error::new(Code::Keys, "no key of ours may sign"), 0);
    assert_eq!(channel.failed_at(), None, "no call was made");
}
