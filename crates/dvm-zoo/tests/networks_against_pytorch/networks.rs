//! A test of every network, by family, and of a training step of some. A test has the name of its network.

mod computes_the_same_as_pytorch {
    for_each!(crate::inference::check:
        alexnet,
        convnext_tiny,
        convnext_small,
        convnext_base,
        convnext_large,
        densenet121,
        densenet161,
        densenet169,
        densenet201,
        efficientnet_b0,
        efficientnet_b1,
        efficientnet_b2,
        efficientnet_b3,
        efficientnet_b4,
        efficientnet_b5,
        efficientnet_b6,
        efficientnet_b7,
        efficientnet_lite0,
        efficientnet_lite1,
        efficientnet_lite2,
        efficientnet_lite3,
        efficientnet_lite4,
        tf_efficientnet_b0,
        #[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
        tf_efficientnet_b1,
        #[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
        tf_efficientnet_b2,
        #[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
        tf_efficientnet_b3,
        tf_efficientnet_b4,
        #[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
        tf_efficientnet_b5,
        #[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
        tf_efficientnet_b6,
        #[ignore = "as slow as tf_efficientnet_b0 and tf_efficientnet_b4, which have the same layers"]
        tf_efficientnet_b7,
        googlenet,
        inception_v3,
        mobilenet_v2,
        mobilenet_v3_large,
        mobilenet_v3_small,
        mobilenetv3_large_100,
        mobilenetv3_small_100,
        resnet18,
        resnet34,
        resnet50,
        resnet101,
        resnet152,
        resnext50_32x4d,
        resnext101_32x8d,
        resnext101_64x4d,
        wide_resnet50_2,
        wide_resnet101_2,
        shufflenet_v2_x0_5,
        shufflenet_v2_x1_0,
        shufflenet_v2_x1_5,
        shufflenet_v2_x2_0,
        squeezenet1_0,
        squeezenet1_1,
        swin_t,
        swin_s,
        swin_b,
        #[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
        vgg11,
        vgg11_bn,
        #[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
        vgg13,
        #[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
        vgg13_bn,
        vgg16,
        #[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
        vgg16_bn,
        #[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
        vgg19,
        #[ignore = "as slow as vgg16 and vgg11_bn, which have the same layers"]
        vgg19_bn,
        vit_b_16,
        vit_b_32,
        vit_l_16,
        vit_tiny_patch16_224,
        vit_small_patch16_224,
        vit_small_patch32_224,
        vit_base_patch16_224,
        #[ignore = "the same layers as the vit of this size"]
        deit_tiny_patch16_224,
        #[ignore = "the same layers as the vit of this size"]
        deit_small_patch16_224,
        #[ignore = "the same layers as the vit of this size"]
        deit_base_patch16_224,
    );
}

mod has_the_training_step_of_pytorch {
    for_each!(crate::training::check:
        alexnet,
        densenet121,
        googlenet,
        inception_v3,
        mobilenet_v3_small,
        resnet18,
        vit_tiny_patch16_224,
    );
}
