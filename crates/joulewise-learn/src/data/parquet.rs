//! Parquet files with the columns of Hugging Face's image data sets.

use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::SchemaDescriptor;

use super::picture::{Encoded, Pictures, align_channels};
use super::{DataError, DataErrorKind, Dataset, Files};

/// The columns of such a file.
const EXPECTED: &str =
    "image.bytes (or img.bytes) with PNG or JPEG files, and whole numbers in label (or labels)";

/// Rows read at a time.
const BATCH: usize = 1024;

/// Whether a file of this name should be a Parquet file.
pub(super) fn is_parquet(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "parquet")
}

/// Loads `train-*.parquet` and `test-*.parquet`, in any number of shards each. Without files of the test
/// split, those of the validation split take its place; files of no split are training images.
pub(super) fn load(files: &Files, skip_bad: bool) -> Result<Dataset, DataError> {
    let all = files.named(is_parquet);
    let of = |split: Part| -> Vec<&Path> { all.iter().copied().filter(|path| part(path) == split).collect() };
    let mut train_files = of(Part::Train);
    if train_files.is_empty() {
        train_files = of(Part::Unnamed);
    }
    if train_files.is_empty() {
        return Err(DataError::of(
            DataErrorKind::Missing,
            &files.root,
            "there is no Parquet file of training images",
            "add train-*.parquet",
        ));
    }
    let test_files = [of(Part::Test), of(Part::Validation)].into_iter().find(|files| !files.is_empty());

    let (mut pictures, mut classes) = (Pictures::new(skip_bad), None);
    for path in train_files {
        read(path, &mut pictures, &mut classes)?;
    }
    let (mut train, mut skipped) = pictures.finish();
    let mut test = None;
    if let Some(test_files) = test_files {
        let mut pictures = Pictures::new(skip_bad);
        for path in test_files {
            read(path, &mut pictures, &mut classes)?;
        }
        let (mut held_out, bad) = pictures.finish();
        align_channels(&mut train, &mut held_out);
        skipped.extend(bad);
        test = Some(held_out).filter(|images| !images.is_empty());
    }
    let classes = classes.unwrap_or_else(|| {
        let count = train.labels.iter().max().map_or(0, |&label| label as usize + 1);
        (0..count).map(|class| class.to_string()).collect()
    });
    Ok(Dataset { name: files.name(), classes, train, test, skipped })
}

/// The split that a file belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Train,
    Test,
    Validation,
    Unnamed,
}

/// By the beginning of the file's name, or else of its folder's.
fn part(path: &Path) -> Part {
    let names = [path.file_name(), path.parent().and_then(Path::file_name)];
    for name in names.into_iter().flatten().map(|name| name.to_string_lossy().to_lowercase()) {
        for (prefix, part) in [("train", Part::Train), ("test", Part::Test), ("val", Part::Validation)] {
            if name.starts_with(prefix) {
                return part;
            }
        }
    }
    Part::Unnamed
}

/// Appends the rows of one file. `classes` takes the names of the classes, if the file tells them.
///
/// The library asserts some of what a damaged file can break: such a panic ends here, as the error that it is.
fn read(path: &Path, pictures: &mut Pictures, classes: &mut Option<Vec<String>>) -> Result<(), DataError> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let read = panic::catch_unwind(AssertUnwindSafe(|| read_rows(path, pictures, classes)));
    panic::set_hook(hook);
    read.unwrap_or_else(|_| {
        let wrong = "not a sound Parquet file: its pages contradict each other";
        Err(DataError::of(DataErrorKind::Malformed, path, wrong, "download or copy it again"))
    })
}

fn read_rows(
    path: &Path,
    pictures: &mut Pictures,
    classes: &mut Option<Vec<String>>,
) -> Result<(), DataError> {
    let broken = |error: ParquetError| {
        DataError::of(
            DataErrorKind::Malformed,
            path,
            format!("not a sound Parquet file: {error}"),
            "download or copy it again",
        )
    };
    let file = File::open(path).map_err(|error| DataError::io(path, &error))?;
    if file.metadata().map_err(|error| DataError::io(path, &error))?.len() == 0 {
        let cure = "download or copy it again";
        return Err(DataError::of(DataErrorKind::Empty, path, "the file is empty", cure));
    }
    let reader = SerializedFileReader::new(file).map_err(broken)?;
    let columns = Columns::of(reader.metadata().file_metadata().schema_descr()).ok_or_else(|| {
        let found = reader.metadata().file_metadata().schema_descr().columns();
        let found: Vec<String> = found.iter().map(|column| column.path().string()).collect();
        DataError::of(
            DataErrorKind::Columns,
            path,
            format!("its columns are {}; expected {EXPECTED}", found.join(", ")),
            "rename or convert the columns",
        )
    })?;
    if let Some(names) = class_names(reader.metadata(), &columns.label_name) {
        classes.get_or_insert(names);
    }
    let mut row = 0;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(broken)?;
        let mut rows = Rows::of(&*group, &columns).map_err(broken)?;
        loop {
            let batch = rows.next(BATCH).map_err(broken)?;
            if batch.is_empty() {
                break;
            }
            let mut files = Vec::with_capacity(batch.len());
            for (bytes, label) in batch {
                let label = label_of(label, classes.as_deref()).map_err(|wrong| {
                    let wrong = format!("row {row} {wrong}");
                    DataError::of(DataErrorKind::Labels, path, wrong, "correct the labels")
                })?;
                files.push(Encoded { name: format!("{}, row {row}", path.display()), bytes, label });
                row += 1;
            }
            let content = |bytes: &Option<ByteArray>| {
                bytes.as_ref().map(|bytes| bytes.data().to_vec()).ok_or("it holds no file".to_owned())
            };
            pictures.extend(&files, content)?;
        }
    }
    Ok(())
}

fn label_of(label: Option<i64>, classes: Option<&[String]>) -> Result<u16, String> {
    let label = label.ok_or("has no label")?;
    let most = classes.map_or(usize::from(u16::MAX), |classes| classes.len().saturating_sub(1));
    u16::try_from(label)
        .ok()
        .filter(|&label| usize::from(label) <= most)
        .ok_or_else(|| format!("has label {label}, but classes are 0 to {most}"))
}

/// Where the two columns are.
struct Columns {
    image: usize,
    label: usize,
    label_name: String,
}

impl Columns {
    fn of(schema: &SchemaDescriptor) -> Option<Self> {
        use parquet::basic::Type;
        let find = |names: &[&str], types: &[Type]| {
            names.iter().find_map(|name| {
                schema.columns().iter().position(|column| {
                    column.path().string() == *name
                        && column.max_rep_level() == 0
                        && types.contains(&column.physical_type())
                })
            })
        };
        let image = find(&["image.bytes", "img.bytes"], &[Type::BYTE_ARRAY])?;
        let label = find(&["label", "labels"], &[Type::INT32, Type::INT64])?;
        Some(Self { image, label, label_name: schema.column(label).name().to_owned() })
    }
}

/// The names that Hugging Face's `datasets` writes into the file for a column of class labels.
fn class_names(metadata: &ParquetMetaData, column: &str) -> Option<Vec<String>> {
    let entries = metadata.file_metadata().key_value_metadata()?;
    let entry = entries.iter().find(|entry| entry.key == "huggingface")?;
    let features: serde_json::Value = serde_json::from_str(entry.value.as_ref()?).ok()?;
    let names = features.pointer("/info/features")?.get(column)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

/// An encoded picture and its label, where they are not null.
type Row = (Option<ByteArray>, Option<i64>);

/// The rows of one row group.
struct Rows {
    images: ColumnReaderImpl<parquet::data_type::ByteArrayType>,
    labels: Labels,
}

enum Labels {
    Narrow(ColumnReaderImpl<parquet::data_type::Int32Type>),
    Wide(ColumnReaderImpl<parquet::data_type::Int64Type>),
}

impl Rows {
    fn of(group: &dyn RowGroupReader, columns: &Columns) -> Result<Self, ParquetError> {
        let other = || ParquetError::General("a row group has columns of another type".to_owned());
        let ColumnReader::ByteArrayColumnReader(images) = group.get_column_reader(columns.image)? else {
            return Err(other());
        };
        let labels = match group.get_column_reader(columns.label)? {
            ColumnReader::Int32ColumnReader(labels) => Labels::Narrow(labels),
            ColumnReader::Int64ColumnReader(labels) => Labels::Wide(labels),
            _ => return Err(other()),
        };
        Ok(Self { images, labels })
    }

    /// The next rows, at most `count`; none at the end.
    fn next(&mut self, count: usize) -> Result<Vec<Row>, ParquetError> {
        let images = values(&mut self.images, count)?;
        let labels: Vec<Option<i64>> = match &mut self.labels {
            Labels::Narrow(labels) => {
                values(labels, count)?.into_iter().map(|label| label.map(i64::from)).collect()
            }
            Labels::Wide(labels) => values(labels, count)?,
        };
        if images.len() != labels.len() {
            return Err(ParquetError::General("its columns differ in length".to_owned()));
        }
        Ok(images.into_iter().zip(labels).collect())
    }
}

/// The next values of a column that is no list, at most `count`, `None` for nulls.
fn values<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    count: usize,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    let (_, present, rows) = column.read_records(count, Some(&mut levels), None, &mut values)?;
    if present == rows {
        return Ok(values.into_iter().map(Some).collect());
    }
    // A value is there where its level is the deepest that occurs; with nulls only, nothing is.
    let deepest = if present == 0 { i16::MAX } else { levels.iter().copied().max().unwrap_or(i16::MAX) };
    let mut values = values.into_iter();
    Ok(levels.into_iter().map(|level| if level == deepest { values.next() } else { None }).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use image::ImageFormat::{Jpeg, Png};
    use parquet::basic::Compression;
    use parquet::data_type::{ByteArrayType, Int32Type, Int64Type};
    use parquet::file::metadata::KeyValue;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use tempfile::TempDir;

    use super::super::picture::tests::colour;
    use super::*;
    use crate::data::{LoadOptions, load};

    /// A Parquet file of one row group: pictures (`None` for a null), their labels, and Hugging Face's names.
    fn file(schema: &str, pictures: &[Option<Vec<u8>>], labels: &[i64], names: Option<&str>) -> Vec<u8> {
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let metadata = names.map(|names| {
            let features = format!(r#"{{"info": {{"features": {{"label": {{"names": {names}}}}}}}}}"#);
            vec![KeyValue::new("huggingface".to_owned(), features)]
        });
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_key_value_metadata(metadata)
            .build();
        let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
        let mut group = writer.next_row_group().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            match column.untyped() {
                parquet::column::writer::ColumnWriter::ByteArrayColumnWriter(_) => {
                    let levels: Vec<i16> =
                        pictures.iter().map(|picture| if picture.is_some() { 2 } else { 0 }).collect();
                    let values: Vec<ByteArray> =
                        pictures.iter().flatten().map(|bytes| bytes.clone().into()).collect();
                    column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
                }
                parquet::column::writer::ColumnWriter::Int32ColumnWriter(_) => {
                    let labels: Vec<i32> = labels.iter().map(|&label| label as i32).collect();
                    column.typed::<Int32Type>().write_batch(&labels, None, None).unwrap();
                }
                _ => {
                    let levels = vec![1; labels.len()];
                    column.typed::<Int64Type>().write_batch(labels, Some(&levels), None).unwrap();
                }
            }
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.into_inner().unwrap()
    }

    const HUGGING_FACE: &str = "message schema {
        optional group image { optional binary bytes; optional binary path (UTF8); }
        optional int64 label;
    }";
    const CIFAR: &str = "message schema {
        optional group img { optional binary bytes; optional binary path (UTF8); }
        required int32 labels;
    }";

    fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn failure(train: Vec<u8>) -> (DataErrorKind, String) {
        let error = load(folder(&[("train-0.parquet", train)]).path(), &LoadOptions::default()).unwrap_err();
        (error.kind(), error.to_string())
    }

    #[test]
    fn shards_and_splits_are_joined() {
        let picture = Some(colour(8, Png));
        let two = file(HUGGING_FACE, &[picture.clone(), picture.clone()], &[0, 1], Some(r#"["cat", "dog"]"#));
        let one = file(HUGGING_FACE, std::slice::from_ref(&picture), &[1], None);
        let folder = folder(&[
            ("data/train-00000-of-00002.parquet", two),
            ("data/train-00001-of-00002.parquet", one.clone()),
            ("data/test-00000-of-00001.parquet", one),
        ]);
        let dataset = load(folder.path(), &LoadOptions::default()).unwrap();
        assert_eq!(dataset.classes, ["cat", "dog"]);
        assert_eq!((&**dataset.train.labels, dataset.train.shape), (&[0, 1, 1][..], [3, 8, 8]));
        assert_eq!(*dataset.test.unwrap().labels, [1]);
    }

    #[test]
    fn cifars_columns_and_a_single_file_are_read() {
        let folder =
            folder(&[("cifar.parquet", file(CIFAR, &vec![Some(colour(8, Jpeg)); 2], &[4, 0], None))]);
        let dataset = load(&folder.path().join("cifar.parquet"), &LoadOptions::default()).unwrap();
        assert_eq!((dataset.name.as_str(), dataset.classes.len()), ("cifar", 5));
        assert_eq!(*dataset.train.labels, [4, 0]);
    }

    #[test]
    fn other_columns_are_named() {
        let (kind, message) = failure(file(
            "message schema { optional group picture { optional binary bytes; } optional int64 label; }",
            &[Some(colour(8, Png))],
            &[0],
            None,
        ));
        assert_eq!(kind, DataErrorKind::Columns);
        assert!(message.contains("its columns are picture.bytes, label; expected image.bytes"), "{message}");
    }

    #[test]
    fn a_corrupt_jpeg_in_the_middle_is_named_and_skipped_only_on_demand() {
        let whole = colour(32, Jpeg);
        let corrupt = whole[..whole.len() / 2].to_vec();
        let bytes =
            file(HUGGING_FACE, &[Some(whole.clone()), Some(corrupt), None, Some(whole)], &[0, 1, 1, 1], None);
        let (kind, message) = failure(bytes.clone());
        assert_eq!(kind, DataErrorKind::BadImage);
        assert!(message.contains("train-0.parquet, row 1: cannot be decoded"), "{message}");
        let folder = folder(&[("train-0.parquet", bytes)]);
        let dataset = load(folder.path(), &LoadOptions { skip_bad: true }).unwrap();
        assert_eq!(*dataset.train.labels, [0, 1]);
        assert!(dataset.skipped[1].contains("row 2: it holds no file"), "{:?}", dataset.skipped);
    }

    #[test]
    fn labels_out_of_range_are_errors() {
        let pictures = vec![Some(colour(8, Png)); 2];
        for (label, names) in [(-1, None), (70_000, None), (2, Some(r#"["cat", "dog"]"#))] {
            let (kind, message) = failure(file(HUGGING_FACE, &pictures, &[0, label], names));
            assert_eq!(kind, DataErrorKind::Labels);
            assert!(message.contains(&format!("row 1 has label {label}")), "{message}");
        }
    }

    #[test]
    fn empty_and_truncated_files_are_errors() {
        let whole = file(HUGGING_FACE, &vec![Some(colour(8, Png)); 2], &[0, 1], None);
        assert_eq!(failure(Vec::new()).0, DataErrorKind::Empty);
        assert_eq!(failure(whole[..whole.len() / 2].to_vec()).0, DataErrorKind::Malformed);
        assert_eq!(failure(b"PAR1PAR1".to_vec()).0, DataErrorKind::Malformed);
        let error = load(folder(&[("test-0.parquet", whole)]).path(), &LoadOptions::default()).unwrap_err();
        assert_eq!(error.kind(), DataErrorKind::Missing);
    }

    proptest::proptest! {
        #[test]
        fn no_change_of_a_file_panics(place in 0usize..4000, bytes in proptest::collection::vec(0u8.., 1..6)) {
            let mut file = file(HUGGING_FACE, &vec![Some(colour(8, Png)); 2], &[0, 1], None);
            let place = place % (file.len() - bytes.len());
            file[place..place + bytes.len()].copy_from_slice(&bytes);
            let _ = load(folder(&[("train-0.parquet", file)]).path(), &LoadOptions { skip_bad: true });
        }
    }
}
