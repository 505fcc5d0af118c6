//! The names by which MOSIP, the mediator and OpenCRVS speak of one registration.

mod aid;
mod subject;

pub use self::aid::Aid;
pub(crate) use self::aid::is_id;
pub(crate) use self::subject::Subject;
