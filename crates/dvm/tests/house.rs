//! The structure of the workspace, as ARCHITECTURE.md describes it.
//!
//! Checks of source text look at code or at string literals ([`Source`]), never at comments. Each has a test
//! with a wrong example, so that it cannot pass because it sees nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use dvm_testing::repository::{self, root};

fn crates() -> PathBuf {
    root().join("crates")
}

/// The names of all crates.
fn crate_names() -> Vec<String> {
    let entries = fs::read_dir(crates()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// The files below `folder` with one of these extensions, except for folders of other people's code.
fn files_below(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let foreign = ["node_modules", "target", "dist", "embedded"];
    repository::files_below(folder, extensions, &foreign)
}

/// All Rust files of the workspace.
fn rust_files() -> Vec<PathBuf> {
    let files = files_below(&crates(), &["rs"]);
    assert!(files.len() > 500, "the search looks in the wrong place");
    files
}

/// A Rust file without comments: its code, with empty string literals, and the contents of its string literals.
struct Source {
    code: String,
    strings: Vec<String>,
}

impl Source {
    fn read(path: &Path) -> Self {
        Self::of(&fs::read_to_string(path).unwrap())
    }

    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut code, mut strings) = (String::new(), Vec::new());
        let mut at = 0;
        let find = |from: usize, end: &str| {
            let found = text[from..].find(end).map(|length| from + length);
            found.unwrap_or(text.len())
        };
        while at < text.len() {
            let rest = &text[at..];
            let hashes = rest.trim_start_matches('r').trim_start_matches('#');
            let hashes = rest.len() - hashes.len() - usize::from(rest.starts_with('r'));
            let after_word =
                at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
            if rest.starts_with("//") {
                at = find(at, "\n");
            } else if rest.starts_with("/*") {
                at = find(at, "*/") + 2;
            } else if rest.starts_with('r')
                && (!after_word || bytes[at - 1] == b'b')
                && rest[1 + hashes..].starts_with('"')
            {
                let start = at + 2 + hashes;
                let end = find(start, &format!("\"{}", "#".repeat(hashes)));
                strings.push(text[start..end].to_owned());
                code += "\"\"";
                at = end + 1 + hashes;
            } else if rest.starts_with('"') {
                let start = at + 1;
                at = start;
                while at < text.len() && bytes[at] != b'"' {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                strings.push(text[start..at.min(text.len())].to_owned());
                code += "\"\"";
                at += 1;
            } else if let Some(after) = rest.strip_prefix('\'') {
                // A character, or a lifetime, which has no closing quote.
                let length = match bytes.get(at + 1) {
                    Some(b'\\') => rest[2..].find('\'').map_or(1, |end| end + 3),
                    _ => after.chars().next().map_or(1, |c| 1 + c.len_utf8()),
                };
                let length = match rest[..length].ends_with('\'') {
                    true if length > 1 => length,
                    _ if rest[length..].starts_with('\'') => length + 1,
                    _ => 1,
                };
                code += &rest[..length];
                at += length;
            } else {
                let next = rest.chars().next().unwrap();
                code.push(next);
                at += next.len_utf8();
            }
        }
        Self { code, strings }
    }

    /// Whether the code has this word.
    fn has_word(&self, word: &str) -> bool {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.code.split(|c: char| !is_part(c)).any(|w| w == word)
    }

    /// Whether the code, except for tests, uses this package.
    fn uses(&self, package: &str) -> bool {
        let (code, tests) = self
            .code
            .split_once("#[cfg(test)]")
            .unwrap_or((&self.code, ""));
        if tests.is_empty() && code.contains("#[test]") {
            return false;
        }
        let path = format!("{}::", package.replace('-', "_"));
        code.match_indices(&path).any(|(at, _)| {
            let before = code[..at].chars().next_back();
            before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
        })
    }

    /// The first string that names a command-line flag, such as `--memory`.
    fn flag(&self) -> Option<&str> {
        let names_flag = |text: &&String| {
            text.match_indices("--").any(|(at, _)| {
                let before = text[..at].chars().next_back();
                let after = text[at + 2..].chars().next();
                before.is_none_or(|c| " (`'\"".contains(c))
                    && after.is_some_and(|c| c.is_ascii_lowercase())
            })
        };
        self.strings.iter().find(names_flag).map(String::as_str)
    }

    /// Whether it looks at the bytes of a pickle's opcodes.
    fn reads_opcodes(&self) -> bool {
        let opcodes = [
            "b'('", "b'N'", "b'K'", "b'J'", "b'X'", "b']'", "b'}'", "b't'", "b'R'", "b'b'",
        ];
        opcodes
            .iter()
            .filter(|opcode| self.code.contains(**opcode))
            .count()
            > 5
    }
}

/// The dependencies in a `Cargo.toml`: those of the crate itself, then those of its tests.
fn dependencies(manifest: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut own, mut of_tests) = (BTreeSet::new(), BTreeSet::new());
    let mut section = String::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').to_owned();
        }
        let (table, name) = match section.rsplit_once("dependencies.") {
            Some((before, name)) if line.starts_with('[') => {
                (format!("{before}dependencies"), name)
            }
            _ => (
                section.clone(),
                line.split([' ', '.', '=']).next().unwrap_or_default(),
            ),
        };
        if name.is_empty() || name.starts_with(['#', '[']) || !table.ends_with("dependencies") {
            continue;
        }
        match table.ends_with("dev-dependencies") {
            true => of_tests.insert(name.to_owned()),
            false => own.insert(name.to_owned()),
        };
    }
    (own, of_tests)
}

/// The dependencies of each crate, without those of its tests.
fn dependencies_by_crate() -> BTreeMap<String, BTreeSet<String>> {
    let read = |name: String| {
        let manifest = fs::read_to_string(crates().join(&name).join("Cargo.toml")).unwrap();
        (name, dependencies(&manifest).0)
    };
    crate_names().into_iter().map(read).collect()
}

/// The crates of the workspace that a row of ARCHITECTURE.md's table allows.
fn allowed(column: &str) -> BTreeSet<String> {
    let names = column.split(", ").map(|name| name.trim_matches('`'));
    let full = |name: &str| match name {
        "dvm" => name.to_owned(),
        part => format!("dvm-{part}"),
    };
    names.filter(|name| *name != "–").map(full).collect()
}

#[test]
fn crates_depend_on_each_other_as_in_the_table() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut found = dependencies_by_crate();
    for line in text.lines().filter(|line| line.starts_with("| `dvm")) {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let name = columns[1].trim_matches('`');
        let mut own = found
            .remove(name)
            .unwrap_or_else(|| panic!("there is no crate {name}"));
        own.retain(|dependency| dependency.starts_with("dvm"));
        assert_eq!(own, allowed(columns[2]), "{name}");
    }
    assert!(found.is_empty(), "the table has no row for {found:?}");
}

#[test]
fn no_shipped_crate_depends_on_the_crate_for_tests() {
    for (name, own) in dependencies_by_crate() {
        assert!(!own.contains("dvm-testing"), "{name}");
    }
}

/// Each crate is the only one that depends on these packages, and uses them only below these folders.
const OWNERS: &[(&str, &[&str], &[&str])] = &[
    ("dvm-cli", &["clap", "clap_complete"], &["src", "build.rs"]),
    ("dvm-py", &["pyo3", "numpy"], &["src"]),
    (
        "dvm-fetch",
        &["ureq", "reqwest", "curl", "attohttpc", "minreq", "isahc"],
        &["src"],
    ),
    (
        "dvm-web",
        &["axum", "hyper", "hyper-util", "tokio"],
        &["src"],
    ),
    ("dvm-gpu", &["cubecl"], &["src"]),
    ("dvm-onnx", &["prost"], &["src"]),
    ("dvm-engine", &["safetensors", "zip"], &["src/weights"]),
    (
        "dvm-data",
        &[
            "dicom-core",
            "dicom-encoding",
            "dicom-object",
            "dicom-parser",
            "dicom-transfer-syntax-registry",
            "nifti",
        ],
        &["src/formats"],
    ),
];

#[test]
fn each_format_and_protocol_has_one_crate() {
    for (name, own) in dependencies_by_crate() {
        for (owner, packages, _) in OWNERS {
            let found: Vec<&&str> = packages.iter().filter(|p| own.contains(**p)).collect();
            assert_eq!(
                !found.is_empty(),
                name == *owner,
                "{name} depends on {found:?}"
            );
        }
    }
}

#[test]
fn formats_are_used_only_in_their_folders() {
    for (owner, packages, folders) in OWNERS {
        let home = crates().join(owner);
        let folders: Vec<PathBuf> = folders.iter().map(|folder| home.join(folder)).collect();
        for file in files_below(&home.join("src"), &["rs"]) {
            let source = Source::read(&file);
            for package in *packages {
                let is_at_home = folders.iter().any(|folder| file.starts_with(folder));
                assert!(
                    is_at_home || !source.uses(package),
                    "{} uses {package}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn only_the_pickle_crate_interprets_opcodes() {
    let home = crates().join("dvm-pickle");
    let readers: Vec<PathBuf> = rust_files()
        .into_iter()
        .filter(|file| Source::read(file).reads_opcodes())
        .collect();
    assert!(!readers.is_empty(), "the search finds nothing");
    assert!(
        readers.iter().all(|file| file.starts_with(&home)),
        "{readers:?}"
    );
}

#[test]
fn only_kernels_are_unsafe() {
    let kernels = crates().join("dvm-engine/src/ops");
    for file in rust_files() {
        let uses = Source::read(&file).has_word("unsafe");
        assert!(!uses || file.starts_with(&kernels), "{}", file.display());
    }
}

/// Files of libraries that name flags of other programs.
const OTHER_PROGRAMS: [&str; 3] = [
    "dvm-data/src/formats/dicom.rs",
    "dvm-image/src/decode/foreign.rs",
    "dvm-zoo/src/foreign.rs",
];

#[test]
fn libraries_name_no_command_line_flags() {
    for name in crate_names().iter().filter(|name| *name != "dvm-cli") {
        for file in files_below(&crates().join(name).join("src"), &["rs"]) {
            if OTHER_PROGRAMS.iter().any(|other| file.ends_with(other)) {
                continue;
            }
            let source = Source::read(&file);
            assert_eq!(source.flag(), None, "{}", file.display());
        }
    }
}

#[test]
fn files_are_short_and_their_names_say_what_is_in_them() {
    let mut files = rust_files();
    files.extend(files_below(&crates().join("dvm-web/front"), &["ts"]));
    for file in files {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines", file.display());
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let empty = [
            "util", "utils", "helper", "helpers", "common", "misc", "core", "manager",
        ];
        assert!(!empty.contains(&stem), "{}", file.display());
    }
}

#[test]
fn every_decision_has_a_number_and_a_link() {
    let summary = fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    let mut numbers = Vec::new();
    for file in files_below(&root().join("docs/decisions"), &["md"]) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name == "README.md" {
            continue;
        }
        let number: usize = name[..4].parse().expect(name);
        let title = fs::read_to_string(&file).unwrap();
        assert!(
            title.starts_with(&format!("# {number}. ")),
            "the title of {name}"
        );
        assert!(
            summary.contains(&format!("(decisions/{name})")),
            "{name} is not in SUMMARY.md"
        );
        numbers.push(number);
    }
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(1..=numbers.len()), "{numbers:?}");
}

#[test]
fn code_and_strings_are_told_apart() {
    let source = Source::of(
        "// unsafe {\n/* unsafe */ let a = \"unsafe \\\" x\"; let b = r#\"say \"unsafe\"\"#; let c: &'static str = \"\"; \
         let d = ('\"', '\\'', b'X'); safe()",
    );
    assert!(!source.has_word("unsafe"), "{}", source.code);
    assert!(source.has_word("safe"));
    assert_eq!(source.strings, ["unsafe \\\" x", "say \"unsafe\"", ""]);
    assert!(
        source.code.contains("('\"', '\\'', b'X')"),
        "{}",
        source.code
    );
}

#[test]
fn every_form_of_unsafe_code_is_found() {
    for text in [
        "unsafe { x() }",
        "unsafe\n{ x() }",
        "unsafe fn x() {}",
        "unsafe impl Send for X {}",
        "unsafe trait X {}",
        "unsafe extern \"C\" {}",
        "#[unsafe(no_mangle)] fn x() {}",
    ] {
        assert!(Source::of(text).has_word("unsafe"), "{text}");
    }
    assert!(!Source::of("#![deny(unsafe_op_in_unsafe_fn)]").has_word("unsafe"));
}

#[test]
fn a_package_in_code_is_found() {
    let is_used = |text| Source::of(text).uses("dicom-core");
    assert!(is_used("use dicom_core::Tag;") && is_used("let x = dicom_core::new();"));
    assert!(!is_used("// dicom_core::Tag\n") && !is_used("use other_dicom_core::Tag;"));
    assert!(!is_used("#[cfg(test)] mod tests { use dicom_core::Tag; }"));
    assert!(!is_used("use dicom_core::Tag; #[test] fn x() {}"));
}

#[test]
fn a_flag_in_a_string_is_found() {
    for text in [
        "\"give it --memory\"",
        "\"--memory\"",
        "\"allow more memory (--memory)\"",
        "\"`--memory` allows\"",
        "\"two \\\n lines --memory\"",
    ] {
        assert!(Source::of(text).flag().is_some(), "{text}");
    }
    for text in [
        "// --memory\n",
        "\"1 -- 2\"",
        "\"a--b\"",
        "\"---\"",
        "x --y",
    ] {
        assert!(Source::of(text).flag().is_none(), "{text}");
    }
}

#[test]
fn a_reader_of_opcodes_is_found() {
    let machine =
        "match byte { b'(' => 1, b'N' => 2, b'K' | b'J' => 3, b'X' => 4, b']' | b'}' => 5 }";
    assert!(Source::of(machine).reads_opcodes());
    assert!(
        !Source::of("push(b'('); push(b'X'); push(b't'); // b'N' b'K' b'J' b']'").reads_opcodes()
    );
}

#[test]
fn dependencies_of_the_crate_and_of_its_tests_are_told_apart() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\n# b = 1\nc = { version = \"1\" }\n\
                    [dependencies.d]\nversion = \"1\"\n[target.'cfg(unix)'.dependencies]\ne = \"1\"\n\
                    [build-dependencies]\nf = \"1\"\n[dev-dependencies]\ng = \"1\"\n[dev-dependencies.h]\nversion = \"1\"\n\
                    [features]\ni = []\n";
    let (own, of_tests) = dependencies(manifest);
    let names = |all: BTreeSet<String>| all.into_iter().collect::<Vec<_>>().join(" ");
    // The keys of a table of its own, such as `version`, are not packages.
    assert_eq!(names(own), "a c d e f");
    assert_eq!(names(of_tests), "g h");
    assert_eq!(allowed("–"), BTreeSet::new());
    assert_eq!(
        allowed("engine, `dvm`"),
        ["dvm".to_owned(), "dvm-engine".into()].into()
    );
}
