//! `dvm serve`: a web page, and an HTTP API for other systems.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use dvm::Classifier;
use dvm_web::server::{self, Config, Limits, Log};
use serde::Serialize;

use crate::device_option::{DeviceOption, Engine};
use crate::failure::{Failure, in_words};
use crate::interruption;
use crate::options::{
    MODEL_DETAILS, ModelOptions, NetworkOptions, RunOptions, model_help, size, whole,
};
use crate::picture_options::pixels;
use crate::report;

#[derive(Args)]
#[command(
    mut_arg("json", |json| json.help("Print the address and the networks as JSON")),
    after_help = "\
Ctrl-C and SIGTERM end the server after the running requests; a second one ends it at once. Pictures stay on this machine.

Examples:
  dvm serve
  dvm serve --model resnet18 --model vgg16 --port 9000
  dvm serve --listen 0.0.0.0 --token-file token.txt"
)]
pub struct Arguments {
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Network", help = model_help("; repeatable"))]
    #[arg(long_help = model_help(&format!("; repeatable{MODEL_DETAILS}\n\nIn URLs, a network has its name, or the \
         name of its file without the extension.")))]
    model: Vec<String>,
    /// Weights for a single network: a file, or a tag such as IMAGENET1K_V2
    ///
    /// A file is .safetensors, or .pth with a state dict. A tag names published weights that
    /// `dvm models fetch` has fetched [default: the weights that come with dvm, or the fetched ones]
    #[arg(long, value_name = "FILE|TAG", value_hint = ValueHint::FilePath, help_heading = "Network")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkOptions,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    limits: LimitOptions,
    /// Log of requests on standard error
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Running"
    )]
    log: LogFormat,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    run: RunOptions,
}

/// Address, token, origins and hosts.
#[derive(Args)]
#[command(next_help_heading = "Access")]
struct AccessOptions {
    /// Port, 0 to 65535; 0 takes a free one
    #[arg(long, value_name = "N", default_value = "8080", value_parser = whole::<u16>(0, 65_535))]
    port: u16,
    /// IP address to listen on
    ///
    /// An address that other machines can reach, such as 0.0.0.0, needs a token.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// File with the token that clients must send [default: $DVM_TOKEN]
    ///
    /// The token has at least 16 characters.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Site whose pages may send requests, such as https://example.org; repeatable
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// Host name of the server, besides localhost and IP addresses; repeatable
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
}

/// Limits of requests.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
struct LimitOptions {
    /// Largest number of waiting requests, 1 to 4096
    ///
    /// Further requests get HTTP status 429 and may try again later.
    #[arg(long, value_name = "N", default_value = "16")]
    #[arg(value_parser = whole::<u16>(1, 4096))]
    queue: u16,
    /// Largest size of a request, such as 64MB
    #[arg(long, value_name = "SIZE", default_value = "32MiB", value_parser = size)]
    body_limit: usize,
    /// Largest number of pixels of a picture, such as 100MP
    ///
    /// Reading a picture takes up to 9 bytes per pixel.
    #[arg(long, value_name = "N", default_value = "64MP", value_parser = pixels)]
    pixel_limit: u64,
    /// Longest computing time of a request in seconds, 1 to 86400
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    #[arg(value_parser = whole::<u32>(1, 86_400))]
    time_limit: u32,
    /// Memory for the network's activations, such as 512MB or 2GiB
    ///
    /// On a GPU, its own memory is the limit.
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    memory: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// A line of text per request
    Text,
    /// A JSON object per request
    Json,
    /// No log
    None,
}

/// The line for programs when the server is ready.
#[derive(Serialize)]
struct Ready<'a> {
    address: String,
    models: &'a [String],
    token: bool,
}

/// The environment variable with the token.
const TOKEN: &str = "DVM_TOKEN";

/// Serves until Ctrl-C or SIGTERM.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let engine = arguments.device.start_engine(&arguments.run, false)?;
    let token = arguments.access.token()?;
    let address = SocketAddr::new(arguments.access.listen, arguments.access.port);
    if token.is_none() && !address.ip().is_loopback() {
        return Err(failed(server::Error::Open(address.ip())));
    }
    let limits = arguments.limits.limits();
    let models = open(&arguments, &engine)?;
    let has_token = token.is_some();
    let config = Config {
        models,
        listen: address,
        token,
        limits,
        origins: arguments.access.allow_origin,
        hosts: arguments.access.allow_host,
        log: match arguments.log {
            LogFormat::Text => Log::Text,
            LogFormat::Json => Log::Json,
            LogFormat::None => Log::None,
        },
    };
    let names = config.names();
    let is_json = arguments.run.json;
    let mut printed = Ok(());
    let _hold = interruption::hold();
    let ready = |address: SocketAddr| {
        printed = match is_json {
            true => report::print_json(&Ready {
                address: format!("http://{address}"),
                models: &names,
                token: has_token,
            }),
            false => say_ready(address, &names).map_err(Failure::from),
        };
    };
    server::serve_until(config, ready, interruption::is_requested).map_err(failed)?;
    printed
}

fn say_ready(address: SocketAddr, names: &[String]) -> std::io::Result<()> {
    report::print(&format!(
        "Open http://{address}/ in a browser. Networks: {}. Ctrl-C ends the server.\n",
        names.join(", ")
    ))
}

/// The networks with their names in URLs.
fn open(arguments: &Arguments, engine: &Engine) -> Result<Vec<(String, Arc<Classifier>)>, Failure> {
    let describes_one = arguments.weights.is_some() || arguments.network.is_given();
    if describes_one && arguments.model.len() > 1 {
        return Err(Failure::Request(
            "options that describe a network (--weights, --classes, --part, --output and preprocessing) need a \
                 single --model, but several are given; write files with these settings with `dvm models convert`"
                    .into(),
        ));
    }
    let mut models = Vec::new();
    for model in &arguments.model {
        let options = arguments.of(Some(model.clone()));
        models.push((name(model), Arc::new(options.open(engine)?)));
    }
    if models.is_empty() {
        let classifier = arguments.of(None).open(engine)?;
        let name = match &arguments.weights {
            Some(weights) if weights.exists() => name(&weights.to_string_lossy()),
            _ => classifier.name().to_owned(),
        };
        models.push((name, Arc::new(classifier)));
    }
    Ok(models)
}

/// The name of a network in URLs: its own name, or that of its file without the extension.
fn name(model: &str) -> String {
    if let Some(architecture) = dvm::models::find(model) {
        return architecture.name.to_owned();
    }
    let stem = Path::new(model).file_stem();
    stem.map_or_else(
        || model.to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}

impl Arguments {
    /// The options of one network.
    fn of(&self, model: Option<String>) -> ModelOptions {
        ModelOptions {
            model,
            weights: self.weights.clone(),
            network: self.network.clone(),
        }
    }
}

impl AccessOptions {
    /// The token, if one is given.
    fn token(&self) -> Result<Option<String>, Failure> {
        /// Longest token in bytes.
        const LONGEST: u64 = 4096;
        let Some(file) = &self.token_file else {
            return match std::env::var(TOKEN) {
                Ok(token) if token.is_empty() => Ok(None),
                Ok(token) => Ok(Some(token)),
                Err(std::env::VarError::NotPresent) => Ok(None),
                Err(std::env::VarError::NotUnicode(_)) => Err(Failure::Request(format!(
                    "the environment variable {TOKEN} is not text in UTF-8"
                ))),
            };
        };
        let mut token = String::new();
        let read = File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut token));
        match read {
            Ok(_) => Ok(Some(token.trim().to_owned())),
            Err(error) => Err(Failure::Request(format!(
                "--token-file {}: cannot be read: {}",
                file.display(),
                dvm::system_words(&error)
            ))),
        }
    }
}

impl LimitOptions {
    fn limits(&self) -> Limits {
        let usual = Limits::default();
        let body = self.body_limit;
        Limits {
            body,
            // Room for four of the largest requests.
            bodies: body.saturating_mul(4),
            pixels: self.pixel_limit,
            seconds: Duration::from_secs(self.time_limit.into()),
            wait: usual
                .wait
                .max(Duration::from_secs(2 * u64::from(self.time_limit))),
            memory: self.memory,
            queue: self.queue.into(),
            ..usual
        }
    }
}

/// The error, with the options that fix it.
fn failed(error: server::Error) -> Failure {
    let help = match &error {
        server::Error::Open(_) => {
            " (write a token of at least 16 characters into a file and give it with --token-file, or set the \
             environment variable DVM_TOKEN)"
        }
        server::Error::Listen { .. } => {
            " (choose another port with --port N, or a free one with --port 0)"
        }
        server::Error::Token(_) => " (--token-file or DVM_TOKEN)",
        server::Error::Origin(_) => " (--allow-origin)",
        _ => "",
    };
    Failure::Request(format!("{}{help}", in_words(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_name_or_the_name_of_its_file() {
        assert_eq!(name("resnet18"), "resnet18");
        assert_eq!(name("some/where/my.flowers.safetensors"), "my.flowers");
    }
}
