//! The EfficientNet-Lites.

use crate::inference::check;

#[test]
fn efficientnet_lite0_gives_what_pytorch_gives() {
    check("efficientnet_lite0");
}
