//! What each ONNX operator becomes; everything that our operators do not mean is refused.

use std::borrow::Cow;
use std::mem;

use super::decode::{Call, Reader};
use super::encode::complement;
use super::error::OnnxError;
use super::proto::{TensorProto, data_type};
use super::tensors;
use crate::graph::{Op, Window};
use crate::tensor::{Tensor, Values};

/// For the message about all others.
const SUPPORTED: &str = "Add, AveragePool, BatchNormalization, Constant, Conv, DequantizeLinear, Dropout, Flatten, \
     Gemm, GlobalAveragePool, Identity, MatMul, MaxPool, QuantizeLinear, ReduceMean, Relu, Reshape, Softmax";

impl<'a> Reader<'a> {
    pub(super) fn read_operator(&mut self, call: &mut Call<'a>) -> Result<(), OnnxError> {
        if !matches!(call.proto.domain.as_str(), "" | "ai.onnx") {
            return Err(call.unsupported(&format!(
                "operators of the domain `{}` are not supported; export the model with standard ones",
                call.proto.domain
            )));
        }
        match call.proto.op_type.as_str() {
            "Add" => self.read_add(call),
            "AveragePool" => self.read_average_pool(call),
            "BatchNormalization" => self.read_batch_norm(call),
            "Constant" => self.read_constant(call),
            "Concat" => self.read_concat(call),
            "Conv" => self.read_conv(call),
            "DequantizeLinear" => self.read_dequantize(call),
            "Dropout" => self.read_dropout(call),
            "Flatten" => {
                call.attributes.expect_int("axis", 1, 1)?;
                self.read_unary(call, Op::Flatten)
            }
            "Gather" => self.read_gather(call),
            "Gemm" => self.read_gemm(call),
            "GlobalAveragePool" => self.read_unary(call, Op::GlobalAvgPool),
            "Identity" => self.alias(call),
            "MatMul" => self.read_matmul(call),
            "MaxPool" => self.read_max_pool(call),
            "QuantizeLinear" => self.read_quantize(call),
            "ReduceMean" => self.read_reduce_mean(call),
            "Relu" => self.read_unary(call, Op::Relu),
            "Reshape" => self.read_reshape(call),
            "Shape" => self.read_shape(call),
            "Softmax" => self.read_softmax(call),
            "Unsqueeze" => self.read_unsqueeze(call),
            "QLinearConv" | "QLinearMatMul" | "ConvInteger" | "MatMulInteger" => {
                Err(call.unsupported("quantised models are read in the QDQ format; export it as QDQ"))
            }
            _ => Err(call.unsupported(&format!("this operator is not supported; there are {SUPPORTED}"))),
        }
    }

    fn read_unary(&mut self, call: &Call, op: Op) -> Result<(), OnnxError> {
        let x = self.value(call, 0)?;
        self.emit(call, op, vec![x])
    }

    fn read_conv(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        call.attributes.expect_no_dilation()?;
        let kernel = call.attributes.kernel_shape()?;
        let (stride, padding) = (call.attributes.strides()?, call.attributes.padding()?);
        let Ok(groups) = usize::try_from(call.attributes.int("group", 1)?) else {
            return Err(call.malformed("`group` must be positive"));
        };
        let x = self.value(call, 0)?;
        let (weight, shape) = self.parameter(call, 1)?;
        if kernel.is_some_and(|kernel| shape.get(2..) != Some(&kernel[..])) {
            return Err(call.malformed(&format!("`kernel_shape` and the weights {shape:?} disagree")));
        }
        let bias = self.optional_parameter(call, 2)?.map(|(name, _)| name);
        let inputs = [x, weight].into_iter().chain(bias).collect();
        self.emit(call, Op::Conv2d { stride, padding, groups }, inputs)
    }

    fn read_gemm(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        call.attributes.expect_float("alpha", 1.0)?;
        call.attributes.expect_float("beta", 1.0)?;
        call.attributes.expect_int("transA", 0, 0)?;
        let transposed = call.attributes.int("transB", 0)? != 0;
        let x = self.value(call, 0)?;
        let weight = if transposed { self.parameter(call, 1)?.0 } else { self.transposed(call, 1)? };
        let bias = if call.input(2).is_some() { Some(self.bias(call, 2)?) } else { None };
        self.emit(call, Op::Linear, [x, weight].into_iter().chain(bias).collect())
    }

    fn read_matmul(&mut self, call: &Call) -> Result<(), OnnxError> {
        let x = self.value(call, 0)?;
        let weight = self.transposed(call, 1)?;
        self.emit(call, Op::Linear, vec![x, weight])
    }

    /// The sum of two values, or the bias of the linear layer just before.
    fn read_add(&mut self, call: &Call) -> Result<(), OnnxError> {
        let (x, constant) = match (self.is_value(call, 0), self.is_value(call, 1)) {
            (true, false) => (0, 1),
            (false, true) => (1, 0),
            _ => {
                let inputs = vec![self.value(call, 0)?, self.value(call, 1)?];
                return self.emit(call, Op::Add, inputs);
            }
        };
        let x = self.value(call, x)?;
        let open = self
            .model
            .graph
            .nodes
            .last()
            .is_some_and(|last| last.op == Op::Linear && last.inputs.len() == 2 && last.output == x);
        if !open {
            return Err(call.unsupported(
                "a constant can be added only right after a MatMul; give the layer before a bias instead",
            ));
        }
        let bias = self.bias(call, constant)?;
        self.absorb(call, bias)
    }

    /// Input `index` as `[out]`; `[1, out]` is the same numbers.
    fn bias(&mut self, call: &Call, index: usize) -> Result<String, OnnxError> {
        let (name, shape) = self.parameter(call, index)?;
        let &[1, out] = shape.as_slice() else { return Ok(name) };
        let Some(row) = self.model.weights.get(&name) else {
            return Err(call.unsupported("a quantised bias of two dimensions is not supported"));
        };
        let vector = Tensor { shape: vec![out], values: row.values.clone() };
        let row = format!("{name}.row");
        self.derive(call, &row, vector)?;
        Ok(row)
    }

    /// Input `index`, stored as `[in, out]`, as our `[out, in]`.
    fn transposed(&mut self, call: &Call, index: usize) -> Result<String, OnnxError> {
        let (name, shape) = self.parameter(call, index)?;
        let &[rows, columns] = shape.as_slice() else {
            return Err(call.unsupported(&format!("weights of two dimensions expected, not {shape:?}")));
        };
        let Some(values) = self.model.weights.get(&name).and_then(Tensor::as_f32) else {
            return Err(call.unsupported("quantised weights are supported in Gemm with transB = 1"));
        };
        let turned = (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect();
        let transposed = format!("{name}.transposed");
        self.derive(call, &transposed, Tensor::f32([columns, rows], turned))?;
        Ok(transposed)
    }

    fn read_batch_norm(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        let epsilon = call.attributes.float("epsilon", 1e-5)?;
        let momentum = complement(call.attributes.float("momentum", 0.9)?);
        call.attributes.expect_int("training_mode", 0, 0)?;
        call.attributes.expect_int("spatial", 1, 1)?;
        let mut inputs = vec![self.value(call, 0)?];
        for index in 1..5 {
            inputs.push(self.parameter(call, index)?.0);
        }
        self.emit(call, Op::BatchNorm2d { epsilon, momentum }, inputs)
    }

    fn read_max_pool(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        call.attributes.expect_int("storage_order", 0, 0)?;
        let window = read_window(call)?;
        self.read_unary(call, Op::MaxPool2d(window))
    }

    fn read_average_pool(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        let counts_padding = call.attributes.int("count_include_pad", 0)? != 0;
        let window = read_window(call)?;
        if !counts_padding && window.padding != [0, 0] {
            return Err(call.unsupported(
                "padding that does not count is not supported; use count_include_pad = 1 or no padding",
            ));
        }
        self.read_unary(call, Op::AvgPool2d(window))
    }

    /// The mean over height and width, which some models write instead of a pool.
    fn read_reduce_mean(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        call.attributes.expect_int("noop_with_empty_axes", 0, 0)?;
        let keeps_dimensions = call.attributes.int("keepdims", 1)? != 0;
        let axes = match call.attributes.ints("axes") {
            Some(axes) => Some(axes.to_vec()),
            None => self.extents(call, 1)?,
        };
        let is = |axis: &i64, place| *axis == place || *axis == place - 4;
        match axes.as_deref() {
            Some([a, b]) if (is(a, 2) && is(b, 3)) || (is(a, 3) && is(b, 2)) => {}
            _ => return Err(call.unsupported("only the mean over height and width is supported")),
        }
        let x = self.value(call, 0)?;
        if keeps_dimensions {
            return self.emit(call, Op::GlobalAvgPool, vec![x]);
        }
        let pooled = self.emit_before(call, "pooled", Op::GlobalAvgPool, x)?;
        self.emit(call, Op::Flatten, vec![pooled])
    }

    fn read_reshape(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        call.attributes.expect_int("allowzero", 0, 0)?;
        let x = self.value(call, 0)?;
        let target = self.extents(call, 1)?;
        let refuse = || {
            call.unsupported(
                "only a reshape to one vector per example is supported; use a Flatten layer (torch.flatten(x, 1))",
            )
        };
        let Some(&[batch, features]) = target.as_deref() else { return Err(refuse()) };
        let keeps_batch = batch == 0 || Some(batch) == self.batch;
        match usize::try_from(features) {
            Err(_) if features == -1 && keeps_batch => {}
            Ok(numbers) if numbers > 0 && (keeps_batch || batch == -1) => {
                self.promise_length(call, x.clone(), numbers);
            }
            _ => return Err(refuse()),
        }
        self.emit(call, Op::Flatten, vec![x])
    }

    fn read_dropout(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        let mut p = call.attributes.float("ratio", 0.5)?;
        call.attributes.int("seed", 0)?;
        if call.input(1).is_some() {
            let ratio = self.constant(call, 1).map(tensors::read).transpose()?;
            p = match ratio.as_ref().and_then(Tensor::as_f32) {
                Some(&[ratio]) => ratio,
                _ => return Err(call.unsupported("the ratio must be one constant number")),
            };
        }
        if !(0.0..1.0).contains(&p) {
            return Err(call.malformed(&format!("a ratio of {p} is not in [0, 1)")));
        }
        if call.input(2).is_some() {
            let off =
                |t: &TensorProto| t.raw_data.iter().all(|&b| b == 0) && t.int32_data.iter().all(|&b| b == 0);
            if !self.constant(call, 2).is_some_and(off) {
                return Err(call.unsupported("the model is in training mode; export it with model.eval()"));
            }
        }
        self.read_unary(call, Op::Dropout { p })
    }

    fn read_softmax(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        let default = if self.opset < 13 { 1 } else { -1 };
        match call.attributes.int("axis", default)? {
            // Shape inference admits a batch of vectors only, so both are the same.
            1 | -1 => self.read_unary(call, Op::Softmax),
            axis => Err(call.unsupported(&format!("`axis` = {axis} is not supported, only the last"))),
        }
    }

    fn read_quantize(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        call.attributes.int("axis", 1)?;
        call.attributes.int("saturate", 1)?;
        if !self.is_value(call, 0) && self.constant(call, 0).is_some() {
            return Err(
                call.unsupported("store quantised parameters as integers, with DequantizeLinear alone")
            );
        }
        let x = self.value(call, 0)?;
        let (scale, scale_shape) = self.scale(call)?;
        if scale_shape.iter().product::<usize>() != 1 {
            return Err(
                call.unsupported("values are quantised per tensor; per-channel scales are for weights")
            );
        }
        let byte = |values: &Values| matches!(values, Values::U8(_) | Values::I8(_));
        let zero_point = self.zero_point(call, &scale_shape, Values::U8(vec![0]), byte)?;
        self.emit(call, Op::QuantizeLinear, vec![x, scale, zero_point])
    }

    fn read_dequantize(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        let axis = if call.attributes.holds("axis") { Some(call.attributes.int("axis", 1)?) } else { None };
        let (scale, scale_shape) = self.scale(call)?;
        let scales: usize = scale_shape.iter().product();
        if self.is_value(call, 0) {
            if scales != 1 {
                return Err(
                    call.unsupported("values are dequantised per tensor; per-channel scales are for weights")
                );
            }
            let byte = |values: &Values| matches!(values, Values::U8(_) | Values::I8(_));
            let zero_point = self.zero_point(call, &scale_shape, Values::U8(vec![0]), byte)?;
            let axis = axis.map_or(0, |axis| axis.max(0) as usize);
            let x = self.value(call, 0)?;
            return self.emit(call, Op::DequantizeLinear { axis }, vec![x, scale, zero_point]);
        }
        let (x, tensor) = self.stored(call, 0)?;
        let rank = tensor.shape.len() as i64;
        let zeros = match tensor.values {
            Values::F32(_) => return Err(call.malformed("the parameter holds floats already")),
            Values::I8(_) => Values::I8(vec![0; scales]),
            Values::U8(_) => Values::U8(vec![0; scales]),
            Values::I32(_) => Values::I32(vec![0; scales]),
        };
        let axis = match axis {
            None if scales == 1 => 0,
            axis => axis.unwrap_or(1),
        };
        let axis = if axis < 0 { axis + rank } else { axis };
        if scales != 1 && !(0..rank).contains(&axis) {
            return Err(call.malformed("`axis` is not a dimension of the parameter"));
        }
        let kind = mem::discriminant(&zeros);
        let zero_point = self.zero_point(call, &scale_shape, zeros, |v| mem::discriminant(v) == kind)?;
        let axis = axis.max(0) as usize;
        self.emit_dequantized(call, Op::DequantizeLinear { axis }, vec![x, scale, zero_point])
    }

    /// Input 2, of a type that `fits`, or `zeros` where it is left out.
    fn zero_point(
        &mut self,
        call: &Call,
        shape: &[usize],
        zeros: Values,
        fits: impl Fn(&Values) -> bool,
    ) -> Result<String, OnnxError> {
        if call.input(2).is_none() {
            let name = format!("{}.zero_point", call.output()?);
            self.derive(call, &name, Tensor { shape: shape.to_vec(), values: zeros })?;
            return Ok(name);
        }
        let (name, tensor) = self.stored(call, 2)?;
        if fits(&tensor.values) {
            Ok(name)
        } else {
            Err(call.unsupported("the zero point has the wrong type"))
        }
    }

    /// Input 1 as positive scales.
    fn scale(&mut self, call: &Call) -> Result<(String, Vec<usize>), OnnxError> {
        let (name, tensor) = self.stored(call, 1)?;
        match tensor.as_f32() {
            Some(scales) if scales.iter().all(|s| *s > 0.0 && s.is_finite()) => {
                Ok((name, tensor.shape.clone()))
            }
            _ => Err(call.malformed("scales must be positive floats")),
        }
    }

    fn read_constant(&mut self, call: &mut Call<'a>) -> Result<(), OnnxError> {
        let tensor = if let Some(tensor) = call.attributes.tensor("value") {
            Cow::Borrowed(tensor)
        } else if let Some(floats) = call.attributes.floats("value_floats") {
            Cow::Owned(float_constant(vec![floats.len() as i64], floats.to_vec()))
        } else if let Some(ints) = call.attributes.ints("value_ints") {
            Cow::Owned(integer_constant(vec![ints.len() as i64], ints.to_vec()))
        } else if call.attributes.holds("value_float") {
            Cow::Owned(float_constant(vec![], vec![call.attributes.float("value_float", 0.0)?]))
        } else if call.attributes.holds("value_int") {
            Cow::Owned(integer_constant(vec![], vec![call.attributes.int("value_int", 0)?]))
        } else {
            return Err(call.unsupported("only constants that are tensors or numbers are supported"));
        };
        self.constant_output(call, tensor)
    }
}

fn float_constant(dims: Vec<i64>, float_data: Vec<f32>) -> TensorProto {
    TensorProto { dims, data_type: data_type::FLOAT, float_data, ..TensorProto::default() }
}

fn integer_constant(dims: Vec<i64>, int64_data: Vec<i64>) -> TensorProto {
    TensorProto { dims, data_type: data_type::INT64, int64_data, ..TensorProto::default() }
}

fn read_window(call: &mut Call) -> Result<Window, OnnxError> {
    call.attributes.expect_no_dilation()?;
    call.attributes.expect_int("ceil_mode", 0, 0)?;
    let Some(kernel) = call.attributes.kernel_shape()? else {
        return Err(call.malformed("`kernel_shape` is missing"));
    };
    Ok(Window { kernel, stride: call.attributes.strides()?, padding: call.attributes.padding()? })
}
