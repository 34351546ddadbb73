"""Reference files of crates/dvm-data/tests/dicom_pictures.rs: DICOM files with windows, colours and
compressed pixels, with values read by pydicom and NumPy; the same for NIfTI volumes and arrays.

    python references/dicom_pictures.py

Writes crates/dvm-data/tests/references/dicom_pictures: the files, and `dicom_pictures.json`, which lists for
each file and range the bytes `[H, W, 1 or 3]` of each frame in hexadecimal. Lossless JPEGs are written by imagecodecs
(libjpeg-turbo), JPEG 2000 by pylibjpeg-openjpeg.
"""

import io
import shutil

import imagecodecs
import nibabel
import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import apply_modality_lut, convert_color_space
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)

import store
from seeded import unit

FOLDER = store.destination("dvm-data", "dicom_pictures")
PACKAGES = ["imagecodecs", "nibabel", "numpy", "pydicom", "pylibjpeg-openjpeg"]
# The least that JPEG 2000 halves five times.
HEIGHT, WIDTH = 33, 32


def noise(name: str, low: int, high: int, *shape: int) -> np.ndarray:
    shape = shape or (HEIGHT, WIDTH)
    count = int(np.prod(shape))
    return (low + np.floor(unit(name, count) * (high - low))).astype(int).reshape(shape)


def written(name: str, pixels: np.ndarray, syntax=ExplicitVRLittleEndian, frames=None, **elements):
    """Writes the file; `frames` are the compressed frames, if the encoder is not pydicom's own."""
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = f"1.2.3.{len(name)}.1"
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3.10", "1.2.3.11"
    data.PatientName, data.PatientID = "Doe^Jane", "P-7"
    data.StudyDate, data.AccessionNumber = "20200102", "A17"
    coloured = elements.get("SamplesPerPixel") == 3
    axes = pixels.ndim - coloured
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated = data.BitsStored = pixels.dtype.itemsize * 8
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.Rows, data.Columns = HEIGHT, WIDTH
    if axes == 3:
        data.NumberOfFrames = len(pixels)
    for key, value in elements.items():
        setattr(data, key, value)
    data.PixelData = pixels.tobytes()
    data["PixelData"].VR = "OW" if data.BitsAllocated == 16 else "OB"
    if frames:
        data.file_meta.TransferSyntaxUID = syntax
        data.PixelData = encapsulate(frames)
        data["PixelData"].VR = "OB"
        data["PixelData"].is_undefined_length = True
    elif syntax != ExplicitVRLittleEndian:
        data.compress(syntax, generate_instance_uid=False)
    file = io.BytesIO()
    data.save_as(file, enforce_file_format=True)
    store.replace(FOLDER / name, file.getvalue())
    return pydicom.dcmread(io.BytesIO(file.getvalue()))


def scaled(values: np.ndarray, black: float, white: float, negative: bool = False) -> str:
    x = values.astype(np.float64)
    grey = np.clip(np.round((x - black) / (white - black) * 255), 0, 255).astype(np.uint8)
    return (255 - grey if negative else grey).tobytes().hex()


def window(centre: float, width: float) -> tuple:
    """PS3.3, C.11.2.1.2.1: where the line reaches black and white."""
    return centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2


def grey_cases(name: str, file: pydicom.Dataset, whole=None, given=(-100, 900)) -> list:
    values = apply_modality_lut(file.pixel_array, file).astype(np.float64)
    negative = file.PhotometricInterpretation == "MONOCHROME1"
    frames = values.reshape(-1, HEIGHT, WIDTH)
    of = lambda text, bounds: {
        "file": name,
        "range": text,
        "channels": 1,
        "frames": [scaled(f, *(bounds or (f.min(), f.max())), negative) for f in frames],
    }
    return [of("file", whole), of("auto", None), of(f"{given[0]}..{given[1]}", given)]


def colour_case(name: str, frames: np.ndarray, tolerance: int = 0) -> dict:
    frames = frames.reshape(-1, HEIGHT, WIDTH, 3)
    return {
        "file": name,
        "range": "file",
        "channels": 3,
        "tolerance": tolerance,
        "frames": [f.tobytes().hex() for f in frames],
    }


def dicoms() -> list:
    cases = []
    ct = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "WindowCenter": ["40", "300"], "WindowWidth": ["400", "1500"]}
    file = written("ct.dcm", noise("ct", 0, 3000).astype("u2"), BitsStored=12, HighBit=11, **ct)
    cases += grey_cases("ct.dcm", file, window(40, 400))
    exact = {**ct, "WindowCenter": "40", "WindowWidth": "400", "VOILUTFunction": "LINEAR_EXACT"}
    file = written("exact.dcm", noise("exact", 0, 3000).astype("u2"), **exact)
    cases += grey_cases("exact.dcm", file, (-160, 240))
    negative = {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": "500", "WindowWidth": "1000"}
    file = written("monochrome1.dcm", noise("m1", 0, 1000).astype("u2"), **negative)
    cases += grey_cases("monochrome1.dcm", file, window(500, 1000))
    file = written("signed.dcm", noise("signed", -2000, 2000).astype("i2"))
    cases += grey_cases("signed.dcm", file)

    grey = noise("grey", 0, 4096).astype("u2")
    file = written("rle.dcm", grey, RLELossless)
    cases += grey_cases("rle.dcm", file)
    file = written("rle-frames.dcm", noise("frames", 0, 256, 3, HEIGHT, WIDTH).astype("u1"), RLELossless)
    cases += grey_cases("rle-frames.dcm", file)
    lossless = lambda values, bits: imagecodecs.jpeg8_encode(values, lossless=True, bitspersample=bits, predictor=1)
    twelve = {"BitsStored": 12, "HighBit": 11}
    file = written("jpeg-lossless.dcm", grey, JPEGLosslessSV1, [lossless(grey, 16)])
    cases += grey_cases("jpeg-lossless.dcm", written("expected.dcm", grey))
    frames = noise("frames", 0, 4096, 2, HEIGHT, WIDTH).astype("u2")
    file = written("jpeg-lossless-frames.dcm", frames, JPEGLosslessSV1, [lossless(f, 12) for f in frames], **twelve)
    cases += grey_cases("jpeg-lossless-frames.dcm", written("expected.dcm", frames, **twelve))
    file = written("jpeg-2000.dcm", grey, JPEG2000Lossless, **twelve)
    cases += grey_cases("jpeg-2000.dcm", file)
    values = noise("signed", -2000, 2000).astype("i2")
    file = written("jpeg-2000-signed.dcm", values, JPEG2000Lossless)
    assert (file.pixel_array == values).all()
    cases += grey_cases("jpeg-2000-signed.dcm", file)

    rgb = noise("rgb", 0, 256, HEIGHT, WIDTH, 3).astype("u1")
    colours = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    written("rgb.dcm", rgb, **colours)
    cases.append(colour_case("rgb.dcm", rgb))
    written("planar.dcm", rgb.transpose(2, 0, 1).copy(), **{**colours, "PlanarConfiguration": 1})
    cases.append(colour_case("planar.dcm", rgb))
    written("rgb-rle.dcm", rgb, RLELossless, **colours)
    cases.append(colour_case("rgb-rle.dcm", rgb))
    ybr = convert_color_space(rgb, "RGB", "YBR_FULL")
    written("ybr.dcm", ybr, **{**colours, "PhotometricInterpretation": "YBR_FULL"})
    cases.append(colour_case("ybr.dcm", convert_color_space(ybr, "YBR_FULL", "RGB"), 1))
    written("rgb-2000.dcm", rgb, JPEG2000Lossless, **{**colours, "PhotometricInterpretation": "RGB"})
    cases.append(colour_case("rgb-2000.dcm", rgb))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    smooth = np.stack([7 * x, 7 * y, 255 - 7 * x], axis=-1).astype("u1")
    jpeg = imagecodecs.jpeg8_encode(smooth, level=95, subsampling="444")
    written("jpeg.dcm", smooth, JPEGBaseline8Bit, [jpeg], **{**colours, "PhotometricInterpretation": "YBR_FULL"})
    cases.append(colour_case("jpeg.dcm", imagecodecs.jpeg8_decode(jpeg), 3))
    (FOLDER / "expected.dcm").unlink()
    return cases


def others() -> list:
    """A volume whose header says its range, and arrays of several shapes."""
    cases = []
    values = noise("volume", -500, 500, 4, 5, 3).astype("i2")
    image = nibabel.Nifti1Image(values, np.diag([-1.0, -1.0, 1.0, 1.0]))
    image.header["cal_min"], image.header["cal_max"] = -100, 200
    store.replace(FOLDER / "window.nii", image.to_bytes())
    frames = [values[:, :, k].T for k in range(3)]
    for text, bounds in [("file", (-100, 200)), ("auto", None)]:
        of = [scaled(f, *(bounds or (f.min(), f.max()))) for f in frames]
        cases.append({"file": "window.nii", "range": text, "channels": 1, "frames": of})
    for name, shape, channels in [
        ("hw.npy", (4, 6), 1),
        ("nhw.npy", (5, 4, 6), 1),
        ("hwc.npy", (4, 6, 3), 3),
        ("chw.npy", (3, 4, 6), 3),
        ("nhwc.npy", (2, 4, 6, 4), 3),
    ]:
        values = noise(name, 0, 256, *shape).astype("u1")
        file = io.BytesIO()
        np.save(file, values)
        store.replace(FOLDER / name, file.getvalue())
        if name == "chw.npy":
            values = values.transpose(1, 2, 0)
        one = values.ndim == 2 or name in ("hwc.npy", "chw.npy")
        frames = values[None] if one else values
        if channels == 3:
            frames = frames[..., :3]
        of = [f.tobytes().hex() for f in frames]
        cases.append({"file": name, "range": "file", "channels": channels, "frames": of})
    return cases


def main() -> None:
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir(parents=True)
    store.save_json(FOLDER / "dicom_pictures.json", dicoms() + others())


if __name__ == "__main__":
    main()
