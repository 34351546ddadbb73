#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    dvm_testing::readers::pickle(bytes);
});
