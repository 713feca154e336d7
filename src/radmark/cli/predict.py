"""`radmark predict`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import load_predictor, parse_spacing
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.core.frame import Spacing
    from radmark.core.prediction import Prediction
    from radmark.core.radiograph import Radiograph


@dataclass(frozen=True)
class Predict:
    """Find the landmarks of radiographs and write them to one file, in pixels of each image file."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder `radmark train` made."""

    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IMAGES...")]
    """Image files, folders of them, or an annotation CSV whose images are meant (with --images-of)."""

    out: Path
    """The file to write: .csv, with the columns of ANNOTATIONS and <name>_confidence, .json, or, for a DICOM image, .dcm: a
    Structured Report for the archive it came from. Reports of several images: a folder, and --format dcm."""

    format: Literal["csv", "json", "dcm"] | None = None
    """Of --out; by default told by its suffix."""

    frame: int | None = None
    """Of DICOM files of several frames, which one, from 1."""

    images_of: Path | None = None
    """Folder of the images an annotation CSV names."""

    spacing_mm: str | None = None
    """Millimetres per pixel, V or X,Y; written along."""

    absent_below: float = 0.0
    """State a landmark absent where the model's confidence is less than this."""

    skip_bad: bool = False
    """Leave out images that cannot be read, say which, and go on. By default nothing is written then."""

    overwrite: bool = False
    """Replace --out."""

    audit: Path | None = None
    """Audit log to add a line to for each image: which model saw it and what left, UIDs as keyed hashes, no patient, no path."""

    def run(self) -> int:
        """Predict and write."""
        from radmark.console import err, out
        from radmark.io import IMAGE_SUFFIXES, read_image, write_predictions_csv, write_predictions_json

        write = {"csv": write_predictions_csv, "json": write_predictions_json}
        suffix = self.format or self.out.suffix.removeprefix(".").lower()
        if suffix not in (*write, "dcm"):
            raise InputError(
                "the format to write is not known",
                file=self.out,
                value=suffix,
                remedy=f"End --out in {', '.join('.' + name for name in write)} or .dcm, or give --format",
            )
        spacing = parse_spacing(self.spacing_mm)
        files = _image_files(self.images, self.images_of, IMAGE_SUFFIXES)
        outs = self._outs(list(files), suffix)
        predictor = load_predictor(self.run_folder, self.absent_below)
        audit = None if self.audit is None else _Audit(self.audit, self.run_folder)
        predictions: list[Prediction] = []
        for name, (path, own_spacing) in files.items():
            try:
                radiograph = read_image(path, spacing or own_spacing, frame=self.frame)
                predictions.append(predictor(name, radiograph))
                if suffix == "dcm":
                    self._report(outs[name], path, radiograph, predictions[-1])
            except InputError as error:
                if not self.skip_bad:
                    raise
                err.print(f"left out: {error}")
            else:
                if audit is not None:
                    audit(path, radiograph, predictions[-1], outs[name] if suffix == "dcm" else None)
        if not predictions:
            raise InputError("no image could be read", remedy="Give radiographs as DICOM, PNG, JPEG or TIFF")
        if suffix in write:
            write[suffix](self.out, predictions)
        out.print(f"{len(predictions)} radiographs, {len(predictor.scheme)} landmarks each, in {self.out}")
        return 0

    def _outs(self, names: Sequence[str], suffix: str) -> dict[str, Path]:
        """The file each image's result goes to, none of which is somebody's already."""
        from radmark.io.atomic import claim_file

        outs = dict.fromkeys(names, self.out)
        if suffix == "dcm" and self.out.suffix.lower() != ".dcm":
            outs = {name: self.out / f"{name.replace('/', '_')}.sr.dcm" for name in names}
        elif suffix == "dcm" and len(names) > 1:
            raise InputError(
                f"a DICOM report is of one image, and {len(names)} are given",
                file=self.out,
                remedy="Give a folder as --out, and --format dcm",
            )
        for file in set(outs.values()):
            claim_file(file, overwrite=self.overwrite)
        return outs

    def _report(self, to: Path, image: Path, radiograph: "Radiograph", prediction: "Prediction") -> None:
        from radmark.checkpoint import model_name
        from radmark.io.dicom_sr import write_dicom_sr
        from radmark.measure.reported import reported

        write_dicom_sr(
            to,
            image,
            prediction,
            model=model_name(self.run_folder),
            measurements=reported(prediction.landmarks, radiograph),
            frame_number=self.frame,
        )


class _Audit:
    """The audit log of this command's images."""

    def __init__(self, log: Path, run: Path) -> None:
        from radmark.checkpoint import model_sha256
        from radmark.privacy.audit import AuditLog

        self._log, self._model_sha256 = AuditLog(log), model_sha256(run)

    def __call__(self, path: Path, radiograph: "Radiograph", prediction: "Prediction", report: Path | None) -> None:
        import hashlib

        from radmark.io.dicom import instance_uid
        from radmark.measure.reported import reported
        from radmark.privacy.audit import Processed

        with path.open("rb") as stream:
            file_sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        spacing = radiograph.frame.spacing
        processed = Processed(
            model_sha256=self._model_sha256,
            file_sha256=file_sha256,
            image_uid=instance_uid(path),
            millimetres_from=None if spacing is None else str(spacing.source),
            measurements=len(reported(prediction.landmarks, radiograph)),
            flags=radiograph.flags,
            report_uid=None if report is None else instance_uid(report),
        )
        try:
            self._log.append(processed)
        except OSError as error:
            raise InputError(
                f"the audit log cannot be written: {error.strerror}", file=self._log.path, remedy="Give another --audit"
            ) from error


def _image_files(
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
