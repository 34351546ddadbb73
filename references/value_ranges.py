"""Reference files of crates/dvm-image/tests/value_ranges.rs: pictures of many value types, and their
bytes for several ranges by NumPy.

    python references/value_ranges.py

Writes crates/dvm-image/tests/references/value_ranges: PNG and TIFF files, and `value_ranges.json`, which
lists for each file and range the bytes `clip(round((x - black) / (white - black) * 255), 0, 255)`.
Pillow writes the PNG files. TIFFs with one strip are written here, because no library writes all types; the
expected values are read by Pillow or NumPy.
"""

import shutil
import struct

import numpy as np
from PIL import Image

import store
from seeded import unit

FOLDER = store.destination("dvm-image", "value_ranges")
PACKAGES = ["numpy", "pillow"]
HEIGHT, WIDTH = 5, 7


def noise(name: str, low: float, high: float, channels: int = 1) -> np.ndarray:
    values = low + unit(name, HEIGHT * WIDTH * channels) * (high - low)
    return values.reshape((HEIGHT, WIDTH, channels) if channels > 1 else (HEIGHT, WIDTH))


def tiff(name: str, values: np.ndarray, order: str = "<", white_is_zero: bool = False, big: bool = False) -> None:
    """A TIFF (or BigTIFF) of one strip."""
    values = values.astype(values.dtype.newbyteorder(order))
    channels = values.shape[2] if values.ndim == 3 else 1
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    data = values.tobytes()
    photometric = 2 if channels >= 3 else 0 if white_is_zero else 1
    bits, formats = [values.dtype.itemsize * 8] * channels, [kind] * channels
    start = 16 if big else 8
    entries = [
        (256, 3, [WIDTH]),
        (257, 3, [HEIGHT]),
        (258, 3, bits),
        (259, 3, [1]),
        (262, 3, [photometric]),
        (273, 4, [start]),
        (277, 3, [channels]),
        (278, 3, [HEIGHT]),
        (279, 4, [len(data)]),
        (339, 3, formats),
    ]
    if channels == 4:
        entries.append((338, 3, [2]))
    entries.sort()
    data += b"\0" * (len(data) % 2)
    room = 8 if big else 4
    directory = start + len(data)
    size = (8 + 20 * len(entries) + 8) if big else (2 + 12 * len(entries) + 4)
    beyond, later = directory + size, b""
    body = struct.pack(order + ("Q" if big else "H"), len(entries))
    for tag, code, numbers in entries:
        packed = struct.pack(order + {3: "H", 4: "I"}[code] * len(numbers), *numbers)
        body += struct.pack(order + ("HHQ" if big else "HHI"), tag, code, len(numbers))
        if len(packed) <= room:
            body += packed.ljust(room, b"\0")
        else:
            body += struct.pack(order + ("Q" if big else "I"), beyond + len(later))
            later += packed
    body += b"\0" * room
    mark = b"II" if order == "<" else b"MM"
    if big:
        head = mark + struct.pack(order + "HHHQ", 43, 8, 0, directory)
    else:
        head = mark + struct.pack(order + "HI", 42, directory)
    store.replace(FOLDER / name, head + data + body + later)


def case(name: str, values: np.ndarray, text: str, black: float, white: float, negative: bool = False) -> dict:
    x = values.astype(np.float64)
    scaled = np.clip(np.round((x - black) / (white - black) * 255), 0, 255).astype(np.uint8)
    if negative:
        scaled = 255 - scaled
    if scaled.ndim == 2:
        scaled = np.repeat(scaled[..., None], 3, axis=2)
    return {"file": name, "range": text, "rgb": scaled[..., :3].ravel().tolist()}


def cases_of(name: str, values: np.ndarray, whole: tuple, given: tuple, negative: bool = False) -> list:
    seen = values[..., :3] if values.ndim == 3 else values
    seen = seen.astype(np.float64)
    percentiles = np.percentile(seen, [2, 95.5])
    return [
        case(name, values, "file", *whole, negative),
        case(name, values, f"{given[0]}..{given[1]}", *given, negative),
        case(name, values, "auto", seen.min(), seen.max(), negative),
        case(name, values, "percentile:2..95.5", *percentiles, negative),
    ]


def main() -> None:
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir(parents=True)
    twelve = noise("twelve", 0, 4096).astype("u2")
    colours = noise("colours", 0, 4096, 3).astype("u2")
    cases = []
    Image.fromarray(twelve).save(FOLDER / "grey12.png")
    cases += cases_of("grey12.png", twelve, (0, 65535), (0, 4095))
    Image.fromarray(noise("bytes", 0, 256, 3).astype("u1")).save(FOLDER / "rgb8.png")
    cases += cases_of("rgb8.png", noise("bytes", 0, 256, 3).astype("u1"), (0, 255), (10, 100))
    tiff("grey12.tiff", twelve)
    cases += cases_of("grey12.tiff", twelve, (0, 65535), (0, 4095))
    tiff("grey12-big.tiff", twelve, big=True)
    cases += cases_of("grey12-big.tiff", twelve, (0, 65535), (100, 4000))
    tiff("rgb12-be.tiff", colours, ">")
    cases += cases_of("rgb12-be.tiff", colours, (0, 65535), (0, 4095))
    tiff("white-is-zero.tiff", twelve, white_is_zero=True)
    cases += cases_of("white-is-zero.tiff", twelve, (0, 65535), (0, 4095), negative=True)
    signed = noise("signed", -1024, 3072).astype("i2")
    tiff("i16.tiff", signed)
    cases += cases_of("i16.tiff", signed, (-32768, 32767), (-160, 240))
    tiff("i8.tiff", noise("i8", -128, 128).astype("i1"))
    cases += cases_of("i8.tiff", noise("i8", -128, 128).astype("i1"), (-128, 127), (-50, 50))
    long = noise("long", 0, 1_000_000).astype("u4")
    tiff("u32.tiff", long)
    cases += cases_of("u32.tiff", long, (0, 2**32 - 1), (0, 999_999))
    floats = noise("floats", -0.25, 1.25)
    for name, kind in [("f16.tiff", "f2"), ("f32.tiff", "f4"), ("f64-be.tiff", "f8")]:
        values = floats.astype(kind)
        tiff(name, values, ">" if "be" in name else "<")
        cases += cases_of(name, values, (0, 1), (-0.5, 0.5))
    alpha = noise("alpha", 0, 1, 4).astype("f4")
    tiff("rgba-f32.tiff", alpha)
    cases += cases_of("rgba-f32.tiff", alpha, (0, 1), (0.1, 0.9))
    # Pillow agrees on what the values are, where it reads the type.
    for name, values in [("grey12.tiff", twelve), ("i16.tiff", signed), ("f32.tiff", floats.astype("f4"))]:
        assert (np.asarray(Image.open(FOLDER / name)) == values).all(), name
    store.save_json(FOLDER / "value_ranges.json", cases)


if __name__ == "__main__":
    main()
