//! What runs by itself: pushes are examined, the outbox is looked after.

pub(crate) mod housekeeping;
pub(crate) mod pushes;
