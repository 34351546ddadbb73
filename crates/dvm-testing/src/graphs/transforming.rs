//! A small transformer.

use dvm_engine::ops::activation::Activation;
use dvm_engine::ops::pool::{Pool, Reduction, Windows};
use dvm_engine::ops::slice::Slice;
use dvm_engine::ops::window_attention::WindowAttention;
use dvm_engine::{Blueprint, NodeId};

/// A fully connected layer of twice the width, GELU, and back.
fn mlp(net: &mut Blueprint, name: &str, x: NodeId, width: usize) -> NodeId {
    let y = net.linear(&format!("{name}.fc1"), x, width, 2 * width, true);
    let y = net.activation(&format!("{name}.gelu"), y, Activation::Gelu);
    net.linear(&format!("{name}.fc2"), y, 2 * width, width, true)
}

/// A transformer with ten logits: patches, attention in shifted windows of a padded map, a block of ConvNeXt
/// and one of ShuffleNet, and attention among tokens with a class token. All functions are smooth.
pub fn transforming() -> Blueprint {
    const WIDTH: usize = 8;
    let mut net = Blueprint::new(3);
    let x = net.input();
    let mut x = net.conv2d("patches", x, super::padded(5).stride(4), 3, WIDTH, true);

    let y = net.layer_norm("swin.norm", x, WIDTH, 1e-5);
    let y = net.pad_to_multiple("swin.pad", y, 4);
    let y = net.linear("swin.qkv", y, WIDTH, 3 * WIDTH, true);
    let windows = WindowAttention {
        heads: 2,
        window: 4,
        shift: 2,
    };
    let y = net.window_attention("swin.attention", y, windows);
    let y = net.crop_like("swin.crop", y, x);
    let y = net.stochastic_depth("swin.depth", y, 0.3);
    x = net.add("swin.add", x, y);

    let depthwise = super::padded(7).groups(WIDTH);
    let y = net.conv2d("convnext.depthwise", x, depthwise, WIDTH, WIDTH, true);
    let y = net.layer_norm("convnext.norm", y, WIDTH, 1e-6);
    let y = mlp(&mut net, "convnext", y, WIDTH);
    let y = net.scale("convnext.layer_scale", y, WIDTH);
    let y = net.stochastic_depth("convnext.depth", y, 0.3);
    x = net.add("convnext.add", x, y);

    let half = WIDTH / 2;
    let stays = net.slice("shuffle.stays", x, Slice::channels(0, half));
    let goes = net.slice("shuffle.goes", x, Slice::channels(half, half));
    let goes = net.conv2d("shuffle.conv", goes, super::padded(3), half, half, false);
    let goes = net.batch_norm("shuffle.bn", goes, half, 1e-5);
    x = net.concat("shuffle.concat", &[stays, goes]);
    x = net.channel_shuffle("shuffle", x, 2);
    let few = Pool {
        reduction: Reduction::Mean {
            count_padding: false,
        },
        windows: Windows::Adaptive { output: (4, 3) },
    };
    x = net.pool("pool", x, few);

    x = net.tokens("tokens", x);
    let class = net.repeat("class_token", x, &[1, 1, WIDTH]);
    x = net.concat_along("with_class", 1, &[class, x]);
    x = net.add_parameter("pos_embedding", x, &[1, 13, WIDTH]);
    let y = net.layer_norm("vit.norm", x, WIDTH, 1e-6);
    let y = net.linear("vit.qkv", y, WIDTH, 3 * WIDTH, true);
    let y = net.attention("vit.attention", y, 2);
    let y = net.dropout("vit.dropout", y, 0.1);
    x = net.add("vit.add", x, y);
    let y = mlp(&mut net, "vit.mlp", x, WIDTH);
    x = net.add("vit.mlp.add", x, y);
    let token = Slice {
        axis: 1,
        start: 0,
        step: 1,
        count: Some(1),
    };
    x = net.slice("class", x, token);
    x = net.flatten("flatten", x);
    x = net.linear("head", x, WIDTH, 10, true);
    net.ending_at(x)
}
