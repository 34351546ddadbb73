"""Writes crates/dvm-data/tests/references: small files of every supported array format in medicine.

NumPy writes the pickles and `.npy` files, nibabel the NIfTI volumes, pydicom the DICOM files; the
expected values in `data_files.json` are read back by the same tools. No Python 2 is needed: its
pickles are written by `Python2`, which differs from Python 3's own pickler in the opcodes of strings
and the old names of NumPy's modules only, and are read back by Python 3 with `encoding="latin1"`.
"""

import gzip
import io
import pickle
import shutil

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_modality_lut
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    SecondaryCaptureImageStorage,
)

import store

FOLDER = store.destination("dvm-data", "formats")
PACKAGES = ["numpy", "nibabel", "pydicom"]
RAMP = np.arange(24).reshape(2, 3, 4) - 7
PATIENTS = ["TCGA-06-0154", "TCGA-02-0003", "TCGA-12-3650"]


class Text(str):
    """A text that Python 2 would call `unicode`; all other texts are its `str`."""


class Python2(pickle._Pickler):
    """Pickles as Python 2 writes them, in protocol 0, 1 or 2."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, obj):
        if not self.bin:
            self.write(pickle.STRING + repr(obj)[1:].encode("ascii") + b"\n")
        elif len(obj) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(obj)]) + obj)
        else:
            self.write(pickle.BINSTRING + len(obj).to_bytes(4, "little") + obj)
        self.memoize(obj)

    def save_str(self, obj):
        self.save_bytes(obj.encode("latin1"))

    def save_text(self, obj):
        pickle._Pickler.save_str(self, str(obj))

    def save_global(self, obj, name=None):
        name = name or obj.__qualname__
        module = obj.__module__.replace("numpy._core", "numpy.core")
        self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode("ascii"))
        self.memoize(obj)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str
    dispatch[Text] = save_text
    dispatch[type] = save_global
    dispatch[type(np.arange)] = save_global
    dispatch[type(lambda: 0)] = save_global


def python2(value, protocol: int) -> bytes:
    file = io.BytesIO()
    Python2(file, protocol).dump(value)
    content = file.getvalue()
    assert b"_codecs" not in content and b"_core" not in content
    return content


def old_numpy(value, protocol: int) -> bytes:
    """What NumPy before 2.0 wrote: the same under the old names of its modules."""
    content = pickle.dumps(value, protocol)
    assert protocol == 3 and b"cnumpy._core.multiarray\n" in content
    return content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def pickles() -> dict:
    """Name to content."""
    files = {}
    floats = RAMP.astype("<f4") / 4
    for protocol in range(6):
        files[f"protocol_{protocol}.pkl"] = pickle.dumps(floats, protocol)
        files[f"objects_{protocol}.pkl"] = pickle.dumps(np.array(PATIENTS, object), protocol)
    files["numpy_1.pkl"] = old_numpy(floats, 3)
    for protocol in range(3):
        files[f"python2_{protocol}.pkl"] = python2(floats, protocol)
        files[f"python2_objects_{protocol}.pkl"] = python2(np.array(PATIENTS, object), protocol)
        files[f"python2_list_{protocol}.pkl"] = python2(PATIENTS, protocol)
        files[f"python2_unicode_{protocol}.pkl"] = python2([Text("Zoë €"), Text("b")], protocol)
    # Every byte, and more than fit into the short form of a string.
    every_byte = np.arange(512).astype("u1").reshape(2, 256)
    files["python2_every_byte_0.pkl"] = python2(every_byte, 0)
    files["python2_every_byte_2.pkl"] = python2(every_byte, 2)
    files["every_byte_0.pkl"] = pickle.dumps(every_byte, 0)
    files["every_byte_2.pkl"] = pickle.dumps(every_byte, 2)
    for element in ["?", "i1", "u1", "<i2", ">i2", "<u2", "<i4", ">u4", "<i8", "<u8"]:
        name = element.replace("<", "le_").replace(">", "be_").replace("?", "bool")
        files[f"element_{name}.pkl"] = pickle.dumps(RAMP.astype(element), 4)
    for element in ["<f2", ">f2", ">f4", "<f8", ">f8"]:
        name = element.replace("<", "le_").replace(">", "be_")
        files[f"element_{name}.pkl"] = pickle.dumps((RAMP / 8).astype(element), 2)
    fortran = np.asfortranarray(floats)
    for protocol in (1, 4, 5):
        files[f"fortran_{protocol}.pkl"] = pickle.dumps(fortran, protocol)
    files["python2_fortran.pkl"] = python2(fortran, 2)
    files["read_only.pkl"] = pickle.dumps(np.frombuffer(floats.tobytes(), "<f4"), 5)
    files["nothing.pkl"] = pickle.dumps(np.zeros((0, 5), "f4"), 2)
    files["bytes.pkl"] = pickle.dumps(np.array(PATIENTS, "S12"), 4)
    files["python2_bytes.pkl"] = python2(np.array(PATIENTS, "S14"), 2)
    files["unicode.pkl"] = pickle.dumps(np.array(["Zoë €", "b"]), 4)
    files["unicode_be.pkl"] = pickle.dumps(np.array(["Zoë €", "b"]).astype(">U7"), 4)
    files["object_bytes.pkl"] = pickle.dumps(np.array([p.encode() for p in PATIENTS], object), 2)
    files["object_matrix.pkl"] = pickle.dumps(np.array([["a", "b", "c"], ["d", "e", "f"]], object), 4)
    files["list.pkl"] = pickle.dumps(PATIENTS, 4)
    files["tuple_of_bytes.pkl"] = pickle.dumps(tuple(p.encode() for p in PATIENTS), 2)
    files["nested.pkl"] = pickle.dumps([[1, 2.5, True], (4, -5, 2**40)], 4)
    files["scalars.pkl"] = pickle.dumps([np.float32(1.5), np.int64(-3), np.uint8(200)], 2)
    files["text_scalars.pkl"] = pickle.dumps([np.str_("a"), np.bytes_(b"b")], 2)
    files["list_of_arrays.pkl"] = pickle.dumps(list(floats), 4)
    files["list_of_arrays_0.pkl"] = pickle.dumps(list(floats.astype(">f8")), 0)
    return files


def npy_files() -> dict:
    files = {}
    for name, array, version in [
        ("plain.npy", RAMP.astype("<f4") / 4, (1, 0)),
        ("fortran.npy", np.asfortranarray(RAMP.astype(">f8") / 4), (1, 0)),
        ("version_2.npy", RAMP.astype("u1"), (2, 0)),
        ("version_3.npy", np.array(["Zoë €", "b"]), (3, 0)),
        ("one_axis.npy", RAMP.reshape(-1).astype("<i2"), (1, 0)),
    ]:
        file = io.BytesIO()
        np.lib.format.write_array(file, array, version)
        files[name] = file.getvalue()
    return files


def arrays() -> list:
    cases = []
    for name, content in {**pickles(), **npy_files()}.items():
        store.replace(FOLDER / name, content)
        if name.endswith(".npy"):
            value = np.load(FOLDER / name)
        else:
            value = pickle.loads(content, encoding="latin1")
        value = np.asarray(value)
        if value.dtype.kind in "OSU":
            texts = [t.decode() if isinstance(t, bytes) else str(t) for t in value.ravel()]
            cases.append({"file": name, "shape": list(value.shape), "texts": texts})
        else:
            numbers = [float(number) for number in value.ravel()]
            cases.append({"file": name, "shape": list(value.shape), "numbers": numbers})
    return cases


def grey(values: np.ndarray) -> np.ndarray:
    """The seed's rule: scipy.misc.bytescale, in f64."""
    values = values.astype(np.float64)
    low, high = values.min(), values.max()
    if high == low:
        return np.zeros(values.shape, np.uint8)
    return ((values - low) / (high - low) * 255 + 0.5).astype(np.uint8)


def slices_case(name: str, pictures: list) -> dict:
    height, width = pictures[0].shape
    greys = [grey(picture).ravel().tolist() for picture in pictures]
    return {"file": name, "height": height, "width": width, "slices": greys}


def affine(axes: str, zooms=(1.0, 1.2, 3.0)) -> np.ndarray:
    """Of a volume whose axes point to `axes`, such as LPS."""
    orientation = nibabel.orientations.axcodes2ornt(axes)
    matrix = np.zeros((4, 4))
    matrix[3] = [5, -7, 11, 1]
    matrix = matrix.T
    for axis, (direction, sign) in enumerate(orientation):
        matrix[int(direction), axis] = sign * zooms[axis]
    return matrix


def volumes() -> list:
    values = (np.arange(60) * 37 % 101 - 20).reshape(5, 4, 3)
    tilted = affine("RAS")
    angle = 0.3
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tilted[:2, :2] = turn @ tilted[:2, :2]
    images = {
        "ras.nii": nibabel.Nifti1Image(values.astype("<f4") / 8, affine("RAS")),
        "lps.nii.gz": nibabel.Nifti1Image(values.astype("<i2"), affine("LPS")),
        "las_u8.nii": nibabel.Nifti1Image(values.astype("u1"), affine("LAS")),
        "sagittal.nii": nibabel.Nifti1Image(values.astype("<f8"), affine("PIR")),
        "coronal.nii.gz": nibabel.Nifti1Image(values.astype("<i4"), affine("RSA")),
        "tilted.nii": nibabel.Nifti1Image(values.astype("<f4"), tilted),
        "big_endian.nii": nibabel.Nifti1Image(
            values.astype(">i2"), affine("RPI"), nibabel.Nifti1Header(endianness=">")
        ),
        "scaled.nii": nibabel.Nifti1Image(values.astype("<i2"), affine("RAS")),
        "negative_slope.nii": nibabel.Nifti1Image(values.astype("<i2"), affine("RAS")),
        "four_axes.nii.gz": nibabel.Nifti1Image(
            np.stack([values, values[::-1] * 2], -1).astype("<i2"), affine("LPS")
        ),
        "two_axes.nii": nibabel.Nifti1Image(values[:, :, 0].astype("<i2"), affine("LPS")),
        "constant.nii": nibabel.Nifti1Image(np.full((3, 2, 1), 7, "<i2"), affine("LPS")),
        "says_nothing.nii": nibabel.Nifti1Image(values.astype("<i2"), None),
    }
    images["big_endian.nii"].set_data_dtype(">i2")
    images["scaled.nii"].header.set_slope_inter(0.37, -1.25)
    images["negative_slope.nii"].header.set_slope_inter(-2.0, 3.0)
    # Only the quaternion says where the axes of this one point.
    by_quaternion = nibabel.Nifti1Image(values.astype("<i2"), affine("SLA"))
    by_quaternion.set_qform(affine("SLA"), code=1)
    by_quaternion.set_sform(None, code=0)
    images["quaternion.nii"] = by_quaternion
    cases = []
    for name, image in images.items():
        path = FOLDER / name
        content = image.to_bytes()
        if name == "negative_slope.nii":
            content = scaled_in_place(content, -2.0, 3.0)
        if name == "scaled.nii":
            content = scaled_in_place(content, 0.37, -1.25)
        if name.endswith(".gz"):
            content = gzipped(content)
        store.replace(path, content)
        loaded = nibabel.load(path)
        if loaded.ndim == 2:
            loaded = nibabel.Nifti1Image(loaded.get_fdata()[:, :, None], loaded.affine)
        canonical = nibabel.as_closest_canonical(loaded).get_fdata()
        canonical = canonical.reshape(*canonical.shape[:3], -1)
        pictures = [
            canonical[::-1, ::-1, k, t].T
            for t in range(canonical.shape[3])
            for k in range(canonical.shape[2])
        ]
        cases.append(slices_case(name, pictures))
    return cases


def scaled_in_place(content: bytes, slope: float, intercept: float) -> bytes:
    """nibabel chooses the scale of what it writes; here the stored numbers stay as they are."""
    numbers = np.array([slope, intercept], "<f4").tobytes()
    return content[:112] + numbers + content[120:]


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def dicom(name: str, pixels: np.ndarray, syntax=ExplicitVRLittleEndian, **elements) -> None:
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.PatientID = "TCGA-06-0154"
    bits = pixels.dtype.itemsize * 8
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = bits
    dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.Rows, dataset.Columns = pixels.shape[-2:]
    # Sequences stand before the pixels of most files, and have elements of the same names.
    item = pydicom.Dataset()
    item.Rows = 9999
    item.ReferencedSOPInstanceUID = "1.2.3.5"
    dataset.ReferencedImageSequence = [item]
    if pixels.ndim == 3:
        dataset.NumberOfFrames = len(pixels)
    for key, value in elements.items():
        setattr(dataset, key, value)
    big = syntax == ExplicitVRBigEndian
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).tobytes()
    dataset["PixelData"].VR = "OW" if bits == 16 else "OB"
    if syntax == RLELossless:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.compress(RLELossless)
    file = io.BytesIO()
    # pydicom refuses to choose big-endian by itself.
    dataset.save_as(file, enforce_file_format=True, little_endian=not big, implicit_vr=syntax == ImplicitVRLittleEndian)
    store.replace(FOLDER / name, file.getvalue())


def dicoms() -> list:
    u8 = (np.arange(20) * 37 % 101).astype("u1").reshape(4, 5)
    u16 = (np.arange(20, dtype="u2") * 977 % 4096).reshape(4, 5)
    i16 = (np.arange(20, dtype="i2") * 977 % 3001 - 1500).astype("i2").reshape(4, 5)
    twelve = {"BitsStored": 12, "HighBit": 11}
    ct = {"RescaleSlope": "1.5", "RescaleIntercept": "-1024", "WindowCenter": "40", "WindowWidth": "80"}
    dicom("u8.dcm", u8)
    dicom("u16.dcm", u16, **twelve)
    dicom("i16_rescaled.dcm", i16, ImplicitVRLittleEndian, **ct)
    dicom("i16_of_12_bits.dcm", i16 & 0xFFF, **twelve, PixelRepresentation=1)
    dicom("monochrome1.dcm", u16, PhotometricInterpretation="MONOCHROME1", **twelve)
    dicom("negative_slope.dcm", u8, RescaleSlope="-1", RescaleIntercept="255")
    dicom("deflated.dcm", i16, DeflatedExplicitVRLittleEndian)
    dicom("big_endian.dcm", i16, ExplicitVRBigEndian, **ct)
    dicom("frames.dcm", np.stack([u8, u8[::-1], 3 - u8 % 4]))
    dicom("rle.dcm", u16, RLELossless)
    dicom("rgb.dcm", u8[:, :3], SamplesPerPixel=3, PhotometricInterpretation="RGB", Columns=1, PlanarConfiguration=0)
    cases = []
    for name in [
        "u8.dcm",
        "u16.dcm",
        "i16_rescaled.dcm",
        "i16_of_12_bits.dcm",
        "monochrome1.dcm",
        "negative_slope.dcm",
        "deflated.dcm",
        "big_endian.dcm",
        "frames.dcm",
    ]:
        file = pydicom.dcmread(FOLDER / name)
        values = apply_modality_lut(file.pixel_array, file).astype(np.float64)
        if file.PhotometricInterpretation == "MONOCHROME1":
            values = -values
        cases.append(slices_case(name, list(values.reshape(-1, file.Rows, file.Columns))))
    return cases


def brain() -> list:
    """Two modalities as the seed has them, one by Python 2 and one by today's; and their pictures."""
    expected = []
    number = 0
    for modality, folder in [("T1", "T1_all"), ("T1_FL", "T1_FL_all")]:
        for split, short, rows in [("train", "train", 5), ("validation", "val", 3), ("testing", "test", 3)]:
            seed = len(expected) + 1
            x = ((np.arange(rows * 16) * 37 * seed % 101) / 8 - 3).reshape(rows, 16).astype("<f4")
            x[1] = 2.5
            labels = np.array([1, 0, 2, 1, 0])[:rows]
            patients = [f"TCGA-{short}-{row // 2:04}" for row in range(rows)]
            if modality == "T1":
                contents = {
                    "x": python2(x, 2),
                    "y": python2(np.eye(3)[labels], 0),
                    "ID": python2(np.array(patients, object), 2),
                }
            else:
                contents = {
                    "x": pickle.dumps(x.reshape(rows, 4, 4), 5),
                    "y": pickle.dumps(labels, 4),
                    "ID": pickle.dumps([patient.encode() for patient in patients], 4),
                }
            for part, content in contents.items():
                path = FOLDER / "brain" / folder / f"{split}_{modality}_{part}_all.pkl"
                path.parent.mkdir(parents=True, exist_ok=True)
                store.replace(path, content)
            for row in range(rows):
                if labels[row] == 2:
                    continue
                expected.append(
                    {
                        "modality": modality,
                        "split": short,
                        "class": str(labels[row]),
                        "name": f"{patients[row]}_{row}.png",
                        "mixed": f"{patients[row]}+{modality}+{number}.png",
                        "grey": grey(x[row]).tolist(),
                    }
                )
                number += 1
    return expected


def main() -> None:
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    FOLDER.mkdir(parents=True)
    content = {
        "made_by": {"script": "references/data_files.py", **store.versions(PACKAGES)},
        "arrays": arrays(),
        "volumes": volumes() + dicoms(),
        "brain": brain(),
    }
    lines = []
    for key, value in content.items():
        if isinstance(value, list):
            items = ",\n".join("    " + store.json.dumps(item) for item in value)
            lines.append(f'  "{key}": [\n{items}\n  ]')
        else:
            lines.append(f'  "{key}": {store.json.dumps(value)}')
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    store.replace(FOLDER / "data_files.json", text.encode())


if __name__ == "__main__":
    main()
