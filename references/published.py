"""Facts about torchvision's published weights of the networks in our registry: name, tag, file, accuracy,
preprocessing. `python references/published.py --print` prints them and writes nothing."""

import sys

import torchvision

import networks
import store


def facts():
    """One entry per weight file that classifies ImageNet-1k, in the order of networks.INPUTS."""
    for name in networks.INPUTS:
        if name in networks.TIMM:
            continue
        for weights in torchvision.models.get_model_weights(name):
            scores = weights.meta["_metrics"].get("ImageNet-1K", {})
            # One file of VGG16 is of its convolutions alone; licences of others than torchvision's own
            # weights are in their metadata.
            if "categories" not in weights.meta or scores["acc@1"] != scores["acc@1"]:
                continue
            transforms = weights.transforms()
            yield {
                "name": name,
                "tag": weights.name,
                "file": weights.url.rsplit("/", 1)[1],
                "top1": scores["acc@1"],
                "resize": transforms.resize_size[0],
                "crop": transforms.crop_size[0],
                "interpolation": transforms.interpolation.value,
                "mean": transforms.mean,
                "std": transforms.std,
                "licence": weights.meta.get("license", "torchvision's own"),
            }


def main():
    entries = list(facts())
    if "--print" in sys.argv:
        for entry in entries:
            print(*entry.values())
    else:
        store.save_json(store.destination("dvm-zoo", "published.json"), entries)


if __name__ == "__main__":
    main()
