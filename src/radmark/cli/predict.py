"""`radmark predict`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import open_model, parse_spacing
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.core.frame import Spacing
    from radmark.core.landmarks import Landmarks
    from radmark.core.prediction import Prediction
    from radmark.core.radiograph import Radiograph
    from radmark.io.dicom_result import Refused, Reported
    from radmark.measure import Result

    Measured = tuple[Sequence[Result], Sequence[str]]  # and the film's flags

FILES_AN_IMAGE = {
    "png": {"png": ".annotated.png"},
    "dcm": {"sr": ".sr.dcm"},
    "gsps": {"gsps": ".pr.dcm"},
    "sc": {"sc": ".sc.dcm"},
    "dcm-all": {"sr": ".sr.dcm", "gsps": ".pr.dcm", "sc": ".sc.dcm"},
}
"""Format -> what it makes of each image, and how that file's name ends."""


@dataclass(frozen=True)
class Predict:
    """Find the landmarks of radiographs and write them, in pixels of each image file; research use only."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder `radmark train` made, or a file `radmark export` made (.onnx, .xml), which needs no torch."""

    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES...")]
    """Image files, folders of them, or an annotation CSV whose images are meant (with --images-of)."""

    out: Path
    """The file to write: .csv, with the columns of ANNOTATIONS and <name>_confidence, .json, .png, an annotated picture, or, for
    a DICOM image, .dcm: a Structured Report for the archive it came from. Of several images: a folder, and --format."""

    format: Literal["csv", "json", "coco", "png", "dcm", "gsps", "sc", "dcm-all"] | None = None
    """Of --out; by default told by its suffix. coco: key points, in a .json of its own; gsps: a DICOM presentation state, which
    viewers lay over the film; sc: the annotated picture as a DICOM Secondary Capture; dcm-all: report, state and capture of each
    image in a folder."""

    measure: bool = False
    """Measurements along: in .json inside each image, of .csv in a second file, <out>.measurements.csv. COCO has no place for
    them, and the other formats always have them."""

    burned_in_ok: bool = False
    """Write pictures of films whose pixels hold text, by their own word. Look first: it may name the patient."""

    frame: int | None = None
    """Of DICOM files of several frames, which one, from 1."""

    images_of: Path | None = None
    """Folder of the images an annotation CSV names."""

    spacing_mm: str | None = None
    """Millimetres per pixel, V or X,Y; written along."""

    absent_below: float = 0.0
    """State a landmark absent where the model's confidence is less than this."""

    skip_bad: bool = False
    """Leave out images that cannot be read, say which, and go on. By default no table is written then, and of the formats with a
    file an image those before it."""

    overwrite: bool = False
    """Replace --out."""

    def run(self) -> int:
        """Predict and write."""
        from radmark.console import err, out
        from radmark.io import IMAGE_SUFFIXES, read_image

        suffix = self.format or self.out.suffix.removeprefix(".").lower()
        if suffix not in ("csv", "json", "coco", *FILES_AN_IMAGE):
            raise InputError(
                "the format to write is not known",
                file=self.out,
                value=suffix,
                remedy="End --out in .csv, .json, .png or .dcm, or give --format: "
                f"{', '.join(('csv', 'json', 'coco', *FILES_AN_IMAGE))}",
            )
        if suffix == "coco" and self.measure:
            raise InputError(
                "COCO has no place for measurements", file=self.out, remedy="Leave out --measure, or write json or csv"
            )
        spacing = parse_spacing(self.spacing_mm)
        files = image_files(self.images, self.images_of, IMAGE_SUFFIXES)
        outs = self._outs(list(files), suffix)
        predictor, model = open_model(self.run_folder, self.absent_below)
        predictions: list[Prediction] = []
        measured: dict[str, Measured] = {}
        for name, (path, own_spacing) in files.items():
            try:
                radiograph = read_image(path, spacing or own_spacing, frame=self.frame)
                predictions.append(predictor(name, radiograph))
                if suffix in FILES_AN_IMAGE or self.measure:
                    measured[name] = (_measured(path, predictions[-1].landmarks, radiograph), radiograph.flags)
                if suffix in FILES_AN_IMAGE:
                    results, _ = measured.pop(name)
                    self._results(outs[name], path, radiograph, predictions[-1], results, model())
            except InputError as error:
                if not self.skip_bad:
                    raise
                err.print(f"left out: {error}")
        if not predictions:
            raise InputError("no image could be read", remedy="Give radiographs as DICOM, PNG, JPEG or TIFF")
        self._tables(suffix, predictions, measured)
        out.print(f"{len(predictions)} radiographs, {len(predictor.scheme)} landmarks each, in {self.out}")
        return 0

    def _tables(self, suffix: str, predictions: "Sequence[Prediction]", measured: "dict[str, Measured]") -> None:
        from radmark.io import write_predictions_coco, write_predictions_csv, write_predictions_json
        from radmark.io.measurements import measurements_tree, write_measurements_csv

        if suffix == "json":
            more = {
                name: {"film_flags": list(flags), "measurements": measurements_tree(results)}
                for name, (results, flags) in measured.items()
            }
            write_predictions_json(self.out, predictions, more)
        elif suffix == "coco":
            write_predictions_coco(self.out, predictions)
        elif suffix == "csv":
            write_predictions_csv(self.out, predictions)
            if self.measure:
                by_image = {name: results for name, (results, _) in measured.items()}
                write_measurements_csv(self.out.with_suffix(".measurements.csv"), by_image)

    def _outs(self, names: Sequence[str], suffix: str) -> dict[str, dict[str, Path]]:
        """The files each image's results go to, by kind, none of which is somebody's already."""
        from radmark.io.atomic import claim_file

        kinds = FILES_AN_IMAGE.get(suffix, {})
        one = ".png" if suffix == "png" else ".dcm"
        if not kinds:
            outs = {name: {suffix: self.out} for name in names}
            if suffix == "csv" and self.measure:
                claim_file(self.out.with_suffix(".measurements.csv"), overwrite=self.overwrite)
        elif self.out.suffix.lower() != one or len(kinds) > 1:
            stems = {name: name.replace("/", "_") for name in names}
            if len(set(stems.values())) < len(names):
                raise InputError(
                    "two images would have results of one name", file=self.out, remedy="Predict them in two goes"
                )
            outs = {name: {k: self.out / f"{stems[name]}{end}" for k, end in kinds.items()} for name in names}
        elif len(names) > 1:
            raise InputError(
                f"a result of this format is of one image, and {len(names)} are given",
                file=self.out,
                remedy=f"Give a folder as --out, and --format {suffix}",
            )
        else:
            outs = {name: dict.fromkeys(kinds, self.out) for name in names}
        for file in {file for files in outs.values() for file in files.values()}:
            claim_file(file, overwrite=self.overwrite)
        return outs

    def _results(
        self,
        to: "dict[str, Path]",
        image: Path,
        radiograph: "Radiograph",
        prediction: "Prediction",
        results: "Sequence[Result]",
        model: str,
    ) -> None:
        """Write what one image has files of its own for."""
        import numpy as np

        from radmark.console import err
        from radmark.draw import annotated
        from radmark.io.atomic import replacing
        from radmark.io.dicom import FLAGS
        from radmark.io.dicom_pr import write_dicom_pr
        from radmark.io.dicom_sc import write_dicom_sc
        from radmark.io.dicom_sr import write_dicom_sr

        measurements, refused = _reported(results, prediction.landmarks), _refused(results)
        # What every result says has room on a picture once.
        shared = [flag for flag in (results[0].flags if results else ()) if all(flag in r.flags for r in results)]
        shown = [FLAGS[flag] for flag in radiograph.flags]
        remarks = [*(r.words for r in refused), *(flag for flag in shared if flag not in shown)]
        if "png" in to and "burned_in_annotation" in radiograph.flags and not self.burned_in_ok:
            raise InputError(
                "the film's pixels hold text, which may name the patient",
                file=image,
                remedy="Look at it, and give --burned-in-ok if it does not; or write another format",
            )
        if "sr" in to:
            write_dicom_sr(
                to["sr"],
                image,
                prediction,
                model=model,
                measurements=measurements,
                refused=refused,
                frame_number=self.frame,
            )
        if "gsps" in to:
            if len(to) > 1 and "colour" in radiograph.flags:
                err.print(f"{image}: no presentation state, which a picture in colour cannot have")
            else:
                write_dicom_pr(
                    to["gsps"],
                    image,
                    prediction,
                    model=model,
                    measurements=measurements,
                    remarks=remarks,
                    frame_number=self.frame,
                )
        if "png" in to or "sc" in to:
            picture = annotated(radiograph, prediction.landmarks, measurements, model=model, remarks=remarks)
            if "png" in to:
                with replacing(to["png"]) as temporary:
                    picture.save(temporary)
            else:
                pixels = np.asarray(picture)
                write_dicom_sc(to["sc"], image, radiograph.frame, pixels, model=model, frame_number=self.frame)


def _measured(image: Path, landmarks: "Landmarks", radiograph: "Radiograph") -> "tuple[Result, ...]":
    """Every result of a film, whichever format they go to."""
    from radmark.io import read_header
    from radmark.measure.calibrate import set_aside
    from radmark.measure.film import measure_film

    header = read_header(image)
    replaced = () if header is None else set_aside(header.spacing, landmarks.frame.spacing)
    return measure_film(landmarks, None if header is None else radiograph, mm_flags=replaced)


def _reported(results: "Sequence[Result]", landmarks: "Landmarks") -> "list[Reported]":
    """Results with a number, as pictures and DICOM objects hold them: each with the line, lines or ellipse it is."""
    from radmark.io.dicom_result import Reported
    from radmark.measure.shapes import shape_of

    reported: list[Reported] = []
    for r in results:
        if r.value is not None:
            notes = (f"against: {r.line}", f"positive: {r.sign}", f"after: {r.source}", *r.flags)
            notes += () if r.mm_from is None else (f"millimetres from: {r.mm_from}",)
            notes += () if r.scale_sd_percent is None else (f"millimetres sure to {r.scale_sd_percent:g} % (1 sd)",)
            notes += () if not r.published else (f"published: {r.published}",)
            notes += () if r.side is None else (f"side: {r.side}",)
            shape = shape_of(r, landmarks)
            own = tuple(name for name in r.points if not name.startswith("teardrop")) or r.points
            reported.append(
                Reported(r.title, r.value, r.unit, shape.kind, shape.points, r.side, own, notes, shape.lines)
            )
    return reported


def _refused(results: "Sequence[Result]") -> "list[Refused]":
    """What has no number though all its landmarks are there, reason by reason."""
    from radmark.io.dicom_result import Refused

    by_reason: dict[str, list[Result]] = {}
    for r in results:
        if r.reason:
            by_reason.setdefault(r.reason, []).append(r)
    return [
        Refused(
            tuple(f"{r.title}, {r.side}" if r.side else r.title for r in rows),
            reason,
            tuple(dict.fromkeys(name for r in rows for name in r.points)),
        )
        for reason, rows in by_reason.items()
    ]


def image_files(
    given: Sequence[Path], images_of: Path | None, suffixes: Sequence[str]
) -> "dict[str, tuple[Path, Spacing | None]]":
    """Name -> file and the spacing stated for it, in the order given, folders by name.

    Raises:
        InputError: nothing there, or two files of one name (their rows could not be told apart).
    """
    from radmark.io import read_dataset
    from radmark.io.dicom import is_dicom

    files: dict[str, tuple[Path, Spacing | None]] = {}

    def add(name: str, path: Path, spacing: "Spacing | None" = None) -> None:
        if name in files:
            raise InputError(
                f"two images have the name {name}", file=path, remedy="Rename one, or predict them in two goes"
            )
        files[name] = (path, spacing)

    for path in given:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                # A study as archives export it: files without a suffix.
                if file.is_file() and (file.suffix.lower() in suffixes or (not file.suffix and is_dicom(file))):
                    add(file.relative_to(path).as_posix(), file)
        elif path.suffix.lower() == ".csv":
            for case in read_dataset(path, images_of or path.parent).cases:
                add(case.name, case.image, case.landmarks.frame.spacing)
        elif path.is_file():
            add(path.name, path)
        else:
            raise InputError("there is no such image or folder", file=path, remedy="Check the path")
    if not files:
        raise InputError(
            "no image found", file=", ".join(map(str, given)), remedy=f"Images end in {', '.join(sorted(suffixes))}"
        )
    return files
