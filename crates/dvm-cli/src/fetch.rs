//! `dvm models fetch`: downloads published weights into the cache on this machine.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use dvm::fetch::{Cache, Checked, Event, FetchOutcome, Fetched, Fetcher};
use dvm::models::{self, Architecture, Published};
use dvm::weights;
use serde::Serialize;

use crate::failure::Failure;
use crate::options::whole;
use crate::report::{self, Align, Progress, table};

#[derive(Args)]
#[command(after_help = NOTES)]
pub struct Arguments {
    /// Names of networks (see `dvm models list`)
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Tag of the weights, such as IMAGENET1K_V2 [default: see `dvm models show`]
    #[arg(long, value_name = "TAG")]
    weights: Option<String>,
    /// Cache folder [default: $DVM_CACHE, or the system's, such as ~/.cache/dvm]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    cache: Option<PathBuf>,
    /// Do not connect: only check whether the weights are in the cache
    #[arg(long)]
    offline: bool,
    /// Mirror to download from instead of the publishers [default: $DVM_BASE_URL]
    ///
    /// dvm requests URL/FILE, or URL/REPOSITORY/resolve/main/FILE for files of the Hugging Face Hub.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    base_url: Option<String>,
    /// Longest time without an answer from the server, in seconds, 1 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    #[arg(value_parser = whole::<u16>(1, 3600))]
    timeout: u16,
    /// Number of retries after a temporary error, 0 to 100
    #[arg(long, value_name = "N", default_value = "3")]
    #[arg(value_parser = whole::<u16>(0, 100))]
    retries: u16,
    /// Print what was fetched as JSON
    #[arg(long, help_heading = "Running")]
    json: bool,
    /// Print errors only
    #[arg(long, short, help_heading = "Running")]
    quiet: bool,
}

const NOTES: &str = "\
No other command connects to the internet: they use the files in the cache. HTTPS_PROXY, HTTP_PROXY, \
ALL_PROXY and NO_PROXY set the proxy, SSL_CERT_FILE the trusted certificates. DVM_OFFLINE=1 means --offline.

Examples:
  dvm models fetch resnet18
  dvm models fetch resnet50 --weights IMAGENET1K_V2
  dvm explain photo.jpg --model resnet50";

/// Fetched weights, as JSON.
#[derive(Serialize)]
struct JsonWeights {
    network: &'static str,
    tag: &'static str,
    file: String,
    bytes: u64,
    sha256: String,
    /// What the checksum was compared with.
    checked: &'static str,
    outcome: &'static str,
    licence: &'static str,
    url: String,
}

/// Fetches weights and prints their files.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    // Checks all names before the first download.
    let wanted = arguments.names.iter().map(|name| arguments.wanted(name));
    let wanted: Vec<(&Architecture, &Published)> = wanted.collect::<Result<_, _>>()?;
    let fetcher = arguments.fetcher()?;
    let progress = Progress::new(wanted.len(), !arguments.quiet);
    let mut results = Vec::new();
    for (position, (architecture, published)) in wanted.into_iter().enumerate() {
        progress.picture(position, architecture.name);
        let fetched = arguments.fetch(architecture, published, &fetcher, &progress)?;
        if !arguments.json && !arguments.quiet {
            let text = as_text(architecture, published, &fetched);
            progress.aside(|| report::print(&text))?;
        }
        results.push(JsonWeights::of(architecture, published, fetched));
    }
    drop(progress);
    if arguments.json {
        return report::print_json(&results);
    }
    Ok(())
}

impl Arguments {
    fn wanted(&self, name: &str) -> Result<(&'static Architecture, &'static Published), Failure> {
        let architecture = models::find(name).ok_or_else(|| {
            Failure::Request(format!(
                "there is no network named `{name}`; {}",
                dvm::about_model(name)
            ))
        })?;
        let published = weights::published(architecture, self.weights.as_deref())?;
        Ok((architecture, published))
    }

    fn fetcher(&self) -> Result<Fetcher, Failure> {
        let cache = match &self.cache {
            Some(folder) => Cache::at(folder),
            None => Cache::usual().map_err(dvm::Error::from)?,
        };
        let mut fetcher = Fetcher::from_environment(cache);
        fetcher.offline |= self.offline;
        if self.base_url.is_some() {
            fetcher.base_url.clone_from(&self.base_url);
        }
        fetcher.bounds.stall = Duration::from_secs(self.timeout.into());
        fetcher.bounds.retries = self.retries.into();
        Ok(fetcher)
    }

    fn fetch(
        &self,
        architecture: &'static Architecture,
        published: &Published,
        fetcher: &Fetcher,
        progress: &Progress,
    ) -> Result<Fetched, Failure> {
        let note = |note: &str| {
            if !self.quiet {
                progress.aside(|| report::say(&format!("note: {}: {note}", architecture.name)));
            }
        };
        let mut is_licence_told = false;
        let mut watch = |event: Event| match event {
            Event::Received { bytes, total } => {
                if !is_licence_told {
                    is_licence_told = true;
                    let size = total.map(|total| format!(", {}", megabytes(total)));
                    note(&format!(
                        "fetching {}{}; licence {}",
                        published.source.file(),
                        size.unwrap_or_default(),
                        published.licence
                    ));
                }
                // Some servers do not send the total.
                if let Some(total) = total {
                    progress.update("fetching", bytes as usize, total as usize);
                }
            }
            Event::Waiting => note("another process fetches the file; waiting"),
            Event::Retrying { why, pause } => {
                let seconds = pause.as_secs_f64();
                note(&format!("{why}; retrying in {seconds} s"));
            }
            Event::StartingOver { why } => {
                note(&format!("{why}; fetching the file from the start"))
            }
        };
        let fetched = weights::fetch(architecture, published, fetcher, &mut watch)?;
        if fetched.checked == Checked::Nothing {
            note(
                "no checksum is published for this file; dvm recorded the present one and will report changes",
            );
        }
        Ok(fetched)
    }
}

impl JsonWeights {
    fn of(architecture: &Architecture, published: &'static Published, fetched: Fetched) -> Self {
        Self {
            network: architecture.name,
            tag: published.tag,
            file: fetched.path.display().to_string(),
            bytes: fetched.bytes,
            sha256: fetched.sha256,
            checked: match fetched.checked {
                Checked::Name => "name",
                Checked::Announced => "announced",
                Checked::Recorded => "recorded",
                Checked::Nothing => "nothing",
            },
            outcome: match fetched.outcome {
                FetchOutcome::Fetched => "fetched",
                FetchOutcome::Resumed => "resumed",
                FetchOutcome::AlreadyThere => "already there",
            },
            licence: published.licence,
            url: fetched.url,
        }
    }
}

/// What was done, and the file.
fn as_text(
    architecture: &'static Architecture,
    published: &Published,
    fetched: &Fetched,
) -> String {
    let rows = [
        ("file", fetched.path.display().to_string()),
        (
            "SHA-256",
            format!("{}, {}", fetched.sha256, checked(fetched.checked)),
        ),
        ("licence", published.licence.into()),
        ("from", fetched.url.clone()),
        ("use", usage(architecture, published, fetched)),
    ]
    .map(|(fact, value)| [format!("  {fact}"), value]);
    format!(
        "{} {}: {}, {}\n{}",
        architecture.name,
        published.tag,
        outcome(fetched.outcome),
        megabytes(fetched.bytes),
        table([Align::Left, Align::Left], &rows)
    )
}

/// A command that uses these weights.
fn usage(architecture: &'static Architecture, published: &Published, fetched: &Fetched) -> String {
    let command = format!("dvm explain photo.jpg --model {}", architecture.name);
    let usual = Cache::usual().map(|cache| cache.path(&weights::address(published)));
    if usual.ok().as_ref() != Some(&fetched.path) {
        return format!("{command} --weights {}", fetched.path.display());
    }
    let default = weights::fetched(architecture).filter(|_| architecture.embedded.is_none());
    match default {
        Some((default, _)) if default.tag == published.tag => command,
        _ => format!("{command} --weights {}", published.tag),
    }
}

fn checked(checked: Checked) -> &'static str {
    match checked {
        Checked::Name => "same as in the file name",
        Checked::Announced => "same as the server announced",
        Checked::Recorded => "same as when it was fetched",
        Checked::Nothing => "recorded now, not compared",
    }
}

fn outcome(outcome: FetchOutcome) -> &'static str {
    match outcome {
        FetchOutcome::Fetched => "fetched",
        FetchOutcome::Resumed => "fetched; an interrupted download was resumed",
        FetchOutcome::AlreadyThere => "already in the cache",
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
