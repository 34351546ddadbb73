//! What a report says besides its pictures. The same in TypeScript: `front/src/shared/types.ts`.

use dvm::{Page, Ranked};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::view::Warning;

/// The command that a report is of.
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

/// What a report says besides its pictures.
#[derive(Clone, Debug, Serialize)]
pub struct Head {
    /// The command.
    pub kind: Kind,
    /// What it is about, such as `30 pictures by resnet18`.
    pub title: String,
    /// The command that made it, ready for a shell.
    pub command: String,
    /// The network, its preprocessing, the methods, and every parameter.
    pub parameters: Map<String, Value>,
    /// What a reader must know, whichever picture is looked at.
    pub warnings: Vec<Warning>,
    /// All that is told, in this order.
    pub sections: Vec<Section>,
}

/// A part of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Section {
    /// Words.
    Text {
        /// What they are about.
        title: Option<String>,
        /// The words.
        paragraphs: Vec<String>,
    },
    /// Numbers.
    Table(Table),
    /// A drawing.
    Chart(Chart),
    /// Where the pictures stand.
    Pictures {
        /// What they are.
        title: Option<String>,
        /// Words about all of them.
        paragraphs: Vec<String>,
        /// Which of them stand here; all if there is no group.
        group: Option<String>,
    },
}

/// A drawing of the program itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    /// What it shows.
    pub title: String,
    /// How to read it.
    pub note: Option<String>,
    /// The drawing.
    pub svg: String,
    /// Its numbers.
    pub table: Option<Table>,
}

/// Numbers in rows and columns.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// What they are.
    pub title: String,
    /// How to read them.
    pub note: Option<String>,
    /// One for each cell of a row.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Vec<Vec<Cell>>,
}

/// A column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Column {
    /// What it has.
    pub title: String,
    /// Whether it has numbers.
    pub numeric: bool,
}

/// A cell of a [`Table`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// A word.
    Text(String),
    /// A number.
    Number(f64),
    /// Nothing is known.
    Empty,
}

/// A line of the list of pictures; all else about it stands in an element of its own.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The number of that element.
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

impl Entry {
    /// Whether the most probable class is the true one; `None` where that is not known.
    pub fn right(&self) -> Option<bool> {
        self.right
    }
}

impl Section {
    /// Words under a title.
    pub fn text(title: impl Into<String>, paragraphs: Vec<String>) -> Self {
        Self::Text {
            title: Some(title.into()),
            paragraphs,
        }
    }

    /// A drawing with its numbers.
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
    /// A table whose first column has words and all others numbers.
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

    /// The same with words in these columns, too.
    pub(super) fn with_words_in(mut self, columns: &[usize]) -> Self {
        for &column in columns {
            self.columns[column].numeric = false;
        }
        self
    }

    /// The same with a note on how to read it.
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
