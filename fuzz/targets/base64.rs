//! `crypto::base64` against the engines of the `base64` crate: lenient in, strict out.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use mosip_gateway::crypto::base64 as ours;

fuzz_target!(|input: &[u8]| {
    let either =
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|e| e.decode(input).ok());
    assert_eq!(ours::decode(input).ok(), either);
    assert_eq!(ours::decode_url_strict(input).ok(), URL_SAFE_NO_PAD.decode(input).ok());

    let (standard, url) = (ours::encode(input), ours::encode_url(input));
    assert_eq!(standard, STANDARD.encode(input));
    assert_eq!(url, URL_SAFE_NO_PAD.encode(input));
    assert_eq!(ours::decode(standard.as_bytes()).as_deref(), Ok(input));
    assert_eq!(ours::decode(url.as_bytes()).as_deref(), Ok(input));
    assert_eq!(ours::decode_url_strict(url.as_bytes()).as_deref(), Ok(input));
});
