//! `dvm explain`: what the network looked at in each picture.

mod checks;

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytesize::ByteSize;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum, ValueHint};
use dvm::data::formats::Wanted;
use dvm::regions::Regions;
use dvm::{
    Caption, Checks, ClassChoice, Classifier, ColourMap, Explain, Explanation, FigureFormat,
    Objects, OverlayStyle, Ranked, ResultFolder, Size, Source, Unit,
};
use serde::Serialize;

use crate::failure::{Failure, in_words_about};
use crate::images::{self, Folders, Image, Images};
use crate::interruption;
use crate::method_options::MethodOptions;
use crate::options::{ModelOptions, RunOptions};
use crate::picture_options::{PictureOptions, range_hint};
use crate::preprocess_options;
use crate::report::{self, Progress};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Pictures; folders of pictures, with the folders in them; data sets; NIfTI, DICOM and .npy files;
    /// lists of these (.txt, or @FILE), one path per line; or `-`: a picture or a list from standard
    /// input
    #[arg(required = true, value_name = "IMAGE", value_hint = ValueHint::AnyPath)]
    images: Vec<PathBuf>,
    /// Methods, separated by commas (see `dvm methods list`)
    #[arg(id = "method", long, value_name = "METHOD", value_delimiter = ',')]
    #[arg(value_parser = crate::methods::names(), default_value = dvm::DEFAULT_METHODS)]
    #[arg(hide_possible_values = true)]
    methods: Vec<String>,
    /// Test every map: by these metrics, separated by commas (see `dvm metrics list`), or by the short set
    /// `usual`
    #[arg(id = "check", long, value_name = "METRIC", value_delimiter = ',', num_args = 0..=1)]
    #[arg(value_parser = crate::metrics::names(), default_missing_value = dvm::Checks::USUAL)]
    #[arg(hide_possible_values = true)]
    checks: Vec<String>,
    /// Where the objects of the pictures are, for metrics of localisation: a COCO file, or a folder of Pascal
    /// VOC files or of masks
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, requires = "check")]
    regions: Option<PathBuf>,
    /// The class to explain, by name or index: `top` is the most probable one, `all` every one, `top:5` the
    /// sum of the five most probable; can be given several times
    #[arg(id = "class", long, value_name = "NAME|INDEX|top|top:N|all")]
    #[arg(default_value = "top")]
    classes: Vec<ClassChoice>,
    /// Explain each class against this one: what speaks for the one and against the other
    #[arg(long, value_name = "NAME|INDEX|top")]
    against: Option<ClassChoice>,
    /// Explain a channel of a layer and not a class: its mean over all places, or its value at one; `dvm models
    /// show` lists the layers
    #[arg(long, value_name = "LAYER:CHANNEL[:ROW,COLUMN]")]
    #[arg(conflicts_with_all = ["class", "against"])]
    unit: Option<Unit>,
    /// Folder for the results; each picture gets a folder in it, which replaces that of an earlier
    /// run
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    #[arg(default_value = "explanations")]
    out: PathBuf,
    /// How maps lie over the picture: half transparent over the picture in `grey`, or over the
    /// picture in `colour` where the map says something
    #[arg(long, value_name = "grey|colour", hide_possible_values = true)]
    #[arg(default_value = "grey")]
    overlay: Overlay,
    /// Colours for the maps that they suit, instead of the usual
    #[arg(long, alias = "color-map", value_name = "NAME", value_parser = colour_maps())]
    colour_map: Option<ColourMap>,
    /// Which slices of a volume or frames of a DICOM file: a number from 0, `middle`, `all`, or A..B
    #[arg(long, value_name = "N|middle|all|A..B", default_value = "middle")]
    #[arg(alias = "slices", help_heading = "Pictures")]
    slice: Wanted,
    #[command(flatten)]
    pictures: PictureOptions,
    /// Kinds of files for the figure, separated by commas; text in `svg` and `pdf` stays sharp at any size
    #[arg(id = "figure", long, value_name = "png|svg|pdf", value_delimiter = ',')]
    #[arg(hide_possible_values = true, default_value = "png")]
    figures: Vec<Figure>,
    /// The class that the pictures really show, for the figure and the record; otherwise the name of a
    /// picture's folder says it, if it is the name of a class
    #[arg(long, value_name = "NAME|INDEX")]
    true_class: Option<ClassChoice>,
    #[command(flatten)]
    method_options: MethodOptions,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    run: RunOptions,
    /// Memory that the network's activations may take at once, such as 512MB or 2GiB; with less,
    /// gradients take longer, and pictures too large for it are an error
    #[arg(long, value_name = "SIZE", help_heading = "Running")]
    #[arg(default_value = "1GiB", value_parser = size)]
    memory: ByteSize,
    /// Let occlusion compute every covered picture as a whole instead of only what a window can
    /// change: slower, and but for rounding the same
    #[arg(long, help_heading = "Running")]
    no_incremental: bool,
    /// Print errors only
    #[arg(long, short, help_heading = "Running")]
    quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  dvm explain photo.jpg
      What the network looked at for the class it found, in explanations/photo/figure.png

  dvm explain photos/ --out maps --method occlusion --window 32 --stride 16
      A coarser and faster occlusion for all pictures of a folder

  dvm explain photo.jpg --class \"tiger cat\" --class tabby
      Two classes side by side: what speaks for each?

  dvm explain photo.jpg --class \"tiger cat\" --against tabby --method grad-cam,occlusion
      What speaks for the one and against the other, by two methods

  dvm explain photo.jpg --method grad-cam,occlusion --check
      Two maps, each with tests of whether it shows what moves the network

  dvm explain scan.dcm --window-level 40/400
      A slice of a CT as radiologists look at it; the overlays are DICOM files, too

  dvm explain cells.tif --range 0..4095
      A microscope's picture of 12 bits in a file of 16

  dvm explain scan.png --model resnet18 --weights trained.pth --classes names.txt
      A network of your own";

/// [`OverlayStyle`] as an argument.
#[derive(Clone, Copy, ValueEnum)]
enum Overlay {
    #[value(alias = "gray")]
    Grey,
    #[value(alias = "color")]
    Colour,
}

impl From<Overlay> for OverlayStyle {
    fn from(overlay: Overlay) -> Self {
        match overlay {
            Overlay::Grey => Self::Grey,
            Overlay::Colour => Self::Colour,
        }
    }
}

/// [`FigureFormat`] as an argument.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Figure {
    Png,
    Svg,
    Pdf,
}

impl From<Figure> for FigureFormat {
    fn from(figure: Figure) -> Self {
        match figure {
            Figure::Png => Self::Png,
            Figure::Svg => Self::Svg,
            Figure::Pdf => Self::Pdf,
        }
    }
}

fn colour_maps() -> impl TypedValueParser<Value = ColourMap> {
    let names = ColourMap::ALL.map(|map| PossibleValue::new(map.name()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<ColourMap>())
}

pub fn size(text: &str) -> Result<ByteSize, &'static str> {
    text.parse()
        .map_err(|_| "it is a number of bytes, or a size such as 512MB or 2GiB")
}

/// Results of this many bytes are announced.
const WORTH_A_NOTE: u64 = 100_000_000;

/// What is done with each picture.
struct Task {
    classifier: Classifier,
    explain: Explain,
    out: PathBuf,
    /// Whether each class gets a folder of its own.
    several_classes: bool,
    json: bool,
    quiet: bool,
    progress: Progress,
    /// The class that all pictures show, if the user says so.
    true_class: Option<String>,
    /// Where the objects of the pictures are.
    regions: Option<Arc<Regions>>,
    /// Why a line could not be printed, if one could not.
    printed: Option<io::Error>,
    /// How many classes are explained, and pictures.
    classes: usize,
    pictures: usize,
    /// Whether it has been said what all that is written will take.
    is_size_told: bool,
}

/// What became of one class of one picture, or of one picture.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Explained {
        image: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        slice: Option<usize>,
        folder: String,
        class: Ranked,
        top: Vec<Ranked>,
        files: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        checks: Vec<checks::CheckLine>,
        warnings: Vec<String>,
    },
    Failed {
        image: String,
        error: String,
    },
}

/// Explains all pictures; one that fails does not stop the others.
pub fn run(arguments: Arguments) -> Result<(), Failure> {
    let Images { all: images, notes } = images::expand(&arguments.images, &arguments.slice);
    let mut folders = Folders::of(&images);
    let mut outcomes = Vec::new();
    let mut failed = false;
    let explained = Arc::new(AtomicUsize::new(0));
    interruption::before_end({
        let (explained, all) = (explained.clone(), images.len());
        move || {
            let explained = explained.load(Ordering::Relaxed);
            format!("interrupted; explained: {explained} of {all}")
        }
    });
    let mut task = Task::new(arguments, images.len())?;
    if let Some(regions) = &task.regions {
        let pictures = images.iter().filter(|i| matches!(i, Image::Picture { .. }));
        regions.check_pictures(pictures.map(Image::path))?;
    }
    notes.iter().for_each(|note| task.note(note));
    let mut stopped = None;
    for (position, image) in images.iter().enumerate() {
        task.progress.picture(position, &image.name());
        let path = image.path().display().to_string();
        let result = match image {
            Image::Nothing { why, .. } => Err(why.clone()),
            Image::Picture { source, place } => {
                let file = source.path();
                let folder = task.folder(file, place, &mut folders);
                let result = task.explain(source, &image.name(), &folder, &mut outcomes);
                if let Err(error) = &result
                    && error.is_of_disk()
                {
                    stopped = Some(in_words_about(file, error));
                }
                result.map_err(|error| in_words_about(file, &error))
            }
        };
        if let Some(why) = &stopped {
            outcomes.push(Outcome::Failed {
                image: path,
                error: why.clone(),
            });
            break;
        }
        if result.is_ok() {
            explained.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(error) = result {
            failed = true;
            let line = format!("error: {path}: {error}");
            task.progress.aside(|| report::say(&line));
            outcomes.push(Outcome::Failed { image: path, error });
        }
    }
    let json = task.json;
    let printed = task.printed.take();
    drop(task);
    if json {
        report::print_json(&outcomes)?;
    }
    if let Some(why) = stopped {
        return Err(Failure::Request(format!(
            "nothing more can be saved: {why}; explained: {} of {}",
            explained.load(Ordering::Relaxed),
            images.len()
        )));
    }
    match printed {
        // The files are there all the same, and the pictures that failed were named.
        Some(error) if !failed || error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Output(error))
        }
        _ if failed => Err(Failure::SomePictures),
        _ => Ok(()),
    }
}

impl Task {
    /// Turns arguments into what they mean; all that is wrong with the request is found here.
    fn new(arguments: Arguments, pictures: usize) -> Result<Self, Failure> {
        let (of_methods, of_metrics) = Checks::split(&arguments.method_options.settings);
        let mut explain = Explain::with_settings(&arguments.methods.join(","), &of_methods)?;
        explain.checks = Checks::with_settings(&arguments.checks.join(","), &of_metrics)?;
        let regions = checks::regions(arguments.regions.as_deref(), &explain.checks)?;
        explain.memory = usize::try_from(arguments.memory.as_u64()).unwrap_or(usize::MAX);
        explain.incremental = !arguments.no_incremental;
        explain.overlay = arguments.overlay.into();
        explain.colours = arguments.colour_map;
        explain.figures.clear();
        for figure in arguments.figures {
            let format = figure.into();
            if !explain.figures.contains(&format) {
                explain.figures.push(format);
            }
        }
        dvm::check_output(&arguments.out)?;
        arguments.run.start_engine()?;
        let classifier = arguments.model.open(&arguments.run)?;
        let classifier = arguments.pictures.apply(classifier);
        let mut classes = BTreeSet::new();
        for class in &arguments.classes {
            classes.extend(class.resolve(classifier.classes(), 0)?);
        }
        let true_class = match &arguments.true_class {
            None => None,
            Some(class) => Some(true_class(class, classifier.classes())?),
        };
        let several_classes =
            arguments.classes.len() > 1 || arguments.classes.contains(&ClassChoice::All);
        explain.classes = arguments.classes;
        explain.unit = arguments.unit;
        if let Some(other) = arguments.against {
            other.resolve(classifier.classes(), 0)?;
            explain.against = Some(other);
        }
        Ok(Self {
            classifier,
            explain,
            out: arguments.out,
            several_classes,
            json: arguments.run.json,
            quiet: arguments.quiet,
            progress: Progress::new(pictures, !arguments.quiet),
            true_class,
            regions,
            printed: None,
            classes: classes.len(),
            pictures,
            is_size_told: false,
        })
    }

    /// The folder of this picture, with a note if it is not named like the picture.
    fn folder(&self, picture: &Path, place: &Path, folders: &mut Folders) -> PathBuf {
        let (name, taken) = folders.next(place);
        let folder = self.out.join(name);
        if taken {
            self.note(&format!(
                "{}: another picture has this name too; this one goes to {}",
                picture.display(),
                folder.display()
            ));
        }
        folder
    }

    /// Explains one picture. Its folder appears when all of it is there.
    fn explain(
        &mut self,
        source: &Source,
        name: &str,
        folder: &Path,
        outcomes: &mut Vec<Outcome>,
    ) -> Result<(), dvm::Error> {
        let file = source.path();
        self.explain.objects = self.regions.clone().map(|regions| Objects {
            regions,
            picture: source.clone(),
        });
        let picture = source.read(&self.classifier.reading())?;
        let sha256 = source.sha256()?;
        let results = ResultFolder::begin(folder)?;
        if let Some(other) = results.replaces_other_than(&sha256) {
            self.note(&format!(
                "{name}: {} holds the explanation of another picture, {other}, which is replaced",
                folder.display()
            ));
        }
        let mut lines = Vec::new();
        let mut explained = Vec::new();
        let hint = range_hint(&picture);
        let study = source.study()?.map(Arc::new);
        let update = |title: &'static str, done, all| self.progress.update(title, done, all);
        let mut noted: Vec<String> = Vec::new();
        let mut is_size_told = self.is_size_told;
        let caption = match &self.true_class {
            Some(class) => Caption::labelled(file, class),
            None => Caption::of_file(file, self.classifier.classes()),
        };
        // The first is the one to look at.
        let figure = format!("figure.{}", self.explain.figures[0].name());
        let each = |explanation: Explanation| {
            let explanation = explanation.with_caption(caption.clone());
            let class = Ranked {
                index: explanation.class(),
                name: explanation.class_name().to_owned(),
                probability: explanation.probability(),
            };
            let own = self
                .several_classes
                .then(|| images::class_folder(class.index, &explanation.title()));
            let folder = match &own {
                Some(own) => folder.join(own),
                None => folder.to_owned(),
            };
            let explanation = match &study {
                Some(study) => {
                    let number = source.slice().map_or(1, |slice| slice + 1);
                    explanation.with_study(study.clone(), number)
                }
                None => explanation,
            };
            let written = explanation.write(&results, own.as_deref(), |record| {
                record["image"]["file"] = file.display().to_string().into();
                record["image"]["sha256"] = sha256.as_str().into();
                if let Some(slice) = source.slice() {
                    record["image"]["slice"] = slice.into();
                }
            })?;
            if !is_size_told {
                is_size_told = true;
                self.note_size(results.written());
            }
            let files = written.iter().map(|path| name_in(&folder, path)).collect();
            let warnings: Vec<String> = explanation
                .warnings()
                .map(|(method, warning)| format!("{method}: {warning}"))
                .collect();
            // What is to be known of the network was said when it was read.
            let said = |warning: &&String| !warning.starts_with("network: ");
            for warning in warnings.iter().filter(said) {
                // Most are about the network and hold for all classes.
                if !noted.contains(warning) {
                    noted.push(warning.clone());
                    let of_crop = explanation.crop_warning();
                    let is_of_crop = of_crop.is_some_and(|crop| warning.ends_with(crop));
                    let preprocess = self.classifier.preprocess();
                    let remedy = match is_of_crop {
                        true => format!(" ({})", preprocess_options::whole_picture(preprocess)),
                        false => String::new(),
                    };
                    self.note(&format!("{name}: {warning}{remedy}"));
                    if let (true, Some(hint)) = (warning.starts_with("picture: its "), &hint) {
                        self.note(&format!("{name}: {hint}"));
                    }
                }
            }
            lines.push(format!(
                "{}: {} {} → {}\n",
                report::escaped(name),
                report::escaped(&explanation.title()),
                explanation.score(),
                report::shown(&folder.join(&figure))
            ));
            let (checks, checked) = checks::checks_of(&explanation);
            lines.push(checked);
            explained.push(Outcome::Explained {
                image: file.display().to_string(),
                slice: source.slice(),
                folder: folder.display().to_string(),
                class,
                top: explanation.prediction().top(5).to_vec(),
                files,
                checks,
                warnings,
            });
            Ok::<_, dvm::Error>(())
        };
        self.classifier
            .explain_each(picture, &self.explain, &update, each)?;
        self.is_size_told = true;
        results.publish()?;
        outcomes.append(&mut explained);
        self.line(&lines.concat());
        Ok(())
    }

    /// Says what all classes of all pictures will take, once the first has shown its size.
    fn note_size(&self, [shared, of_class]: [Size; 2]) {
        let pictures = self.pictures as u64;
        let all = |shared: u64, of_class: u64| {
            let of_picture = shared.saturating_add(of_class.saturating_mul(self.classes as u64));
            of_picture.saturating_mul(pictures)
        };
        let bytes = all(shared.bytes, of_class.bytes);
        if self.several_classes && bytes >= WORTH_A_NOTE {
            self.note(&format!(
                "{} classes of {pictures} {} will take about {} in {} files",
                self.classes,
                if pictures == 1 { "picture" } else { "pictures" },
                ByteSize(bytes).display().si(),
                all(shared.files, of_class.files),
            ));
        }
    }

    fn note(&self, note: &str) {
        if !self.quiet {
            self.progress
                .aside(|| report::say(&format!("note: {note}")));
        }
    }

    /// Prints lines. The files are the result: if nobody can read the lines, the work goes on, and
    /// the program says so at its end.
    fn line(&mut self, lines: &str) {
        if !self.quiet
            && !self.json
            && let Err(error) = self.progress.aside(|| report::print(lines))
        {
            self.printed.get_or_insert(error);
        }
    }
}

/// The name of the class that `choice` means; `top` and `all` mean none.
fn true_class(choice: &ClassChoice, classes: &[String]) -> Result<String, Failure> {
    match choice {
        ClassChoice::Top | ClassChoice::Sum(_) | ClassChoice::All => Err(Failure::Request(
            "--true-class wants the name or index of one class".into(),
        )),
        choice => Ok(classes[choice.resolve(classes, 0)?[0]].clone()),
    }
}

/// A file's name as its folder sees it: a file that classes share lies above their folders.
fn name_in(folder: &Path, path: &Path) -> String {
    let name = path.file_name().expect("each is a file").to_string_lossy();
    match path.parent() == Some(folder) {
        true => name.into_owned(),
        false => format!("../{name}"),
    }
}
