//! `dvm man`: manual pages, one for the program and one for each command.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, ValueHint};
use clap_mangen::Man;

use crate::failure::Failure;
use crate::{Cli, report};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dvm man | man -l -
  dvm man --out man1")]
pub struct Arguments {
    /// Folder for one file per page: dvm.1, dvm-explain.1, …
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

/// Prints all pages, or writes each into a file.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    render(command, &mut pages);
    let Some(folder) = &arguments.out else {
        let all: Vec<String> = pages.into_iter().map(|(_, page)| page).collect();
        return Ok(report::print(&all.concat())?);
    };
    let failed = |path: PathBuf| |source| dvm::Error::Save { path, source };
    fs::create_dir_all(folder).map_err(failed(folder.clone()))?;
    for (name, page) in pages {
        let path = folder.join(name);
        dvm::write_atomic(&path, page.as_bytes()).map_err(failed(path))?;
    }
    Ok(())
}

/// Adds the pages of a command and of its subcommands, with their file names.
fn render(command: Command, pages: &mut Vec<(String, String)>) {
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    let man = Man::new(command);
    let mut page = Vec::new();
    man.render(&mut page)
        .expect("writing to memory cannot fail");
    let page = String::from_utf8(page).expect("pages are text");
    pages.push((man.get_filename(), page));
    for command in subcommands {
        render(command, pages);
    }
}
