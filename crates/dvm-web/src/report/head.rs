//! The data of a report besides its pictures. The same in TypeScript: `front/src/shared/types.ts`.

use dvm::{Page, Ranked};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::view::Warning;

/// The command that made the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `dvm explain`.
    Explain,
    /// `dvm compare`.
    Compare,
    /// `dvm survey`.
    Survey,
    /// `dvm train`.
    Train,
    /// `dvm evaluate`.
    Evaluate,
}

/// The data of a report besides its pictures.
#[derive(Clone, Debug, Serialize)]
pub struct Head {
    /// The command.
    pub kind: Kind,
    /// The title, such as `30 pictures by resnet18`.
    pub title: String,
    /// The command line that made it, quoted for a shell.
    pub command: String,
    /// The network, its preprocessing, the methods, and all their settings.
    pub parameters: Map<String, Value>,
    /// Warnings that apply to all pictures.
    pub warnings: Vec<Warning>,
    /// The sections, in order.
    pub sections: Vec<Section>,
}

/// A section of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Section {
    /// Text.
    Text {
        /// The title.
        title: Option<String>,
        /// The paragraphs.
        paragraphs: Vec<String>,
    },
    /// A table.
    Table(Table),
    /// A chart.
    Chart(Chart),
    /// Pictures with their maps.
    Pictures {
        /// The title.
        title: Option<String>,
        /// Paragraphs about all of them.
        paragraphs: Vec<String>,
        /// The group of pictures to show; all if there is none.
        group: Option<String>,
    },
}

/// A chart drawn by dvm, as SVG.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    /// Its title.
    pub title: String,
    /// How to read it.
    pub note: Option<String>,
    /// The SVG.
    pub svg: String,
    /// Its values as a table.
    pub table: Option<Table>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// Its title.
    pub title: String,
    /// How to read it.
    pub note: Option<String>,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

/// A column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Its title.
    pub title: String,
    /// Whether its cells are numbers.
    pub numeric: bool,
}

/// A cell of a [`Table`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// An empty cell.
    Empty,
}

/// An entry in the list of pictures; its explanation is in a separate element.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PictureEntry {
    /// The number of the element with its explanation.
    pub(super) id: usize,
    pub(super) name: String,
    pub(super) title: String,
    pub(super) class: Ranked,
    pub(super) true_class: Option<String>,
    pub(super) right: Option<bool>,
    pub(super) warnings: usize,
    pub(super) methods: Vec<String>,
    pub(super) group: Option<String>,
    pub(super) thumbnail: String,
}

/// A picture that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The picture.
    pub name: String,
    /// Why.
    pub error: String,
}

impl PictureEntry {
    /// Whether the prediction is right; `None` if the true class is not known.
    pub fn right(&self) -> Option<bool> {
        self.right
    }
}

impl Section {
    /// Paragraphs under a title.
    pub fn text(title: impl Into<String>, paragraphs: Vec<String>) -> Self {
        Self::Text {
            title: Some(title.into()),
            paragraphs,
        }
    }

    /// A chart with its values.
    pub(super) fn chart(title: &str, page: &Page, table: Option<Table>) -> Self {
        Self::Chart(Chart {
            title: title.into(),
            note: None,
            svg: page.svg(),
            table,
        })
    }
}

impl Table {
    /// A table with text in the first column and numbers in all others.
    pub(super) fn of(title: &str, columns: &[&str], rows: Vec<Vec<Cell>>) -> Self {
        let column = |(index, title): (usize, &&str)| Column {
            title: (*title).to_owned(),
            numeric: index > 0,
        };
        Self {
            title: title.into(),
            note: None,
            columns: columns.iter().enumerate().map(column).collect(),
            rows,
        }
    }

    /// Sets columns with text.
    pub(super) fn with_words_in(mut self, columns: &[usize]) -> Self {
        for &column in columns {
            self.columns[column].numeric = false;
        }
        self
    }

    /// Sets the note on how to read it.
    pub(super) fn with_note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        match number.is_finite() {
            true => Self::Number(number),
            false => Self::Empty,
        }
    }
}

impl From<usize> for Cell {
    fn from(number: usize) -> Self {
        Self::Number(number as f64)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Number(number as f64)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}
