"""Reference files of crates/dvm-image/tests: small pictures read, resized and preprocessed by Pillow and torchvision.

Run from anywhere, with numpy, pillow, torch and torchvision installed:

    python references/pictures.py

Writes crates/dvm-image/tests/references: picture files of every format and mode, their RGB values
as raw bytes ([H, W, 3]), resized and preprocessed pictures, and `references.json`, which lists them
with the versions that made them. Seeds are the names of the files.
"""

import io
import json
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageFile, ImageOps
from torchvision import transforms

from seeded import unit

FOLDER = Path(__file__).parent.parent / "crates/dvm-image/tests/references"
LOSSLESS = 0
# Decoders differ in the inverse DCT, the chroma upsampling and the rounding of YCbCr to RGB.
JPEG = 3


def noise(name: str, height: int, width: int, channels: int = 3) -> np.ndarray:
    values = unit(name, height * width * channels) * 256
    return values.astype(np.uint8).reshape(height, width, channels)


def scene(name: str, height: int, width: int) -> np.ndarray:
    """Smooth colours, one hard edge and a little noise: what a JPEG is made for."""
    y, x = np.mgrid[0:height, 0:width]
    picture = np.stack(
        [
            40 + 180 * x / width,
            220 - 170 * y / height,
            128 + 90 * np.sin(x / 6 + y / 9),
        ],
        axis=-1,
    )
    picture[height // 3 : height // 2, width // 4 : width // 2] = (200, 30, 60)
    picture += noise(name, height, width) / 32 - 4
    return picture.clip(0, 255).astype(np.uint8)


def saved(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def as_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


class Decoding:
    def __init__(self):
        self.cases = []

    def add(self, name: str, data: bytes, rgb: np.ndarray, tolerance: int = LOSSLESS):
        assert rgb.dtype == np.uint8 and rgb.ndim == 3
        (FOLDER / "decode" / name).write_bytes(data)
        (FOLDER / "decode" / f"{name}.rgb").write_bytes(rgb.tobytes())
        height, width, _ = rgb.shape
        self.cases.append(
            {"file": name, "height": height, "width": width, "tolerance": tolerance}
        )

    def pillow(self, name: str, data: bytes, tolerance: int = LOSSLESS):
        self.add(name, data, as_pillow(data), tolerance)


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG of raw rows (each with its filter byte), for modes that Pillow does not write."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def png16(name: str, height: int, width: int, channels: int) -> tuple[bytes, np.ndarray]:
    """A 16-bit PNG, and its values times 255 / 65535, rounded: Pillow itself clips grey ones at 255
    and cuts coloured ones to the upper byte."""
    values = (unit(name, height * width * channels) * 65536).astype(np.uint16)
    values = values.reshape(height, width, channels)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    colours = values if channels >= 3 else np.repeat(values[..., :1], 3, axis=-1)
    rgb = (colours[..., :3].astype(np.uint32) * 255 + 32767) // 65535
    return png(width, height, 16, colour, rows), rgb.astype(np.uint8)


def decoding() -> list:
    cases = Decoding()
    h, w = 13, 19
    rgb = Image.fromarray(noise("rgb", h, w))
    grey = Image.fromarray(noise("grey", h, w, 1)[..., 0])
    rgba = Image.fromarray(noise("rgba", h, w, 4))
    la = Image.merge("LA", Image.fromarray(noise("la", h, w)).split()[:2])
    palette = rgb.quantize(16)
    bits = grey.convert("1")

    for name, image in {"rgb": rgb, "grey": grey, "palette": palette, "bits": bits}.items():
        cases.pillow(f"{name}.png", saved(image, format="PNG"))
        cases.pillow(f"{name}.bmp", saved(image, format="BMP"))
        cases.pillow(f"{name}.gif", saved(image, format="GIF"))
    for name, image in {"rgba": rgba, "la": la}.items():
        cases.pillow(f"{name}.png", saved(image, format="PNG"))
    cases.pillow("palette-alpha.png", saved(palette, format="PNG", transparency=3))
    cases.pillow("transparent.gif", saved(palette, format="GIF", transparency=3))
    frames = [Image.fromarray(noise(f"frame {i}", h, w)).quantize(16) for i in range(3)]
    cases.pillow(
        "frames.gif", saved(frames[0], format="GIF", save_all=True, append_images=frames[1:])
    )
    for channels, name in {1: "grey", 2: "la", 3: "rgb", 4: "rgba"}.items():
        cases.add(f"{name}16.png", *png16(f"{name}16.png", h, w, channels))

    for name, image in {"rgb": rgb, "grey": grey, "rgba": rgba, "bits": bits}.items():
        compressions = ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"]
        for compression in compressions if name in ("rgb", "bits") else ["raw"]:
            data = saved(image, format="TIFF", compression=compression)
            cases.pillow(f"{name}-{compression}.tiff", data)
    grey16 = (unit("grey16.tiff", h * w) * 65536).astype(np.uint16).reshape(h, w)
    values = (grey16.astype(np.uint32) * 255 + 32767) // 65535
    cases.add(
        "grey16.tiff",
        saved(Image.fromarray(grey16), format="TIFF"),
        np.repeat(values[..., None], 3, axis=-1).astype(np.uint8),
    )

    for name, image in {"rgb": rgb, "rgba": rgba}.items():
        cases.pillow(f"{name}.webp", saved(image, format="WEBP", lossless=True, exact=True))
    photo = Image.fromarray(scene("photo", 21, 35))
    cases.pillow("lossy.webp", saved(photo, format="WEBP", quality=90), JPEG)

    for subsampling in ["4:4:4", "4:2:2", "4:2:0"]:
        for progressive in [False, True]:
            name = subsampling.replace(":", "") + ("-progressive" if progressive else "")
            data = saved(
                photo,
                format="JPEG",
                quality=90,
                subsampling=subsampling,
                progressive=progressive,
            )
            cases.pillow(f"{name}.jpg", data, JPEG)
    cases.pillow("grey.jpg", saved(photo.convert("L"), format="JPEG", quality=90), JPEG)
    restart = saved(photo, format="JPEG", quality=90, restart_marker_blocks=2)
    cases.pillow("restart.jpg", restart, JPEG)
    cases.pillow("rgb.jpg", saved(photo, format="JPEG", quality=90, keep_rgb=True), JPEG)
    cmyk = Image.merge("CMYK", [*(ImageOps.invert(photo)).split(), photo.convert("L")])
    # Pillow writes CMYK as Adobe does, inverted, and marks it so.
    adobe = saved(cmyk, format="JPEG", quality=90)
    cases.pillow("cmyk-adobe.jpg", adobe, JPEG)
    ycck = adobe.replace(b"Adobe\x00\x64\x00\x00\x00\x00\x00", b"Adobe\x00\x64\x00\x00\x00\x00\x02")
    assert ycck != adobe
    cases.pillow("ycck-adobe.jpg", ycck, JPEG)
    at = adobe.index(b"\xff\xee")
    length = struct.unpack(">H", adobe[at + 2 : at + 4])[0]
    cases.pillow("cmyk-plain.jpg", adobe[:at] + adobe[at + 2 + length :], JPEG)

    corner = photo.crop((0, 0, 19, 11))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        data = saved(corner, format="JPEG", quality=90, subsampling="4:4:4", exif=exif)
        cases.pillow(f"orientation-{orientation}.jpg", data, JPEG)
    for format, options in {
        "png": {"format": "PNG"},
        "webp": {"format": "WEBP", "lossless": True},
        "tiff": {"format": "TIFF"},
    }.items():
        exif = Image.Exif()
        exif[0x0112] = 6
        cases.pillow(f"orientation-6.{format}", saved(rgb, exif=exif, **options))

    return cases.cases


def truncating() -> list:
    """JPEGs cut within the scan, and which rows of what Pillow makes of them a decoder must match:
    those above the cut row of blocks are as in the whole file, those below are grey. The row of
    the cut is left out. Progressive files are cut in a late scan, Pillow smooths what is missing
    there, and only the mean difference is to be compared."""
    cases = []
    height, width = 48, 32
    image = Image.fromarray(scene("truncated", height, width))
    for subsampling, block in [("4:4:4", 8), ("4:2:0", 16)]:
        for progressive in [False, True]:
            data = saved(
                image, format="JPEG", quality=75, subsampling=subsampling, progressive=progressive
            )
            scan = data.index(b"\xff\xda")
            whole = as_pillow(data)
            for part in [0.45, 0.75]:
                length = scan + int((len(data) - scan) * part)
                ImageFile.LOAD_TRUNCATED_IMAGES = True
                # Cut within a header between two scans, Pillow gives black: cut behind it.
                while not as_pillow(data[:length]).any():
                    length += 1
                cut = data[:length]
                rgb = as_pillow(cut)
                ImageFile.LOAD_TRUNCATED_IMAGES = False
                name = f"truncated-{subsampling.replace(':', '')}-{part}"
                case = {"file": f"{name}.jpg", "height": height, "width": width}
                if progressive:
                    case["file"] = f"{name}-progressive.jpg"
                    case["mean"] = 10
                else:
                    # With subsampling, chroma is interpolated across the border of two rows of
                    # blocks: one more row on either side of the cut row is left out.
                    margin = int(block == 16)
                    differs = [y for y in range(height) if (rgb[y] != whole[y]).any()]
                    cut_row = (differs[0] + margin) // block * block
                    case["intact"] = max(cut_row - margin, 0)
                    below = cut_row + block + margin
                    if below < height:
                        assert (rgb[below:] == 128).all()
                        case["grey"] = below
                (FOLDER / "truncated" / case["file"]).write_bytes(cut)
                (FOLDER / "truncated" / f"{case['file']}.rgb").write_bytes(rgb.tobytes())
                cases.append(case)
    return cases


def resizing() -> list:
    cases = []
    filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    sources = {"noise": (23, 37), "row": (1, 50), "column": (41, 1), "pixel": (1, 1)}
    targets = [(11, 7), (61, 37), (23, 5), (9, 60), (29, 43), (1, 1)]
    for source, size in sources.items():
        picture = noise(f"resize {source}", *size)
        if source == "noise":
            # Black and white next to each other make a cubic overshoot.
            picture[5:12, 8:20] = np.where(picture[5:12, 8:20] < 128, 0, 255)
        (FOLDER / "resize" / f"{source}.rgb").write_bytes(picture.tobytes())
        for height, width in targets if source == "noise" else [(11, 7), (17, 13)]:
            for name, filter in filters.items():
                resized = Image.fromarray(picture).resize((width, height), filter)
                file = f"{source}-{height}x{width}-{name}.rgb"
                (FOLDER / "resize" / file).write_bytes(np.asarray(resized).tobytes())
                cases.append(
                    {
                        "source": f"{source}.rgb",
                        "source_size": size,
                        "size": (height, width),
                        "interpolation": name,
                        "file": file,
                    }
                )
    return cases


def preprocessing() -> list:
    imagenet = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    clip = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    cases = []
    for name, size, resize, interpolation, crop, (mean, std) in [
        ("wide", (23, 41), {"short_side": 12}, "bilinear", (9, 9), imagenet),
        ("tall", (41, 23), {"short_side": 12}, "bicubic", (9, 9), clip),
        ("enlarged", (7, 10), {"short_side": 15}, "bicubic", (12, 10), imagenet),
        ("exact", (23, 41), {"exact": [14, 11]}, "bilinear", (7, 8), clip),
        ("as-it-is", (13, 20), "none", "bilinear", (10, 9), imagenet),
        ("padded", (5, 20), "none", "bilinear", (8, 9), imagenet),
        ("padded-all-around", (6, 5), {"short_side": 6}, "bilinear", (9, 12), clip),
        ("very-wide", (1, 300), {"short_side": 8}, "bilinear", (8, 7), imagenet),
    ]:
        picture = noise(f"preprocess {name}", *size)
        filter = transforms.InterpolationMode(interpolation)
        if resize == "none":
            steps = []
        elif "exact" in resize:
            steps = [transforms.Resize(resize["exact"], filter)]
        else:
            steps = [transforms.Resize(resize["short_side"], filter)]
        cropped = transforms.Compose([*steps, transforms.CenterCrop(crop)])(Image.fromarray(picture))
        normalise = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
        values = normalise(cropped).numpy()
        assert values.shape == (3, *crop)
        folder = FOLDER / "preprocess"
        (folder / f"{name}.rgb").write_bytes(picture.tobytes())
        (folder / f"{name}.crop.rgb").write_bytes(np.asarray(cropped).tobytes())
        (folder / f"{name}.values.f32").write_bytes(values.astype("<f4").tobytes())
        cases.append(
            {
                "name": name,
                "size": size,
                "preprocess": {
                    "resize": resize,
                    "interpolation": interpolation,
                    "crop": crop,
                    "mean": mean,
                    "std": std,
                },
            }
        )
    return cases


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    for folder in ["decode", "truncated", "resize", "preprocess"]:
        (FOLDER / folder).mkdir(parents=True)
    references = {
        "versions": {
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
        "decode": decoding(),
        "truncated": truncating(),
        "resize": resizing(),
        "preprocess": preprocessing(),
    }
    (FOLDER / "references.json").write_text(json.dumps(references, indent=1) + "\n")


if __name__ == "__main__":
    main()
