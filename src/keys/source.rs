//! Where keys come from.

mod error;
pub mod file;

pub use error::LoadError;
