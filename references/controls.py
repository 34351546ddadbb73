"""The edges of a picture by scipy, for the control `edges` of `dvm compare`.

Writes `crates/dvm-attribution/tests/references/controls.json`.
"""

import numpy as np
from scipy import ndimage

import seeded
import store

HEIGHT, WIDTH = 9, 13


def main():
    rgb = (seeded.unit("edges picture", HEIGHT * WIDTH * 3) * 256).astype(np.uint8)
    rgb = rgb.reshape(HEIGHT, WIDTH, 3)
    grey = rgb.astype(np.float64) @ [0.299, 0.587, 0.114] / 255
    # `reflect` of scipy repeats the outermost pixel; filters of 3×3 look no further.
    down, right = (ndimage.sobel(grey, axis=axis, mode="reflect") for axis in (0, 1))
    magnitude = np.hypot(down, right)
    store.save_json(
        store.destination("dvm-attribution", "controls.json"),
        {
            "script": "references/controls.py",
            "versions": store.versions(["numpy", "scipy"]),
            "size": [HEIGHT, WIDTH],
            "picture": "edges picture",
            "edges": [float(f"{value:.9g}") for value in magnitude.ravel()],
        },
    )


if __name__ == "__main__":
    main()
