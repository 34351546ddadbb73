//! MobileNetV2.

use crate::inference::check;

#[test]
fn mobilenet_v2_gives_what_pytorch_gives() {
    check("mobilenet_v2");
}
