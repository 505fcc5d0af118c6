//! `keygen`: keys, certificates and containers in the formats MOSIP hands out.
