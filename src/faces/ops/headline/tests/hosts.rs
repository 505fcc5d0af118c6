//! Which host is named: the one that is in the way.

use super::*;

#[test]
fn what_is_away_is_named_where_it_is_not_the_url_itself() {
    let mut channel = channel_to("packets", "birth", Flow::Broken { until: 0 });
    assert_eq!(channel.host_to_look_at(), "mosip.example");
    channel.failed_at = Some("workflow.example".to_owned());
    assert_eq!(channel.host_to_look_at(), "workflow.example");
    let standing = standing(0, 0, 0, vec![channel.clone()]);
    assert_eq!(
        texts(&standing),
        [
            "MOSIP's packet manager has been away since 2027-01-15 07:50 UTC: no event waits, nothing is lost. No usable answer comes from workflow.example."
        ]
    );
    channel.stopped_at = None;
    assert_eq!(channel.host_to_look_at(), "mosip.example", "what flows is not blamed");
}
