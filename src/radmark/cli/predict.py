"""`radmark predict`."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import FilmFacts, FilmsFolder, model_sha256, open_model
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.core.detector import Detector
    from radmark.core.film import Film
    from radmark.core.report import Report


@dataclass(frozen=True)
class Predict:
    """Find the landmarks of radiographs and write them, in pixels of each image file; research use only."""

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder `radmark train` made, or a file `radmark export` made (.onnx, .xml), which needs no torch."""

    given: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILMS...")]
    """Image files, folders of them, or an annotation CSV whose films are meant (with --films)."""

    out: Path
    """The file to write: .csv, with the columns of ANNOTATIONS and <name>_confidence, .json, .png, an annotated picture, or, for
    a DICOM image, .dcm: a Structured Report for the archive it came from. Of several images: a folder, and --format. .parquet,
    for an archive of images: a batch, see --engine."""

    format: Annotated[str | None, arg(metavar="FORMAT")] = None
    """Of --out: csv, json, coco, parquet, png, dcm, gsps, sc or dcm-all; by default its suffix says it. coco: key points, in a
    .json of its own; gsps: a DICOM presentation state, which viewers lay over the film; sc: the annotated picture as a DICOM
    Secondary Capture; dcm-all: report, state and capture of each image in a folder."""

    measure: bool = False
    """Measurements, too: in .json inside each image, of .csv in a second file, <out>.measurements.csv. COCO has no place for
    them, and the other formats always have them."""

    burned_in_ok: bool = False
    """Write pictures of films whose pixels hold text, by their own word. Look first: it may name the patient."""

    frame: int | None = None
    """Of DICOM files of several frames, which one, from 1."""

    films: FilmsFolder = None
    """Folder of the films an annotation CSV names."""

    facts: FilmFacts = field(default_factory=FilmFacts)

    absent_below: float = 0.0
    """State a landmark absent where the model's confidence is less than this."""

    skip_bad: bool = False
    """Leave out images that cannot be read, say which, and go on. By default no table is written then, and of the formats with
    one file per image those before it."""

    overwrite: bool = False
    """Replace --out."""

    audit: Path | None = None
    """Audit log to add a line to for each image: which model saw it and what left, UIDs as keyed hashes, no patient, no path."""

    engine: Literal["local", "ray"] | None = None
    """Makes it a batch, as .parquet does: an interrupted batch resumes when the same command is run again, and bad images are
    listed with their reason. local: this process and its threads. ray: many processes, on this machine or a cluster."""

    workers: int | None = None
    """Images looked at at once, each by a thread of its own, on Ray by a process. By default one for each processor."""

    address: str | None = None
    """Of the Ray cluster; by default one is started on this machine."""

    def run(self) -> int:
        """Predict, examine and write."""
        from radmark.batch.pipeline import predict_each
        from radmark.console import counted, err, out
        from radmark.core.detector import available_cpus
        from radmark.measure import examine
        from radmark.outputs import Options, Writer
        from radmark.outputs.writer import outputs_of

        if self.engine is not None or outputs_of(self.out, self.format)[0].name == "parquet":
            return self._batch()
        films = self._films()
        options = Options(measure=self.measure, burned_in_ok=self.burned_in_ok)
        names = [film.name for film in films]
        writer = Writer(self.out, names, self.format, options=options, overwrite=self.overwrite)
        at_once = 1 if len(films) == 1 else self.workers or available_cpus()
        detector = open_model(self.run_folder, self.absent_below, at_once=at_once)
        audit = None if self.audit is None else _Audit(self.audit, self.run_folder)
        done = 0
        each = predict_each(films, detector, frame=self.frame, workers=self.workers, keep=writer.pixels)
        with closing(each):
            for outcome in each:
                try:
                    report = examine(outcome.film, outcome.found())
                    written = writer.add(report)
                except InputError as error:
                    if not self.skip_bad:
                        raise
                    err.print(f"left out: {error}")
                else:
                    done += 1
                    if audit is not None:
                        audit(report, written.get("dcm"))
        for error in writer.left_out:
            err.print(f"left out: {error}")
        if not done:
            raise InputError("no image could be read", remedy="Give radiographs as DICOM, PNG, JPEG or TIFF")
        writer.close()
        out.print(f"{counted(done)}, {len(detector.scheme)} landmarks each, in {self.out}")
        return 0

    def _films(self) -> "list[Film]":
        """The films that are meant, each with its path and with what is known of it; nobody has looked at them yet."""
        return [self.facts.of(film) for film in films_of(self.given, self.films)]

    def _batch(self) -> int:
        """A job that can be interrupted and resumes, over as many films as there are."""
        from radmark.batch.run import Engine, batch_formats, run_batch
        from radmark.console import BatchProgress, counted, out
        from radmark.core.detector import available_cpus
        from radmark.outputs import Options
        from radmark.outputs.writer import outputs_of

        output, *_ = outputs_of(self.out, self.format)
        if output.rows is None:
            raise InputError(
                "a batch does not write this format",
                file=self.out,
                value=self.format or output.name,
                remedy=f"End --out in {', '.join('.' + name for name in batch_formats())}, or omit --engine",
            )
        at_once = None if self.engine == "ray" else self.workers or available_cpus()
        ended = run_batch(
            self._films(),
            partial(_load, self.run_folder.absolute(), self.absent_below, at_once=at_once),
            self.out,
            model=model_sha256(self.run_folder),
            format=output.name,
            settings={**asdict(self.facts), "absent_below": self.absent_below},
            options=Options(measure=self.measure),
            frame=self.frame,
            engine=Engine(self.engine or "local", self.workers, self.address),
            overwrite=self.overwrite,
            watch=BatchProgress(),
        )
        before = f", {ended.resumed:,} of them done before" if ended.resumed else ""
        out.print(f"{counted(ended.films)}{before}, {ended.bad:,} of them bad, in {self.out}")
        return 0


class _Audit:
    """The audit log of this command's films."""

    def __init__(self, log: Path, run: Path) -> None:
        from radmark.privacy.audit import AuditLog

        self._log, self._model_sha256 = AuditLog(log), model_sha256(run)

    def __call__(self, report: "Report", written: Path | None) -> None:
        from radmark.io.dicom import instance_uid
        from radmark.io.files import file_sha256
        from radmark.privacy.audit import Processed

        path = report.film.path
        assert path is not None  # it was read from there
        uid = None if written is None else instance_uid(written)
        processed = Processed.of(report, self._model_sha256, file_sha256(path), instance_uid(path), uid)
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
        return open_model(run, absent_below, threads=1)
    return open_model(run, absent_below, at_once=at_once)


def films_of(given: Sequence[Path], folder: Path | None) -> "list[Film]":
    """The films of files, folders and annotation tables, in the order given, folders by name; no file is opened yet.

    Args:
        given: image files, folders of them, or tables.
        folder: of the films that a table names; None: the table's own.

    Raises:
        InputError: nothing there, or two films of one name (their rows could not be told apart).
    """
    from radmark.core.film import Film
    from radmark.io import IMAGE_SUFFIXES
    from radmark.io.dicom import is_dicom

    films: dict[str, Film] = {}

    def add(film: Film) -> None:
        if film.name in films:
            raise InputError(
                f"two images have the name {film.name}",
                file=film.path,
                remedy="Rename one, or predict them in two commands",
            )
        films[film.name] = film

    for path in given:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                # A study as archives export it: files without a suffix.
                if file.is_file() and (file.suffix.lower() in IMAGE_SUFFIXES or (not file.suffix and is_dicom(file))):
                    add(Film(_printable(file.relative_to(path).as_posix()), path=file))
        elif path.suffix.lower() == ".csv":
            for film in _of_table(path, folder or path.parent):
                add(film)
        elif path.is_file():
            add(Film(_printable(path.name), path=path))
        else:
            raise InputError("there is no such image or folder", file=path, remedy="Check the path")
    if not films:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        raise InputError("no image found", file=", ".join(map(str, given)), remedy=f"Images end in {suffixes}")
    return list(films.values())


def _of_table(path: Path, folder: Path) -> "list[Film]":
    """The films of an annotation table, with what it says of them and with their files."""
    from dataclasses import replace

    from radmark.io import read_annotations
    from radmark.io.exchange import find_film

    return [replace(film, path=find_film(folder, film.name)) for film in read_annotations(path).films]
