//! Tensors between our layout and ONNX's.

use super::error::OnnxError;
use super::proto::{TensorProto, data_type};
use crate::tensor::{Tensor, Values};

/// `tensor` as an initialiser called `name`, its numbers little-endian.
pub(super) fn write(name: &str, tensor: &Tensor) -> TensorProto {
    let (data_type, raw_data) = match &tensor.values {
        Values::F32(v) => (data_type::FLOAT, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Values::I8(v) => (data_type::INT8, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Values::U8(v) => (data_type::UINT8, v.clone()),
        Values::I32(v) => (data_type::INT32, v.iter().flat_map(|v| v.to_le_bytes()).collect()),
    };
    let dims = tensor.shape.iter().map(|&d| d as i64).collect();
    TensorProto { dims, data_type, raw_data, name: name.to_owned(), ..TensorProto::default() }
}

/// The numbers of a parameter.
pub(super) fn read(proto: &TensorProto) -> Result<Tensor, OnnxError> {
    let (shape, len) = shape_of(proto)?;
    let typed = &proto.int32_data;
    let values = match proto.data_type {
        data_type::FLOAT => Values::F32(
            numbers(proto, &proto.float_data, f32::from_le_bytes).ok_or_else(|| torn(proto, len))?,
        ),
        data_type::DOUBLE => {
            let wide =
                numbers(proto, &proto.double_data, f64::from_le_bytes).ok_or_else(|| torn(proto, len))?;
            Values::F32(wide.into_iter().map(|v| v as f32).collect())
        }
        data_type::INT8 if !proto.raw_data.is_empty() => {
            Values::I8(proto.raw_data.iter().map(|&v| v as i8).collect())
        }
        data_type::INT8 => Values::I8(narrowed(proto, typed)?),
        data_type::UINT8 if !proto.raw_data.is_empty() => Values::U8(proto.raw_data.clone()),
        data_type::UINT8 => Values::U8(narrowed(proto, typed)?),
        data_type::INT32 => {
            Values::I32(numbers(proto, typed, i32::from_le_bytes).ok_or_else(|| torn(proto, len))?)
        }
        other => {
            return Err(OnnxError::unsupported(format!(
                "tensor `{}` holds {}; parameters in float32, int8, uint8 or int32 are supported: export the \
                 model in float32",
                proto.name,
                data_type::name(other)
            )));
        }
    };
    if values.len() != len {
        return Err(torn(proto, len));
    }
    Ok(Tensor { shape, values })
}

/// The numbers of a constant that is a shape or a list of axes.
pub(super) fn read_integers(proto: &TensorProto) -> Result<Vec<i64>, OnnxError> {
    let (_, len) = shape_of(proto)?;
    let values = match proto.data_type {
        data_type::INT64 => numbers(proto, &proto.int64_data, i64::from_le_bytes),
        data_type::INT32 => numbers(proto, &proto.int32_data, i32::from_le_bytes)
            .map(|v| v.into_iter().map(i64::from).collect()),
        other => {
            return Err(OnnxError::malformed(format!(
                "tensor `{}` holds {}, where integers are expected",
                proto.name,
                data_type::name(other)
            )));
        }
    };
    values.filter(|v| v.len() == len).ok_or_else(|| torn(proto, len))
}

/// The numbers, from whichever field holds them; `None` when the raw bytes end within one.
fn numbers<T: Copy, const BYTES: usize>(
    proto: &TensorProto,
    typed: &[T],
    from_bytes: fn([u8; BYTES]) -> T,
) -> Option<Vec<T>> {
    let (whole, rest) = proto.raw_data.as_chunks::<BYTES>();
    match (whole.is_empty(), rest.is_empty()) {
        (_, false) => None,
        (true, true) => Some(typed.to_vec()),
        (false, true) => Some(whole.iter().map(|&b| from_bytes(b)).collect()),
    }
}

fn narrowed<T: TryFrom<i32>>(proto: &TensorProto, typed: &[i32]) -> Result<Vec<T>, OnnxError> {
    typed
        .iter()
        .map(|&v| T::try_from(v))
        .collect::<Result<_, _>>()
        .map_err(|_| OnnxError::malformed(format!("tensor `{}` holds a number beyond its type", proto.name)))
}

/// The shape and its product; nothing is allocated for it, whatever it claims.
fn shape_of(proto: &TensorProto) -> Result<(Vec<usize>, usize), OnnxError> {
    if proto.data_location != 0 {
        return Err(OnnxError::unsupported(format!(
            "tensor `{}` lies in another file; save the model with its weights inside \
             (onnx.save_model(model, path, save_as_external_data=False))",
            proto.name
        )));
    }
    let shape: Option<Vec<usize>> = proto.dims.iter().map(|&d| usize::try_from(d).ok()).collect();
    let sized = shape.and_then(|shape| {
        let len = shape.iter().try_fold(1usize, |len, &d| len.checked_mul(d))?;
        (len > 0).then_some((shape, len))
    });
    sized.ok_or_else(|| {
        OnnxError::malformed(format!("tensor `{}` has the impossible shape {:?}", proto.name, proto.dims))
    })
}

fn torn(proto: &TensorProto, len: usize) -> OnnxError {
    OnnxError::malformed(format!(
        "tensor `{}` of shape {:?} does not hold its {len} numbers; the file is damaged",
        proto.name, proto.dims
    ))
}
