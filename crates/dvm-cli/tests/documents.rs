//! `docs/reference/commands.md` is the help of every command.

use std::fmt::Write;
use std::fs;
use std::process::Command;

#[test]
fn the_reference_matches_the_help() {
    let mut page = "<!-- Written by `make reference-docs`. Do not edit. -->\n\
                    # Commands\n\n\
                    The help of every command, as `dvm COMMAND --help` prints it.\n"
        .to_owned();
    add(&mut page, &[]);
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/commands.md"
    );
    if std::env::var_os("DVM_WRITE_REFERENCE").is_some() {
        fs::write(path, &page).unwrap();
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "{path} must be written again: `make reference-docs`"
    );
}

/// Adds a command, then its subcommands.
fn add(page: &mut String, command: &[String]) {
    let help = help(command);
    let name = ["dvm".to_owned()]
        .iter()
        .chain(command)
        .cloned()
        .collect::<Vec<_>>();
    write!(
        page,
        "\n## {}\n\n```text\n{}\n```\n",
        name.join(" "),
        help.trim_end()
    )
    .unwrap();
    for subcommand in subcommands(&help) {
        add(page, &[command, &[subcommand]].concat());
    }
}

fn help(command: &[String]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_dvm"))
        .args(command)
        .arg("--help")
        .env_remove("COLUMNS")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// The names below `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let listed = help
        .split_once("\nCommands:\n")
        .map_or("", |(_, rest)| rest);
    listed
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}
