//! MobileNetV2.

use crate::inference::check;

#[test]
fn mobilenet_v2_computes_the_same_as_pytorch() {
    check("mobilenet_v2");
}
