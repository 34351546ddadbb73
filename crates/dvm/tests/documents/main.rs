//! The documents: links resolve, every page is in the book, and the reference matches the registries.

mod links;
mod reference;

use std::fs;
use std::path::{Path, PathBuf};

use dvm_testing::repository::{self, root};

/// All Markdown files of the repository, without build outputs and installed packages.
fn markdown_files() -> Vec<PathBuf> {
    let skipped = ["target", "node_modules", "explanations", "comparison"];
    let files = repository::files_below(&root(), &["md"], &skipped);
    assert!(files.len() > 50, "the search is in the wrong place");
    files
}

#[test]
fn every_link_and_picture_resolves() {
    let broken: Vec<String> = markdown_files()
        .iter()
        .flat_map(|file| links::broken(&root(), file))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_is_in_the_book() {
    let docs = root().join("docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
    for file in markdown_files() {
        if let Ok(page) = file.strip_prefix(&docs)
            && page != Path::new("SUMMARY.md")
        {
            let link = format!("]({})", page.display());
            assert!(summary.contains(&link), "docs/SUMMARY.md lacks {link}");
        }
    }
}

#[test]
fn the_reference_matches_the_registries() {
    let folder = root().join("docs/reference");
    let mut stale = Vec::new();
    for (name, text) in reference::pages() {
        let path = folder.join(name);
        if std::env::var_os("DVM_WRITE_REFERENCE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        if fs::read_to_string(&path).unwrap_or_default() != text {
            stale.push(path.display().to_string());
        }
    }
    assert!(
        stale.is_empty(),
        "{} must be written again: `make reference-docs`",
        stale.join(", ")
    );
}
