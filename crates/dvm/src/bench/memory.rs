//! The memory of the process and of the machine, from `/proc` on Linux; `None` on other systems.

use std::fs;

/// The peak memory in bytes since the process started, or since the last [`reset_peak`].
pub(super) fn peak() -> Option<usize> {
    high_water_mark(&fs::read_to_string("/proc/self/status").ok()?)
}

/// Resets the peak to the memory in use now. Where the system does not allow that, the peak stays that
/// of the whole process.
pub(super) fn reset_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The memory of the machine in bytes.
pub(crate) fn of_machine() -> Option<u64> {
    let bytes = entry(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    u64::try_from(bytes).ok()
}

fn high_water_mark(status: &str) -> Option<usize> {
    entry(status, "VmHWM:")
}

/// The bytes of an entry in kibibytes.
fn entry(text: &str, name: &str) -> Option<usize> {
    let line = text.lines().find_map(|l| l.strip_prefix(name))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_read_in_kibibytes() {
        let status = "Name:\tdvm\nVmPeak:\t  99 kB\nVmHWM:\t  1200 kB\nVmRSS:\t 7 kB\n";
        assert_eq!(high_water_mark(status), Some(1200 << 10));
        assert_eq!(high_water_mark("Name:\tdvm\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_peak_is_at_least_the_memory_in_use() {
        let held = vec![1u8; 64 << 20];
        assert!(peak().unwrap() >= std::hint::black_box(held).len());
        assert!(of_machine().unwrap() > 64 << 20);
    }
}
