//! Tables of pictures: CSV and Parquet files with a column of paths.

use std::collections::HashSet;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::reader::RowIter;
use parquet::record::{Field, Row};
use parquet::schema::types::Type;

use super::LONGEST_LIST;

/// Names of the column of paths, where none is named; the first of them that a table has.
const USUAL: [&str; 6] = [
    "path",
    "image",
    "file",
    "filename",
    "image_path",
    "filepath",
];

/// Which columns of a table are meant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// The column of paths; by default one of [`USUAL`].
    pub path: Option<String>,
    /// The column of the classes that the pictures really show.
    pub label: Option<String>,
}

/// A row of a table.
#[derive(Debug, PartialEq)]
pub struct Listed {
    /// As the table has it.
    pub path: PathBuf,
    /// The class that the picture really shows.
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

/// The kind of a table, for a file whose name says that it is one.
pub fn kind(path: &Path) -> Option<Kind> {
    let ending = path.extension()?.to_str()?.to_lowercase();
    match ending.as_str() {
        "csv" => Some(Kind::Csv),
        "tsv" => Some(Kind::Tsv),
        "parquet" | "pq" => Some(Kind::Parquet),
        _ => None,
    }
}

/// The rows of a table, in their order. Rows whose path is empty are left out.
///
/// # Errors
/// What is wrong with the file, as a sentence without its name.
pub fn read(path: &Path, kind: Kind, columns: &Columns) -> Result<Vec<Listed>, String> {
    match kind {
        Kind::Csv => read_csv(path, b',', columns),
        Kind::Tsv => read_csv(path, b'\t', columns),
        // The reader of Parquet may stop in the middle of a file that is damaged.
        Kind::Parquet => catch_unwind(AssertUnwindSafe(|| read_parquet(path, columns)))
            .unwrap_or_else(|_| Err("it is no Parquet file, or is damaged".into())),
    }
}

/// The place of the column of paths, and of that of labels, among columns of these names.
fn places(names: &[String], columns: &Columns) -> Result<(usize, Option<usize>), String> {
    let place = |wanted: &str| {
        let same = |name: &String| name.trim().eq_ignore_ascii_case(wanted);
        names.iter().position(same)
    };
    let all = || {
        let names: Vec<String> = names
            .iter()
            .take(20)
            .map(|name| format!("{name:?}"))
            .collect();
        names.join(", ")
    };
    let path = match &columns.path {
        Some(name) => place(name).ok_or(format!("it has no column `{name}`, only {}", all()))?,
        None => USUAL.iter().find_map(|name| place(name)).ok_or_else(|| {
            format!(
                "none of its columns is named {}: it has {} (--column NAME)",
                USUAL[..4].join(", "),
                all()
            )
        })?,
    };
    let label = match &columns.label {
        Some(name) => {
            let place = place(name).ok_or(format!("it has no column `{name}`, only {}", all()))?;
            Some(place)
        }
        None => None,
    };
    Ok((path, label))
}

fn read_csv(path: &Path, delimiter: u8, columns: &Columns) -> Result<Vec<Listed>, String> {
    let failed = |error: &dyn std::fmt::Display| format!("it cannot be read: {error}");
    let file = File::open(path).map_err(|error| failed(&error))?;
    let kind = file.metadata().map_err(|error| failed(&error))?;
    if !kind.is_file() {
        return Err("it is not a file".into());
    }
    if kind.len() > LONGEST_LIST {
        return Err(format!("it has more than {LONGEST_LIST} bytes"));
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(file);
    let headers = reader.headers().map_err(|error| failed(&error))?;
    let names: Vec<String> = headers.iter().map(str::to_owned).collect();
    let (path, label) = places(&names, columns)?;
    let mut rows = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| failed(&error))?
    {
        let text = |place: usize| record.get(place).unwrap_or_default().trim();
        add(&mut rows, text(path), label.map(text));
    }
    Ok(rows)
}

fn add(rows: &mut Vec<Listed>, path: &str, label: Option<&str>) {
    if !path.is_empty() {
        rows.push(Listed {
            path: path.into(),
            label: label.filter(|label| !label.is_empty()).map(str::to_owned),
        });
    }
}

fn read_parquet(path: &Path, columns: &Columns) -> Result<Vec<Listed>, String> {
    let failed = |error: &dyn std::fmt::Display| {
        let error = error.to_string();
        let remedy = match error.contains("Disabled feature") {
            true => " (this program reads columns without compression or with Snappy)",
            false => "",
        };
        format!("it cannot be read: {error}{remedy}")
    };
    let file = File::open(path).map_err(|error| failed(&error))?;
    let reader = SerializedFileReader::new(file).map_err(|error| failed(&error))?;
    let schema = reader.metadata().file_metadata().schema().clone();
    let fields = schema.get_fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().to_owned()).collect();
    let (path, label) = places(&names, columns)?;
    // Only the columns that are needed are read; in the order of the file.
    let wanted: HashSet<usize> = label.into_iter().chain([path]).collect();
    let mut order: Vec<usize> = wanted.into_iter().collect();
    order.sort_unstable();
    let chosen = order.iter().map(|&place| Arc::clone(&fields[place]));
    let projection = Type::group_type_builder(schema.name())
        .with_fields(chosen.collect())
        .build()
        .map_err(|error| failed(&error))?;
    let iterator = RowIter::from_file(Some(projection), &reader).map_err(|error| failed(&error))?;
    let at = |place: usize| {
        order
            .iter()
            .position(|&one| one == place)
            .expect("it was chosen")
    };
    let (path, label) = (at(path), label.map(at));
    let mut rows = Vec::new();
    let mut bytes = 0;
    for row in iterator {
        let row = row.map_err(|error| failed(&error))?;
        let text = |place: usize| text_of(&row, place);
        let label = label.map(text).transpose()?;
        let path = text(path)?;
        bytes += path.len() as u64 + 1;
        if bytes > LONGEST_LIST {
            return Err(format!("its paths have more than {LONGEST_LIST} bytes"));
        }
        add(&mut rows, path.trim(), label.as_deref().map(str::trim));
    }
    Ok(rows)
}

fn text_of(row: &Row, place: usize) -> Result<String, String> {
    let (name, field) = row.get_column_iter().nth(place).expect("it was chosen");
    match field {
        Field::Null => Ok(String::new()),
        Field::Str(text) => Ok(text.clone()),
        // Older writers do not say that their bytes are text.
        Field::Bytes(bytes) => String::from_utf8(bytes.data().to_vec())
            .map_err(|_| format!("its column `{name}` holds bytes and no text")),
        Field::Byte(_)
        | Field::Short(_)
        | Field::Int(_)
        | Field::Long(_)
        | Field::UByte(_)
        | Field::UShort(_)
        | Field::UInt(_)
        | Field::ULong(_) => Ok(field.to_string()),
        _ => Err(format!("its column `{name}` holds no text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str, columns: &Columns) -> Result<Vec<Listed>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, kind(&path).unwrap(), columns)
    }

    fn listed(path: &str, label: Option<&str>) -> Listed {
        Listed {
            path: path.into(),
            label: label.map(str::to_owned),
        }
    }

    #[test]
    fn the_column_of_paths_is_known_by_its_name() {
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
    fn a_column_that_is_missing_is_an_error_that_names_those_there_are() {
        let why = csv("a.jpg,cat\nb.jpg,dog\n", &Columns::default()).unwrap_err();
        assert!(why.contains("path, image, file, filename"), "{why}");
        assert!(why.contains("\"a.jpg\", \"cat\""), "{why}");
        let named = Columns {
            path: Some("url".into()),
            ..Columns::default()
        };
        let why = csv("path\na.jpg\n", &named).unwrap_err();
        assert!(why.contains("no column `url`"), "{why}");
    }

    #[test]
    fn a_file_that_only_claims_to_be_parquet_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for bytes in [&b""[..], b"PAR1", b"PAR1\xff\xff\xff\x7fPAR1", &[7; 500]] {
            let path = folder.path().join("list.parquet");
            std::fs::write(&path, bytes).unwrap();
            assert!(read(&path, Kind::Parquet, &Columns::default()).is_err());
        }
    }
}
