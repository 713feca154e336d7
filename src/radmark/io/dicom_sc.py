"""An annotated picture as a DICOM Secondary Capture, the one kind of result every archive and every viewer shows.

It is a picture of a film, not a film: no Pixel Spacing, so that nobody measures on it, BurnedInAnnotation YES, and a reference to
the image it was made from.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from radmark import RESEARCH_USE, __version__
from radmark.core.errors import InputError
from radmark.core.frame import Frame
from radmark.io.atomic import replacing
from radmark.io.dicom_result import finish, highdicom, hushed, made_by, source_of


def write_dicom_sc(
    path: Path, image: Path, frame: Frame, picture: NDArray[np.uint8], *, author: str, frame_number: int | None = None
) -> None:
    """Write a picture to the study of the image it was made from.

    Args:
        path: of the picture; whole or not at all.
        image: the DICOM file; patient and study are taken over from it.
        frame: of that image.
        picture: (H, W, 3) RGB, any size.
        author: of the points in it, in words.
        frame_number: 1-based, of a multi-frame image.

    Raises:
        InputError: highdicom is not installed, the image is no DICOM image of this frame, or the picture is none.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or max(picture.shape) > 65535:
        raise InputError("not an RGB picture", value=f"{picture.dtype} {picture.shape}", remedy="Give (H, W, 3) uint8")
    with hushed():
        capture = _capture(image, frame, picture, author, frame_number)
        with replacing(path) as temporary:
            capture.save_as(temporary, enforce_file_format=True)


def _capture(image: Path, frame: Frame, picture: NDArray[np.uint8], author: str, frame_number: int | None) -> Any:
    hd = highdicom()
    from pydicom.dataset import Dataset
    from pydicom.sr.codedict import codes
    from pydicom.uid import ExplicitVRLittleEndian

    source = source_of(image, frame)
    lies: Sequence[object] = source.get("PatientOrientation") or ()
    orientation = [str(v) for v in lies]
    capture = hd.sc.SCImage(
        pixel_array=np.ascontiguousarray(picture),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=source.StudyInstanceUID,
        series_instance_uid=hd.UID(),
        series_number=992,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        patient_id=source.PatientID,
        patient_name=source.PatientName,
        patient_birth_date=source.PatientBirthDate,
        patient_sex=source.PatientSex,
        accession_number=source.AccessionNumber,
        study_id=source.StudyID,
        study_date=source.StudyDate,
        study_time=source.StudyTime,
        referring_physician_name=source.ReferringPhysicianName,
        patient_orientation=("L", "F"),
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **made_by(author),
    )
    capture.PatientOrientation = orientation if len(orientation) == 2 else ""
    capture.ConversionType = "WSD"
    capture.BurnedInAnnotation = "YES"
    capture.DerivationDescription = (
        f"landmarks and measurements by radmark {__version__}, {author[:64]}. {RESEARCH_USE}"
    )
    made_from = Dataset()
    made_from.ReferencedSOPClassUID, made_from.ReferencedSOPInstanceUID = source.SOPClassUID, source.SOPInstanceUID
    if frame_number is not None:
        made_from.ReferencedFrameNumber = frame_number
    made_from.PurposeOfReferenceCodeSequence = [_coded(codes.DCM.SourceImageForImageProcessingOperation)]
    capture.SourceImageSequence = [made_from]
    finish(capture, source)
    return capture


def _coded(code: Any) -> Any:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code.value, code.scheme_designator, code.meaning
    return item
