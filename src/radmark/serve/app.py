"""The service: its routes, what they take and what they answer. `radmark serve` runs it; docs/serve.md shows how to ask it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import UploadFile
from starlette.routing import Route
from starlette.types import ASGIApp

from radmark import RESEARCH_USE, __version__
from radmark.core.detector import Detector
from radmark.core.errors import InputError
from radmark.core.facts import FACTS
from radmark.core.film import Film
from radmark.core.frame import Spacing, SpacingSource
from radmark.http.errors import ErrorAnswer, Refused, handle_errors, of_input
from radmark.http.gate import LOOPBACK, Gate, Pages
from radmark.http.keys import owners_only
from radmark.measure import examine
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
from radmark.serve.engine import UPLOAD, Asked, Engine, Limits, Place
from radmark.serve.logs import event
from radmark.serve.metrics import Metrics
from radmark.serve.noting import Noting

T = TypeVar("T")

_IMAGE_TYPES = ("image/png", "image/jpeg", "image/tiff", "application/dicom", "application/octet-stream")
_FREE = ("/healthz", "/readyz", "/openapi.json")  # are answered without a key
_BYTES = {"type": "string", "format": "binary"}
_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The request cannot be read"},
    401: {"model": ErrorAnswer, "description": "An API key is needed"},
    403: {"model": ErrorAnswer, "description": "Asked by a page of another origin, where there are no keys"},
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


class _Said(BaseModel):
    """The parameters of a request: what the caller states of the film, which goes before what its file says."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    spacing_mm: str | None = Field(None, description="Millimetres per pixel, V or X,Y; wins over the file's")
    spacing_x_mm: float | None = Field(None, gt=0, le=1000, description="The same, in x alone for square pixels")
    spacing_y_mm: float | None = Field(None, gt=0, le=1000, description="By default the same as in x")
    frame: int | None = Field(None, ge=1, le=1_000_000, description="Of a DICOM file of several, from 1")
    side: Literal["left", "right"] | None = Field(None, description="The patient's, of a film of one side")
    display: Literal["standard", "mirrored", "unknown"] | None = Field(
        None, description="How the film lies: standard is the patient's right on the left of the picture"
    )
    operated: Literal["left", "right"] | None = Field(None, description="The patient's operated side")
    known_mm: str | None = Field(None, description="Two landmarks and their true distance: NAME,NAME,MM")
    head_mm: str | None = Field(None, description="Diameter of the prosthetic head: MM or NAME,NAME,NAME,MM")
    ball_mm: str | None = Field(None, description="Diameter of a marker ball: NAME,NAME,NAME,MM")
    magnification: float | None = Field(None, ge=1, le=1.6, description="Of the anatomy on the detector")
    pelvic_tilt_deg: float | None = Field(None, ge=-60, le=60, description="Posterior tilt, negative forwards")
    cone_beam: str | None = Field(None, description="The beam: SID,HEIGHT,LATERAL,UP in mm")

    def spacing(self) -> Spacing | None:
        """The millimetres, however they were said.

        Raises:
            Refused: half of them, or twice.
        """
        if self.spacing_mm is not None and (self.spacing_x_mm is not None or self.spacing_y_mm is not None):
            raise Refused(422, "the spacing is given twice", "Give spacing_mm, or spacing_x_mm and spacing_y_mm")
        if self.spacing_x_mm is None and self.spacing_y_mm is not None:
            raise Refused(422, "spacing_y_mm is given without spacing_x_mm", "Give both, or x alone for square pixels")
        if self.spacing_x_mm is not None:
            return Spacing(self.spacing_x_mm, self.spacing_y_mm or self.spacing_x_mm, SpacingSource.FLAG)
        return None if self.spacing_mm is None else Spacing.parse(self.spacing_mm, SpacingSource.FLAG)


def _asked(said: Annotated[_Said, Query()]) -> Asked:
    facts = {name: value for name, value in said if name in FACTS}
    return Asked(Film(UPLOAD, spacing=said.spacing()).stated(**facts), said.frame)


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
) -> ASGIApp:
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
        raise Refused(
            503,
            f"the answer took longer than {limits.timeout_s:g} seconds",
            "Ask again later, or send a smaller image",
            headers={"Retry-After": "5"},
        )

    async def one(data: bytes, asked: Asked, place: Place) -> ImageAnswer:
        try:
            found = await engine.predict(data, asked, place)
            report = await asyncio.to_thread(examine, *found)
        except InputError:
            metrics.images.labels("refused").inc()
            raise
        metrics.images.labels("found").inc()
        return image_answer(report)

    @app.post("/v1/predict", responses=_ERRORS, openapi_extra=_upload("file", several=False), dependencies=needs_key)
    async def predict(request: Request, asked: Annotated[Asked, Depends(_asked)]) -> PredictAnswer:
        """The landmarks of one radiograph: PNG, JPEG, TIFF or DICOM, as a form's `file` or as the bare body."""

        async def work(place: Place) -> ImageAnswer:
            return await one(await _one_file(request), asked, place)

        return PredictAnswer(model=told, image=await in_time(work))

    @app.post(
        "/v1/predict/batch", responses=_ERRORS, openapi_extra=_upload("files", several=True), dependencies=needs_key
    )
    async def predict_batch(request: Request, asked: Annotated[Asked, Depends(_asked)]) -> BatchAnswer:
        """Several radiographs, as a form's `files`; a bad one does not spoil the rest. It takes one place in the queue."""

        async def item(data: bytes, place: Place) -> BatchItem:
            try:
                return BatchItem(image=await one(data, asked, place))
            except InputError as error:
                return BatchItem(error=of_input(error, copy=True).told)

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
            raise Refused(503, "the service is starting or stopping", "Ask another one")
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

    handle_errors(
        app,
        see="/openapi.json",
        after_bug="Tell whoever runs the service this number, which stands in its log",
        copies=True,
        parameters=list(_Said.model_fields),
    )
    routes = frozenset(route.path for route in app.routes if isinstance(route, Route))
    gate = Gate(
        app,
        hosts=None if keys else frozenset(f"{name}:*" for name in LOOPBACK),
        elsewhere="Without API keys it answers to this machine only: ask 127.0.0.1, or start it with keys",
        pages=None if keys else Pages(required=False),
        admit=owners_only(keys, _FREE),
        max_bytes=limits.max_bytes,
    )
    return Noting(gate, routes=routes, metrics=metrics)


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
        raise Refused(
            422, "the request is not a form", f"Send multipart/form-data with the image as {field}", value=None
        )
    async with request.form(max_files=most, max_fields=most) as form:
        files = [part for part in form.getlist(field) if isinstance(part, UploadFile)]
        if not files:
            raise Refused(422, f"the form has no file {field}", f"Send the image as a file named {field}")
        return [await file.read() for file in files]


def told_at_start(model: Model, limits: Limits, keys: Mapping[str, str]) -> None:
    """The first line of the log."""
    event("starting", radmark=__version__, sha256=model.sha256, keys=len(keys), **vars(limits))
