//! The attributes of one node: each is taken once, and what is left over is an error.

use std::collections::BTreeMap;

use super::error::OnnxError;
use super::proto::{AttributeProto, NodeProto, TensorProto};

/// No layer steps or pads further; larger numbers would only make shapes overflow.
const LARGEST_EXTENT: i64 = 1 << 16;

/// The attributes of a node that have not been taken yet.
pub(super) struct Attributes<'a> {
    node: String,
    left: BTreeMap<&'a str, &'a AttributeProto>,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(node: &'a NodeProto, title: &str) -> Self {
        let left = node.attribute.iter().map(|a| (a.name.as_str(), a)).collect();
        Self { node: title.to_owned(), left }
    }

    pub(super) fn int(&mut self, name: &str, default: i64) -> Result<i64, OnnxError> {
        self.left.remove(name).map_or(Ok(default), |a| a.i.ok_or_else(|| self.wrong(name, "an integer")))
    }

    pub(super) fn float(&mut self, name: &str, default: f32) -> Result<f32, OnnxError> {
        self.left.remove(name).map_or(Ok(default), |a| a.f.ok_or_else(|| self.wrong(name, "a number")))
    }

    pub(super) fn ints(&mut self, name: &str) -> Option<&'a [i64]> {
        self.left.remove(name).map(|a| a.ints.as_slice())
    }

    pub(super) fn floats(&mut self, name: &str) -> Option<&'a [f32]> {
        self.left.remove(name).map(|a| a.floats.as_slice())
    }

    pub(super) fn tensor(&mut self, name: &str) -> Option<&'a TensorProto> {
        self.left.remove(name).and_then(|a| a.t.as_deref())
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// An attribute that says what we do anyway when it is `expected`, and cannot be honoured otherwise.
    pub(super) fn expect_int(&mut self, name: &str, default: i64, expected: i64) -> Result<(), OnnxError> {
        match self.int(name, default)? {
            found if found == expected => Ok(()),
            found => Err(self.refuse(&format!("`{name}` = {found} is not supported, only {expected}"))),
        }
    }

    /// As [`Self::expect_int`].
    pub(super) fn expect_float(&mut self, name: &str, expected: f32) -> Result<(), OnnxError> {
        match self.float(name, expected)? {
            found if found == expected => Ok(()),
            found => Err(self.refuse(&format!("`{name}` = {found} is not supported, only {expected}"))),
        }
    }

    /// The stride of a window, `[1, 1]` by default.
    pub(super) fn strides(&mut self) -> Result<[usize; 2], OnnxError> {
        Ok(self.extents("strides", 1)?.unwrap_or([1, 1]))
    }

    /// The extent of a window, when it is given.
    pub(super) fn kernel_shape(&mut self) -> Result<Option<[usize; 2]>, OnnxError> {
        self.extents("kernel_shape", 1)
    }

    /// The padding of a window, equal on opposite sides.
    pub(super) fn padding(&mut self) -> Result<[usize; 2], OnnxError> {
        if let Some(auto) = self.left.remove("auto_pad") {
            let mode = String::from_utf8_lossy(auto.s.as_deref().unwrap_or_default());
            match mode.as_ref() {
                "NOTSET" | "" => {}
                "VALID" => {
                    self.left.remove("pads");
                    return Ok([0, 0]);
                }
                _ => {
                    return Err(self.refuse(&format!(
                        "`auto_pad` = {mode} is not supported; export the model with explicit pads"
                    )));
                }
            }
        }
        match self.ints("pads") {
            None => Ok([0, 0]),
            Some(&[top, left, bottom, right]) if top == bottom && left == right => {
                self.bounded("pads", [top, left], 0)
            }
            Some(pads) => Err(self.refuse(&format!(
                "`pads` = {pads:?} is not supported; two dimensions with equal padding on opposite sides are"
            ))),
        }
    }

    /// Windows with holes are not supported.
    pub(super) fn expect_no_dilation(&mut self) -> Result<(), OnnxError> {
        match self.ints("dilations") {
            Some(dilations) if dilations.iter().any(|&d| d != 1) => {
                Err(self.refuse(&format!("`dilations` = {dilations:?} is not supported, only 1")))
            }
            _ => Ok(()),
        }
    }

    /// Every attribute must have been understood, or the node would compute something else.
    pub(super) fn finish(self) -> Result<(), OnnxError> {
        match self.left.keys().next() {
            Some(name) => Err(self.refuse(&format!("the attribute `{name}` is not supported"))),
            None => Ok(()),
        }
    }

    fn extents(&mut self, name: &str, least: i64) -> Result<Option<[usize; 2]>, OnnxError> {
        match self.ints(name) {
            None => Ok(None),
            Some(&[vertical, horizontal]) => self.bounded(name, [vertical, horizontal], least).map(Some),
            Some(extents) => Err(self
                .refuse(&format!("`{name}` = {extents:?} is not supported; layers over two dimensions are"))),
        }
    }

    fn bounded(&self, name: &str, extents: [i64; 2], least: i64) -> Result<[usize; 2], OnnxError> {
        if extents.iter().any(|e| !(least..=LARGEST_EXTENT).contains(e)) {
            return Err(self.refuse(&format!("`{name}` = {extents:?} is out of range")));
        }
        Ok(extents.map(|e| e as usize))
    }

    fn refuse(&self, message: &str) -> OnnxError {
        OnnxError::unsupported(format!("{}: {message}", self.node))
    }

    fn wrong(&self, name: &str, expected: &str) -> OnnxError {
        OnnxError::malformed(format!("{}: `{name}` must be {expected}", self.node))
    }
}
