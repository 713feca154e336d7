"""`radmark predict`."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import model_sha256, open_model, parse_spacing
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.core.detector import Detector
    from radmark.core.frame import Spacing
    from radmark.core.prediction import Prediction
    from radmark.core.radiograph import Radiograph
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
    a DICOM image, .dcm: a Structured Report for the archive it came from. Of several images: a folder, and --format. .parquet,
    for an archive of images: a batch, see --engine."""

    format: Literal["csv", "json", "coco", "png", "dcm", "gsps", "sc", "dcm-all", "parquet"] | None = None
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

    audit: Path | None = None
    """Audit log to add a line to for each image: which model saw it and what left, UIDs as keyed hashes, no patient, no path."""

    engine: Literal["local", "ray"] | None = None
    """Makes it a batch, as .parquet does: a killed one goes on with the same command, and bad images are listed with their
    reason. local: this process and its threads. ray: many processes, on this machine or a cluster."""

    workers: int | None = None
    """Images looked at at once, each by a thread of its own, on Ray by a process. By default one for each processor."""

    address: str | None = None
    """Of the Ray cluster; by default one is started on this machine."""

    def run(self) -> int:
        """Predict and write."""
        from radmark.batch.pipeline import Job, predict_each
        from radmark.console import err, out
        from radmark.core.detector import available_cpus
        from radmark.io import IMAGE_SUFFIXES
        from radmark.measure.reported import results_of

        suffix = self.format or self.out.suffix.removeprefix(".").lower()
        if suffix == "parquet" or self.engine is not None:
            return self._batch(suffix)
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
        at_once = 1 if len(files) == 1 else self.workers or available_cpus()
        predictor, model = open_model(self.run_folder, self.absent_below, at_once=at_once)
        audit = None if self.audit is None else _Audit(self.audit, self.run_folder)
        predictions: list[Prediction] = []
        measured: dict[str, Measured] = {}
        jobs = [Job(name, path, spacing or own) for name, (path, own) in files.items()]
        keep = suffix in FILES_AN_IMAGE or self.measure or audit is not None
        with closing(predict_each(jobs, predictor, frame=self.frame, workers=self.workers, keep=keep)) as each:
            for outcome in each:
                name, path, radiograph = outcome.job.name, outcome.job.path, outcome.radiograph
                try:
                    predictions.append(outcome.found())
                    if radiograph is None:
                        continue
                    results = results_of(path, predictions[-1].landmarks, radiograph)
                    if suffix in FILES_AN_IMAGE:
                        self._results(outs[name], path, radiograph, predictions[-1], results, model())
                    elif self.measure:
                        measured[name] = (results, radiograph.flags)
                except InputError as error:
                    if not self.skip_bad:
                        raise
                    err.print(f"left out: {error}")
                else:
                    if audit is not None:
                        audit(path, radiograph, results, outs[name].get("sr"))
        if not predictions:
            raise InputError("no image could be read", remedy="Give radiographs as DICOM, PNG, JPEG or TIFF")
        self._tables(suffix, predictions, measured)
        out.print(f"{len(predictions)} radiographs, {len(predictor.scheme)} landmarks each, in {self.out}")
        return 0

    def _batch(self, suffix: str) -> int:
        """A job that can be killed and goes on, over as many images as there are."""
        from radmark.batch.pipeline import Job
        from radmark.batch.results import WRITERS
        from radmark.batch.run import Engine, run_batch
        from radmark.console import BatchProgress, out
        from radmark.core.detector import available_cpus
        from radmark.io import IMAGE_SUFFIXES

        if suffix not in WRITERS:
            raise InputError(
                "a batch does not write this format",
                file=self.out,
                value=suffix,
                remedy=f"End --out in {', '.join('.' + name for name in WRITERS)}, or leave --engine away",
            )
        spacing = parse_spacing(self.spacing_mm)
        files = image_files(self.images, self.images_of, IMAGE_SUFFIXES)
        at_once = None if self.engine == "ray" else self.workers or available_cpus()
        ended = run_batch(
            [Job(_printable(name), path, spacing or own) for name, (path, own) in files.items()],
            partial(_load, self.run_folder.absolute(), self.absent_below, at_once=at_once),
            self.out,
            model=model_sha256(self.run_folder),
            suffix=suffix,
            settings={"spacing_mm": self.spacing_mm, "absent_below": self.absent_below},
            frame=self.frame,
            engine=Engine(self.engine or "local", self.workers, self.address),
            overwrite=self.overwrite,
            watch=BatchProgress(),
        )
        before = f", {ended.resumed} of them done before" if ended.resumed else ""
        out.print(f"{ended.images} radiographs{before}, {ended.bad} of them bad, in {self.out}")
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
        from radmark.measure.reported import refused, reported

        measurements, without = reported(results, prediction.landmarks), refused(results)
        # What every result says has room on a picture once.
        shared = [flag for flag in (results[0].flags if results else ()) if all(flag in r.flags for r in results)]
        shown = [FLAGS[flag] for flag in radiograph.flags]
        remarks = [*(r.words for r in without), *(flag for flag in shared if flag not in shown)]
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
                refused=without,
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


class _Audit:
    """The audit log of this command's images."""

    def __init__(self, log: Path, run: Path) -> None:
        from radmark.privacy.audit import AuditLog

        self._log, self._model_sha256 = AuditLog(log), model_sha256(run)

    def __call__(self, path: Path, radiograph: "Radiograph", results: "Sequence[Result]", report: Path | None) -> None:
        from radmark.io.dicom import instance_uid
        from radmark.io.files import file_sha256
        from radmark.privacy.audit import Processed

        spacing = radiograph.frame.spacing
        processed = Processed(
            model_sha256=self._model_sha256,
            file_sha256=file_sha256(path),
            image_uid=instance_uid(path),
            millimetres_from=None if spacing is None else str(spacing.source),
            measurements=sum(r.value is not None for r in results),
            flags=radiograph.flags,
            report_uid=None if report is None else instance_uid(report),
        )
        try:
            self._log.append(processed)
        except OSError as error:
            raise InputError(
                f"the audit log cannot be written: {error.strerror}", file=self._log.path, remedy="Give another --audit"
            ) from error


def _printable(name: str) -> str:
    """A file's name as text, also where its bytes are none: a result of thousands must not fail at one."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _load(run: Path, absent_below: float, at_once: int | None) -> "Detector":
    """The model; with one thread for the network where it is not alone on its machine (None)."""
    if at_once is None:
        return open_model(run, absent_below, threads=1)[0]
    return open_model(run, absent_below, at_once=at_once)[0]


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
