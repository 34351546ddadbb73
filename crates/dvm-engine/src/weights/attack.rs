//! Names of functions that let a pickle run programs when Python loads it.

/// Whether a pickle with this name would run programs or code if Python loaded it.
pub(super) fn is_attack(class: &str) -> bool {
    const MODULES: [&str; 11] = [
        "os",
        "posix",
        "nt",
        "subprocess",
        "sys",
        "socket",
        "shutil",
        "pty",
        "runpy",
        "ctypes",
        "webbrowser",
    ];
    const FUNCTIONS: [&str; 5] = ["eval", "exec", "compile", "open", "__import__"];
    let (module, function) = class.rsplit_once('.').unwrap_or(("", class));
    match module.split('.').next() {
        Some("builtins" | "__builtin__") => FUNCTIONS.contains(&function),
        Some(package) => MODULES.contains(&package),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_distinguished_from_weights() {
        for class in [
            "posix.system",
            "os.path.join",
            "builtins.exec",
            "__builtin__.eval",
        ] {
            assert!(is_attack(class), "{class}");
        }
        for class in [
            "builtins.set",
            "ossian.system",
            "torch._utils._rebuild_tensor_v2",
            "set",
        ] {
            assert!(!is_attack(class), "{class}");
        }
    }
}
