//! Activations and other functions of one number.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::prelu::PRelu;
use dvm_engine::ops::unary::Unary;

use super::attribute::float;
use super::writer::{ExportContext, Writer, Written};

pub(super) fn write(writer: &mut Writer, ctx: &ExportContext) -> Written {
    if ctx.node.op_as::<PRelu>().is_some() {
        let inputs = [ctx.inputs[0], ctx.parameters[0]];
        return writer.last(ctx, "PRelu", &inputs, vec![]);
    }
    if let Some(&activation) = ctx.node.op_as::<Activation>() {
        return function(writer, ctx, activation);
    }
    let Some(&function) = ctx.node.op_as::<Unary>() else {
        return Ok(None);
    };
    let op = match function {
        Unary::Neg => "Neg",
        Unary::Abs => "Abs",
        Unary::Exp => "Exp",
        Unary::Log => "Log",
        Unary::Sqrt => "Sqrt",
        Unary::Reciprocal => "Reciprocal",
        Unary::Erf => "Erf",
        Unary::Clip { low, high } => return clip(writer, ctx, low, high),
    };
    writer.last(ctx, op, &ctx.inputs, vec![])
}

fn clip(writer: &mut Writer, ctx: &ExportContext, low: f32, high: f32) -> Written {
    let (low, high) = (writer.scalar(low), writer.scalar(high));
    writer.last(ctx, "Clip", &[ctx.inputs[0], &low, &high], vec![])
}

fn function(writer: &mut Writer, ctx: &ExportContext, activation: Activation) -> Written {
    let x = ctx.inputs[0];
    let (op, attributes) = match activation {
        Activation::Relu => ("Relu", vec![]),
        Activation::Relu6 => return clip(writer, ctx, 0.0, 6.0),
        Activation::Sigmoid => ("Sigmoid", vec![]),
        Activation::Hardswish => ("HardSwish", vec![]),
        Activation::Hardsigmoid => {
            let attributes = vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)];
            ("HardSigmoid", attributes)
        }
        Activation::Tanh => ("Tanh", vec![]),
        Activation::LeakyRelu(slope) => ("LeakyRelu", vec![float("alpha", slope)]),
        Activation::Elu(factor) => ("Elu", vec![float("alpha", factor)]),
        Activation::Softplus => ("Softplus", vec![]),
        Activation::ClippedRelu(high) => return clip(writer, ctx, 0.0, high),
        Activation::ThresholdedRelu(threshold) => {
            ("ThresholdedRelu", vec![float("alpha", threshold)])
        }
        Activation::Selu { alpha, gamma } => {
            let attributes = vec![float("alpha", alpha), float("gamma", gamma)];
            ("Selu", attributes)
        }
        Activation::Celu(alpha) => ("Celu", vec![float("alpha", alpha)]),
        Activation::Softsign => ("Softsign", vec![]),
        Activation::Shrink { lambda, bias } => {
            let attributes = vec![float("lambd", lambda), float("bias", bias)];
            ("Shrink", attributes)
        }
        Activation::HardsigmoidOf { slope, offset } => {
            let attributes = vec![float("alpha", slope), float("beta", offset)];
            ("HardSigmoid", attributes)
        }
        Activation::SquaredRelu => {
            let positive = writer.step(ctx, "relu", "Relu", &[x], vec![]);
            return writer.last(ctx, "Mul", &[&positive, &positive], vec![]);
        }
        Activation::Swish(factor) => {
            let factor = writer.scalar(factor);
            let scaled = writer.step(ctx, "scaled", "Mul", &[x, &factor], vec![]);
            let gate = writer.step(ctx, "sigmoid", "Sigmoid", &[&scaled], vec![]);
            return writer.last(ctx, "Mul", &[x, &gate], vec![]);
        }
        Activation::Silu => {
            let gate = writer.step(ctx, "sigmoid", "Sigmoid", &[x], vec![]);
            return writer.last(ctx, "Mul", &[x, &gate], vec![]);
        }
        Activation::Mish => {
            let soft = writer.step(ctx, "softplus", "Softplus", &[x], vec![]);
            let gate = writer.step(ctx, "tanh", "Tanh", &[&soft], vec![]);
            return writer.last(ctx, "Mul", &[x, &gate], vec![]);
        }
        Activation::Gelu => return gelu(writer, ctx, x),
        Activation::GeluTanh => return gelu_tanh(writer, ctx, x),
    };
    writer.last(ctx, op, &[x], attributes)
}

/// `0.5 · x · (1 + erf(x / √2))`, as PyTorch writes it.
fn gelu(writer: &mut Writer, ctx: &ExportContext, x: &str) -> Written {
    let root = writer.scalar(std::f32::consts::SQRT_2);
    let scaled = writer.step(ctx, "scaled", "Div", &[x, &root], vec![]);
    let erf = writer.step(ctx, "erf", "Erf", &[&scaled], vec![]);
    let one = writer.scalar(1.0);
    let gate = writer.step(ctx, "gate", "Add", &[&erf, &one], vec![]);
    let product = writer.step(ctx, "product", "Mul", &[x, &gate], vec![]);
    let half = writer.scalar(0.5);
    writer.last(ctx, "Mul", &[&product, &half], vec![])
}

/// `0.5 · x · (1 + tanh(√(2/π) · (x + 0.044715 · x³)))`, as PyTorch writes it.
fn gelu_tanh(writer: &mut Writer, ctx: &ExportContext, x: &str) -> Written {
    let square = writer.step(ctx, "square", "Mul", &[x, x], vec![]);
    let cube = writer.step(ctx, "cube", "Mul", &[&square, x], vec![]);
    let factor = writer.scalar(0.044_715);
    let cubic = writer.step(ctx, "cubic", "Mul", &[&factor, &cube], vec![]);
    let sum = writer.step(ctx, "sum", "Add", &[x, &cubic], vec![]);
    let root = writer.scalar((2.0 / std::f64::consts::PI).sqrt() as f32);
    let argument = writer.step(ctx, "argument", "Mul", &[&root, &sum], vec![]);
    let tanh = writer.step(ctx, "tanh", "Tanh", &[&argument], vec![]);
    let one = writer.scalar(1.0);
    let gate = writer.step(ctx, "gate", "Add", &[&one, &tanh], vec![]);
    let half = writer.scalar(0.5);
    let halved = writer.step(ctx, "halved", "Mul", &[&half, x], vec![]);
    writer.last(ctx, "Mul", &[&halved, &gate], vec![])
}
