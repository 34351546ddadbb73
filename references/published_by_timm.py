"""Preprocessing and licence of timm's published weights.

Nothing is downloaded: timm's package contains these facts.
"""

from timm.data import create_transform, resolve_data_config
from timm.models import get_pretrained_cfg
from torchvision import transforms

import store

PACKAGES = ("timm", "torchvision")
EFFICIENTNETS = ["b0.ra_in1k", "b1.ft_in1k", "b2.ra_in1k", "b3.ra2_in1k", "b4.ra2_in1k"]
WEIGHTS = [
    *(f"tf_efficientnet_lite{i}.in1k" for i in range(1, 5)),
    *(f"tf_efficientnet_b{i}.{tag}" for i in range(8) for tag in ("ns_jft_in1k", "aa_in1k")),
    *(f"efficientnet_{name}" for name in EFFICIENTNETS),
    "mobilenetv3_large_100.ra_in1k",
    "mobilenetv3_small_100.lamb_in1k",
    *(f"convnext_{size}.fb_in1k" for size in ("tiny", "small", "base", "large")),
    "vit_base_patch32_224.augreg_in21k_ft_in1k",
    "vit_large_patch16_224.augreg_in21k_ft_in1k",
    "vit_tiny_patch16_224.augreg_in21k_ft_in1k",
    "vit_small_patch16_224.augreg_in21k_ft_in1k",
    "vit_small_patch16_224.augreg_in1k",
    "vit_small_patch32_224.augreg_in21k_ft_in1k",
    "vit_base_patch16_224.augreg2_in21k_ft_in1k",
    "vit_base_patch16_224.augreg_in21k_ft_in1k",
    "vit_base_patch16_224.augreg_in1k",
    *(f"deit_{size}_patch16_224.fb_in1k" for size in ("tiny", "small", "base")),
    *(f"swin_{size}_patch4_window7_224.ms_in1k" for size in ("tiny", "small", "base")),
]


def described(name):
    config = get_pretrained_cfg(name)
    assert config.num_classes == 1000 and config.crop_mode == "center"
    transform = create_transform(**resolve_data_config(pretrained_cfg=config.to_dict()))
    resize, crop = transform.transforms[:2]
    assert isinstance(resize, transforms.Resize) and isinstance(crop, transforms.CenterCrop)
    return {
        "repository": config.hf_hub_id,
        # Of those that were on GitHub before there was a hub.
        "file": config.url.rsplit("/", 1)[-1],
        "short_side": resize.size,
        "crop": list(crop.size),
        "interpolation": resize.interpolation.value,
        "mean": list(config.mean),
        "std": list(config.std),
        "licence": config.license,
    }


def main():
    found = [{"name": name, **described(name)} for name in WEIGHTS]
    found.insert(0, store.versions(PACKAGES))
    store.save_json(store.destination("dvm-zoo", "published_by_timm.json"), found)


if __name__ == "__main__":
    main()
