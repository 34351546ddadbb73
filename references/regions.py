"""A COCO file with masks and outlines as pycocotools writes them, and their pixels by pycocotools and scikit-image."""

import json

import numpy as np
from pycocotools import mask as coco
from skimage.measure import grid_points_in_poly

import seeded
import store

PACKAGES = ("pycocotools", "scikit-image", "numpy")
SIZES = {"wide.jpg": (21, 34), "folder/tall.jpg": (37, 18)}


def mask_of(name, size):
    """A mask of blocks of 3×3 and single pixels."""
    height, width = size
    blocks = seeded.unit(f"regions.{name}.blocks", size[0] * size[1]).reshape(size) < 0.35
    blocks = np.kron(blocks, np.ones((3, 3), bool))[:height, :width]
    return blocks ^ (seeded.unit(f"regions.{name}.pixels", height * width).reshape(size) < 0.05)


def outline_of(name, size, corners):
    """Corners `x, y` around the middle, so that the outline has dents but does not cross itself."""
    height, width = size
    angles = 2 * np.pi * (np.arange(corners) + 0.8 * seeded.unit(f"regions.{name}.angles", corners)) / corners
    radii = 0.15 + 0.33 * seeded.unit(f"regions.{name}.radii", corners)
    x, y = width * (0.5 + radii * np.cos(angles)), height * (0.5 + radii * np.sin(angles))
    return np.round(np.stack([x, y], 1), 2)


def inside(corners, size):
    """Whether the centres of pixels are inside, by scikit-image."""
    grid = grid_points_in_poly(size, corners[:, ::-1] - 0.5, binarize=False)
    # 1 is inside, 2 and 3 are on a corner or an edge, where it is a matter of taste.
    assert not np.isin(grid, (2, 3)).any()
    return grid == 1


def rows(mask):
    return ["".join("#" if pixel else "." for pixel in row) for row in mask]


def main():
    images, annotations, expected = [], [], []
    for index, (name, size) in enumerate(SIZES.items()):
        images.append({"id": 100 - index, "file_name": name, "height": size[0], "width": size[1]})

        def add(category, segmentation, mask, image=100 - index, name=name):
            fortran = np.asfortranarray(mask.astype(np.uint8))
            box = [float(side) for side in coco.toBbox(coco.encode(fortran))]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": category,
                    "bbox": box,
                    "area": int(mask.sum()),
                    "iscrowd": int(isinstance(segmentation, dict)),
                    "segmentation": segmentation,
                }
            )
            expected.append({"image": name, "class": category, "rows": rows(mask)})

        mask = mask_of(f"{name}.packed", size)
        packed = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert (coco.decode(packed) == mask).all()
        add(1, {"size": list(size), "counts": packed["counts"].decode()}, mask)

        mask = mask_of(f"{name}.plain", size)
        flat = np.concatenate([[False], mask.ravel(order="F")])
        ends = np.flatnonzero(flat[1:] != flat[:-1])
        counts = np.diff(np.concatenate([[0], ends, [mask.size]])).tolist()
        plain = coco.frPyObjects({"size": list(size), "counts": counts}, *size)
        assert (coco.decode(plain) == mask).all()
        add(2, {"size": list(size), "counts": counts}, mask)

        outlines = [outline_of(f"{name}.{part}", size, corners) for part, corners in (("a", 9), ("b", 23))]
        mask = inside(outlines[0], size) | inside(outlines[1], size)
        flat = [outline.ravel().tolist() for outline in outlines]
        by_coco = coco.decode(coco.merge(coco.frPyObjects(flat, *size))).astype(bool)
        # pycocotools draws the outline on a grid five times as fine, and takes more of the pixels on it.
        beside = np.pad(by_coco, 1, mode="edge")
        neighbours = [beside[1 + y : 1 + y + size[0], 1 + x : 1 + x + size[1]] for y in (-1, 0, 1) for x in (-1, 0, 1)]
        on_edge = ~(np.all(neighbours, 0) | ~np.any(neighbours, 0))
        assert (mask == by_coco)[~on_edge].all()
        print(f"{name}: {mask.sum()} pixels, {by_coco.sum()} by pycocotools, {(mask != by_coco).sum()} differ")
        add(3, flat, mask)

    categories = [{"id": 1, "name": "packed"}, {"id": 2, "name": "plain"}, {"id": 3, "name": "outlined"}]
    names = {category["id"]: category["name"] for category in categories}
    for element in expected:
        element["class"] = names[element["class"]]
    document = {"info": {"description": "made by references/regions.py"}, "licenses": [], "images": images}
    document |= {"annotations": annotations, "categories": categories}
    folder = store.destination("dvm-data", "regions/coco.json")
    folder.parent.mkdir(exist_ok=True)
    store.replace(folder, (json.dumps(document) + "\n").encode())
    described = {"versions": store.versions(PACKAGES), "objects": expected}
    store.save_json(store.destination("dvm-data", "regions/expected.json"), described)


if __name__ == "__main__":
    main()
