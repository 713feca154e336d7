"""`radmark deidentify`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from radmark.core.errors import InputError


@dataclass(frozen=True)
class Deidentify:
    """Copy DICOM radiographs without the patient: only what is on a list stays. Pixels are not cleaned; research use only."""

    images: Annotated[Positional[tuple[Path, ...]], arg(metavar="IN...")]
    """DICOM radiographs, or folders of them."""

    out: Path
    """The folder to make; a copy's name is its new UID."""

    key: Path | None = None
    """File of the secret that pseudonyms, UIDs and dates are made with, made where there is none: the same key gives the same
    patient the same pseudonym. Keep it apart from the copies. Without one, a key is used that is then forgotten."""

    keep_dates: Literal["none", "shifted"] = "none"
    """Dates of study, series, acquisition and content: none, or each patient's moved back by the same number of days."""

    burned_in_ok: bool = False
    """Copy films whose pixels hold text or may. Look first: it may name the patient."""

    skip_bad: bool = False
    """Leave out what cannot be copied, say which, and go on."""

    def run(self) -> int:
        """Copy."""
        from radmark.console import err, out
        from radmark.io.atomic import claim_folder
        from radmark.io.dicom import is_dicom
        from radmark.privacy.deidentify import Deidentifier, read_key

        files: list[Path] = []
        for given in self.images:
            if not given.exists():
                raise InputError("there is no such image or folder", file=given, remedy="Check the path")
            files += (
                [given] if given.is_file() else [f for f in sorted(given.rglob("*")) if f.is_file() and is_dicom(f)]
            )
        if not files:
            raise InputError(
                "no DICOM file found", file=", ".join(map(str, self.images)), remedy="Give DICOM radiographs"
            )
        claim_folder(self.out)
        work = Deidentifier(read_key(self.key), self.keep_dates == "shifted", self.burned_in_ok)
        done = silent = 0
        for file in files:
            try:
                copy = work.write(file, self.out)
                done += 1
                silent += not says_whether_it_holds_text(copy)
            except InputError as error:
                if not self.skip_bad:
                    raise
                err.print(f"left out: {error}")
        if not done:
            raise InputError("no radiograph could be copied", remedy="See above, file by file")
        out.print(f"{done} of {len(files)} radiographs in {self.out}")
        if silent:
            err.print(
                f"{silent} of them do not say whether text stands in their pixels: look at them before they leave"
            )
        return 0


def says_whether_it_holds_text(file: Path) -> bool:
    """Whether a DICOM file has Burned In Annotation."""
    import pydicom

    ds = pydicom.dcmread(file, stop_before_pixels=True)  # pyright: ignore[reportUnknownMemberType]
    return bool(ds.get("BurnedInAnnotation"))
