"""DICOM radiographs: gray values in the order they are shown, and millimetres with their provenance.

DICOM counts pixels as we do, from the top left, and stores rows before columns: in its spacings the first number is y. What it
says of millimetres is sorted by `spacing_of`; a value that cannot be true is not passed on. Nothing of the patient is read or
said: an error names the file and the attribute, and never repeats a value that could be a name.

Gray values keep the file's depth. What a viewer does to them (window, VOI LUT) is not applied, since a network sees the whole
range; their order is: MONOCHROME1, an inverse presentation LUT and a falling rescale slope are turned round, so that dense bone
is bright.
"""

import logging
import math
import struct
import warnings
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from radmark.core.errors import InputError
from radmark.core.facts import Fact, FactSource
from radmark.core.finding import Finding, check, note
from radmark.core.frame import Spacing, SpacingSource

DICOM_SUFFIXES = (".dcm", ".dicom")

RADIOGRAPHS = (
    "1.2.840.10008.5.1.4.1.1.1",  # CR
    "1.2.840.10008.5.1.4.1.1.1.1",  # DX, for presentation
    "1.2.840.10008.5.1.4.1.1.12.1",  # XA
    "1.2.840.10008.5.1.4.1.1.12.1.1",
    "1.2.840.10008.5.1.4.1.1.12.2",  # RF
    "1.2.840.10008.5.1.4.1.1.12.2.1",
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
    "1.2.840.10008.5.1.4.1.1.7.1",
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
    "1.2.840.10008.5.1.4.1.1.7.4",
)
"""SOP classes that are read."""

_FLUOROSCOPY = RADIOGRAPHS[2:6]
_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_NATIVE = {
    "1.2.840.10008.1.2": "",  # implicit and explicit, either end first, deflated
    "1.2.840.10008.1.2.1": "",
    "1.2.840.10008.1.2.2": "",
    _DEFLATED: "",
    "1.2.840.10008.1.2.5": "pydicom",  # RLE
}
"""Transfer syntax -> the plugin of pydicom that reads it."""
_JPEGS = {
    "1.2.840.10008.1.2.4.50": "jpeg8",
    "1.2.840.10008.1.2.4.51": "jpeg8",  # 12 bits too
    "1.2.840.10008.1.2.4.57": "jpegsof3",
    "1.2.840.10008.1.2.4.70": "jpegsof3",
    "1.2.840.10008.1.2.4.80": "jpegls",
    "1.2.840.10008.1.2.4.81": "jpegls",
    "1.2.840.10008.1.2.4.90": "jpeg2k",
    "1.2.840.10008.1.2.4.91": "jpeg2k",
    "1.2.840.10008.1.2.4.201": "jpeg2k",  # imagecodecs' own HTJ2K decoder hides damage
    "1.2.840.10008.1.2.4.202": "jpeg2k",
    "1.2.840.10008.1.2.4.203": "jpeg2k",
}
"""Transfer syntax -> the codec of imagecodecs that reads it."""
SYNTAXES = (*_NATIVE, *_JPEGS)
"""Transfer syntaxes that are read."""
_DEFLATE_RATIO, _DEFLATE_FREE = 20, 2**23
"""How many times its size a deflated file may grow to, and the bytes it may in any case; films shrink to a half or a fifth, and a
bomb grows a thousand times and then takes pydicom minutes to walk through."""
_BARE = (b"\2\0\0\0", b"\x08\0\0\0", b"\x08\0\5\0", b"\x08\0\x08\0", b"\x08\0\x16\0")
"""How a file without preamble begins: the first attribute of its header, or of a data set that has none."""
_LONG_LENGTHS = (b"OB", b"OW", b"UN", b"UT", b"SQ", b"OD", b"OF", b"OL", b"OV", b"UC", b"UR", b"SV", b"UV")

MIN_MM, MAX_MM = 0.02, 1.0
"""Millimetres a pixel of a radiograph can have; 1.0 and more is what programs write that know nothing."""

_FACTORS = (0.9, 1.6)
"""How much larger than the patient a film on the detector can be."""

_MARKED_AT_MOST = 1.5
"""The same, as a marker of known size may say."""

_LOSSY_RATIO = 10.0


@dataclass(frozen=True, eq=False)
class DicomImage:
    """One frame as stored.

    Args:
        pixels: (H, W) or, of colour files, (H, W, 3); uint8 or uint16.
        said: what the header says of the film.
    """

    pixels: NDArray[Any]
    said: "DicomHeader"


_FINDINGS = (
    note("spacing_not_believed", "the header's millimetres cannot be true and were not used", "millimetres"),
    check("spacing_at_detector", "millimetres on the detector; smaller in the patient", "millimetres"),
    note("spacing_assumed_geometry", "millimetres by an assumed depth in the patient", "millimetres"),
    check(
        "spacing_of_unknown_calibration",
        "the file does not say in which plane these millimetres hold",
        "millimetres",
    ),
    note("fluoroscopy_not_calibrated", "fluoroscopy without a calibrated spacing: pixels only", "millimetres"),
    note("lossy_compression", "lossy compression by more than 10:1, or by an unstated ratio", "pixels"),
    note("burned_in_annotation", "the pixels hold text, which may name the patient", "film"),
    note("colour", "a colour picture, perhaps a screenshot", "pixels"),
    note("polarity_contradicts_itself", "MONOCHROME1 with an identity presentation LUT; shown as the LUT says", "film"),
    check(
        "pixels_not_square",
        "the pixels are not square, by a ratio the file states without millimetres: angles are wrong",
        "pixels",
    ),
    note("no_preamble", "the file lacks DICOM's first 132 bytes", "film"),
)
FINDINGS = {finding.code: finding for finding in _FINDINGS}
"""Everything that reading a DICOM file can find, by code."""


def is_dicom(path: Path) -> bool:
    """Whether a file says that it is DICOM, by its suffix or by its first bytes; those may lack the preamble."""
    if path.name == "DICOMDIR":  # the index of a study on a disc, which is no image
        return False
    if path.suffix.lower() in DICOM_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            head = file.read(132)
            return head[128:] == b"DICM" or head[:4] in _BARE
    except OSError:
        return False


def read_dicom(path: Path, *, frame: int | None, max_pixels: int) -> DicomImage:
    """Read one frame.

    Args:
        path: the file.
        frame: 1-based; may be None where there is only one.
        max_pixels: a larger picture is refused before it is decoded.

    Raises:
        InputError: the file is missing, cut off, damaged, no DICOM radiograph, compressed in a way nothing installed can undo, or
            has several frames and none was chosen.
    """
    with _opened(path, "pixels") as ds:
        _checked(ds, path, max_pixels)
        frames = int(ds.get("NumberOfFrames") or 1)
        if frame is None and frames > 1:
            raise InputError(
                f"the file holds {frames} frames, and one radiograph is expected",
                file=path,
                value=frames,
                remedy=f"Choose one with --frame, 1 to {frames}",
            )
        if not 1 <= (frame or 1) <= frames:
            raise InputError(
                "there is no such frame", file=path, value=frame, remedy=f"Choose one of 1 to {frames} with --frame"
            )
        return DicomImage(_pixels(ds, path, (frame or 1) - 1), _said(ds, path))


@dataclass(frozen=True)
class DicomHeader:
    """What a file says without a pixel being decoded.

    Args:
        width: in pixels.
        height: in pixels.
        spacing: where it can be believed.
        facts: side, display, view and date, where stated.
        findings: each one of `FINDINGS`.
    """

    width: int
    height: int
    spacing: Spacing | None
    facts: tuple[Fact, ...]
    findings: tuple[Finding, ...]


def read_dicom_header(path: Path, *, max_pixels: int) -> DicomHeader:
    """Size, believable spacing, facts and findings, without decoding a pixel.

    Raises:
        InputError: as `read_dicom`, as far as the header shows it.
    """
    with _opened(path, "header") as ds:
        _checked(ds, path, max_pixels)
        return _said(ds, path)


def _said(ds: Any, path: Path) -> DicomHeader:
    flags = [] if _has_preamble(path) else ["no_preamble"]
    if int(ds.get("SamplesPerPixel", 1)) > 1 or _word(ds, "PhotometricInterpretation") == "PALETTE COLOR":
        flags.append("colour")
    spacing = _spacing(ds, flags)
    _describe(ds, flags)
    return DicomHeader(
        int(ds.Columns), int(ds.Rows), spacing, tuple(_facts(ds)), tuple(FINDINGS[flag] for flag in flags)
    )


def _facts(ds: Any) -> Generator[Fact]:
    """What the header says of how the film lies and what it is of; nothing of the patient."""
    view = _word(ds, "ViewPosition")
    stated = {
        "side": {"L": "left", "R": "right"}.get(_word(ds, "ImageLaterality") or _word(ds, "Laterality")),
        "display": _display(ds),
        "view": view if view in ("AP", "PA", "LL", "RL") else None,
        "date": _date(ds),
    }
    for name, value in stated.items():
        if value is not None:
            yield Fact(name, value, FactSource.HEADER)


def _display(ds: Any) -> str | None:
    orientation = ds.get("PatientOrientation")
    first = str(orientation[0]).upper() if orientation is not None and len(orientation) == 2 else ""
    return "mirrored" if first.startswith("R") else "standard" if first else None


def _date(ds: Any) -> str | None:
    for keyword in ("AcquisitionDate", "ContentDate", "StudyDate"):
        text = str(ds.get(keyword) or "")
        if len(text) == 8 and text.isdigit() and "01" <= text[4:6] <= "12" and "01" <= text[6:] <= "31":
            return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return None


def read_stored(path: Path, *, max_pixels: int) -> tuple[Any, NDArray[Any]]:
    """The header of a radiograph and its values as the file means them, for who writes it anew.

    Args:
        path: the file.
        max_pixels: more in one frame are refused before they are decoded, and ten times as many in all.

    Returns:
        The data set without its pixels, and (F, H, W) uint8, uint16 or int16 of the stored bits alone, or (F, H, W, 3) RGB.

    Raises:
        InputError: as `read_dicom`.
    """
    from pydicom.pixels.processing import apply_color_lut

    with _opened(path, "pixels") as ds:
        _checked(ds, path, max_pixels)
        count = int(ds.get("NumberOfFrames") or 1)
        if not 1 <= count <= 10 * max_pixels // (ds.Rows * ds.Columns):
            raise InputError(
                "the file holds more frames than can be believed", file=path, value=count, remedy="Export it anew"
            )
        frames: list[NDArray[Any]] = []
        for k in range(count):
            raw = _decoded(ds, path, k)
            if _word(ds, "PhotometricInterpretation") == "PALETTE COLOR":
                raw = apply_color_lut(raw, ds)
            if raw.shape not in ((ds.Rows, ds.Columns), (ds.Rows, ds.Columns, 3)):
                raise ValueError("not one picture of the stated size")
            if raw.ndim == 2:
                values, bits, signed = _values(raw, ds, path)
                if signed:
                    values = (values ^ (1 << (bits - 1))) - (1 << (bits - 1))
                raw = values.astype(np.int16 if signed else np.uint8 if bits <= 8 else np.uint16)
            frames.append(raw)
        del ds.PixelData
        return ds, np.stack(frames)


def instance_uid(path: Path) -> str | None:
    """The SOP Instance UID of a file; None where it is no DICOM file or has none."""
    if not is_dicom(path):
        return None
    with _opened(path, "header") as ds:
        return str(ds.get("SOPInstanceUID") or "") or None


def spacing_of(
    pixel: tuple[float, float] | None,
    imager: tuple[float, float] | None,
    *,
    calibration: str = "",
    magnification: float | None = None,
    fluoroscopy: bool = False,
    scanned: tuple[float, float] | None = None,
) -> tuple[Spacing | None, str | None]:
    """What a header says of millimetres, sorted: the first rule that fits (PS3.3 10.7, and what viewers make of it).

    1. FIDUCIAL calibration with a factor a projection can have: the patient's millimetres.
    2. GEOMETRY calibration, or a Pixel Spacing other than the Imager Pixel Spacing: the patient's, by an assumed depth.
    3. Imager Pixel Spacing and a magnification above 1: divided by it, by an assumed depth.
    4. Imager Pixel Spacing alone, or equal to Pixel Spacing: millimetres on the detector.
    5. Pixel Spacing alone: nobody knows where these are millimetres.

    Fluoroscopy without 1 or 2 has none, for nothing fixes its magnification.

    Args:
        pixel: Pixel Spacing as (y, x), the order of DICOM.
        imager: Imager Pixel Spacing as (y, x).
        calibration: Pixel Spacing Calibration Type.
        magnification: Estimated Radiographic Magnification Factor, or the ratio of the source's distances.
        fluoroscopy: whether it is XA or RF.
        scanned: Nominal Scanned Pixel Spacing of a digitised film, (y, x).

    Returns:
        The spacing, and the flag that goes with it.
    """
    given = [pair for pair in (pixel, imager, scanned) if pair is not None]
    if not given:
        return None, "fluoroscopy_not_calibrated" if fluoroscopy else None
    pixel = pixel or scanned

    def made(pair: tuple[float, float], source: SpacingSource, flag: str | None) -> tuple[Spacing | None, str | None]:
        y, x = pair
        if not all(math.isfinite(v) and MIN_MM <= v < MAX_MM for v in pair) or not 0.9 <= y / x <= 1.1:
            return None, "spacing_not_believed"
        return Spacing(x, y, source), flag

    corrected = pixel is not None and imager is not None and not np.allclose(pixel, imager, rtol=1e-3)
    if pixel is not None and imager is not None and corrected:
        factors = [
            on_detector / given if given > 0 else math.nan for on_detector, given in zip(imager, pixel, strict=True)
        ]
        if not all(_FACTORS[0] <= factor <= _FACTORS[1] for factor in factors):
            return None, "spacing_not_believed"
        if calibration == "FIDUCIAL" and all(1 <= factor <= _MARKED_AT_MOST for factor in factors):
            return made(pixel, SpacingSource.DICOM_FIDUCIAL, None)
        return made(pixel, SpacingSource.DICOM_GEOMETRY, "spacing_assumed_geometry")
    if calibration in ("FIDUCIAL", "GEOMETRY") and pixel is not None and imager is None:
        source = SpacingSource.DICOM_FIDUCIAL if calibration == "FIDUCIAL" else SpacingSource.DICOM_GEOMETRY
        return made(pixel, source, None if calibration == "FIDUCIAL" else "spacing_assumed_geometry")
    if fluoroscopy:
        return None, "fluoroscopy_not_calibrated"
    if imager is not None:
        if magnification is not None and 1 < magnification <= _FACTORS[1]:
            smaller = (imager[0] / magnification, imager[1] / magnification)
            return made(smaller, SpacingSource.DICOM_GEOMETRY, "spacing_assumed_geometry")
        return made(imager, SpacingSource.DICOM_DETECTOR, "spacing_at_detector")
    assert pixel is not None
    return made(pixel, SpacingSource.DICOM_UNKNOWN, "spacing_of_unknown_calibration")


# ----------------------------------------------------------------------------------------------------------- the header


@contextmanager
def _opened(path: Path, wanted: str) -> Generator[Any, None, None]:
    """The data set. Whatever pydicom or a decoder raises inside becomes an `InputError` that repeats no value of the file."""
    try:
        import pydicom
    except ModuleNotFoundError as error:
        raise InputError(
            "this is a DICOM file, and reading DICOM needs pydicom, which is not installed",
            file=path,
            remedy='Install it with: pip install "radmark[dicom]", or convert the file to a 16-bit PNG or TIFF',
        ) from error
    mute()
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise InputError("there is no such image", file=path, remedy="Check the name and the folder") from None
    except OSError as error:
        raise InputError(
            f"the image cannot be opened: {error.strerror}", file=path, remedy="Check that it is a file you may read"
        ) from error
    if size == 0:
        raise InputError("the image file is empty", file=path, remedy="Copy it again from where it came")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote values; what matters of them is checked here
            _refuse_bomb(path)
            ds = pydicom.dcmread(path, force=not _has_preamble(path), stop_before_pixels=wanted == "header")  # pyright: ignore[reportUnknownMemberType]
            yield ds
    except InputError:
        raise
    except Exception as error:  # decoders fed with strangers' bytes raise nearly everything
        raise InputError(
            f"the DICOM file is damaged or cut off ({type(error).__name__})",
            file=path,
            remedy="Copy it again from where it came, or export it anew",
        ) from error


def mute() -> None:
    """Keep the logs of the DICOM libraries, which repeat values of the file, from reaching anybody who did not ask for them."""
    for name in ("pydicom", "highdicom"):
        logger = logging.getLogger(name)
        if logger.propagate:
            logger.addHandler(logging.NullHandler())
            logger.propagate = False


def _has_preamble(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _refuse_bomb(path: Path) -> None:
    """A deflated file is inflated whole before anything can be looked at, so its size is measured first."""
    with path.open("rb") as file:
        meta, size = _meta(file), path.stat().st_size
        if _DEFLATED.encode() not in meta:
            return
        inflater, grown = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while not inflater.eof and (chunk := inflater.unconsumed_tail or file.read(1 << 16)):
            grown += len(inflater.decompress(chunk, 1 << 20))
            if grown > max(_DEFLATE_FREE, _DEFLATE_RATIO * size):
                raise InputError(
                    f"the file unpacks to more than {_DEFLATE_RATIO} times its size, which no radiograph does",
                    file=path,
                    remedy="Export it without deflate compression",
                )
        if not inflater.eof:
            raise ValueError("the deflated data do not end")


def _meta(file: BinaryIO) -> bytes:
    """The file's meta information, which is never deflated; `file` is left behind it.

    Its end is where another group begins. Group length says so too, and can lie.
    """
    start = 132 if file.read(132)[128:] == b"DICM" else 0
    file.seek(start)
    while (head := file.read(8))[:2] == b"\2\0":
        vr = head[4:6]
        length = file.read(4) if vr in _LONG_LENGTHS else head[6:8] if vr.isalpha() else head[4:8]  # or there is no VR
        file.seek(int.from_bytes(length, "little"), 1)
    end = file.tell() - len(head)
    file.seek(start)
    return file.read(end - start)


def _checked(ds: Any, path: Path, max_pixels: int) -> None:
    """That it is a radiograph of a size radiographs have."""
    kind = str(ds.get("SOPClassUID", ""))
    if kind == _FOR_PROCESSING:
        raise InputError(
            "the image is meant for processing, not for presentation: its gray values are the detector's own",
            file=path,
            remedy="Export the image for presentation",
        )
    if kind not in RADIOGRAPHS:
        raise InputError(
            "this is not a DICOM radiograph" + (" (CR, DX, XA, RF or Secondary Capture)" if kind else ""),
            file=path,
            value=_known_class(kind),
            remedy="Give the image itself; reports, CT, MR and mammograms are not read",
        )
    rows, columns = ds.get("Rows"), ds.get("Columns")
    if not (isinstance(rows, int) and isinstance(columns, int) and rows > 0 and columns > 0):
        raise InputError("the file states no size of the image", file=path, remedy="Export it anew")
    if rows * columns > max_pixels:
        raise InputError(
            f"the image has more than {max_pixels} pixels, which no radiograph has",
            file=path,
            value=f"{columns} x {rows}",
            remedy="Check the file; a stitched film larger than that has to be scaled down first",
        )


def _known_class(kind: str) -> str | None:
    from pydicom.uid import UID

    name = UID(kind).name if kind else ""
    return name if name and name != kind else None  # a private one may be anything


def _word(ds: Any, keyword: str) -> str:
    """An upper-case code string; empty where there is none."""
    value = ds.get(keyword)
    return value.strip().upper() if isinstance(value, str) else ""


def _pair(ds: Any, keyword: str) -> tuple[float, float] | None:
    """Two numbers (y, x), or None where the attribute is missing; a NaN where it is not two numbers."""
    value = ds.get(keyword)
    if value is None or value == "":
        return None
    try:
        y, x = (float(v) for v in value)
    except (TypeError, ValueError):
        return math.nan, math.nan
    return y, x


def _number(ds: Any, keyword: str) -> float | None:
    try:
        value = float(ds.get(keyword))
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _spacing(ds: Any, flags: list[str]) -> Spacing | None:
    magnification = _number(ds, "EstimatedRadiographicMagnificationFactor")
    source_detector, source_patient = _number(ds, "DistanceSourceToDetector"), _number(ds, "DistanceSourceToPatient")
    if magnification is None and source_detector and source_patient and 0 < source_patient < source_detector:
        magnification = source_detector / source_patient
    spacing, flag = spacing_of(
        _pair(ds, "PixelSpacing"),
        _pair(ds, "ImagerPixelSpacing"),
        calibration=_word(ds, "PixelSpacingCalibrationType"),
        magnification=magnification,
        fluoroscopy=str(ds.SOPClassUID) in _FLUOROSCOPY,
        scanned=_pair(ds, "NominalScannedPixelSpacing"),
    )
    if flag is not None:
        flags.append(flag)
    aspect = _pair(ds, "PixelAspectRatio")
    if spacing is None and aspect is not None and aspect[0] != aspect[1]:
        flags.append("pixels_not_square")
    return spacing


def _describe(ds: Any, flags: list[str]) -> None:
    """Codes of what stands beside the pixels."""
    if _word(ds, "PresentationLUTShape") == "IDENTITY" and _word(ds, "PhotometricInterpretation") == "MONOCHROME1":
        flags.append("polarity_contradicts_itself")
    if _word(ds, "LossyImageCompression") == "01":
        ratio = _number(ds, "LossyImageCompressionRatio")  # None where it was compressed several times: as bad
        if ratio is None or ratio > _LOSSY_RATIO:
            flags.append("lossy_compression")
    if _word(ds, "BurnedInAnnotation") == "YES":
        flags.append("burned_in_annotation")


# ----------------------------------------------------------------------------------------------------------- the pixels


def _pixels(ds: Any, path: Path, frame: int) -> NDArray[Any]:
    """(H, W) gray with bright bone, or (H, W, 3) colour, of one 0-based frame."""
    from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

    raw = _decoded(ds, path, frame)
    if _word(ds, "PhotometricInterpretation") == "PALETTE COLOR":
        raw = apply_color_lut(raw, ds)
    if raw.ndim not in (2, 3) or raw.shape[:2] != (ds.Rows, ds.Columns):
        raise ValueError("not one picture of the stated size")
    if raw.ndim == 3:
        return np.ascontiguousarray(raw if raw.dtype.itemsize == 1 else raw.astype(np.uint16))

    values, bits, signed = _values(raw, ds, path)
    stored = [raw]
    if signed:
        values ^= 1 << (bits - 1)  # two's complement to "so much above the lowest": the same order, no sign
        stored.append(values - (1 << (bits - 1)))  # decoders of JPEG give the bits without their sign
    background = _padding(ds, stored)
    falls = (_number(ds, "RescaleSlope") or 1.0) < 0
    if ds.get("ModalityLUTSequence"):
        looked_up = np.asarray(apply_modality_lut(values - (1 << (bits - 1) if signed else 0), ds)).astype(np.int64)
        values, bits, falls = looked_up, max(1, int(looked_up.max()).bit_length()), False
    if shown_inverted(ds) != falls:
        values = (1 << bits) - 1 - values
    if background is not None and not background.all():
        values = np.where(background, values[~background].min(), values)
    return values.astype(np.uint8 if bits <= 8 else np.uint16)


def _values(raw: NDArray[Any], ds: Any, path: Path) -> tuple[NDArray[np.int64], int, bool]:
    """The bits that count, in the lowest places and without sign; how many they are; and whether the highest is a sign."""
    bits = int(ds.BitsStored)
    if not 1 <= bits <= 16 or raw.dtype.kind not in "iu":
        raise InputError(
            "the gray values need more than 16 bits", file=path, value=bits, remedy="Export the image with 16 bits"
        )
    # Bits beyond those stored may hold overlays. Those stored may lie high in their word.
    high = int(ds.get("HighBit", bits - 1))
    if high >= int(ds.BitsAllocated):
        raise ValueError("the highest bit lies outside the word")
    shift = max(0, high - bits + 1)
    return (raw.astype(np.int64) >> shift) & ((1 << bits) - 1), bits, int(ds.PixelRepresentation) == 1


def _decoded(ds: Any, path: Path, frame: int) -> NDArray[Any]:
    """(H, W) or (H, W, 3) of a 0-based frame, as stored.

    JPEG of every kind goes to imagecodecs, which reads our TIFF too; the rest to pydicom. Of pydicom's other decoders one is
    under the GPL, and one takes the whole program down with it when a file is damaged.
    """
    import imagecodecs
    from pydicom.encaps import get_frame
    from pydicom.pixels.utils import pixel_array

    syntax = ds.file_meta.get("TransferSyntaxUID") if hasattr(ds, "file_meta") else None
    if syntax is None and not ds["PixelData"].is_undefined_length:
        syntax = _as_read(ds)
    if syntax is None:
        raise InputError(
            "the file does not say how its pixels are stored", file=path, remedy="Export it anew, as DICOM Part 10"
        )
    if syntax in _NATIVE:
        # pydicom would clear the bits above BitsStored, wherever HighBit says that the value lies.
        return np.asarray(pixel_array(ds, index=frame, correct_unused_bits=False, decoding_plugin=_NATIVE[syntax]))
    decode = _JPEGS.get(syntax)
    if decode is None:
        raise InputError(
            "radmark does not read this compression",
            file=path,
            value=_known_class(str(syntax)),
            remedy="Export the image uncompressed, or as JPEG, JPEG-LS, JPEG 2000 or RLE",
        )
    coded = get_frame(ds.PixelData, frame, number_of_frames=int(ds.get("NumberOfFrames") or 1))
    if coded[4:8] == b"jP  ":  # a JP2 file, where only its code stream belongs
        coded = coded[coded.find(b"\xff\x4f\xff\x51") :]
    _check_coded(coded, ds)
    return np.asarray(getattr(imagecodecs, f"{decode}_decode")(coded))


def _as_read(ds: Any) -> str:
    """The transfer syntax of a data set without meta information, as pydicom guessed it; set, for pydicom asks for it again."""
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import UID

    implicit, little = ds.original_encoding
    syntax = "1.2.840.10008.1.2" + ("" if implicit else ".1" if little else ".2")
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    return syntax


def _check_coded(coded: bytes, ds: Any) -> None:
    """That a JPEG of any kind is as large as the header says, before a decoder takes its word for it, and that it ends.

    Raises:
        ValueError: it is not, or it does not.
    """
    at = 2  # behind the start of the image
    while True:
        marker, length = coded[at : at + 2], int.from_bytes(coded[at + 2 : at + 4], "big")
        if len(marker) < 2 or marker[0] != 0xFF:
            raise ValueError("no size in the compressed picture")
        if marker == b"\xff\x51":  # JPEG 2000: the extent of the grid, less where the picture begins on it
            right, bottom, left, top = struct.unpack(">4I", coded[at + 6 : at + 22])
            size = bottom - top, right - left
            break
        # Start of frame, of JPEG and of JPEG-LS. C4, C8 and CC are tables between them.
        if marker[1] == 0xF7 or (0xC0 <= marker[1] <= 0xCF and marker[1] not in (0xC4, 0xC8, 0xCC)):
            size = struct.unpack(">2H", coded[at + 5 : at + 9])
            break
        at += 1 if marker[1] == 0xFF else 2 + length  # any number of FF may stand before a marker
    if size != (ds.Rows, ds.Columns):
        raise ValueError("the compressed picture is of another size than the file says")
    # libjpeg paints gray what is missing, and CharLS looks for it for seconds; OpenJPEG refuses. The mark cannot occur among
    # the pixels.
    if marker != b"\xff\x51" and coded.rfind(b"\xff\xd9") < at:
        raise ValueError("the compressed picture is cut off")


def shown_inverted(ds: Any) -> bool:
    """Whether a data set's low values are shown bright. pydicom's own helper looks at the presentation LUT only."""
    shape = _word(ds, "PresentationLUTShape")
    return shape == "INVERSE" or (not shape and _word(ds, "PhotometricInterpretation") == "MONOCHROME1")


def _padding(ds: Any, stored: Sequence[NDArray[Any]]) -> NDArray[np.bool_] | None:
    """(H, W) which pixels are, in one way of reading them, no part of the picture; they are made as dark as its darkest."""
    value, limit = ds.get("PixelPaddingValue"), ds.get("PixelPaddingRangeLimit")
    if not isinstance(value, int):
        return None
    low, high = sorted((value, limit if isinstance(limit, int) else value))
    return np.any([(values >= low) & (values <= high) for values in stored], axis=0)
