//! `dvm survey`: where a network looks over a whole data set.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::{Args, ValueHint};
use dvm::data::formats::Wanted;
use dvm::data::{Dataset, Split};
use dvm::survey::{
    self, DEFAULT_SURVEY_LIMIT, DEFAULT_SURVEY_METHOD, Survey, SurveyEvent, SurveyOptions,
    SurveyPicture, SurveyedClass,
};
use dvm::{Caption, ClassChoice, Classifier, Explain, Settings};
use dvm_web::report::{self as sections, Kind, MOST_SHOWN, Writer};

use crate::device_option::DeviceOption;
use crate::evaluate::ReportEntries;
use crate::failure::{Failure, in_words_about, unless_failed};
use crate::html_report::{self, ReportOption};
use crate::images::{self, Image};
use crate::interruption;
use crate::options::{MemoryOption, ModelOptions, RunOptions, split, whole};
use crate::picture_options::PictureOptions;
use crate::report::{self, Align, Progress, table};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Data set, folder of pictures without labels, or list of pictures
    ///
    /// A data set is a folder with `train`, `val` or `test`, or with a folder per class.
    #[arg(value_name = "DATA", value_hint = ValueHint::AnyPath)]
    data: PathBuf,
    /// Split of the data set [default: test if there is one, otherwise val or train]
    #[arg(long, value_name = "train|val|test", value_parser = split())]
    #[arg(hide_possible_values = true)]
    split: Option<Split>,
    /// Method of the maps (see `dvm methods list`)
    #[arg(help_heading = "Methods", long, value_name = "METHOD", default_value = DEFAULT_SURVEY_METHOD)]
    #[arg(value_parser = crate::methods::names(), hide_possible_values = true)]
    method: String,
    /// Option of the method, such as layer=NAME (see `dvm methods show`); repeatable
    #[arg(help_heading = "Methods", long = "set", value_name = "OPTION=VALUE", value_parser = assignment)]
    settings: Vec<(String, String)>,
    /// Class to explain, by name or index
    ///
    /// `top`: the predicted class of each picture. `true`: its true class.
    #[arg(long, value_name = "top|true|NAME|INDEX", default_value = "top")]
    class: SurveyedClass,
    /// Largest number of pictures per class, chosen at random; 0: all
    #[arg(long, value_name = "N", default_value_t = DEFAULT_SURVEY_LIMIT)]
    #[arg(value_parser = whole::<usize>(0, u64::MAX))]
    limit: usize,
    /// Seed of random choices
    #[arg(long, value_name = "N", default_value = "0", value_parser = whole::<u64>(0, u64::MAX))]
    seed: u64,
    /// Folder for the survey; replaces an earlier survey
    #[arg(help_heading = "Output", long, value_name = "DIR", value_hint = ValueHint::DirPath, default_value = "survey")]
    out: PathBuf,
    #[command(flatten)]
    report: ReportOption,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    pictures: PictureOptions,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    run: RunOptions,
    #[command(flatten)]
    memory: MemoryOption,
    /// Print errors only
    #[arg(long, short, help_heading = "Running")]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  dvm survey flowers --weights runs/flowers/best.safetensors
      Where the network of a run looks for each class, in survey/survey.md

  dvm survey scans --weights model.onnx --class true --out where
      Maps for the true class of each picture instead of the predicted one

  dvm survey photos --limit 0
      All pictures of a folder without labels, by predicted class";

/// Parses `OPTION=VALUE`.
fn assignment(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((option, value)) if !option.trim().is_empty() => {
            Ok((option.trim().into(), value.trim().into()))
        }
        _ => Err("must be OPTION=VALUE, such as layer=features.12"),
    }
}

/// The pictures of a survey.
struct Pictures {
    classifier: Classifier,
    pictures: Vec<SurveyPicture>,
    /// Whether some arguments gave no picture.
    incomplete: bool,
}

/// Surveys a data set and prints the results.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    survey::check_folder(&arguments.out)?;
    arguments.report.refuse_within(&arguments.out)?;
    let writer = arguments.report.begin(0)?;
    let mut options = arguments.options()?;
    let engine = arguments
        .device
        .start_engine(&arguments.run, arguments.quiet)?;
    let classifier = arguments.model.open(&engine)?;
    let classifier = arguments.pictures.apply(classifier);
    let Pictures {
        classifier,
        pictures,
        mut incomplete,
    } = arguments.found(classifier)?;
    let surveyed = Arc::new(AtomicUsize::new(0));
    interruption::before_end({
        let (surveyed, all) = (surveyed.clone(), pictures.len());
        move || {
            let surveyed = surveyed.load(Ordering::Relaxed);
            format!("interrupted; nothing was saved; surveyed: {surveyed} of {all}")
        }
    });
    let progress = Progress::new(1, !arguments.quiet);
    let survey = classifier.survey(&pictures, &options, &mut |event| match event {
        SurveyEvent::Progress { step, done, all } => {
            if step == "maps" {
                surveyed.store(done, Ordering::Relaxed);
            }
            progress.update(step, done, all);
        }
        SurveyEvent::Failed { source, error } => {
            incomplete = true;
            let file = source.path();
            let line = format!("error: {}: {}", file.display(), in_words_about(file, error));
            progress.aside(|| report::say(&line));
        }
    })?;
    let title = format!("{} on {}", classifier.name(), last_of(&arguments.data));
    survey.write(
        &classifier,
        &pictures,
        &title,
        &arguments.out,
        &mut |done, all| {
            progress.update("drawings of classes", done, all);
        },
    )?;
    let mut line = String::new();
    if let Some(writer) = writer {
        let done = |done, all| progress.update("maps for the report", done, all);
        let surveyed = (&survey, &pictures[..]);
        line = arguments.html_report(writer, &title, &classifier, surveyed, &mut options, &done)?;
    }
    drop(progress);
    if !arguments.quiet {
        report::warn_about_fonts(survey.classes.iter().map(|class| class.name.as_str()));
        // Warnings about the network were printed when it was loaded.
        for warning in own_warnings(&survey, &classifier) {
            report::say(&format!("note: {warning}"));
        }
    }
    if arguments.run.json {
        report::print_json(&survey)?;
    } else if !arguments.quiet {
        report::print(&(as_text(&survey, &arguments.out) + &line))?;
    }
    unless_failed(incomplete)
}

impl Arguments {
    fn options(&self) -> Result<SurveyOptions, Failure> {
        let entry = dvm::methods::find(&self.method).expect("clap has checked the name");
        let mut settings = Settings::new();
        if entry.takes("seed") {
            settings = settings.with("seed", self.seed);
        }
        for (option, value) in &self.settings {
            settings = settings.with(option, value);
        }
        let mut explain = Explain::with_settings(&self.method, &settings)?;
        explain.memory = self.memory.memory;
        Ok(SurveyOptions {
            explain,
            about: self.class.clone(),
            limit: (self.limit > 0).then_some(self.limit),
            seed: self.seed,
        })
    }

    /// Writes the HTML report. Explains the notable pictures again, because a survey keeps no maps.
    fn html_report(
        &self,
        mut writer: Writer,
        title: &str,
        classifier: &Classifier,
        (survey, pictures): (&Survey, &[SurveyPicture]),
        options: &mut SurveyOptions,
        done: &dyn Fn(usize, usize),
    ) -> Result<String, Failure> {
        let notable = sections::notable_pictures(survey);
        let mut entries = ReportEntries::new(Some(&mut writer));
        let all = notable.len().min(MOST_SHOWN);
        for (index, (surveyed, why)) in notable.iter().take(all).enumerate() {
            done(index, all);
            let source = &pictures[surveyed.position].source;
            // It could be read before; the report is also valid without this picture.
            let Ok(picture) = source.read(&classifier.reading()) else {
                continue;
            };
            options.explain.classes = vec![ClassChoice::Index(surveyed.explained)];
            let explanation = classifier
                .explain(picture, &options.explain)?
                .swap_remove(0);
            let path = source.path();
            let caption = match surveyed.label {
                Some(label) => Caption::labelled(path, &classifier.classes()[label]),
                None => Caption::of_file(path, &[]),
            };
            let explanation = explanation.with_caption(caption);
            let name = match surveyed.slice {
                Some(slice) => format!("{}, slice {slice}", path.display()),
                None => path.display().to_string(),
            };
            let mut record = explanation.record();
            record["image"]["file"] = name.as_str().into();
            record["stands_out"] = why.as_str().into();
            entries.explained(&name, &explanation, record)?;
        }
        let shown = entries.shown;
        for (path, why) in &survey.failed {
            writer.failed(path.display().to_string(), why.as_str());
        }
        let all = sections::survey(survey, classifier.classes(), shown);
        let mut head = html_report::head(Kind::Survey, title.to_owned(), classifier, all);
        html_report::warn(&mut head, "survey", own_warnings(survey, classifier));
        let settings = serde_json::to_value(&survey.settings).expect("settings are plain data");
        let method = serde_json::json!({ survey.method: survey.parameters });
        let parameters = [
            ("data", self.data.display().to_string().into()),
            ("method", method),
            ("settings", settings),
        ];
        html_report::add(&mut head, parameters);
        self.report.finish(writer, &head)
    }

    /// The pictures, with labels if the network knows the classes of the data set.
    fn found(&self, classifier: Classifier) -> Result<Pictures, Failure> {
        let Some((data, split)) = self.data_set()? else {
            return Ok(self.unlabelled(classifier));
        };
        for remark in data.remarks().iter().filter(|_| !self.quiet) {
            report::say(&format!("warning: {}: {remark}", data.folder.display()));
        }
        if let Some(warning) = data.range_warning(&classifier.reading()) {
            report::say(&format!("warning: {warning} (--range sets it)"));
        }
        let (classifier, guess) = classifier.with_classes_of(&data)?;
        if let Some(guess) = guess {
            report::say(&format!("warning: {guess} (name them with --classes)"));
        }
        let is_known = |class: &&String| classifier.classes().contains(class);
        if let Some(unknown) = data.classes.iter().find(|class| !is_known(class)) {
            if self.class == SurveyedClass::True {
                // Fails, with an error that names the network's classes.
                classifier.survey_pictures(&data, split)?;
            }
            report::say(&format!(
                "warning: the network does not know the class `{unknown}`; the survey uses predicted classes, without \
                 labels"
            ));
            let samples = data.samples(split).iter();
            let picture = |sample: &dvm::data::Sample| SurveyPicture {
                source: dvm::Source::File(sample.path.clone()),
                label: None,
            };
            return Ok(Pictures {
                pictures: samples.map(picture).collect(),
                classifier,
                incomplete: false,
            });
        }
        Ok(Pictures {
            pictures: classifier.survey_pictures(&data, split)?,
            classifier,
            incomplete: false,
        })
    }

    /// The data set and its split; `None` if the pictures have no labels.
    fn data_set(&self) -> Result<Option<(Dataset, Split)>, Failure> {
        use dvm::data::Error;
        if !self.data.is_dir() {
            return Ok(None);
        }
        let data = match Dataset::open(&self.data) {
            Err(Error::NotSplit { .. }) if self.split.is_none() => {
                return match Dataset::open_unsplit(&self.data) {
                    Ok(data) => Ok(Some((data, Split::Train))),
                    Err(Error::Layout { .. }) => Ok(None),
                    Err(error) => Err(error.into()),
                };
            }
            data => data?,
        };
        let split = match self.split {
            Some(split) => split,
            None if !data.samples(Split::Test).is_empty() => Split::Test,
            None if !data.samples(Split::Val).is_empty() => Split::Val,
            None => Split::Train,
        };
        Ok(Some((data, split)))
    }

    /// All pictures of a folder or list.
    fn unlabelled(&self, classifier: Classifier) -> Pictures {
        let images = images::expand(std::slice::from_ref(&self.data), &Wanted::Middle);
        for note in images.notes.iter().filter(|_| !self.quiet) {
            report::say(&format!("note: {note}"));
        }
        let mut found = Pictures {
            classifier,
            pictures: Vec::new(),
            incomplete: false,
        };
        for image in images.all {
            match image {
                Image::Picture { source, .. } => found.pictures.push(SurveyPicture {
                    source,
                    label: None,
                }),
                Image::Nothing { path, why } => {
                    found.incomplete = true;
                    report::say(&format!("error: {}: {why}", path.display()));
                }
            }
        }
        found
    }
}

/// The warnings of a survey that the network does not have.
fn own_warnings(survey: &Survey, classifier: &Classifier) -> Vec<String> {
    let known: Vec<String> = classifier.warnings().collect();
    let warnings = survey.warnings.iter().cloned();
    warnings
        .filter(|warning| !known.contains(warning))
        .collect()
}

/// The last component of a path.
fn last_of(path: &Path) -> String {
    let whole = path.canonicalize();
    let whole = whole.as_deref().unwrap_or(path);
    let name = whole.file_name().unwrap_or(whole.as_os_str());
    name.to_string_lossy().into_owned()
}

fn percent(share: f64) -> String {
    dvm::fixed_percent(share, 1)
}

fn as_text(survey: &Survey, out: &Path) -> String {
    let head = [
        "class",
        "pictures",
        "recognised",
        "middle",
        "borders",
        "corners",
        "clusters",
        "outliers",
    ];
    let mut rows = vec![head.map(String::from)];
    rows.extend(survey.classes.iter().map(|class| {
        let [middle, borders, corners] = class.middle_borders_corners().map(percent);
        [
            class.name.clone(),
            class.pictures.to_string(),
            class.right.map_or("–".into(), |right| right.to_string()),
            middle,
            borders,
            corners,
            class.clusters.len().to_string(),
            class.outliers.to_string(),
        ]
    }));
    rows.push(
        [
            "evenly spread",
            "",
            "",
            "25.0 %",
            "50.0 %",
            "25.0 %",
            "",
            "",
        ]
        .map(String::from),
    );
    let right = Align::Right;
    let columns = [Align::Left, right, right, right, right, right, right, right];
    let mut text = format!(
        "Share of relevance by region, mean over all maps of a class; method: {}\n\n",
        survey.method
    );
    text += &table(columns, &rows);
    text.push('\n');
    for finding in survey.confirmed() {
        let _ = writeln!(text, "warning: {}", report::escaped(&finding.sentence));
    }
    if let Some(words) = survey.no_warning() {
        let _ = writeln!(text, "no warning: {}", report::escaped(&words));
    }
    let wrong = survey.for_wrong_reason().count();
    if wrong > 0 {
        let _ = writeln!(
            text,
            "right for the wrong reason: {wrong} pictures, see pictures.csv"
        );
    }
    let _ = writeln!(text, "report: {}", report::shown(&out.join("survey.md")));
    text
}
