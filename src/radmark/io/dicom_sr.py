"""Marks on a film as a DICOM Structured Report (TID 1500), for the archive the film came from.

Coordinates: `io.dicom_result`. A landmark is a POINT; a length a line of two points, an angle two lines of four, a cup's
anteversion the ELLIPSE it rests on, by the ends of its long axis and then of its short one.

Marks and measurements have no public codes; theirs are of the private scheme 99RADMARK, their meanings in plain words, and
the anatomy they are on is coded in SNOMED CT. Who observed is the marks' author: a device for a model, a person for a reader. A
report is VERIFIED only where somebody is named who says so.
"""

import uuid
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from radmark import __version__
from radmark.core.errors import InputError
from radmark.core.frame import SPACING_WORDS, FloatArray
from radmark.core.marks import Marks
from radmark.io.atomic import replacing
from radmark.io.dicom_result import CODE_LENGTH as CODE_LENGTH
from radmark.io.dicom_result import Refused as Refused
from radmark.io.dicom_result import Reported as Reported
from radmark.io.dicom_result import (
    author_words,
    device_uid,
    finish,
    highdicom,
    hushed,
    in_dicom,
    made_by,
    person_name,
    source_of,
)
from radmark.io.dicom_result import code_value as code_value

CODING_SCHEME = "99RADMARK"
"""Designator of the private codes; private ones begin with 99."""

_SITES = {
    "acetabul": "37783008", "cup": "37783008", "sourcil": "37783008", "teardrop": "37783008", "femoral_head": "2812003",
    "prosthetic_head": "2812003", "lesser_trochanter": "55499008", "femoral_shaft": "41111004", "femoral_neck": "310651003",
    "stem": "310651003", "greater_trochanter": "310651003", "femoral": "71341001", "ischium": "85710004", "symphysis": "82561000",
    "sacr": "54735007", "tibial_plateau": "306783000", "tibial": "12611008", "ankle": "70258002", "talus": "67453005",
}  # fmt: skip
"""Part of a landmark's name -> SNOMED CT, the first that fits."""

_MEANINGS = {
    "37783008": "Acetabulum", "2812003": "Head of femur", "55499008": "Lesser trochanter", "41111004": "Shaft of femur",
    "310651003": "Proximal femur", "71341001": "Femur", "85710004": "Ischium", "82561000": "Symphysis pubis",
    "54735007": "Sacrum", "306783000": "Tibial plateau", "12611008": "Tibia", "70258002": "Ankle joint", "67453005": "Talus",
}  # fmt: skip

_LATERALITY = {"left": ("7771000", "Left"), "right": ("24028007", "Right")}

_UNITS = {"mm": ("mm", "millimeter"), "deg": ("deg", "degree"), "px": ("{pixels}", "pixels"), "%": ("%", "percent")}
"""Unit of a measurement -> UCUM."""


@dataclass(frozen=True)
class Verified:
    """Who says that a report is right.

    Args:
        name: of the person, "Family^Given" as DICOM writes names.
        organization: theirs.

    Raises:
        InputError: one is empty, or no name DICOM can hold.
    """

    name: str
    organization: str

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.organization.strip() or person_name(self.name) != self.name:
            raise InputError(
                "a verified report names a person and an organization",
                value=self.name,
                remedy="Give the name as Family^Given, and the organization",
            )


def write_dicom_sr(
    path: Path,
    image: Path,
    marks: Marks,
    *,
    measurements: Sequence[Reported] = (),
    refused: Sequence[Refused] = (),
    frame_number: int | None = None,
    uid: str | None = None,
    verified_by: Verified | None = None,
) -> None:
    """Write the report of one film.

    Args:
        path: of the report; whole or not at all.
        image: the film's DICOM file; patient and study are taken over from it.
        marks: in that film's frame; their author is who observed.
        measurements: what was computed from them.
        refused: what was not, and why; it stands at the landmarks it would rest on, as a report holds numbers only.
        frame_number: 1-based, of a multi-frame image.
        uid: the report's SOP Instance UID; its other new UIDs follow from it, so that a report written twice is one object.
            None: all are new.
        verified_by: who says that the report is right; None: nobody, and the report is unverified.

    Raises:
        InputError: highdicom is not installed, the image is no DICOM image of this frame, a point lies outside it, or a value is
            not a number.
    """
    with hushed():
        sr = _report(image, marks, measurements, refused, frame_number, uid, verified_by)
        with replacing(path) as temporary:
            sr.save_as(temporary, enforce_file_format=True)


def report_uid(image_uid: str, model_sha256: str, frame_number: int | None = None) -> str:
    """The one SOP Instance UID of what a model says of an image."""
    name = f"radmark report {image_uid} {model_sha256} {frame_number or ''}"
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}"


def _report(
    image: Path,
    marks: Marks,
    measurements: Sequence[Reported],
    refused: Sequence[Refused],
    frame_number: int | None,
    uid: str | None,
    verified_by: Verified | None,
) -> Any:
    """The report as a pydicom data set."""
    hd = highdicom()
    from pydicom.sr.codedict import codes

    def new_uid(*of: object) -> Any:
        return hd.UID() if uid is None else hd.UID.from_uuid(str(uuid.uuid5(uuid.NAMESPACE_OID, f"{uid} {of}")))

    source = source_of(image, marks.frame)
    spacing = marks.frame.spacing
    author = author_words(marks)
    evidence = deepcopy(source)
    # highdicom would describe the detector too, from attributes that many files leave empty.
    evidence.Modality = "OT"

    def group(
        kind: str,
        name: str,
        side: str | None,
        region: Any,
        numbers: list[Any],
        notes: Sequence[str] = (),
        of: Sequence[str] = (),
        told: Sequence[Any] = (),
    ) -> Any:
        site = next((code for n in (name, *of) for part, code in _SITES.items() if part in n), None)
        places = None
        if site is not None:
            laterality = None if side is None else _coded(hd, _LATERALITY[side][0], "SCT", _LATERALITY[side][1])
            anatomy = _coded(hd, site, "SCT", _MEANINGS[site])
            places = [hd.sr.FindingSite(anatomic_location=anatomy, laterality=laterality)]
        return hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=hd.sr.TrackingIdentifier(
                uid=new_uid(kind, name, side),
                identifier=f"Cornerstone3DTools@^0.1.0:{kind}:{name}{f' {side}' if side and side not in name else ''}",
            ),
            referenced_region=region,
            finding_category=codes.SCT.AnatomicalStructure,
            finding_type=private_code(name),
            finding_sites=places,
            geometric_purpose=_coded(hd, "128140", "DCM", "Representative point") if kind == "Probe" else None,
            # What has to be known of a number stands here, not at the number: OHIF reads numbers without children only.
            algorithm_id=hd.sr.AlgorithmIdentification("radmark", __version__, parameters=[author[:64], *notes]),
            measurements=numbers,
            qualitative_evaluations=told or None,
        )

    def private_code(name: str) -> Any:
        return hd.sr.CodedConcept(code_value(name), CODING_SCHEME, name.replace("_", " ")[:64])

    def region(shape: str, points: FloatArray, what: str) -> Any:
        where = in_dicom(points, marks.frame, what)
        frames = None if frame_number is None else [frame_number]
        return hd.sr.ImageRegion(
            graphic_type=shape,
            graphic_data=where,
            source_image=hd.sr.SourceImageForRegion(source.SOPClassUID, source.SOPInstanceUID, frames),
        )

    groups: list[Any] = []
    for k, name in enumerate(marks.scheme.names):
        if marks.placed[k]:
            side = _side_of(name)
            confidence = float("nan") if marks.confidence is None else float(marks.confidence[k])
            numbers = (
                [
                    hd.sr.Measurement(
                        _coded(hd, "111012", "DCM", "Certainty of Feature"), 100 * confidence, codes.UCUM.Percent
                    )
                ]
                if np.isfinite(confidence)
                else []
            )
            spot = region("POINT", marks.points[k : k + 1], name)
            notes = [r.words for r in refused if name in r.of]
            groups.append(group("Probe", name, side, spot, numbers, notes))
    mm_from = None
    if spacing is not None:
        level = hd.sr.CodedConcept(code_value(spacing.source.value), CODING_SCHEME, SPACING_WORDS[spacing.source])
        mm_from = hd.sr.QualitativeEvaluation(private_code("millimetres from"), level)
    for m in measurements:
        if not np.isfinite(m.value):
            raise InputError(f"{m.name} is not a number", value=m.value, remedy="Omit what could not be computed")
        unit = _coded(hd, *_ucum(m.unit))
        number = hd.sr.Measurement(private_code(m.name), round(float(m.value), 4), unit)
        shown = region(m.shape, m.points, m.name)
        told = [mm_from] if mm_from is not None and m.unit == "mm" else []
        groups.append(group(_tool(m), m.name, m.side, shown, [number], m.notes, m.of, told))

    context = hd.sr.ObservationContext(
        **{("observer_device_context" if marks.model else "observer_person_context"): _observer(hd, marks, author)}
    )
    report = hd.sr.MeasurementReport(
        observation_context=context,
        procedure_reported=_coded(hd, "363679005", "SCT", "Imaging procedure"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=[evidence],
    )
    sr = hd.sr.ComprehensiveSR(
        evidence=[source],
        content=report[0],
        series_instance_uid=new_uid("series"),
        series_number=990,
        sop_instance_uid=uid or hd.UID(),
        instance_number=1,
        **made_by(author),
        is_complete=True,
        is_final=verified_by is not None,
        is_verified=verified_by is not None,
        verifying_observer_name=None if verified_by is None else verified_by.name,
        verifying_organization=None if verified_by is None else verified_by.organization,
    )
    _name_the_scheme(sr)
    finish(sr, source)
    return sr


def _observer(hd: Any, marks: Marks, author: str) -> Any:
    """The marks' author as an observer: a model is a device, everybody else a person."""
    from pydicom.sr.codedict import codes

    if marks.model is None:
        return hd.sr.ObserverContext(
            observer_type=codes.DCM.Person,
            observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(name=person_name(author)),
        )
    return hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=device_uid(hd, author),
            name="radmark",
            manufacturer_name="radmark",
            model_name=f"radmark {__version__}",
            serial_number=author[:64],
        ),
    )


def _tool(m: Reported) -> str:
    """The tool of Cornerstone that shows a measurement with the number it has: a length that is no plain line is an arrow."""
    if m.shape != "POLYLINE":
        return "Probe" if m.shape == "POINT" else "EllipticalROI"
    if len(m.points) == 4 and m.unit == "deg":
        return "CobbAngle"
    return "Length" if len(m.points) == 2 and m.unit in ("mm", "px") else "ArrowAnnotate"


def _coded(hd: Any, value: str, scheme: str, meaning: str) -> Any:
    return hd.sr.CodedConcept(value, scheme, meaning)


def _ucum(unit: str) -> tuple[str, str, str]:
    value, meaning = _UNITS.get(unit, ("1", "no units"))
    return value, "UCUM", meaning


def _side_of(name: str) -> str | None:
    parts = name.lower().split("_")
    return next((side for side in ("left", "right") if side in parts), None)


def _name_the_scheme(sr: Any) -> None:
    """Say in the file whose private codes these are."""
    from pydicom.dataset import Dataset

    scheme = Dataset()
    scheme.CodingSchemeDesignator = CODING_SCHEME
    scheme.CodingSchemeName = "radmark landmarks and measurements"
    scheme.CodingSchemeResponsibleOrganization = "radmark"
    sr.CodingSchemeIdentificationSequence = [*sr.get("CodingSchemeIdentificationSequence", []), scheme]
