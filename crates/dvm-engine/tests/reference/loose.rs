//! The element-wise and shape operations of exported graphs.

use dvm_engine::ops::batched_product::BatchedProduct;
use dvm_engine::ops::binary::{Binary, Function, Other};
use dvm_engine::ops::pad::{Amount, Pad};
use dvm_engine::ops::permute::Permute;
use dvm_engine::ops::reduce::{How, Reduce};
use dvm_engine::ops::resample::{
    Beyond, Continuation, Coordinates, Interpolation, Kernel, Resample, Rounding, Sampling,
};
use dvm_engine::ops::reshape::Reshape;
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::unary::Unary;
use serde_json::Value;

use super::{Case, numbers};
use dvm_engine::ops::conv2d::Border;

impl Case {
    pub(super) fn pad(&self) -> Pad {
        let value = self.attribute("value").as_f64().expect("a number") as f32;
        let amount = match self.attribute("multiple").as_u64() {
            Some(multiple) => Amount::ToMultiple(multiple as usize),
            None => match numbers(self.attribute("border"))[..] {
                [top, left, bottom, right] => Amount::Fixed(Border {
                    top,
                    left,
                    bottom,
                    right,
                }),
                ref other => panic!("{}: the border is {other:?}", self.name()),
            },
        };
        Pad { amount, value }
    }

    pub(super) fn resample(&self) -> Resample {
        let by = match self.word("how") {
            "reflect" => Some(Continuation::Mirrored),
            "replicate" => Some(Continuation::Repeated),
            _ => None,
        };
        if let (Some(by), &[top, left, bottom, right]) = (by, &self.border_of("border")[..]) {
            let border = Border {
                top,
                left,
                bottom,
                right,
            };
            return Resample::Continued { border, by };
        }
        if self.word("how") == "flip" {
            let flag = |key: &str| self.attribute(key).as_bool().expect("true or false");
            let (rows, columns) = (flag("rows"), flag("columns"));
            return Resample::Flipped { rows, columns };
        }
        let shape = self.inputs()[0].shape().to_vec();
        let (rows, columns) = self.pair("size");
        let scale = |output: usize, side: usize| Sampling {
            output,
            factor: output as f32 / side as f32,
        };
        let widened = |kernel| Interpolation::Antialiased {
            kernel,
            beyond: Beyond::Nothing,
        };
        let is_antialiased = self.attribute("antialias").as_bool() == Some(true);
        let interpolation = match self.word("how") {
            "bilinear" if is_antialiased => widened(Kernel::Triangle),
            // Pillow's parameter.
            "bicubic" if is_antialiased => widened(Kernel::Cubic(-0.5)),
            "nearest" => Interpolation::Nearest(Rounding::Floor),
            "bilinear" => Interpolation::Linear,
            "bicubic" => Interpolation::Cubic(-0.75),
            other => panic!("{}: nothing is resampled by {other}", self.name()),
        };
        Resample::Scaled {
            rows: scale(rows, shape[2]),
            columns: scale(columns, shape[3]),
            interpolation,
            coordinates: match self.attribute("align_corners").as_bool() {
                None => Coordinates::Asymmetric,
                Some(false) => Coordinates::HalfPixel,
                Some(true) => Coordinates::AlignCorners,
            },
        }
    }

    fn border_of(&self, key: &str) -> Vec<usize> {
        match self.attribute(key) {
            Value::Null => Vec::new(),
            border => numbers(border),
        }
    }

    pub(super) fn slice(&self) -> Slice {
        let count = self.attribute("count").as_u64();
        Slice {
            axis: self.count("axis"),
            start: self.count("start"),
            step: self.count("step"),
            count: count.map(|count| count as usize),
        }
    }

    pub(super) fn permute(&self) -> Permute {
        Permute {
            axes: numbers(self.attribute("axes")),
        }
    }

    pub(super) fn reshape(&self) -> Reshape {
        let sides = self.attribute("sides").as_array().expect("a list of sides");
        let side = |side: &Value| side.as_u64().map(|side| side as usize);
        Reshape {
            sides: sides.iter().map(side).collect(),
        }
    }

    pub(super) fn reduce(&self) -> Reduce {
        Reduce {
            how: match self.word("how") {
                "sum" => How::Sum,
                "mean" => How::Mean,
                "max" => How::Max,
                other => panic!("{}: nothing is reduced by {other}", self.name()),
            },
            axes: numbers(self.attribute("axes")),
            keeps: self.attribute("keeps").as_bool().expect("true or false"),
        }
    }

    pub(super) fn batched_product(&self) -> BatchedProduct {
        BatchedProduct
    }

    pub(super) fn binary(&self) -> Binary {
        let function = match self.word("function") {
            "add" => Function::Add,
            "sub" => Function::Sub,
            "mul" => Function::Mul,
            "div" => Function::Div,
            "pow" => Function::Pow,
            "min" => Function::Min,
            "max" => Function::Max,
            other => panic!("{}: no function {other}", self.name()),
        };
        Binary {
            function,
            other: match self.word("other") {
                "input" => Other::Input,
                "parameter" => Other::Parameter,
                _ => Other::Constant(self.array(self.attribute("constant")).1),
            },
            swapped: self.attribute("swapped").as_bool().expect("true or false"),
        }
    }

    pub(super) fn unary(&self) -> Option<Unary> {
        let number = |key: &str| self.attribute(key).as_f64().expect("a number") as f32;
        Some(match self.op_name() {
            "neg" => Unary::Neg,
            "abs" => Unary::Abs,
            "exp" => Unary::Exp,
            "log" => Unary::Log,
            "sqrt" => Unary::Sqrt,
            "reciprocal" => Unary::Reciprocal,
            "erf" => Unary::Erf,
            "clip" => Unary::Clip {
                low: number("low"),
                high: number("high"),
            },
            _ => return None,
        })
    }

    fn word(&self, key: &str) -> &str {
        self.attribute(key).as_str().expect("a word")
    }
}
