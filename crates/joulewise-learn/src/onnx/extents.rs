//! Shapes that a model computes from its own input, as in `x.view(x.size(0), -1)`.
//!
//! Exporters turn that into Shape, Gather, Unsqueeze and Concat before a Reshape. Only the size of
//! the batch can be taken from a shape here; it is written 0, which is how Reshape itself says
//! "the batch as it is".

use super::decode::{Call, Reader};
use super::error::OnnxError;
use super::tensors;

/// The size of the batch, as Reshape writes it.
const BATCH: i64 = 0;

impl Reader<'_> {
    /// Input `index` as integers that are known before the model runs.
    pub(super) fn extents(&self, call: &Call, index: usize) -> Result<Option<Vec<i64>>, OnnxError> {
        if let Some(extents) = call.input(index).and_then(|name| self.computed_extents(name)) {
            return Ok(Some(extents.to_vec()));
        }
        self.constant(call, index).map(tensors::read_integers).transpose()
    }

    /// A shape; of its numbers only the first may be used.
    pub(super) fn read_shape(&mut self, call: &Call) -> Result<(), OnnxError> {
        self.value(call, 0)?;
        self.define_extents(call, vec![BATCH])
    }

    pub(super) fn read_gather(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        call.attributes.expect_int("axis", 0, 0)?;
        let from_shape = call.input(0).and_then(|name| self.computed_extents(name)) == Some(&[BATCH]);
        let first = self.extents(call, 1)?.as_deref() == Some(&[0]);
        if !(from_shape && first) {
            return Err(call.unsupported("only the size of the batch can be taken from a shape"));
        }
        self.define_extents(call, vec![BATCH])
    }

    pub(super) fn read_unsqueeze(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        // On a single number every axis gives a list of one.
        call.attributes.ints("axes");
        match self.extents(call, 0)? {
            Some(extents) if extents.len() == 1 => self.define_extents(call, extents),
            _ => Err(call.unsupported("only the size of the batch can be unsqueezed")),
        }
    }

    pub(super) fn read_concat(&mut self, call: &mut Call) -> Result<(), OnnxError> {
        call.attributes.expect_int("axis", 0, 0)?;
        let mut joined = Vec::new();
        for index in 0..call.proto.input.len() {
            match self.extents(call, index)? {
                Some(extents) => joined.extend(extents),
                None => {
                    return Err(
                        call.unsupported("values cannot be concatenated, only the numbers of a shape")
                    );
                }
            }
        }
        self.define_extents(call, joined)
    }
}
