//! The outbox's clock, which all gateways over the database share: a row that whoever writes next moves on. It stands while no gateway runs,
//! and a step of the database's own clock moves it by no more than a few seconds, so that a lease ends neither early nor late because of one.

/// What the clock says: it goes on by itself for so long (milliseconds) after it was moved. And which version may still work here, since a
/// newer gateway may have changed the tables meanwhile.
pub(super) const READ: &str = "SELECT value + least(greatest(floor(extract(epoch FROM clock_timestamp()-at)*1000), 0), 5000)::bigint AS clock, readable_by \
    FROM clock, mosip_gateway";

/// Moves it on, unless it was a moment ago. `$1`: for how long, in milliseconds, the gateway knows that it has run since it did so last.
pub(super) const TICK: &str = "UPDATE clock SET value=value \
    + least(greatest(floor(extract(epoch FROM this.now-at)*1000), 0), greatest($1::bigint, 5000))::bigint, at=this.now \
    FROM (SELECT clock_timestamp() AS now) AS this \
    WHERE at < this.now - interval '0.9 s' OR at > this.now + interval '5 s'";
