//! `--formats`, `--figure` and `--overlay`: the files and drawings of an explanation.

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use dvm::{Explain, FigureFormat, FileKind, OverlayStyle};

use crate::failure::Failure;
use crate::options::one_of;

/// [`OverlayStyle`] as an argument.
#[derive(Clone, Copy, ValueEnum)]
pub enum Overlay {
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

/// Parses the name of a figure's format.
pub fn figures() -> impl TypedValueParser<Value = FigureFormat> {
    one_of(FigureFormat::ALL, FigureFormat::name)
}

/// The names of the figure's formats: `png|svg|pdf`.
pub fn figure_names() -> String {
    FigureFormat::ALL.map(FigureFormat::name).join("|")
}

/// A kind of file, or `none`.
pub type Format = Option<FileKind>;

/// The name for no files.
const NONE: &str = "none";

/// Parses the name of a kind of file, or `none`.
pub fn formats() -> impl TypedValueParser<Value = Format> {
    let kinds = FileKind::ALL.map(FileKind::name);
    PossibleValuesParser::new(kinds.into_iter().chain([NONE])).map(|name| {
        let mut all = FileKind::ALL.into_iter();
        all.find(|kind| kind.name() == name)
    })
}

/// The names of the kinds of files: `input|npy|…|none`.
pub fn names() -> String {
    format!("{}|{NONE}", FileKind::ALL.map(FileKind::name).join("|"))
}

/// The help of `--formats`, with `details` below its first line.
pub fn help(details: &str) -> String {
    let usual = FileKind::USUAL.map(FileKind::name).join(",");
    format!("Files for each picture, separated by commas{details} [default: {usual}]")
}

/// What [`help`] says of single formats.
pub const DETAILS: &str =
    "\n\n`png16`: maps as 16-bit grey PNG. `none`: only the manifest and the report.";

/// Sets which files are written.
///
/// # Errors
/// If `none` is given together with others.
pub fn choose(
    explain: &mut Explain,
    formats: &[Format],
    figures: &[FigureFormat],
) -> Result<(), Failure> {
    if !formats.is_empty() {
        if formats.contains(&None) && formats.len() > 1 {
            let why = "--formats none writes no files, so no other format can be given with it";
            return Err(Failure::Request(why.into()));
        }
        explain.files = formats.iter().copied().flatten().collect();
    }
    explain.figures.clear();
    for &format in figures {
        if !explain.figures.contains(&format) {
            explain.figures.push(format);
        }
    }
    Ok(())
}
