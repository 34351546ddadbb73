#![no_main]

// libFuzzer takes every panic for a crash. `decode` catches those of the decoders on purpose, so the hook
// that would end the process is taken away; a panic that nobody catches still ends it.
libfuzzer_sys::fuzz_target!(
    init: {
        std::panic::set_hook(Box::new(|_| ()));
    },
    |bytes: &[u8]| {
        dvm_testing::readers::picture(bytes);
    }
);
