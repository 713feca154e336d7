"""DICOM radiographs without the patient: what is on a list stays, everything else goes (PS3.15 Annex E, and stricter).

The list, `kept.toml`, holds numbers, words from fixed sets, and UIDs that are replaced; nothing of free text, so that no name
can stay by standing where nobody looks for one. Pixels are decoded and written anew, uncompressed, from the stored bits alone: a
JPEG's comments, overlays in unused bits and bytes behind the picture do not come along. What is in the picture is not cleaned.

Pseudonyms and UIDs are HMAC-SHA256 under a key: the same patient and the same study have the same ones wherever the same key was
used, and without the key nobody can find which patient was which. Millimetres, laterality, view, sex and the age's decade stay.
"""

import hashlib
import hmac
import math
import os
import re
import secrets
import tomllib
import uuid
from collections.abc import Generator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from radmark import __version__
from radmark.core.errors import InputError
from radmark.io import MAX_PIXELS
from radmark.io.atomic import make_folder, replacing
from radmark.io.dicom import read_stored
from radmark.io.dicom_result import hushed

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_FLUOROSCOPY = "1.2.840.10008.5.1.4.1.1.12."
_STANDARD = "1.2.840.10008."
_FRAME_TIME = 0x00181063
_MOST, _MOST_COUNTED = 1_000_000, 10_000
_DAYS = 3650
_KEY_BYTES = 32
_CODES = {"SCT": "[0-9]{4,18}", "DCM": "[0-9]{6}", "SRT": "[A-Z]-[0-9A-F]{5}", "SNM3": "[A-Z]-[0-9A-F]{5}"}
"""Coding schemes whose codes stay, and what their codes look like."""
_PROFILE = ("113100", "Basic Application Confidentiality Profile")
_CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")
_MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")


@dataclass(frozen=True)
class Kept:
    """What stays; `kept.toml` says what each list means."""

    numbers: frozenset[str]
    counters: frozenset[str]
    empty: frozenset[str]
    uids: frozenset[str]
    classes: frozenset[str]
    dates: frozenset[str]
    sequences: frozenset[str]
    words: dict[str, re.Pattern[str]]


@cache
def kept() -> Kept:
    """The list."""
    tree = tomllib.loads((Path(__file__).parent / "kept.toml").read_text(encoding="utf-8"))
    words = {keyword: re.compile(pattern) for keyword, pattern in tree.pop("words").items()}
    return Kept(words=words, **{name: frozenset(keywords) for name, keywords in tree.items()})


@cache
def rules() -> frozenset[str]:
    """Every keyword of the list, and two that need a rule of their own."""
    k = kept()
    named = k.numbers | k.counters | k.empty | k.uids | k.classes | k.dates | k.sequences | k.words.keys()
    return named | {"LUTData", "FrameIncrementPointer"}


@dataclass(frozen=True)
class Deidentifier:
    """Makes copies of radiographs without the patient.

    Args:
        key: secret bytes, at least 16. Who has it can find which pseudonym a known patient got.
        shift_dates: keep dates, each patient's moved back by the same number of days, 1 to 3650; by default there are none.
        burned_in_ok: take films that hold text in their pixels, or may: somebody has looked.
    """

    key: bytes
    shift_dates: bool = False
    burned_in_ok: bool = False

    def __post_init__(self) -> None:
        if len(self.key) < 16:
            raise InputError(
                "the key is too short to hide anything", value=f"{len(self.key)} bytes", remedy="Use 16 bytes or more"
            )

    def write(self, image: Path, folder: Path) -> Path:
        """Write a radiograph's copy into a folder, named by its new UID.

        Raises:
            InputError: it is no radiograph that can be read, its pixels may hold text, or its copy is there already.
        """
        copy = self.copy(image)
        to = folder / f"{copy.SOPInstanceUID}.dcm"
        if to.exists():
            raise InputError(
                "two of the images have the same SOP Instance UID", file=image, remedy="Give each image once"
            )
        with replacing(to) as temporary:
            copy.save_as(temporary, enforce_file_format=True)
        return to

    def copy(self, image: Path) -> Any:
        """The copy as a pydicom data set; errors as `write`."""
        from pydicom.dataset import FileMetaDataset
        from pydicom.uid import ExplicitVRLittleEndian

        source, pixels = read_stored(image, max_pixels=MAX_PIXELS)
        try:
            with hushed():
                copy = self._copy(source, pixels, image)
                copy.file_meta = FileMetaDataset()
                copy.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
                copy.file_meta.MediaStorageSOPClassUID = copy.SOPClassUID
                copy.file_meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
                copy.to_json()  # every value is looked at once, before a file is begun
        except InputError:
            raise
        except Exception as error:  # strangers' values raise nearly everything
            raise InputError(
                f"the DICOM file's header is damaged ({type(error).__name__})", file=image, remedy="Export it anew"
            ) from error
        return copy

    def _copy(self, source: Any, pixels: np.ndarray, image: Path) -> Any:
        if not self.burned_in_ok and (why := may_hold_text(source)):
            raise InputError(why, file=image, remedy="Look at the picture, and give --burned-in-ok if it names nobody")
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            if not source.get(keyword):
                raise InputError(f"the image has no {keyword}", file=image, remedy="Export it again")
        patient = f"{source.get('IssuerOfPatientID') or ''}\0{source.get('PatientID') or ''}"
        if not source.get("PatientID"):
            patient = f"study\0{source.StudyInstanceUID}"  # else all who have no number would be one person
        copy = self._filtered(source, patient)
        copy.PatientID = f"RM{self._hidden('patient', patient)[:5].hex().upper()}"
        copy.PatientName = f"{copy.PatientID}^"
        if (age := _decade(source)) is not None:
            copy.PatientAge = age
        _put(copy, pixels, int(source.get("BitsStored") or 0))
        self._say_so(copy)
        # The standard wants these, whether the image had them or not.
        for keyword in (*kept().empty, "PatientSex", "InstanceNumber", "SeriesNumber"):
            if keyword not in copy:
                setattr(copy, keyword, "")
        copy.SpecificCharacterSet = "ISO_IR 192"
        return copy

    def uid(self, old: str) -> str:
        """The UID that stands for another: always the same under this key."""
        return f"2.25.{uuid.UUID(bytes=self._hidden('uid', old)[:16], version=4).int}"

    def _hidden(self, kind: str, value: str) -> bytes:
        return hmac.new(self.key, f"{kind}\0{value}".encode(), hashlib.sha256).digest()

    def _filtered(self, source: Any, patient: str) -> Any:
        """What of a data set stays."""
        from pydicom.datadict import keyword_for_tag
        from pydicom.dataset import Dataset

        copy = Dataset()
        for tag in source.keys():  # noqa: SIM118, since going through the elements would read those that go, too
            keyword = "" if tag.is_private else keyword_for_tag(tag)
            if keyword in rules():
                element = source[tag]
                value = self._value(keyword, element, source, patient)
                if value is not None:
                    copy.add_new(tag, "OW" if keyword == "LUTData" else element.VR, value)
                elif keyword in kept().empty:
                    copy.add_new(tag, element.VR, "")
        return copy

    def _value(self, keyword: str, element: Any, source: Any, patient: str) -> Any:
        """What stays of an element's value; None: nothing."""
        lists = kept()
        if keyword in lists.sequences:
            return [item for old in element.value if (item := self._item(old, patient))] or None
        if keyword in lists.uids:
            return self.uid(str(element.value)) if element.value else None
        if keyword in lists.classes:
            return str(element.value) if str(element.value).startswith(_STANDARD) else None
        if keyword in lists.numbers | lists.counters:
            return _numbers(element, _MOST_COUNTED if keyword in lists.counters else _MOST)
        if keyword in lists.words:
            return _words(element, lists.words[keyword])
        if keyword == "LUTData":
            return _lut(source, element.value)
        if keyword == "FrameIncrementPointer":
            return element.value if element.value == _FRAME_TIME else None
        return self._shifted(element.value, patient) if self.shift_dates and keyword in lists.dates else None

    def _item(self, old: Any, patient: str) -> Any:
        """An item of a sequence: a code of a known scheme, with the meaning the scheme gives it, or what of it stays."""
        scheme, value = str(old.get("CodingSchemeDesignator") or ""), str(old.get("CodeValue") or "")
        item = self._filtered(old, patient)
        if scheme in _CODES and re.fullmatch(_CODES[scheme], value):
            item.CodeValue, item.CodingSchemeDesignator = value, scheme
            item.CodeMeaning = _meanings().get((scheme, value), value)
        return item

    def _shifted(self, value: Any, patient: str) -> str | None:
        """A date of this patient, moved back."""
        days = 1 + int.from_bytes(self._hidden("days", patient)[:8], "big") % _DAYS
        try:
            text = str(value)
            day = date(int(text[:4]), int(text[4:6]), int(text[6:8])) if len(text) == 8 else None
            return None if day is None else (day - timedelta(days=days)).strftime("%Y%m%d")
        except (ValueError, OverflowError):
            return None

    def _say_so(self, copy: Any) -> None:
        from pydicom.dataset import Dataset

        copy.PatientIdentityRemoved = "YES"
        copy.DeidentificationMethod = f"radmark {__version__}: allow-list, keyed pseudonyms"
        sequence: list[Any] = []
        for value, meaning in (_PROFILE, _CHARACTERISTICS, *([_MODIFIED_DATES] if self.shift_dates else [])):
            code = Dataset()
            code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
            sequence.append(code)
        copy.DeidentificationMethodCodeSequence = sequence
        copy.LongitudinalTemporalInformationModified = "MODIFIED" if self.shift_dates else "REMOVED"


def may_hold_text(source: Any) -> str | None:
    """Why the pixels of a data set may hold text, such as the patient's name; None where nothing says so.

    A file that says NO is believed. One that says nothing is not suspected for that alone, or every film would be.
    """
    said = str(source.get("BurnedInAnnotation") or "").strip().upper()
    if said == "YES":
        return "the pixels hold text, by the file's own word"
    if said == "NO":
        return None
    kind = str(source.get("SOPClassUID") or "")
    if kind.startswith(_SECONDARY_CAPTURE):
        return "this is a secondary capture, whose pixels often hold the patient's name"
    if kind.startswith(_FLUOROSCOPY):
        return "this is fluoroscopy, where many machines write the patient's name into the picture"
    if int(source.get("SamplesPerPixel") or 1) > 1:
        return "this is a picture in colour, perhaps a screenshot, whose pixels may hold the patient's name"
    return None


def read_key(path: Path | None) -> bytes:
    """The key of a file, made there (0600) where there is none; without a file one that is forgotten.

    Raises:
        InputError: the file cannot be read or made, or others may read it.
    """
    if path is None:
        return secrets.token_bytes(_KEY_BYTES)
    try:
        if not path.exists():
            make_folder(path.parent)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        if path.stat().st_mode & 0o077:
            raise InputError("the key file is readable by other users", file=path, remedy=f"chmod 600 {path.name}")
        return path.read_bytes().strip()
    except OSError as error:
        raise InputError(
            f"the key cannot be read or made: {error.strerror}", file=path, remedy="Give another file as --key"
        ) from error


def _values(element: Any) -> list[Any]:
    """An element's values, none of an empty one."""
    value = element.value
    if value is None or (isinstance(value, str) and not value):
        return []
    return list(value) if element.VM > 1 else [value]


def _numbers(element: Any, most: int) -> Any:
    """Numbers in the words of their kind; None where one is no such number."""
    found: list[Any] = []
    for value in _values(element):
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        if not math.isfinite(number) or abs(number) >= most:
            return None
        found.append(f"{number:.10g}" if element.VR == "DS" else number if element.VR in ("FL", "FD") else int(number))
    if element.VR not in ("DS", "IS", "US", "SS", "UL", "SL", "FL", "FD") or not found:
        return None
    return found if len(found) > 1 else found[0]


def _words(element: Any, pattern: re.Pattern[str]) -> Any:
    values = _values(element)
    if not values or not all(isinstance(value, str) and pattern.fullmatch(value) for value in values):
        return None
    return values if len(values) > 1 else values[0]


def _decade(source: Any) -> str | None:
    """ "047Y" -> "040Y", 90 and older together; None where no age in years is stated."""
    found = re.fullmatch("([0-9]{3})Y", str(source.get("PatientAge") or "").strip())
    return None if found is None else f"{min(90, int(found[1]) // 10 * 10):03}Y"


def _lut(source: Any, data: Any) -> bytes | None:
    """A look-up table's bytes, where they are as many as it has entries."""
    try:
        entries, _, bits = (int(v) for v in source.LUTDescriptor)
    except (AttributeError, TypeError, ValueError):
        return None
    raw = data if isinstance(data, bytes) else np.asarray(data).astype("<u2").tobytes()
    entries = entries or 65536
    return raw if len(raw) in (entries * 2, *((entries + entries % 2,) if bits <= 8 else ())) else None


def _put(copy: Any, pixels: np.ndarray, bits: int) -> None:
    """The picture, and the attributes that say how it is stored."""
    colour = pixels.ndim == 4
    copy.SamplesPerPixel = 3 if colour else 1
    if colour:
        copy.PhotometricInterpretation, copy.PlanarConfiguration = "RGB", 0
    copy.BitsAllocated = 8 * pixels.dtype.itemsize
    copy.BitsStored = copy.BitsAllocated if colour else bits
    copy.HighBit = copy.BitsStored - 1
    copy.PixelRepresentation = int(pixels.dtype.kind == "i")
    raw = np.ascontiguousarray(pixels).astype(pixels.dtype.newbyteorder("<")).tobytes()
    copy.add_new(0x7FE00010, "OB" if pixels.dtype.itemsize == 1 else "OW", raw + b"\0" * (len(raw) % 2))


@cache
def _meanings() -> dict[tuple[str, str], str]:
    """(scheme, code) -> what PS3.16 calls it."""

    def concepts() -> Generator[Any]:
        from pydicom.sr.codedict import codes

        for scheme in (codes.DCM, codes.SCT):
            yield from scheme.concepts.values()

    found: dict[tuple[str, str], str] = {}
    for code in concepts():
        found.setdefault((code.scheme_designator, code.value), code.meaning[:64])
    return found
