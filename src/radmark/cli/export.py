"""`radmark export`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from radmark.cli.common import need_torch
from radmark.cli.predict import films_of
from radmark.core.errors import InputError

if TYPE_CHECKING:
    from radmark.letterbox import Letterboxed


@dataclass(frozen=True)
class Export:
    """Write a trained model as one file that other programs load: letterboxed film in, points in the film's own pixels out.

    Nothing is written unless the file gives torch's points: on phantoms, and on the images of --check.
    """

    run_folder: Annotated[Positional[Path], arg(metavar="RUN")]
    """The folder `radmark train` made."""

    format: Literal["onnx", "openvino", "torch-export"]
    """onnx: one .onnx file. openvino: an .xml file and, beside it, a .bin file. torch-export: one .pt2 file."""

    out: Path
    """The file to write."""

    check: tuple[Path, ...] = ()
    """More images (files, folders) on which the points are compared; with --int8, those on which their shift is measured."""

    int8: bool = False
    """Run the network in 8 bit: smaller and faster, and points shift by an amount that is measured and written down."""

    calibrate: tuple[Path, ...] = ()
    """With --int8: images like those the model will see, some dozens. Without --check, a fourth of them measures the shift
    instead."""

    max_shift_px: float = 5.0
    """Refuse an 8-bit file where 5 of 100 points shift by more than this, in pixels of the images."""

    license: str = "not stated"
    """Licence of the weights, as their owner states it; written into the file."""

    overwrite: bool = False
    """Replace --out."""

    def run(self) -> int:
        """Trace, convert, compare, write."""
        from radmark.console import out

        need_torch()
        from radmark.checkpoint import load_run, model_sha256
        from radmark.infer.export import SUFFIX, Calibration, export, parts, sample_films
        from radmark.io.atomic import claim_file

        suffix = SUFFIX[self.format]
        if self.out.suffix != suffix:
            raise InputError(
                f"a file of the format {self.format} ends in {suffix}", file=self.out, remedy="Rename --out"
            )
        if self.int8 != bool(self.calibrate):
            raise InputError(
                "--int8 and --calibrate go together", remedy="Give --int8 --calibrate IMAGES, or neither of them"
            )
        made = parts(self.out)
        for file in made:
            claim_file(file, overwrite=self.overwrite)
        checkpoint = load_run(self.run_folder)
        size = checkpoint.config.data.size
        checked = _films(self.check, size)
        calibration = None
        if self.int8:
            films = _films(self.calibrate, size)
            measured = checked or films[::4]
            used = films if checked else [film for i, film in enumerate(films) if i % 4]
            if not used:
                raise InputError(
                    "one image is not enough to calibrate and to measure", remedy="Give more to --calibrate"
                )
            calibration = Calibration(used, measured, self.max_shift_px)
        facts = export(
            checkpoint,
            self.out,
            self.format,
            [*sample_films(checkpoint.scheme, size), *checked],
            name=self.run_folder.resolve().stem,
            sha256=model_sha256(self.run_folder),
            licence=self.license,
            calibration=calibration,
        )
        parity = facts.parity
        out.print(
            f"{' and '.join(map(str, made))}: {facts.model_name}, {sum(f.stat().st_size for f in made) / 1e6:.1f} MB; "
            f"32 bit: {parity['max_px']:.4f} px from torch at most, {parity['images']} images"
        )
        if facts.int8 is not None:
            q = facts.int8
            out.print(
                f"8-bit quantisation: points shift by {q['mean_px']:.2f} px on average, {q['p95_px']:.2f} px in 95 of 100, "
                f"{q['max_px']:.2f} px at most ({q['images']} images, in their own pixels)"
            )
        return 0


def _films(given: tuple[Path, ...], size: int) -> "list[Letterboxed]":
    """Films, read and letterboxed one by one."""
    from radmark.io import read_film
    from radmark.letterbox import Letterboxed

    return [
        Letterboxed.of(read_film(film.path, name=film.name), size)
        for film in (films_of(given, None) if given else ())
        if film.path is not None
    ]
