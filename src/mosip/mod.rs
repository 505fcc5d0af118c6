//! One message kind per file. Functions without I/O.
