#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| beamless::fuzz::handshake(data));
