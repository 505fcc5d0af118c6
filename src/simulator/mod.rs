//! A strict, hostile fake MOSIP.
