"""The service: its routes, what they take and what they answer. `radmark serve` runs it; docs/serve.md shows how to ask it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from radmark import RESEARCH_USE, __version__
from radmark.core.detector import Detector
from radmark.core.errors import InputError
from radmark.core.frame import Spacing, SpacingSource
from radmark.serve.answers import (
    BatchAnswer,
    BatchItem,
    ImageAnswer,
    LandmarkTold,
    ModelAnswer,
    ModelsAnswer,
    ModelTold,
    PredictAnswer,
    StatusAnswer,
    image_answer,
)
from radmark.serve.engine import Asked, Engine, Limits, Place
from radmark.serve.errors import ErrorAnswer, Problem, RefusedError, answer, of_image, plain
from radmark.serve.guard import Guard
from radmark.serve.logs import event
from radmark.serve.metrics import Metrics

T = TypeVar("T")

_IMAGE_TYPES = ("image/png", "image/jpeg", "image/tiff", "application/dicom", "application/octet-stream")
_BYTES = {"type": "string", "format": "binary"}
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The request cannot be read"},
    401: {"model": ErrorAnswer, "description": "An API key is needed"},
    405: {"model": ErrorAnswer, "description": "Not this method"},
    413: {"model": ErrorAnswer, "description": "Too many bytes"},
    421: {"model": ErrorAnswer, "description": "Asked by a name that is not this machine's"},
    422: {"model": ErrorAnswer, "description": "The image or a parameter cannot be used"},
    429: {
        "model": ErrorAnswer,
        "description": "Too many images are waiting",
        "headers": {"Retry-After": {"description": "Seconds", "schema": {"type": "string"}}},
    },
    500: {"model": ErrorAnswer, "description": "A fault of the service"},
    503: {"model": ErrorAnswer, "description": "It took too long, or the service is stopping"},
}
_SMALL: dict[int | str, dict[str, Any]] = {status: _ERRORS[status] for status in (401, 405, 413, 421, 500, 503)}


@dataclass(frozen=True, eq=False)
class Model:
    """What is served.

    Args:
        detector: the model, ready.
        name: of its run.
        sha256: of its file.
    """

    detector: Detector
    name: str
    sha256: str


@dataclass(frozen=True)
class _Wish:
    """The parameters of a request."""

    asked: Asked
    side: Literal["left", "right"] | None


def _wish(
    spacing_x_mm: Annotated[
        float | None,
        Query(gt=0, le=1000, allow_inf_nan=False, description="Millimetres a pixel; wins over the file's"),
    ] = None,
    spacing_y_mm: Annotated[
        float | None, Query(gt=0, le=1000, allow_inf_nan=False, description="By default the same as in x")
    ] = None,
    frame: Annotated[int | None, Query(ge=1, le=1_000_000, description="Of a DICOM file of several")] = None,
    side: Annotated[Literal["left", "right"] | None, Query(description="The patient's, of a film of one side")] = None,
) -> _Wish:
    if spacing_x_mm is None and spacing_y_mm is not None:
        raise RefusedError(422, "spacing_y_mm is given without spacing_x_mm", "Give both, or x alone for square pixels")
    spacing = None
    if spacing_x_mm is not None:
        spacing = Spacing(spacing_x_mm, spacing_y_mm or spacing_x_mm, SpacingSource.FLAG)
    return _Wish(Asked(spacing, frame), side)


def _upload(field: str, several: bool) -> dict[str, Any]:
    """A route's body in OpenAPI: a form with a file, or the bare bytes of an image."""
    form = {"type": "array", "items": _BYTES, "minItems": 1} if several else _BYTES
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": {"type": "object", "properties": {field: form}, "required": [field]}}
    }
    if not several:
        content |= {kind: {"schema": _BYTES} for kind in _IMAGE_TYPES}
    return {"requestBody": {"required": True, "content": content}}


def create_app(
    model: Model, *, limits: Limits | None = None, keys: Mapping[str, str] | None = None, threads: int = 2
) -> FastAPI:
    """The service of one model.

    Args:
        model: what answers.
        limits: what a request may cost.
        keys: name -> sha256 of who may ask; None: anybody on this machine.
        threads: that read images.
    """
    limits, keys = limits or Limits(), keys or {}
    metrics = Metrics()
    engine = Engine(model.detector, limits, metrics, threads=threads)
    tasks: set[asyncio.Task[Any]] = set()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        await asyncio.to_thread(engine.warm_up)
        app.state.ready = True
        yield
        app.state.ready = False
        await asyncio.to_thread(engine.stop)

    # Its pages of documentation load scripts from elsewhere, which a hospital's network does not have; the schema is here.
    app = FastAPI(
        title="radmark",
        version=__version__,
        description=f"Landmarks and measurements of radiographs. {RESEARCH_USE}",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=_SMALL,
    )
    app.state.ready = False
    app.state.engine = engine
    scheme = model.detector.scheme
    told = ModelTold(name=model.name, sha256=model.sha256, scheme=scheme.name)
    needs_key = [Depends(HTTPBearer(auto_error=False))] if keys else []

    def ended(task: asyncio.Task[Any]) -> None:
        tasks.discard(task)
        engine.free()
        if not task.cancelled():
            task.exception()  # looked at, or asyncio complains that nobody did

    async def in_time(work: Callable[[Place], Coroutine[Any, Any, T]]) -> T:
        """What `work` gives, in a place of the queue. Over time its caller is told so, and the place is its own till it ends."""
        with engine.place() as place:
            task = asyncio.create_task(work(place))
            done, _ = await asyncio.wait({task}, timeout=limits.timeout_s)
            if done:
                return task.result()
            place.left = True
            if place.working:  # threads cannot be called back
                tasks.add(task)
                task.add_done_callback(ended)
            else:  # the caller is still sending
                task.cancel()
                await asyncio.wait({task})
        raise RefusedError(
            503,
            f"the answer took longer than {limits.timeout_s:g} seconds",
            "Ask again later, or send a smaller image",
            headers={"Retry-After": "5"},
        )

    async def one(data: bytes, wish: _Wish, place: Place) -> ImageAnswer:
        try:
            found = await engine.predict(data, wish.asked, place)
        except InputError:
            metrics.images.labels("refused").inc()
            raise
        metrics.images.labels("found").inc()
        own = found.side if found.side in ("left", "right") else None
        return await asyncio.to_thread(image_answer, found.prediction, found.flags, wish.side or own)

    @app.post("/v1/predict", responses=_ERRORS, openapi_extra=_upload("file", several=False), dependencies=needs_key)
    async def predict(request: Request, wish: Annotated[_Wish, Depends(_wish)]) -> PredictAnswer:
        """The landmarks of one radiograph: PNG, JPEG, TIFF or DICOM, as a form's `file` or as the bare body."""

        async def work(place: Place) -> ImageAnswer:
            return await one(await _one_file(request), wish, place)

        return PredictAnswer(model=told, image=await in_time(work))

    @app.post(
        "/v1/predict/batch", responses=_ERRORS, openapi_extra=_upload("files", several=True), dependencies=needs_key
    )
    async def predict_batch(request: Request, wish: Annotated[_Wish, Depends(_wish)]) -> BatchAnswer:
        """Several radiographs, as a form's `files`; a bad one does not spoil the rest. It takes one place in the queue."""

        async def item(data: bytes, place: Place) -> BatchItem:
            try:
                return BatchItem(image=await one(data, wish, place))
            except InputError as error:
                return BatchItem(error=of_image(error))

        async def work(place: Place) -> list[BatchItem]:
            files = await _files(request, "files", limits.max_images)
            return list(await asyncio.gather(*(item(data, place) for data in files)))

        return BatchAnswer(model=told, images=await in_time(work))

    @app.get("/v1/models", dependencies=needs_key)
    async def models() -> ModelsAnswer:
        """The model that answers, and what it marks."""
        marks = [LandmarkTold(name=landmark.name, definition=landmark.definition) for landmark in scheme.landmarks]
        return ModelsAnswer(models=[ModelAnswer(**told.model_dump(), landmarks=marks)])

    @app.get("/healthz")
    async def healthz() -> StatusAnswer:
        """Whether the process is alive."""
        return StatusAnswer(status="alive")

    @app.get("/readyz")
    async def readyz() -> StatusAnswer:
        """Whether it can take work: the model is there and works, and it is not stopping."""
        if not app.state.ready:
            raise RefusedError(503, "the service is starting or stopping", "Ask another one")
        return StatusAnswer(status="ready")

    @app.get(
        "/metrics",
        dependencies=needs_key,
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "For Prometheus"}},
    )
    async def numbers() -> Response:
        """Numbers for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    _handle_errors(app)
    routes = [route.path for route in app.routes if hasattr(route, "path")]  # pyright: ignore[reportAttributeAccessIssue]
    app.add_middleware(Guard, keys=keys, max_bytes=limits.max_bytes, routes=routes, metrics=metrics)
    return app


async def _one_file(request: Request) -> bytes:
    """The image of a request: a form's `file`, or the whole body."""
    if request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        return (await _files(request, "file", 1))[0]
    data = bytearray()
    async for part in request.stream():
        data += part
    return bytes(data)


async def _files(request: Request, field: str, most: int) -> list[bytes]:
    """The files of a form's field."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise RefusedError(
            422, "the request is no form", f"Send multipart/form-data with the image as {field}", value=None
        )
    async with request.form(max_files=most, max_fields=most) as form:
        files = [part for part in form.getlist(field) if isinstance(part, UploadFile)]
        if not files:
            raise RefusedError(422, f"the form has no file {field}", f"Send the image as a file named {field}")
        return [await file.read() for file in files]


def _handle_errors(app: FastAPI) -> None:
    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)
        return error.answer()

    async def bad_image(_: Request, error: Exception) -> Response:
        assert isinstance(error, InputError)
        return answer(422, of_image(error))

    async def bad_parameter(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        told = Problem(
            problem=f"{where}: {first['msg']}",
            value=plain(first.get("input")),
            remedy="See /openapi.json for what it takes",
        )
        return answer(422, told)

    async def other(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        problem, remedy = _WORDS.get(error.status_code, (str(error.detail), "See /openapi.json for what there is"))
        value = request.method if error.status_code == 405 else None
        return answer(error.status_code, Problem(problem=problem, value=value, remedy=remedy), error.headers)

    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(InputError, bad_image)
    app.add_exception_handler(RequestValidationError, bad_parameter)
    app.add_exception_handler(HTTPException, other)


_WORDS = {
    404: ("there is nothing at this address", "See /openapi.json for what there is"),
    405: ("this address does not take that method", "Use the one the header Allow names"),
}


def told_at_start(model: Model, limits: Limits, keys: Mapping[str, str]) -> None:
    """The first line of the log."""
    event("starting", radmark=__version__, sha256=model.sha256, keys=len(keys), **vars(limits))
