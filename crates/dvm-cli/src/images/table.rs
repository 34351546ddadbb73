//! Tables of pictures: CSV and Parquet files with a column of paths.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use super::LONGEST_LIST;

/// Names of the column of paths, if `--column` is not given; the first that the table has.
const USUAL: [&str; 6] = [
    "path",
    "image",
    "file",
    "filename",
    "image_path",
    "filepath",
];

/// The columns to read from a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// The column of paths; by default one of [`USUAL`].
    pub path: Option<String>,
    /// The column of the true classes.
    pub label: Option<String>,
}

/// A row of a table.
#[derive(Debug, PartialEq)]
pub struct TableRow {
    /// As written in the table.
    pub path: PathBuf,
    /// The true class.
    pub label: Option<String>,
}

/// The kinds of tables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Comma-separated values.
    Csv,
    /// Values separated by tabs.
    Tsv,
    /// Apache Parquet.
    Parquet,
}

/// The kind of a table, by the file's extension.
pub fn kind(path: &Path) -> Option<Kind> {
    let ending = path.extension()?.to_str()?.to_lowercase();
    match ending.as_str() {
        "csv" => Some(Kind::Csv),
        "tsv" => Some(Kind::Tsv),
        "parquet" | "pq" => Some(Kind::Parquet),
        _ => None,
    }
}

/// The rows of a table, in order, without those whose path is empty.
///
/// # Errors
/// What is wrong with the file, without its name.
pub fn read(path: &Path, kind: Kind, columns: &Columns) -> Result<Vec<TableRow>, String> {
    match kind {
        Kind::Csv => read_csv(path, b',', columns),
        Kind::Tsv => read_csv(path, b'\t', columns),
        // The Parquet reader may panic on a damaged file.
        Kind::Parquet => catch_unwind(AssertUnwindSafe(|| read_parquet(path, columns)))
            .unwrap_or_else(|_| Err("it is not a Parquet file, or is damaged".into())),
    }
}

/// The positions of the columns of paths and of labels among these names.
fn positions(names: &[String], columns: &Columns) -> Result<(usize, Option<usize>), String> {
    let position = |wanted: &str| {
        let same = |name: &String| name.trim().eq_ignore_ascii_case(wanted);
        names.iter().position(same)
    };
    let all = || {
        let names: Vec<String> = names
            .iter()
            .take(20)
            .map(|name| format!("`{name}`"))
            .collect();
        names.join(", ")
    };
    let wanted = |name: &str| {
        position(name)
            .ok_or_else(|| format!("it has no column `{name}`; its columns are {}", all()))
    };
    let path = match &columns.path {
        Some(name) => wanted(name)?,
        None => USUAL
            .iter()
            .find_map(|name| position(name))
            .ok_or_else(|| {
                format!(
                    "it has no column named {}; choose the column of paths with --column: {}",
                    USUAL[..4].join(" or "),
                    all()
                )
            })?,
    };
    let label = columns.label.as_deref().map(wanted).transpose()?;
    Ok((path, label))
}

fn read_csv(path: &Path, delimiter: u8, columns: &Columns) -> Result<Vec<TableRow>, String> {
    let failed = |error: csv::Error| format!("it cannot be read: {}", csv_words(&error));
    let (file, kind) = open(path)?;
    if !kind.is_file() {
        return Err("it is not a file".into());
    }
    if kind.len() > LONGEST_LIST {
        return Err(format!(
            "it is too large; the limit is {LONGEST_LIST} bytes"
        ));
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(file);
    let headers = reader.headers().map_err(failed)?;
    let names: Vec<String> = headers.iter().map(str::to_owned).collect();
    let (path, label) = positions(&names, columns)?;
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(failed)? {
        let text = |position: usize| record.get(position).unwrap_or_default().trim();
        add(&mut rows, text(path), label.map(text));
    }
    Ok(rows)
}

/// The file and its metadata.
fn open(path: &Path) -> Result<(File, Metadata), String> {
    let file = File::open(path).and_then(|file| file.metadata().map(|kind| (file, kind)));
    file.map_err(|error| format!("it cannot be read: {}", dvm::system_words(&error)))
}

/// An error of a CSV file in plain words.
fn csv_words(error: &csv::Error) -> String {
    use csv::ErrorKind as Kind;
    let line = error.position().map_or(0, csv::Position::line);
    match error.kind() {
        Kind::Io(error) => dvm::system_words(error),
        Kind::UnequalLengths {
            expected_len, len, ..
        } => {
            format!("number of values in line {line}: {len}, in the header: {expected_len}")
        }
        Kind::Utf8 { .. } => format!("line {line} is not text in UTF-8"),
        _ => format!("line {line} is not a row of a table"),
    }
}

fn add(rows: &mut Vec<TableRow>, path: &str, label: Option<&str>) {
    if !path.is_empty() {
        rows.push(TableRow {
            path: path.into(),
            label: label.filter(|label| !label.is_empty()).map(str::to_owned),
        });
    }
}

fn read_parquet(path: &Path, columns: &Columns) -> Result<Vec<TableRow>, String> {
    let failed = |error: &dyn std::fmt::Display| {
        let error = error.to_string();
        match error.contains("Disabled feature") {
            true => {
                "it cannot be read: dvm reads columns without compression or with Snappy".into()
            }
            false => format!("it is not a Parquet file, or is damaged ({error})"),
        }
    };
    let (file, _) = open(path)?;
    let reader = SerializedFileReader::new(file).map_err(|error| failed(&error))?;
    let schema = reader.metadata().file_metadata().schema().clone();
    let fields = schema.get_fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    let (path, label) = positions(&names, columns)?;
    // Reads only the columns that are needed, in the order of the file.
    let wanted: HashSet<usize> = label.into_iter().chain([path]).collect();
    let mut order: Vec<usize> = wanted.into_iter().collect();
    order.sort_unstable();
    let chosen = order.iter().map(|&column| Arc::clone(&fields[column]));
    let projection = Type::group_type_builder(schema.name())
        .with_fields(chosen.collect())
        .build()
        .map_err(|error| failed(&error))?;
    let iterator = RowIter::from_file(Some(projection), &reader).map_err(|error| failed(&error))?;
    let at = |column: usize| {
        let mut order = order.iter();
        order.position(|&one| one == column).expect("it was chosen")
    };
    let (path, label) = (at(path), label.map(at));
    let mut rows = Vec::new();
    let mut bytes = 0;
    for row in iterator {
        let row = row.map_err(|error| failed(&error))?;
        let text = |position: usize| text_of(&row, position);
        let label = label.map(text).transpose()?;
        let path = text(path)?;
        bytes += path.len() as u64 + 1;
        if bytes > LONGEST_LIST {
            return Err(format!(
                "its paths are too long; the limit is {LONGEST_LIST} bytes"
            ));
        }
        add(&mut rows, path.trim(), label.as_deref().map(str::trim));
    }
    Ok(rows)
}

fn text_of(row: &Row, position: usize) -> Result<String, String> {
    let (name, field) = row.get_column_iter().nth(position).expect("it was chosen");
    match field {
        Field::Null => Ok(String::new()),
        Field::Str(text) => Ok(text.clone()),
        // Older writers do not mark text as text.
        Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec())
            .map_err(|_| format!("its column `{name}` is not text in UTF-8")),
        Field::Byte(_)
        | Field::Short(_)
        | Field::Int(_)
        | Field::Long(_)
        | Field::UByte(_)
        | Field::UShort(_)
        | Field::UInt(_)
        | Field::ULong(_) => Ok(field.to_string()),
        _ => Err(format!("its column `{name}` is not text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str, columns: &Columns) -> Result<Vec<TableRow>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, kind(&path).unwrap(), columns)
    }

    fn listed(path: &str, label: Option<&str>) -> TableRow {
        TableRow {
            path: path.into(),
            label: label.map(str::to_owned),
        }
    }

    #[test]
    fn the_column_of_paths_is_found_by_its_name() {
        let text = "\u{feff}id,Image,label\r\n1,\"a, b.jpg\",cat\r\n2,c.jpg,\r\n3,,dog\r\n";
        let labelled = Columns {
            label: Some("label".into()),
            ..Columns::default()
        };
        let rows = csv(text, &labelled).unwrap();
        let expected = [listed("a, b.jpg", Some("cat")), listed("c.jpg", None)];
        assert_eq!(rows, expected);
    }

    #[test]
    fn the_error_for_a_missing_column_names_the_columns() {
        let why = csv("a.jpg,cat\nb.jpg,dog\n", &Columns::default()).unwrap_err();
        assert!(why.contains("path or image or file or filename"), "{why}");
        assert!(why.contains("`a.jpg`, `cat`"), "{why}");
        let named = Columns {
            path: Some("url".into()),
            ..Columns::default()
        };
        let why = csv("path\na.jpg\n", &named).unwrap_err();
        assert!(why.contains("no column `url`"), "{why}");
    }

    #[test]
    fn a_damaged_parquet_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], b"PAR1", b"PAR1\xff\xff\xff\x7fPAR1", &[7; 500]] {
            let path = folder.path().join("list.parquet");
            std::fs::write(&path, bytes).unwrap();
            assert!(read(&path, Kind::Parquet, &Columns::default()).is_err());
        }
    }
}
