//! Structured JSON logs that carry ids and thumbprints and never a payload.
