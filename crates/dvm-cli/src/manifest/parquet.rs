//! A manifest as a Parquet file.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::{Line, Lines};

/// The columns, in the order of [`write_rows`]. The maps of a line are three lists: methods, map_min, map_max.
const SCHEMA: &str = "
message manifest {
  required binary name (STRING);
  required binary image (STRING);
  optional int64 slice;
  optional binary sha256 (STRING);
  optional binary error (STRING);
  optional int64 class;
  optional binary class_name (STRING);
  optional float probability;
  optional binary target (STRING);
  optional binary top_class_name (STRING);
  optional float top_probability;
  optional binary true_class (STRING);
  optional double seconds;
  optional binary folder (STRING);
  required group warnings (LIST) { repeated group list { required binary element (STRING); } }
  required group files (LIST) { repeated group list { required binary element (STRING); } }
  required group methods (LIST) { repeated group list { required binary element (STRING); } }
  required group map_min (LIST) { repeated group list { optional double element; } }
  required group map_max (LIST) { repeated group list { optional double element; } }
}";

/// Rows per row group: few enough for little memory, enough for quick reading.
const ROWS: usize = 20_000;

/// Writes the lines of a manifest to `path`. A failed write leaves no file.
pub fn write(manifest: &Path, path: &Path) -> Result<(), String> {
    let file = File::open(manifest).map_err(|error| dvm::system_words(&error))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let new = super::unfinished().tempfile_in(folder);
    let mut new = new.map_err(|error| dvm::system_words(&error))?;
    write_to(&file, new.as_file_mut())?;
    new.as_file()
        .sync_all()
        .map_err(|error| dvm::system_words(&error))?;
    new.persist(path)
        .map_err(|error| dvm::system_words(&error.error))?;
    Ok(())
}

fn write_to(manifest: &File, to: impl Write + Send) -> Result<(), String> {
    let failed = |error: ParquetError| match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => dvm::system_words(&error),
            Err(error) => error.to_string(),
        },
        error => error.to_string(),
    };
    let schema = Arc::new(parse_message_type(SCHEMA).expect("it is well formed"));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(format!("dvm {}", env!("CARGO_PKG_VERSION")))
        .build();
    let mut writer = SerializedFileWriter::new(to, schema, Arc::new(properties)).map_err(failed)?;
    let mut lines = Lines::new(manifest);
    let mut rows: Vec<Line> = Vec::new();
    loop {
        let group = lines.next_picture()?;
        let is_end = group.is_none();
        rows.extend(group.into_iter().flat_map(|group| group.lines));
        if rows.len() >= ROWS || is_end && !rows.is_empty() {
            let mut group = writer.next_row_group().map_err(failed)?;
            write_rows(&mut group, &rows).map_err(failed)?;
            group.close().map_err(failed)?;
            rows.clear();
        }
        if is_end {
            break;
        }
    }
    writer.close().map_err(failed)?;
    Ok(())
}

fn write_rows<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Line],
) -> Result<(), ParquetError> {
    let result = |line: &Line| line.result.clone();
    let mut columns = Columns { group };
    columns.required(rows.iter().map(|line| line.name.clone()))?;
    columns.required(rows.iter().map(|line| line.image.clone()))?;
    columns.whole(rows.iter().map(|line| line.slice))?;
    columns.text(rows.iter().map(|line| line.sha256.clone()))?;
    columns.text(rows.iter().map(|line| line.error.clone()))?;
    columns.whole(rows.iter().map(|line| Some(line.result.as_ref()?.class)))?;
    columns.text(rows.iter().map(|line| Some(result(line)?.class_name)))?;
    let probabilities = rows
        .iter()
        .map(|line| Some(line.result.as_ref()?.probability));
    columns.optional::<FloatType>(probabilities)?;
    columns.text(
        rows.iter()
            .map(|line| Some(result(line)?.target.to_string())),
    )?;
    columns.text(rows.iter().map(|line| result(line)?.top_class_name))?;
    let probabilities = rows
        .iter()
        .map(|line| line.result.as_ref()?.top_probability);
    columns.optional::<FloatType>(probabilities)?;
    columns.text(rows.iter().map(|line| result(line)?.true_class))?;
    let seconds = rows.iter().map(|line| Some(line.result.as_ref()?.seconds));
    columns.optional::<DoubleType>(seconds)?;
    columns.text(rows.iter().map(|line| result(line)?.folder))?;
    let texts =
        |line: &Line, of: fn(super::ClassResult) -> Vec<String>| -> Vec<Option<ByteArray>> {
            let texts = result(line).map_or_else(Vec::new, of);
            texts.into_iter().map(|text| Some(bytes(text))).collect()
        };
    columns.list::<ByteArrayType>(
        0,
        rows.iter()
            .map(|line| texts(line, |result| result.warnings)),
    )?;
    columns.list::<ByteArrayType>(
        0,
        rows.iter().map(|line| texts(line, |result| result.files)),
    )?;
    let methods =
        |result: super::ClassResult| result.maps.into_iter().map(|map| map.method).collect();
    columns.list::<ByteArrayType>(0, rows.iter().map(|line| texts(line, methods)))?;
    let ends = |line: &Line, end: fn(&super::Map) -> Option<f64>| -> Vec<Option<f64>> {
        result(line).map_or_else(Vec::new, |result| result.maps.iter().map(end).collect())
    };
    columns.list::<DoubleType>(1, rows.iter().map(|line| ends(line, |map| map.min)))?;
    columns.list::<DoubleType>(1, rows.iter().map(|line| ends(line, |map| map.max)))
}

fn bytes(text: String) -> ByteArray {
    ByteArray::from(text.into_bytes())
}

/// The columns of a row group that are not written yet.
struct Columns<'a, 'b, W: Write> {
    group: &'a mut SerializedRowGroupWriter<'b, W>,
}

impl<W: Write + Send> Columns<'_, '_, W> {
    fn write<T: parquet::data_type::DataType>(
        &mut self,
        values: &[T::T],
        definition: Option<&[i16]>,
        repetition: Option<&[i16]>,
    ) -> Result<(), ParquetError> {
        let column = self.group.next_column()?;
        let mut column = column.expect("the schema has this column");
        let typed = column.typed::<T>();
        typed.write_batch(values, definition, repetition)?;
        column.close()
    }

    fn required(&mut self, texts: impl Iterator<Item = String>) -> Result<(), ParquetError> {
        let values: Vec<ByteArray> = texts.map(bytes).collect();
        self.write::<ByteArrayType>(&values, None, None)
    }

    fn optional<T: parquet::data_type::DataType>(
        &mut self,
        values: impl Iterator<Item = Option<T::T>>,
    ) -> Result<(), ParquetError> {
        let (mut there, mut definition) = (Vec::new(), Vec::new());
        for value in values {
            definition.push(i16::from(value.is_some()));
            there.extend(value);
        }
        self.write::<T>(&there, Some(&definition), None)
    }

    fn text(&mut self, texts: impl Iterator<Item = Option<String>>) -> Result<(), ParquetError> {
        self.optional::<ByteArrayType>(texts.map(|text| text.map(bytes)))
    }

    fn whole(&mut self, numbers: impl Iterator<Item = Option<usize>>) -> Result<(), ParquetError> {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.optional::<Int64Type>(numbers.map(|one| one.map(number)))
    }

    /// A column of lists; elements may be missing if `missing` is 1. In Parquet, repetition level 0 begins a row, and
    /// an empty list is a row with definition level 0.
    fn list<T: parquet::data_type::DataType>(
        &mut self,
        missing: i16,
        lists: impl Iterator<Item = Vec<Option<T::T>>>,
    ) -> Result<(), ParquetError> {
        let (mut there, mut definition, mut repetition) = (Vec::new(), Vec::new(), Vec::new());
        for list in lists {
            if list.is_empty() {
                definition.push(0);
                repetition.push(0);
            }
            for (place, value) in list.into_iter().enumerate() {
                repetition.push(i16::from(place > 0));
                definition.push(1 + missing * i16::from(value.is_some()));
                there.extend(value);
            }
        }
        self.write::<T>(&there, Some(&definition), Some(&repetition))
    }
}
