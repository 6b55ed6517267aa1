#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| netraven_properties::telnet(input));
