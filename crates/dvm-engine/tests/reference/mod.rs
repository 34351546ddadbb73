//! The references that `references/ops.py` computed with PyTorch.

mod loose;

use std::sync::Arc;

use dvm_engine::ops::add::Add;
use dvm_engine::ops::attention::Attention;
use dvm_engine::ops::batch_norm::BatchNorm;
use dvm_engine::ops::channel_affine::ChannelAffine;
use dvm_engine::ops::channel_shuffle::ChannelShuffle;
use dvm_engine::ops::concat::Concat;
use dvm_engine::ops::conv2d::{Border, Conv2d, Padding};
use dvm_engine::ops::dropout::Dropout;
use dvm_engine::ops::flatten::Flatten;
use dvm_engine::ops::layer_norm::LayerNorm;
use dvm_engine::ops::linear::Linear;
use dvm_engine::ops::local_response_norm::LocalResponseNorm;
use dvm_engine::ops::mul::Mul;
use dvm_engine::ops::pad::CropLike;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::ops::repeat::Repeat;
use dvm_engine::ops::scale::Scale;
use dvm_engine::ops::softmax::Softmax;
use dvm_engine::ops::stochastic_depth::StochasticDepth;
use dvm_engine::ops::tokens::Tokens;
use dvm_engine::ops::window_attention::WindowAttention;
use dvm_engine::ops::{Mode, Op};
use dvm_engine::{Tensor, seeded};
use dvm_testing::every_op::ACTIVATIONS;
use safetensors::SafeTensors;
use serde_json::Value;

static CASES: &str = include_str!("../references/ops.json");
static TENSORS: &[u8] = include_bytes!("../references/ops.safetensors");

/// One case: an op, its inputs, and (in the tensors file) its results.
pub struct Case(Value);

/// All cases of single ops.
pub fn cases() -> Vec<Case> {
    let (_, single) = all();
    single
}

/// Cases of window attention on maps that are padded before it and cropped after it.
pub fn padded_cases() -> Vec<Case> {
    let (padded, _) = all();
    padded
}

fn all() -> (Vec<Case>, Vec<Case>) {
    let all: Vec<Value> = serde_json::from_str(CASES).expect("ops.json is a list");
    let all = all.into_iter().map(Case);
    all.partition(|case| case.op_name() == "padded_window_attention")
}

/// The results of all cases.
pub fn tensors() -> SafeTensors<'static> {
    SafeTensors::deserialize(TENSORS).expect("ops.safetensors is whole")
}

impl Case {
    /// The name, which is also the prefix of the names of its tensors.
    pub fn name(&self) -> &str {
        self.0["name"].as_str().expect("a name")
    }

    /// PyTorch's name of the op.
    pub fn op_name(&self) -> &str {
        self.0["op"].as_str().expect("an op")
    }

    /// The mode of the forward pass.
    pub fn mode(&self) -> Mode {
        match self.0["mode"].as_str() {
            Some("inference") => Mode::Inference,
            Some("training") => Mode::Training { seed: 0 },
            other => panic!("{}: no mode {other:?}", self.name()),
        }
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> Vec<Tensor> {
        self.arrays("inputs").into_iter().map(|(_, t)| t).collect()
    }

    /// The parameters with their names, in order.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        self.arrays("parameters")
    }

    /// The gradient that reaches the output.
    pub fn grad_output(&self) -> Tensor {
        let shape = numbers(&self.0["output_shape"]);
        self.seeded("grad_output", &shape, -1.0, 1.0)
    }

    /// Whether the tensors file has a result for this case under `suffix`.
    pub fn has(&self, tensors: &SafeTensors, suffix: &str) -> bool {
        tensors.tensor(&format!("{}.{suffix}", self.name())).is_ok()
    }

    /// The result in the tensors file for this case under `suffix`, row-major, with its shape.
    pub fn expected(&self, tensors: &SafeTensors, suffix: &str) -> (Vec<usize>, Vec<f64>) {
        let view = tensors
            .tensor(&format!("{}.{suffix}", self.name()))
            .expect("every result is in the file");
        let values = view
            .data()
            .chunks_exact(4)
            .map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("four bytes"))))
            .collect();
        (view.shape().to_vec(), values)
    }

    /// The source file of the op in `src/ops`, and the op itself.
    pub fn op(&self) -> (&'static str, Arc<dyn Op>) {
        let has = |key: &str| self.attribute(key).as_bool().expect("true or false");
        let number = |key: &str| self.attribute(key).as_f64().expect("a number") as f32;
        let axis = || {
            self.attribute("axis")
                .as_u64()
                .map_or(1, |axis| axis as usize)
        };
        let name = self.op_name();
        match name {
            "conv2d" => ("conv2d", Arc::new(self.conv2d())),
            "linear" => ("linear", Arc::new(Linear)),
            "batch_norm" => (
                "batch_norm",
                Arc::new(BatchNorm::new(number("eps"), number("momentum"))),
            ),
            "max_pool" => ("pool", Arc::new(self.sliding(Reduction::Max))),
            "avg_pool" => {
                let count_padding = has("count_include_pad");
                (
                    "pool",
                    Arc::new(self.sliding(Reduction::Mean { count_padding })),
                )
            }
            "adaptive_max_pool" => ("pool", Arc::new(self.adaptive(Reduction::Max))),
            "adaptive_avg_pool" => (
                "pool",
                Arc::new(self.adaptive(Reduction::Mean {
                    count_padding: false,
                })),
            ),
            "global_avg_pool" => ("pool", Arc::new(Pool::global_mean())),
            "add" => ("add", Arc::new(Add)),
            "mul" => ("mul", Arc::new(Mul)),
            "concat" => ("concat", Arc::new(Concat { axis: axis() })),
            "flatten" => ("flatten", Arc::new(Flatten)),
            "softmax" => ("softmax", Arc::new(Softmax { axis: axis() })),
            "dropout" => ("dropout", Arc::new(Dropout { p: number("p") })),
            "layer_norm" => {
                let eps = number("eps");
                ("layer_norm", Arc::new(LayerNorm { eps }))
            }
            "attention" => {
                let heads = self.count("heads");
                ("attention", Arc::new(Attention { heads }))
            }
            "window_attention" => ("window_attention", Arc::new(self.window_attention())),
            "scale" => ("scale", Arc::new(Scale)),
            "prelu" => ("prelu", Arc::new(PRelu)),
            "local_response_norm" => {
                let size = self.count("size");
                // PyTorch's windows of even size include one more channel before than after.
                let norm = LocalResponseNorm {
                    before: size / 2,
                    after: (size - 1) / 2,
                    alpha: number("alpha"),
                    beta: number("beta"),
                    bias: number("k"),
                };
                ("local_response_norm", Arc::new(norm))
            }
            "channel_affine" => {
                let (factor, shift) = (self.list("factor"), self.list("shift"));
                ("channel_affine", Arc::new(ChannelAffine { factor, shift }))
            }
            "channel_shuffle" => {
                let groups = self.count("groups");
                ("channel_shuffle", Arc::new(ChannelShuffle { groups }))
            }
            "stochastic_depth" => {
                let p = number("p");
                ("stochastic_depth", Arc::new(StochasticDepth { p }))
            }
            "tokens" => ("tokens", Arc::new(Tokens)),
            "repeat" => ("repeat", Arc::new(Repeat)),
            "pad" => ("pad", Arc::new(self.pad())),
            "crop_like" => ("pad", Arc::new(CropLike)),
            "slice" => ("slice", Arc::new(self.slice())),
            "permute" => ("permute", Arc::new(self.permute())),
            "reshape" => ("reshape", Arc::new(self.reshape())),
            "reduce" => ("reduce", Arc::new(self.reduce())),
            "resample" => ("resample", Arc::new(self.resample())),
            "matmul" => ("batched_product", Arc::new(self.batched_product())),
            "binary" => ("binary", Arc::new(self.binary())),
            _ if self.unary().is_some() => ("unary", Arc::new(self.unary().expect("it is one"))),
            _ => match ACTIVATIONS.into_iter().find(|a| a.name() == name) {
                Some(activation) => ("activation", Arc::new(activation)),
                None => panic!("{}: no op {name}", self.name()),
            },
        }
    }

    /// The window attention of this case.
    pub fn window_attention(&self) -> WindowAttention {
        WindowAttention {
            heads: self.count("heads"),
            window: self.count("window"),
            shift: self.count("shift"),
        }
    }

    fn conv2d(&self) -> Conv2d {
        Conv2d {
            kernel: self.pair("kernel"),
            stride: self.pair("stride"),
            padding: Padding::Fixed(self.border()),
            dilation: self.pair("dilation"),
            groups: self.attribute("groups").as_u64().expect("a number") as usize,
            residual: false,
            activation: None,
        }
    }

    fn sliding(&self, reduction: Reduction) -> Pool {
        Pool {
            reduction,
            windows: Windows::Sliding {
                kernel: self.pair("kernel"),
                stride: self.pair("stride"),
                padding: self.border(),
                ceil: self.attribute("ceil_mode").as_bool().expect("a flag"),
            },
        }
    }

    fn adaptive(&self, reduction: Reduction) -> Pool {
        let output = self.pair("output_size");
        Pool {
            reduction,
            windows: Windows::Adaptive { output },
        }
    }

    fn attribute(&self, key: &str) -> &Value {
        &self.0["attributes"][key]
    }

    fn count(&self, key: &str) -> usize {
        self.attribute(key).as_u64().expect("a whole number") as usize
    }

    fn list(&self, key: &str) -> Vec<f32> {
        let all = self.attribute(key).as_array().expect("a list of numbers");
        let number = |n: &Value| n.as_f64().expect("a number") as f32;
        all.iter().map(number).collect()
    }

    fn pair(&self, key: &str) -> (usize, usize) {
        match numbers(self.attribute(key))[..] {
            [rows, columns] => (rows, columns),
            ref other => panic!("{}: {key} is {other:?}", self.name()),
        }
    }

    fn border(&self) -> Border {
        match numbers(self.attribute("padding"))[..] {
            [top, left, bottom, right] => Border {
                top,
                left,
                bottom,
                right,
            },
            ref other => panic!("{}: padding is {other:?}", self.name()),
        }
    }

    fn arrays(&self, key: &str) -> Vec<(String, Tensor)> {
        let all = self.0[key].as_array().expect("a list of arrays");
        all.iter().map(|array| self.array(array)).collect()
    }

    fn array(&self, array: &Value) -> (String, Tensor) {
        let name = array["name"].as_str().expect("a name");
        let bound = |key: &str| array[key].as_f64().expect("a bound");
        let shape = numbers(&array["shape"]);
        let tensor = self.seeded(name, &shape, bound("low"), bound("high"));
        (name.to_owned(), tensor)
    }

    fn seeded(&self, array: &str, shape: &[usize], low: f64, high: f64) -> Tensor {
        let name = format!("{}.{array}", self.name());
        let len = shape.iter().product();
        Tensor::from_nchw(shape, &seeded::uniform(&name, len, low, high))
    }
}

fn numbers(value: &Value) -> Vec<usize> {
    let all = value.as_array().expect("a list of numbers");
    all.iter()
        .map(|n| n.as_u64().expect("a whole number") as usize)
        .collect()
}
