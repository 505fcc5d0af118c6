//! The client: pools, deadlines, size caps, redaction. Parses no MOSIP body.
