"""One shape for everything that does not work, whichever server says it: {"error": {"problem", "value", "remedy"}}."""

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from radmark.core.errors import InputError

_SHOWN = 500  # characters of what was sent that are repeated


class Problem(BaseModel):
    """What is wrong, the value it is about, and the way out."""

    problem: str
    value: str | int | float | bool | None
    remedy: str


class ErrorAnswer(BaseModel):
    """The body of every answer that is no success."""

    error: Problem


class Refused(HTTPException):
    """A request is refused. It is an HTTPException, for FastAPI lets no other pass while it reads a body.

    Args:
        status: of the answer.
        problem: what is wrong, one sentence without a full stop.
        remedy: what to do about it, likewise.
        value: what was refused.
        headers: of the answer.
        more: what its body holds beside the error.
    """

    def __init__(
        self,
        status: int,
        problem: str,
        remedy: str,
        value: object = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(status, problem, headers)
        self.told = Problem(problem=_text(problem), value=_plain(value), remedy=_text(remedy))
        self._more = more

    def answer(self) -> JSONResponse:
        """As the caller gets it."""
        return JSONResponse({"error": self.told.model_dump(), **self._more}, self.status_code, self.headers)


def of_input(error: InputError, *, copy: bool = False) -> Refused:
    """Of what a user gave; the file is its value where there is no other.

    Args:
        error: it.
        copy: the file is our own copy of what was sent, and its name nobody's business.
    """
    problem, value = error.problem, error.value
    if not copy:
        value = error.file if value is None else value
    elif error.file is not None:
        problem = problem.replace(error.file, "the upload")
    return Refused(422, problem, error.remedy, value)


def handle_errors(
    app: FastAPI, *, see: str, after_bug: str, copies: bool = False, parameters: Sequence[str] = ()
) -> None:
    """Have whatever a route raises answered in the one shape.

    Args:
        app: whose routes.
        see: where it is written what there is, such as "/openapi.json".
        after_bug: what to do about a fault of ours, an imperative sentence.
        copies: files that errors name are our own copies of what was sent.
        parameters: those there are, for who gives another.
    """

    def refusal(request: Request, error: Exception) -> Refused:
        match error:
            case Refused():
                return error
            case InputError():
                return of_input(error, copy=copies)
            case RequestValidationError():
                return _of_validation(error, see, parameters)
            case HTTPException(status_code=404):
                return Refused(404, "there is nothing at this address", f"See {see} for what there is")
            case HTTPException(status_code=405):
                remedy = "Use the one the header Allow names"
                return Refused(405, "this address does not take that method", remedy, request.method, error.headers)
            case HTTPException():
                return Refused(error.status_code, str(error.detail), f"See {see}", headers=error.headers)
            case _:
                bug = f"radmark made a mistake ({type(error).__name__})"  # its message may hold anything
                return Refused(500, bug, after_bug, request.scope.get("radmark.request"))

    async def handle(request: Request, error: Exception) -> JSONResponse:
        return refusal(request, error).answer()

    for kind in (Refused, InputError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, handle)


def _of_validation(error: RequestValidationError, see: str, parameters: Sequence[str]) -> Refused:
    first: Mapping[str, Any] = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:])[:100]
    if first["type"] == "json_invalid":
        return Refused(400, "the body is not JSON", f"Send JSON as in {see}")
    if first["type"] == "extra_forbidden" and parameters:  # ignored, it would give another answer than was asked for
        near = get_close_matches(where, parameters, 1)
        meant = f"Did you mean {near[0]}? " if near else ""
        return Refused(422, "there is no such parameter", f"{meant}There are {', '.join(parameters)}", where)
    return Refused(422, f"{where or 'the request'}: {first['msg']}", f"See {see} for what it takes", first.get("input"))


def _plain(value: object) -> str | int | float | bool | None:
    """A value as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if value is None or isinstance(value, int | float | bool) else _text(str(value)[:_SHOWN])


def _text(words: str) -> str:
    """Without half a surrogate pair, which is no character."""
    return words.encode("utf-8", "replace").decode()
