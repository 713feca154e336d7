"""Reports to files: which file each goes to, none of which is somebody's already, and who writes it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from radmark.core.errors import InputError
from radmark.core.report import Report
from radmark.core.study import one_per_film
from radmark.io.atomic import claim_file
from radmark.outputs.output import COMBINED, Options, Output, outputs


def outputs_of(out: Path, name: str | None) -> tuple[Output, ...]:
    """The outputs that a format's name means, or, without one, the suffix of `out`.

    Raises:
        InputError: none.
    """
    known = outputs()
    if name is None:
        suffix = out.suffix.lower()
        name = next((o.name for o in known.values() if suffix and suffix in o.suffixes), suffix.removeprefix("."))
    if name not in known and name not in COMBINED:
        suffixes = ", ".join(dict.fromkeys(s for o in known.values() for s in o.suffixes))
        raise InputError(
            "the format to write is not known",
            file=out,
            value=name,
            remedy=f"End --out in one of {suffixes}, or give --format: {', '.join((*known, *COMBINED))}",
        )
    return tuple(known[n] for n in COMBINED.get(name, (name,)))


class Writer:
    """Reports to one place: files of one film are written as they come, a file of all of them at the end.

    Args:
        out: a file, or, for outputs with a file per film, a folder.
        films: names of the films to come.
        format: of `outputs`, or of `COMBINED`; None: by the suffix of `out`.
        options: how to write.
        overwrite: replace what is there.

    Attributes:
        left_out: why one of several outputs of a film could not be written.

    Raises:
        InputError: no such format, a file is there already, two films with files of one name, or one file for several films.
    """

    def __init__(
        self,
        out: Path,
        films: Sequence[str],
        format: str | None = None,  # noqa: A002 - the option's word
        *,
        options: Options | None = None,
        overwrite: bool = False,
    ) -> None:
        self.out = out
        self.outputs = outputs_of(out, format)
        self._options = options or Options()
        for output in self.outputs:
            try:
                output.ready(self._options)
            except InputError as error:
                raise error.at(file=error.file or out) from error
        self.left_out: list[InputError] = []
        self._kept: list[Report] = []
        self._files = self._planned(films)
        beside = [out.with_suffix(end) for o in self.outputs if not o.per_film for end in o.beside(self._options)]
        for file in {*(f for files in self._files.values() for f in files.values()), *beside}:
            claim_file(file, overwrite=overwrite)

    @property
    def pixels(self) -> bool:
        """Whether the reports' films have to have their pixels."""
        return any(output.pixels for output in self.outputs)

    def _planned(self, films: Sequence[str]) -> dict[str, dict[str, Path]]:
        """Film -> output -> file."""
        each = [o for o in self.outputs if o.per_film]
        if not each:
            return {name: {o.name: self.out for o in self.outputs} for name in films}
        if self.out.suffix.lower() in each[0].suffixes and len(each) == 1:
            if len(films) > 1:
                raise InputError(
                    f"a file of this format holds one film, and {len(films)} are given",
                    file=self.out,
                    remedy=f"Give a folder as --out, and --format {each[0].name}",
                )
            return {name: {each[0].name: self.out} for name in films}
        stems = {name: name.replace("/", "_") for name in films}
        if len(set(stems.values())) < len(stems):
            raise InputError(
                "two films would have files of one name", file=self.out, remedy="Give them in two commands"
            )
        return {name: {o.name: self.out / f"{stem}{o.ending}" for o in each} for name, stem in stems.items()}

    def add(self, report: Report) -> dict[str, Path]:
        """Write what the film has files of its own for; keep it for the others.

        Returns:
            Output -> the file, of what was written now.

        Raises:
            InputError: this film cannot be written so.
        """
        written: dict[str, Path] = {}
        for output in self.outputs:
            if not output.per_film:
                self._kept.append(replace(report, film=report.film.unloaded()))
                continue
            file = self._files[report.film.name][output.name]
            try:
                output.write(file, [report], self._options)
            except InputError as error:
                # A state cannot hold a film in colour, a capture can: of several outputs the others are made.
                if len(self.outputs) == 1 or output.name != "gsps":
                    raise
                self.left_out.append(error.at(file=error.file or report.film.name))
                continue
            written[output.name] = file
        return written

    def close(self) -> None:
        """Write the files of all films.

        Raises:
            InputError: no report was added.
        """
        for output in self.outputs:
            if not output.per_film:
                one_per_film([report.marks for report in self._kept])
                output.write(self.out, self._kept, self._options)


def write(
    reports: Report | Sequence[Report],
    path: Path | str,
    format: str | None = None,  # noqa: A002
    *,
    overwrite: bool = False,
    **options: Any,
) -> None:
    """Write a report or several: by the suffix of `path`, or as `format` says.

    Args:
        reports: one or several, each of another film.
        path: a file, or a folder for outputs with a file per film.
        format: csv, json, coco, parquet, png, dcm (Structured Report), gsps, sc or dcm-all.
        overwrite: replace what is there.
        options: as in `Options`.

    Raises:
        InputError: no such format, a file is there already, or a report cannot be written so.
    """
    each = [reports] if isinstance(reports, Report) else list(reports)
    names = [report.film.name for report in each]
    writer = Writer(Path(path), names, format, options=Options(**options), overwrite=overwrite)
    for report in each:
        writer.add(report)
    writer.close()
