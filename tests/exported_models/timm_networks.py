"""Small networks of timm: popular ones, and a wide sweep to find what is not supported."""

from checks import check
from comparison import WITHIN, Exported, by_torch, compare, difference
from exporters import export
from seeded_models import timm_model

USUAL = [
    "resnet18",
    "mobilenetv3_small_100",
    "tf_efficientnet_lite0",
    "vit_tiny_patch16_224",
    "deit_tiny_patch16_224",
    "convnext_atto",
    "regnetx_002",
    "ghostnet_100",
    "repvgg_a0",
    "mixer_s32_224",
    "resmlp_12_224",
    "swin_tiny_patch4_window7_224",
    "hgnet_tiny",
    "mobilevit_xxs",
    "pvt_v2_b0",
    "ghostnetv2_100",
    "nf_resnet26",
    "hrnet_w18_small",
]

SWEEP = [
    "bat_resnext26ts", "botnet26t_256", "caformer_s18", "cait_xxs24_224", "coat_tiny", "coat_lite_tiny",
    "coatnet_nano_rw_224", "convformer_s18", "convit_tiny", "convmixer_768_32", "convnextv2_atto",
    "crossvit_tiny_240", "cs3darknet_s", "cspresnet50", "darknet53", "davit_tiny", "deit_tiny_distilled_patch16_224",
    "deit3_small_patch16_224", "densenet121", "densenetblur121d", "dla34", "dla60_res2net", "dm_nfnet_f0", "dpn68",
    "eca_nfnet_l0", "ecaresnet26t", "edgenext_xx_small", "edgenext_small_rw", "efficientformer_l1",
    "efficientformerv2_s0", "efficientnet_es", "efficientnet_lite0", "efficientvit_b0", "efficientvit_m0", "ese_vovnet19b_dw",
    "eva02_tiny_patch14_224", "fasternet_t0", "fastvit_t8", "fbnetc_100", "fbnetv3_b", "focalnet_tiny_srf", "gcresnet33ts",
    "gcvit_xxtiny", "gernet_s", "ghostnetv2_100", "gmixer_12_224", "gmlp_ti16_224", "halonet26t", "hardcorenas_a",
    "haloregnetz_b", "hgnetv2_b0", "hieradet_small", "hiera_tiny_224", "hrnet_w18_small", "inception_next_atto", "inception_resnet_v2",
    "inception_v3", "inception_v4", "lambda_resnet26t", "lamhalobotnet50ts_256", "lcnet_035", "legacy_seresnet18", "levit_128s",
    "levit_conv_128s", "mambaout_femto", "maxvit_rmlp_pico_rw_256", "maxxvit_rmlp_nano_rw_256", 
    "mnasnet_small", "mobilenetv1_100", "mobilenetv2_035", "mobilenetv4_conv_small_035", "mobilenetv4_hybrid_medium",
    "mobileone_s0", "mobilevit_xxs", "mobilevitv2_050", "mvitv2_tiny", "nasnetalarge", "nest_tiny", "nextvit_small", "nf_regnet_b0", "nf_resnet26",
    "pit_ti_224", "pit_ti_distilled_224", "pnasnet5large", "poolformer_s12", "poolformerv2_s12", "pvt_v2_b0", "regnety_002", "regnetz_005",
    "regnetv_040", "repghostnet_050", "repvit_m0_9", "res2net50_14w_8s", "resnest14d", "resnet10t", "resnet18d", "resnet26t",
    "resnetblur50", "resnetaa50", "resnetv2_50", "resnetv2_50x1_bit", "resnext26ts", "rexnet_100", "sebotnet33ts_256", "selecsls42",
    "semnasnet_050", "sehalonet33ts", "seresnet18", "seresnext26t_32x4d", "skresnet18", "spnasnet_100", "starnet_s1", "swiftformer_xs",
    "swinv2_tiny_window8_256", "swinv2_cr_tiny_224", "tf_efficientnet_b0", "tf_efficientnet_es", "tf_efficientnetv2_b0", "tf_mixnet_s", "tf_mobilenetv3_small_minimal_100",
    "tinynet_e", "tiny_vit_5m_224", "tnt_s_legacy_patch16_224", "tresnet_m", "twins_pcpvt_small", "twins_svt_small", "vgg11",
    "visformer_tiny", "vit_relpos_small_patch16_224", "vit_small_patch32_224", "vit_srelpos_small_patch16_224", "vit_tiny_r_s16_p8_224",
    "vitamin_small_224", "volo_d1_224", "vovnet39a", "wide_resnet50_2", "xception41", "xcit_nano_12_p16_224",
    "naflexvit_base_patch16_gap", "rdnet_tiny", "shvit_s1", "csatv2", "mobilenetv5_base", "beit_base_patch16_224", "samvit_base_patch16_224",
]

# With random weights these make much of every rounding. From PyTorch's f64, convmixer is 2.9e-4 off here, 2.6e-4 with
# ONNX Runtime, 1.4e-4 with PyTorch's f32; levit_128s 4.3e-3, 2.5e-4, 1.1e-3; levit_conv_128s 6e-5, 3.1e-4, 9.8e-5;
# sebotnet33ts_256 1.6e-4, 8.8e-5, 2.2e-4.
ILL_CONDITIONED = ("convmixer_768_32", "levit_128s", "levit_conv_128s", "sebotnet33ts_256")


def side_of(name):
    """The side of the pictures that a network of timm takes."""
    import timm

    return timm.get_pretrained_cfg(name, allow_unregistered=True).input_size[-1]


def moved_by_noise(model, values):
    """How far noise of a rounding's size on the picture moves the answer in f64: the most of three draws. What it
    allows takes ten times that, because every layer rounds."""
    import torch

    model = model.double()
    values = torch.from_numpy(values).double()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        still = model(values).numpy()
        moved = []
        for _ in range(3):
            noise = torch.randn(values.shape, generator=generator).double()
            moved.append(difference(model(values + 1e-7 * values.abs().max() * noise).numpy(), still))
    model.float()
    return max(moved)


def add(title, by_default, name, **how):
    @check(title, by_default=by_default)
    def run(around):
        side = side_of(name)
        model = timm_model(name, side)
        path = around.folder / f"{name}.onnx"
        export(model, path, (side, side), **how)
        exported = Exported(path, (side, side), original=by_torch(model))
        if name in ILL_CONDITIONED:
            exported.within = max(WITHIN, 10 * moved_by_noise(model, exported.values))
        return compare(exported, around.program)


for name in USUAL:
    add(f"timm/{name}/script-17", True, name, dynamo=False, opset=17)
    add(f"timm/{name}/dynamo-18", name in ("vit_tiny_patch16_224", "convnext_atto"), name, dynamo=True, opset=18)
    add(f"timm/{name}/dynamo-20-dynamic-batch", False, name, dynamo=True, opset=20, dynamic="batch")
for name in SWEEP:
    add(f"sweep/{name}", False, name, dynamo=False, opset=17)
    add(f"newer-sweep/{name}", False, name, dynamo=True, opset=18)
