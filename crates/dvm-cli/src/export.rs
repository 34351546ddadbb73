//! `dvm export`: results of many pictures for other programs.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use serde_json::{Value, json};

use crate::failure::{Failure, cannot_write};
use crate::manifest::{self, ClassResult, Line, unfinished};
use crate::report;

#[derive(Subcommand)]
pub enum Command {
    /// Write a data set for FiftyOne: predictions, true classes, maps as heatmaps
    #[command(after_help = EXAMPLES)]
    Fiftyone(Arguments),
}

#[derive(Args)]
pub struct Arguments {
    /// Folder of results with a manifest, from `dvm explain FOLDER --out DIR`
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    results: PathBuf,
    /// Folder for the data set [default: DIR/fiftyone]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Maps are exported if they were written as 16-bit PNG together with the input (--formats input,png16). \
Other pictures get predictions only. The data set refers to the files in the folder of results; it \
holds no copies.

Examples:
  dvm explain photos/ --out maps --method grad-cam --formats input,png16
  dvm export fiftyone maps
      In Python: fiftyone.Dataset.from_dir(\"maps/fiftyone\", dataset_type=fiftyone.types.FiftyOneDataset)";

/// Most heatmaps of one picture: each is a field of the data set.
const MOST_HEATMAPS: usize = 50;

/// Largest value of a 16-bit pixel.
const WHITE: f64 = 65535.0;

pub fn run(command: Command) -> Result<(), Failure> {
    let Command::Fiftyone(arguments) = command;
    let results = &arguments.results;
    let failed = |path: &Path, why: &str| Failure::Request(format!("{}: {why}", path.display()));
    let manifests =
        manifest::all_in(results).map_err(|error| failed(results, &dvm::system_words(&error)))?;
    if manifests.is_empty() {
        let why = "holds no manifest; `dvm explain --manifest jsonl` writes one";
        return Err(failed(results, why));
    }
    let out = arguments.out.unwrap_or_else(|| results.join("fiftyone"));
    refuse_foreign(&out).map_err(|why| failed(&out, &why))?;
    fs::create_dir_all(&out).map_err(|error| cannot_write(&out, &error))?;
    let results = std::path::absolute(results)
        .map_err(|error| failed(results, &dvm::system_words(&error)))?;
    let samples = out.join("samples.json");
    let counts = write_samples(&manifests, &results, &samples)?;
    let name = results.file_name().unwrap_or_default().to_string_lossy();
    let metadata = json!({
        "name": name,
        "media_type": "image",
        "info": { "made_by": made_by() },
    });
    let path = out.join("metadata.json");
    let written = dvm::write_atomic(&path, format!("{metadata:#}\n").as_bytes());
    written.map_err(|error| cannot_write(&path, &error))?;
    if counts.left_out > 0 {
        report::say(&format!(
            "note: pictures without heatmaps: {}; `dvm explain --formats input,png16` writes the maps that are \
             exported",
            counts.left_out
        ));
    }
    if counts.failed > 0 {
        report::say(&format!(
            "note: failed pictures left out: {}",
            counts.failed
        ));
    }
    let line = format!("{} pictures → {}\n", counts.samples, report::shown(&out));
    Ok(report::print(&line)?)
}

/// The mark of data sets from dvm.
fn made_by() -> String {
    format!("dvm {}", env!("CARGO_PKG_VERSION"))
}

/// Checks that `out` holds no data set, or one from dvm.
fn refuse_foreign(out: &Path) -> Result<(), String> {
    let Ok(text) = fs::read(out.join("metadata.json")) else {
        return match out.join("samples.json").exists() {
            true => Err("holds a data set already; choose another folder with --out".into()),
            false => Ok(()),
        };
    };
    let metadata: Value = serde_json::from_slice(&text).unwrap_or_default();
    let is_ours = |by: &str| by.starts_with("dvm ");
    match metadata["info"]["made_by"].as_str().is_some_and(is_ours) {
        true => Ok(()),
        false => {
            Err("holds a data set of another program; choose another folder with --out".into())
        }
    }
}

/// Numbers of pictures.
#[derive(Default)]
struct Counts {
    samples: usize,
    /// Without heatmaps.
    left_out: usize,
    failed: usize,
}

/// Writes `samples.json`, one picture at a time. A failed write leaves no file.
fn write_samples(manifests: &[PathBuf], results: &Path, path: &Path) -> Result<Counts, Failure> {
    let failed = |error: &io::Error| cannot_write(path, error);
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = unfinished()
        .tempfile_in(folder)
        .map_err(|error| failed(&error))?;
    let mut file = BufWriter::new(file);
    let mut counts = Counts::default();
    let mut write = |text: &str| -> Result<(), String> {
        file.write_all(text.as_bytes()).map_err(|error| {
            format!(
                "cannot write {}: {}",
                path.display(),
                dvm::system_words(&error)
            )
        })
    };
    write("{\"samples\": [").map_err(Failure::Request)?;
    manifest::each_picture(manifests, |_, lines| {
        let Some(sample) = sample(&lines, results, &mut counts)? else {
            counts.failed += 1;
            return Ok(());
        };
        write(if counts.samples > 0 { ",\n" } else { "\n" })?;
        counts.samples += 1;
        write(&sample.to_string())
    })
    .map_err(Failure::Request)?;
    write("\n]}\n").map_err(Failure::Request)?;
    let file = file.into_inner().map_err(|error| failed(error.error()))?;
    file.as_file().sync_all().map_err(|error| failed(&error))?;
    file.persist(path).map_err(|error| failed(&error.error))?;
    Ok(counts)
}

/// A picture as a FiftyOne sample; none if it failed.
///
/// A heatmap covers the whole picture, so with heatmaps the picture is `input.png`, and the field `image` has the
/// original file.
fn sample(lines: &[Line], results: &Path, counts: &mut Counts) -> Result<Option<Value>, String> {
    let first = &lines[0];
    let Some(result) = &first.result else {
        return Ok(None);
    };
    let mut sample = json!({
        "filepath": first.image,
        "tags": [],
        "image": first.image,
        "name": first.name,
        "seconds": lines.iter().filter_map(|line| Some(line.result.as_ref()?.seconds)).sum::<f64>(),
        "warnings": result.warnings,
    });
    if let Some(name) = &result.top_class_name {
        sample["prediction"] = json!({
            "_cls": "Classification",
            "tags": [],
            "label": name,
            "confidence": result.top_probability,
        });
    }
    if let Some(name) = &result.true_class {
        sample["ground_truth"] = json!({ "_cls": "Classification", "tags": [], "label": name });
    }
    let mut heatmaps = 0;
    for result in lines.iter().filter_map(|line| line.result.as_ref()) {
        let Some(folder) = &result.folder else {
            continue;
        };
        let has = |file: &str| result.files.iter().any(|name| name == file);
        if !has(INPUT) {
            continue;
        }
        let folder = results.join(folder);
        for map in &result.maps {
            let file = format!("{}.16.png", map.method);
            if !has(&file) {
                continue;
            }
            heatmaps += 1;
            let field = field(&map.method, result, lines.len());
            sample[field] = json!({
                "_cls": "Heatmap",
                "tags": [],
                "map_path": folder.join(&file),
                "range": [0.0, WHITE],
                "label": result.class_name,
                "probability": result.probability,
                "min": map.min,
                "max": map.max,
            });
            sample["filepath"] = json!(folder.join(INPUT));
        }
    }
    if heatmaps > MOST_HEATMAPS {
        return Err(format!(
            "{}: has {heatmaps} maps; the limit is {MOST_HEATMAPS}, because each becomes a field in FiftyOne; explain \
             fewer classes or methods",
            first.name
        ));
    }
    counts.left_out += usize::from(heatmaps == 0);
    Ok(Some(sample))
}

/// The file with the pixels of the input.
const INPUT: &str = "input.png";

/// The field of a method's map: `grad_cam`, or `grad_cam_967` for one of several classes.
fn field(method: &str, result: &ClassResult, lines: usize) -> String {
    let method = method.replace('-', "_");
    match lines {
        1 => method,
        _ => format!("{method}_{}", result.class),
    }
}
