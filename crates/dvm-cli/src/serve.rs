//! `dvm serve`: a page in the browser, and a server that other systems call.

use std::fs::File;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Args, ValueEnum, ValueHint};
use dvm::{Classifier, DEFAULT_MODEL};
use dvm_web::server::{self, Config, Limits, Log};
use serde::Serialize;

use crate::explain::size;
use crate::failure::Failure;
use crate::interruption;
use crate::options::{ModelOptions, OutputOption, RunOptions};
use crate::picture_options::pixels;
use crate::preprocess_options::PreprocessOptions;
use crate::report;

#[derive(Args)]
#[command(
    mut_arg("json", |json| json.help("Print the address and the networks as JSON")),
    after_help = "Ctrl-C and SIGTERM end the server when the requests that it works on are answered; a second \
                  one ends it at once. Nothing that a browser sends leaves this machine."
)]
pub struct Arguments {
    #[arg(long, value_name = "NAME|FILE", value_hint = ValueHint::FilePath)]
    #[arg(help_heading = "Network", help = format!(
        "A network by name (see `dvm models list`), or a weight file that says what it is; may be given several \
         times. In addresses it goes by its name, or by its file's without the ending [default: {DEFAULT_MODEL}]"
    ))]
    model: Vec<String>,
    /// Weights for it, if there is one: .safetensors, or .pth with a state dict; or the tag of published ones that
    /// were fetched, such as IMAGENET1K_V2 [default: those that come with the program or were fetched]
    #[arg(long, value_name = "FILE|TAG", value_hint = ValueHint::FilePath, help_heading = "Network")]
    weights: Option<PathBuf>,
    /// Names of its classes, if there is one: one per line, or JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Network")]
    classes: Option<PathBuf>,
    /// Which network of a file that holds several: its prefix in the file, such as state_dict_ema, or
    /// ema, raw, teacher, student [default: the averaged one, or the teacher]
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    part: Option<String>,
    #[command(flatten)]
    output: OutputOption,
    #[command(flatten)]
    preprocess: PreprocessOptions,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    limits: LimitOptions,
    /// How requests are logged on standard error
    #[arg(
        long,
        value_name = "FORM",
        default_value = "text",
        help_heading = "Running"
    )]
    log: LogForm,
    #[command(flatten)]
    run: RunOptions,
}

/// Who may ask.
#[derive(Args)]
#[command(next_help_heading = "Access")]
struct AccessOptions {
    /// The port; 0 takes a free one
    #[arg(long, value_name = "N", default_value = "8080")]
    port: u16,
    /// The address to listen on; one that other machines reach, such as 0.0.0.0, needs a token
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// A file with the token that clients must send, 16 characters or more; without it, the environment variable
    /// DVM_TOKEN is taken
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Another site whose pages may ask, such as https://example.org; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// A name that the server goes by, besides localhost and addresses; may be given several times
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
}

/// What requests may take.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
struct LimitOptions {
    /// Most requests that wait for their turn; more are told to come back later
    #[arg(long, value_name = "N", default_value = "16")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=4096))]
    queue: u16,
    /// Most bytes of a request, such as 64MB
    #[arg(long, value_name = "SIZE", default_value = "32MiB", value_parser = size)]
    body_limit: ByteSize,
    /// Most pixels of a picture, such as 100MP; reading it takes up to 9 bytes for each
    #[arg(long, value_name = "N", default_value = "64MP", value_parser = pixels)]
    pixel_limit: u64,
    /// Most seconds that the engine may work for a request
    #[arg(long, value_name = "SECONDS", default_value = "60")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=86_400))]
    time_limit: u32,
    /// Memory that the network's activations may take at once, such as 512MB or 2GiB
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    memory: ByteSize,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogForm {
    /// Lines for people
    Text,
    /// A JSON object per line
    Json,
    /// Nothing
    None,
}

/// What is printed when clients can connect.
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
    arguments.run.start_engine()?;
    let token = arguments.access.token()?;
    let address = SocketAddr::new(arguments.access.listen, arguments.access.port);
    if token.is_none() && !address.ip().is_loopback() {
        return Err(failed(server::Error::Open(address.ip())));
    }
    let limits = arguments.limits.limits();
    let models = open(&arguments)?;
    let has_token = token.is_some();
    let config = Config {
        models,
        listen: address,
        token,
        limits,
        origins: arguments.access.allow_origin,
        hosts: arguments.access.allow_host,
        log: match arguments.log {
            LogForm::Text => Log::Text,
            LogForm::Json => Log::Json,
            LogForm::None => Log::None,
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
    server::serve_until(config, ready, interruption::is_asked).map_err(failed)?;
    printed
}

fn say_ready(address: SocketAddr, names: &[String]) -> std::io::Result<()> {
    report::print(&format!(
        "Open http://{address}/ in a browser. Networks: {}. Ctrl-C ends the server.\n",
        names.join(", ")
    ))
}

/// The networks, with the names that they are asked for by.
fn open(arguments: &Arguments) -> Result<Vec<(String, Arc<Classifier>)>, Failure> {
    let run = &arguments.run;
    if let [_, _, ..] = arguments.model[..] {
        let is_about_one = arguments.weights.is_some()
            || arguments.classes.is_some()
            || arguments.part.is_some()
            || arguments.output.is_given()
            || arguments.preprocess.is_given();
        if is_about_one {
            return Err(Failure::Request(
                "options that say what a network is (--weights, --classes, --part, --output, and how pictures are \
                 prepared) go with one network, and several are given; `dvm models convert` writes a file that \
                 says all of it"
                    .into(),
            ));
        }
    }
    let mut models = Vec::new();
    for model in &arguments.model {
        let options = arguments.of(Some(model.clone()));
        models.push((name(model), Arc::new(options.open(run)?)));
    }
    if models.is_empty() {
        let classifier = arguments.of(None).open(run)?;
        let name = match &arguments.weights {
            Some(weights) if weights.exists() => name(&weights.to_string_lossy()),
            _ => classifier.name().to_owned(),
        };
        models.push((name, Arc::new(classifier)));
    }
    Ok(models)
}

/// What a network is asked for by: its own name, or that of its file without the ending.
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
            classes: self.classes.clone(),
            part: self.part.clone(),
            output: self.output.clone(),
            preprocess: self.preprocess.clone(),
        }
    }
}

impl AccessOptions {
    /// The token, if one is given.
    fn token(&self) -> Result<Option<String>, Failure> {
        /// No token is longer.
        const LONGEST: u64 = 4096;
        let Some(file) = &self.token_file else {
            return match std::env::var(TOKEN) {
                Ok(token) if token.is_empty() => Ok(None),
                Ok(token) => Ok(Some(token)),
                Err(std::env::VarError::NotPresent) => Ok(None),
                Err(error) => Err(Failure::Request(format!("{TOKEN}: {error}"))),
            };
        };
        let mut token = String::new();
        let read = File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut token));
        match read {
            Ok(_) => Ok(Some(token.trim().to_owned())),
            Err(error) => Err(Failure::Request(format!("{}: {error}", file.display()))),
        }
    }
}

impl LimitOptions {
    fn limits(&self) -> Limits {
        let usual = Limits::default();
        let bytes = |size: ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
        let body = bytes(self.body_limit);
        Limits {
            body,
            // Several of the largest at once.
            bodies: body.saturating_mul(4),
            pixels: self.pixel_limit,
            seconds: Duration::from_secs(self.time_limit.into()),
            wait: usual
                .wait
                .max(Duration::from_secs(2 * u64::from(self.time_limit))),
            memory: bytes(self.memory),
            queue: self.queue.into(),
            ..usual
        }
    }
}

/// The error, with the options that help.
fn failed(error: server::Error) -> Failure {
    let help = match &error {
        server::Error::Open(_) => {
            " (write one of 16 characters or more into a file and give it with --token-file, or set the environment \
             variable DVM_TOKEN)"
        }
        server::Error::Listen { .. } => " (--port N takes another port, --port 0 a free one)",
        server::Error::Token(_) => " (--token-file or DVM_TOKEN)",
        server::Error::Origin(_) => " (--allow-origin)",
        _ => "",
    };
    Failure::Request(format!("{error}{help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_goes_by_its_name_or_by_that_of_its_file() {
        assert_eq!(name("resnet18"), "resnet18");
        assert_eq!(name("some/where/my.flowers.safetensors"), "my.flowers");
    }
}
