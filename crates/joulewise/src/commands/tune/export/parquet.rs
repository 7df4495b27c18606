//! Tables of trials as Parquet.

use std::sync::Arc;

use anyhow::Result;
use joulewise_tune::export::{Column, Table};
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

/// The file of a table: one row group, a column may be null anywhere.
pub(super) fn written(table: &Table) -> Result<Vec<u8>> {
    let fields = table.columns().map(|(name, column)| field(name, column)).collect::<Result<Vec<_>>>()?;
    let schema = Arc::new(Type::group_type_builder("trials").with_fields(fields).build()?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, properties)?;
    let mut group = file.next_row_group()?;
    for (_, column) in table.columns() {
        let mut writer = group.next_column()?.expect("the schema has a field for each column");
        match column {
            Column::Integers(cells) => {
                let (values, levels) = present(cells, |x| *x);
                writer.typed::<Int64Type>().write_batch(&values, Some(&levels), None)?;
            }
            Column::Numbers(cells) => {
                let (values, levels) = present(cells, |x| *x);
                writer.typed::<DoubleType>().write_batch(&values, Some(&levels), None)?;
            }
            Column::Booleans(cells) => {
                let (values, levels) = present(cells, |x| *x);
                writer.typed::<BoolType>().write_batch(&values, Some(&levels), None)?;
            }
            Column::Texts(cells) => {
                let (values, levels) = present(cells, |text| ByteArray::from(text.as_bytes().to_vec()));
                writer.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
            }
        }
        writer.close()?;
    }
    group.close()?;
    file.close()?;
    Ok(bytes)
}

fn field(name: &str, column: &Column) -> Result<Arc<Type>> {
    let (physical, converted) = match column {
        Column::Integers(_) => (Physical::INT64, ConvertedType::NONE),
        Column::Numbers(_) => (Physical::DOUBLE, ConvertedType::NONE),
        Column::Booleans(_) => (Physical::BOOLEAN, ConvertedType::NONE),
        Column::Texts(_) => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
    };
    let field = Type::primitive_type_builder(name, physical).with_converted_type(converted);
    Ok(Arc::new(field.with_repetition(Repetition::OPTIONAL).build()?))
}

/// The values that are there, and for each cell whether it is.
fn present<C, V>(cells: &[Option<C>], value: impl Fn(&C) -> V) -> (Vec<V>, Vec<i16>) {
    let values = cells.iter().flatten().map(value).collect();
    (values, cells.iter().map(|cell| i16::from(cell.is_some())).collect())
}
