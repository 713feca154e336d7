"""One shape for everything that does not work: {"error": {"problem", "value", "remedy"}}, whatever the status."""

import math
from collections.abc import Mapping

from pydantic import BaseModel
from starlette.responses import JSONResponse

from radmark.core.errors import InputError


class Problem(BaseModel):
    """What is wrong, the value it is about, and the way out."""

    problem: str
    value: str | int | float | bool | None
    remedy: str


class ErrorAnswer(BaseModel):
    """The body of every answer that is no success."""

    error: Problem


class RefusedError(Exception):
    """A request is refused, for reasons that are not the image's."""

    def __init__(
        self, status: int, problem: str, remedy: str, value: object = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(problem)
        self.status, self.headers = status, headers
        self.told = Problem(problem=problem, value=plain(value), remedy=remedy)

    def answer(self) -> JSONResponse:
        """As the caller gets it."""
        return answer(self.status, self.told, self.headers)


def of_image(error: InputError) -> Problem:
    """What is wrong with an image; the name of our own copy of it is nobody's business."""
    problem = error.problem if error.file is None else error.problem.replace(error.file, "the upload")
    return Problem(problem=problem, value=plain(error.value), remedy=error.remedy)


def answer(status: int, told: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer of that status."""
    return JSONResponse(ErrorAnswer(error=told).model_dump(), status, headers)


def plain(value: object) -> str | int | float | bool | None:
    """A value as JSON has it."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if value is None or isinstance(value, (str, int, float, bool)) else repr(value)[:200]
