//! `dvm man`: manual pages, one for the program and one for each command.

use std::fs;
use std::path::PathBuf;

use clap::{Args, Command, CommandFactory, ValueHint};
use clap_mangen::Man;

use crate::failure::Failure;
use crate::{Cli, report};

#[derive(Args)]
#[command(after_help = "Read them with: dvm man | man -l -")]
pub struct Arguments {
    /// Write one file per page (dvm.1, dvm-explain.1, …) into this folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

/// Prints all pages one after the other, or writes them.
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

/// The pages of a command and all below it, with their files' names.
fn render(command: Command, pages: &mut Vec<(String, String)>) {
    let below: Vec<Command> = command.get_subcommands().cloned().collect();
    let man = Man::new(command);
    let mut page = Vec::new();
    man.render(&mut page)
        .expect("memory takes all that is written");
    let page = String::from_utf8(page).expect("pages are text");
    pages.push((man.get_filename(), page));
    for command in below {
        render(command, pages);
    }
}
