"""Reads an overlay that `dvm explain` saved as a DICOM file, and compares it with its source and with the
overlay as a PNG file.

    python references/secondary_capture_reads.py scan.dcm explanations/scan/occlusion.overlay.dcm
"""

import sys
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.uid import UID, SecondaryCaptureImageStorage


def main(source: str, capture: str) -> None:
    of, got = pydicom.dcmread(source), pydicom.dcmread(capture)
    assert got.SOPClassUID == got.file_meta.MediaStorageSOPClassUID == SecondaryCaptureImageStorage
    assert got.SOPInstanceUID == got.file_meta.MediaStorageSOPInstanceUID
    for uid in (got.SOPInstanceUID, got.SeriesInstanceUID, got.StudyInstanceUID):
        assert UID(uid).is_valid, uid
    assert got.SeriesInstanceUID != of.get("SeriesInstanceUID")
    assert got.SOPInstanceUID != of.SOPInstanceUID
    for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber"):
        assert (got.get(name) or "") == (of.get(name) or ""), name
    if "StudyInstanceUID" in of:
        assert got.StudyInstanceUID == of.StudyInstanceUID
    assert got.SourceImageSequence[0].ReferencedSOPInstanceUID == of.SOPInstanceUID
    assert got.ImageType == ["DERIVED", "SECONDARY"] and got.ConversionType == "WSD"
    picture = np.asarray(Image.open(Path(capture).with_suffix(".png")).convert("RGB"))
    assert (got.pixel_array == picture).all()
    print(got)
    print("reads well")


if __name__ == "__main__":
    main(*sys.argv[1:])
