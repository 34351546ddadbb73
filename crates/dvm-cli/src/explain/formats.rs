//! Kinds of files and drawings as arguments.

use clap::ValueEnum;
use dvm::{Explain, FigureFormat, FileKind, OverlayStyle};

use crate::failure::Failure;

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

/// [`FigureFormat`] as an argument.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Figure {
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

/// [`FileKind`] as an argument, or none of them.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Format {
    Npy,
    Raw,
    Png,
    Png16,
    Overlay,
    Figure,
    Input,
    None,
}

impl Format {
    fn kind(self) -> Option<FileKind> {
        Some(match self {
            Self::Npy => FileKind::Npy,
            Self::Raw => FileKind::Raw,
            Self::Png => FileKind::Png,
            Self::Png16 => FileKind::Png16,
            Self::Overlay => FileKind::Overlay,
            Self::Figure => FileKind::Figure,
            Self::Input => FileKind::Input,
            Self::None => return None,
        })
    }
}

/// Sets which files are written.
///
/// # Errors
/// If `none` stands beside others.
pub fn choose(
    explain: &mut Explain,
    formats: &[Format],
    figures: &[Figure],
) -> Result<(), Failure> {
    if !formats.is_empty() {
        if formats.contains(&Format::None) && formats.len() > 1 {
            let why = "--formats none writes no files, so no other format can be given with it";
            return Err(Failure::Request(why.into()));
        }
        explain.files = formats.iter().filter_map(|format| format.kind()).collect();
    }
    explain.figures.clear();
    for &figure in figures {
        let format = figure.into();
        if !explain.figures.contains(&format) {
            explain.figures.push(format);
        }
    }
    Ok(())
}
