#![no_main]

#[path = "../properties.rs"]
#[allow(dead_code, reason = "a target each")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::authorization(data));
