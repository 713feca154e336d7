"""A film's copy without the patient: planted names are looked for in its bytes, and a checker looks at what is left."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest

from dicom_files import RAMP, film
from programs import run
from radmark.core import InputError
from radmark.io import read_film
from radmark.privacy.deidentify import Deidentifier, kept, read_key, rules

pydicom = pytest.importorskip("pydicom")

KEY = b"sixteen bytes or more"
WORK = Deidentifier(KEY)
NAME = "PLANTEDNAME"
TEXT = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")


def copied(path: Path, work: Deidentifier = WORK) -> Any:
    folder = path.parent / "copies"
    return pydicom.dcmread(work.write(path, folder))


def planted_everywhere(path: Path) -> Path:
    """A film with the name in every attribute of text that the dictionary knows, in private ones, in sequences, and behind it."""
    ds = pydicom.dcmread(film(path))
    for tag, (vr, vm, _, _, keyword) in pydicom.datadict.DicomDictionary.items():
        group = tag >> 16
        if keyword and vr in TEXT and 0x0008 <= group < 0x5000 and group != 0x0028 and tag not in ds:
            value = [NAME] * (int(vm[0]) if vm[0].isdigit() and vm[0] != "0" else 1)
            ds.add_new(tag, vr, value if len(value) > 1 else NAME)
    for keyword in (
        "PatientName",
        "PatientID",
        "OtherPatientIDs",
        "InstitutionName",
        "ImageComments",
        "Modality",
        "Laterality",
    ):
        setattr(ds, keyword, NAME)
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "29836001", "SCT", NAME
    named = pydicom.Dataset()
    named.CodeValue, named.CodingSchemeDesignator, named.CodeMeaning = NAME, "99LOCAL", NAME
    named.PatientComments, named.ViewCodeSequence = NAME, [code]
    ds.AnatomicRegionSequence, ds.ViewCodeSequence = [code], [named]
    ds.RequestAttributesSequence = [named]
    ds.IconImageSequence = [pydicom.dcmread(path)]
    ds.add_new(0x00090010, "LO", NAME)
    ds.add_new(0x00091001, "UN", NAME.encode())
    ds.add_new(0x60003000, "OB", NAME.encode() + b"\0")
    ds.add_new(0xFFFCFFFC, "OB", NAME.encode() + b"\0")
    ds.preamble = NAME.encode().ljust(128, b"\0")
    ds.file_meta.SourceApplicationEntityTitle = NAME
    ds.file_meta.ImplementationVersionName = NAME
    ds.save_as(path)
    path.write_bytes(path.read_bytes() + NAME.encode() + b"\0")
    return path


@pytest.mark.filterwarnings("ignore")  # names in attributes of codes
def test_a_name_planted_in_every_attribute_is_nowhere_in_the_copy_nor_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / NAME
    folder.mkdir()
    source = planted_everywhere(folder / f"{NAME}.dcm")
    assert source.read_bytes().count(NAME.encode()) > 800
    to = WORK.write(source, tmp_path / "copies")
    assert NAME not in to.name
    assert NAME.encode() not in to.read_bytes()
    assert b"planted" not in to.read_bytes().lower()
    assert np.array_equal(read_film(to).pixels, RAMP)


def test_only_what_is_on_the_list_or_says_what_was_done_is_in_a_copy(tmp_path: Path) -> None:
    said = {
        "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
        "LongitudinalTemporalInformationModified", "PatientID", "PatientName", "PatientAge", "SpecificCharacterSet",
        "SamplesPerPixel", "PlanarConfiguration", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelData",
    }  # fmt: skip
    source = film(tmp_path / "a.dcm", PatientAge="047Y", KVP="70", BodyPartThickness="210", StationName="ROOM 3")
    assert {e.keyword for e in copied(source)} <= said | rules()
    assert all(pydicom.datadict.tag_for_keyword(keyword) is not None for keyword in rules())


def test_what_geometry_and_analysis_need_stays(tmp_path: Path) -> None:
    source = film(
        tmp_path / "a.dcm", PixelSpacing=[0.15, 0.144], ImagerPixelSpacing=[0.18, 0.1728],
        PixelSpacingCalibrationType="FIDUCIAL", PixelSpacingCalibrationDescription="ball of Mrs Planted", ImageLaterality="L",
        ViewPosition="AP", PatientSex="F", PatientAge="047Y", Modality="DX", BodyPartExamined="HIP", InstanceNumber="3",
        SeriesNumber="123456", PhotometricInterpretation="MONOCHROME1",
    )  # fmt: skip
    found = copied(source)
    assert (found.PatientSex, found.PatientAge, found.BodyPartExamined) == ("F", "040Y", "HIP")
    assert (found.InstanceNumber, found.SeriesNumber) == (3, None)  # six digits could be somebody's number
    assert "PixelSpacingCalibrationDescription" not in found
    (copy,) = (tmp_path / "copies").iterdir()
    before, after = read_film(source), read_film(copy)
    assert np.array_equal(before.pixels, after.pixels)
    assert (before.frame, before.side, before.view, before.flags) == (after.frame, after.side, after.view, after.flags)


@pytest.mark.filterwarnings("ignore:Invalid value")
@pytest.mark.parametrize(
    ("age", "decade"), [("090Y", "090Y"), ("103Y", "090Y"), ("009Y", "000Y"), ("011M", None), ("x", None)]
)
def test_an_age_is_told_by_its_decade_and_the_oldest_together(age: str, decade: str | None, tmp_path: Path) -> None:
    assert copied(film(tmp_path / "a.dcm", PatientAge=age)).get("PatientAge") == decade


def test_the_same_patient_study_and_series_stay_together_and_another_key_makes_others_of_them(tmp_path: Path) -> None:
    one = film(tmp_path / "a.dcm")
    ds = pydicom.dcmread(one)
    other = film(tmp_path / "b.dcm", StudyInstanceUID=ds.StudyInstanceUID, SeriesInstanceUID=ds.SeriesInstanceUID)
    stranger = film(tmp_path / "c.dcm", PatientID="ANOTHER")
    a, b, c = (copied(path) for path in (one, other, stranger))
    assert (a.PatientID, a.StudyInstanceUID, a.SeriesInstanceUID) == (
        b.PatientID,
        b.StudyInstanceUID,
        b.SeriesInstanceUID,
    )
    assert len({a.SOPInstanceUID, b.SOPInstanceUID, c.SOPInstanceUID}) == 3
    assert c.PatientID != a.PatientID
    again = Deidentifier(b"another key, as long").copy(one)
    assert again.PatientID != a.PatientID
    assert again.StudyInstanceUID != a.StudyInstanceUID
    assert all(re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", uid) for uid in (a.SOPInstanceUID, a.StudyInstanceUID))
    assert a.file_meta.MediaStorageSOPInstanceUID == a.SOPInstanceUID


def test_patients_without_a_number_are_not_all_one_person(tmp_path: Path) -> None:
    assert (
        copied(film(tmp_path / "a.dcm", PatientID="")).PatientID
        != copied(film(tmp_path / "b.dcm", PatientID="")).PatientID
    )


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_dates_go_or_keep_their_distance_within_a_patient(tmp_path: Path) -> None:
    """17 January to 3 March 2024, a leap year: 46 days."""
    first = film(tmp_path / "a.dcm", StudyDate="20240117", StudyTime="101500", PatientBirthDate="19500304")
    second = film(tmp_path / "b.dcm", StudyDate="20240303")
    bare = copied(first)
    assert [bare.get(keyword) for keyword in ("StudyDate", "StudyTime", "PatientBirthDate")] == ["", "", ""]
    work = Deidentifier(KEY, shift_dates=True)
    a, b = work.copy(first), work.copy(second)
    days = [date(int(d[:4]), int(d[4:6]), int(d[6:])) for d in (a.StudyDate, b.StudyDate)]
    assert (days[1] - days[0]).days == 46
    assert date(2024, 1, 17) > days[0] >= date(2014, 1, 19)
    assert (a.StudyTime, a.PatientBirthDate, a.LongitudinalTemporalInformationModified) == ("", "", "MODIFIED")
    codes = [c.CodeValue for c in a.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113108", "113107"]  # CID 7050
    assert work.copy(film(tmp_path / "d.dcm", StudyDate="no date")).StudyDate == ""


def test_the_copy_says_that_the_patient_was_removed_and_how(tmp_path: Path) -> None:
    found = copied(film(tmp_path / "a.dcm"))
    assert (found.PatientIdentityRemoved, found.LongitudinalTemporalInformationModified) == ("YES", "REMOVED")
    assert [c.CodeValue for c in found.DeidentificationMethodCodeSequence] == ["113100", "113108"]
    assert "radmark" in found.DeidentificationMethod


def test_codes_keep_the_meaning_of_their_scheme_and_none_of_the_hospitals_own(tmp_path: Path) -> None:
    def code(value: str, scheme: str) -> Any:
        item = pydicom.Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "Mrs Planted's hip"
        return item

    found = copied(
        film(
            tmp_path / "a.dcm",
            AnatomicRegionSequence=[code("29836001", "SCT")],
            ViewCodeSequence=[code("12345", "99HOSPITAL")],
        )
    )
    assert [c.CodeMeaning for c in found.AnatomicRegionSequence] == ["Hip"]
    assert "ViewCodeSequence" not in found


def test_what_is_hidden_in_the_pixels_storage_does_not_come_along(tmp_path: Path) -> None:
    """An overlay in the bits above those stored, and a comment inside a JPEG."""
    drawn = RAMP | 0x8000
    assert np.array_equal(np.frombuffer(copied(film(tmp_path / "a.dcm", drawn)).PixelData, "<u2").reshape(7, 5), RAMP)
    ds = pydicom.dcmread(film(tmp_path / "b.dcm", RAMP.astype(np.uint8), bits=8))
    stream = imagecodecs.ljpeg_encode(RAMP.astype(np.uint8), bitspersample=8)
    comment = b"\xff\xfe" + (len(NAME) + 2).to_bytes(2, "big") + NAME.encode()
    ds.PixelData = pydicom.encaps.encapsulate([stream[:2] + comment + stream[2:]])
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
    ds.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1
    ds.save_as(tmp_path / "b.dcm")
    assert NAME.encode() in (tmp_path / "b.dcm").read_bytes()
    to = WORK.write(tmp_path / "b.dcm", tmp_path / "more")
    assert NAME.encode() not in to.read_bytes()
    assert np.array_equal(read_film(to).pixels, RAMP.astype(np.uint8))


def test_signed_values_and_every_frame_stay_what_they_were(tmp_path: Path) -> None:
    signed = (RAMP.astype(np.int16) - 2000) & 0x0FFF  # twelve bits, the sign in bit 11
    source = film(tmp_path / "a.dcm", np.stack([signed, signed + 1]).astype(np.int16), PixelRepresentation=1)
    WORK.write(source, tmp_path / "copies")
    (to,) = (tmp_path / "copies").iterdir()
    for frame in (1, 2):
        assert np.array_equal(read_film(to, frame=frame).pixels, read_film(source, frame=frame).pixels)
    assert pydicom.dcmread(to).pixel_array[0, 0, 0] == -2000


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ({"BurnedInAnnotation": "YES"}, "own word"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.12.2"}, "fluoroscopy"),
    ],
)
def test_films_whose_pixels_may_name_the_patient_wait_for_somebody_to_look(
    tags: dict[str, Any], why: str, tmp_path: Path
) -> None:
    source = film(tmp_path / "a.dcm", **tags)
    with pytest.raises(InputError, match=why) as caught:
        WORK.write(source, tmp_path / "copies")
    assert "planted" not in str(caught.value).lower()
    assert not (tmp_path / "copies").exists()
    Deidentifier(KEY, burned_in_ok=True).write(source, tmp_path / "copies")
    if "BurnedInAnnotation" not in tags:
        WORK.write(film(tmp_path / "b.dcm", BurnedInAnnotation="NO", **tags), tmp_path / "copies")


def test_the_same_image_twice_is_told_and_nothing_is_replaced(tmp_path: Path) -> None:
    source = film(tmp_path / "a.dcm")
    WORK.write(source, tmp_path / "copies")
    with pytest.raises(InputError, match="same SOP Instance UID"):
        WORK.write(source, tmp_path / "copies")


def test_a_key_is_made_for_its_owner_alone_and_read_again(tmp_path: Path) -> None:
    made = read_key(tmp_path / "keys" / "key")
    assert read_key(tmp_path / "keys" / "key") == made
    assert len(made) >= 32
    assert [(tmp_path / p).stat().st_mode & 0o777 for p in ("keys", "keys/key")] == [0o700, 0o600]
    assert read_key(None) != read_key(None)
    (tmp_path / "keys" / "key").chmod(0o644)
    with pytest.raises(InputError, match="readable by other users"):
        read_key(tmp_path / "keys" / "key")
    with pytest.raises(InputError, match="too short"):
        Deidentifier(b"short")


def test_dciodvfy_finds_nothing_wrong_in_a_copy_that_was_not_wrong_in_the_film(tmp_path: Path) -> None:
    source = film(
        tmp_path / "a.dcm", PixelSpacing=[0.2, 0.2], ImagerPixelSpacing=[0.2, 0.2], PatientOrientation=["L", "F"]
    )
    WORK.write(source, tmp_path / "copies")
    (to,) = (tmp_path / "copies").iterdir()
    before, after = (
        {line for line in run("dciodvfy", str(file)).splitlines() if line.startswith("Error")} for file in (source, to)
    )
    assert after <= before


def test_the_documentation_lists_everything_that_is_kept() -> None:
    text = (Path(__file__).parents[2] / "docs/reports.md").read_text(encoding="utf-8")
    k = kept()
    for keyword in k.numbers | k.counters | k.empty | k.uids | k.classes | k.dates | k.sequences | k.words.keys():
        assert f"`{keyword}`" in text, keyword
