"""What went wrong, in the user's words, with the way out.

Everything a user can mend is an `InputError`; the command line prints it and leaves with exit code 2. Anything else
that escapes is a bug of ours and keeps its traceback.
"""

from pathlib import Path


class RadmarkError(Exception):
    """Base of all errors radmark raises on purpose."""


class InputError(RadmarkError):
    """Something given to radmark cannot be used as it is.

    Args:
        problem: what is wrong, one sentence without a full stop ("the point lies outside the image").
        remedy: what to do about it, an imperative sentence without a full stop.
        file: the file it is about.
        row: the row in that file as a person counts it: 1 is the header line of a CSV.
        column: the column or key.
        value: the offending value as it was read.
    """

    def __init__(
        self,
        problem: str,
        *,
        remedy: str,
        file: Path | str | None = None,
        row: int | None = None,
        column: str | None = None,
        value: object = None,
    ) -> None:
        self.problem = problem
        self.remedy = remedy
        self.file = None if file is None else str(file)
        self.row = row
        self.column = column
        self.value = value
        super().__init__(self._sentence())

    def at(self, *, file: Path | str | None = None, row: int | None = None, column: str | None = None) -> "InputError":
        """The same error with its place filled in, where the one who raised it could not know the place."""
        return InputError(
            self.problem,
            remedy=self.remedy,
            file=self.file if file is None else file,
            row=self.row if row is None else row,
            column=self.column if column is None else column,
            value=self.value,
        )

    def _sentence(self) -> str:
        place = self.file or ""
        if self.row is not None:
            place += f"{', ' if place else ''}row {self.row}"
        if self.column is not None:
            place += f"{', ' if place else ''}column {self.column}"
        shown = "" if self.value is None else f" (got {self.value!r})"
        return f"{place}{': ' if place else ''}{self.problem}{shown}. {self.remedy}."
