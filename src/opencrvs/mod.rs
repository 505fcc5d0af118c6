//! OpenCRVS's own messages, without I/O.

pub mod webhook;
