//! Files to key material, saying which file and why on failure: `<file>: <what>; <what to do>`.
