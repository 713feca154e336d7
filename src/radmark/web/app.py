"""The server behind the annotation page; docs/annotate-api.md is its contract, path by path."""

import asyncio
import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

from radmark import RESEARCH_USE, __version__
from radmark.agree.consensus import centre_of
from radmark.http.errors import Refused, handle_errors
from radmark.http.gate import LOOPBACK, Gate
from radmark.measure import examine
from radmark.web.accounts import Account
from radmark.web.calibration import calibration_of
from radmark.web.films import Picture
from radmark.web.guard import guarded
from radmark.web.project import Project, examined, marks_of
from radmark.web.reports import EXPORTS
from radmark.web.rows import PLACED, Change, Conflict, Item, Order, Progress
from radmark.web.store import StoreUnavailable
from radmark.web.wire import (
    CalibrationBody,
    CommentBody,
    DoneBody,
    EmptyBody,
    EventBody,
    Text,
    TimeBody,
    counts_json,
    finding_json,
    item_json,
    mark_json,
    result_json,
    spacing_json,
)

SESSION_DAYS = 30.0
_REMEMBER_S = 300.0  # whose session it is, before the store is asked again whether it has ended
_SAME_PX = 0.01  # an accepted proposal is the proposal
_ID = frozenset("0123456789abcdef")

OUTLIER_PX = 3.0
"""Nobody is an outlier who is nearer than this: where all others agree to a fraction of a pixel, nobody is far off."""


@dataclass(frozen=True)
class Address:
    """Where the server is asked.

    Args:
        host: as a browser writes it, such as "127.0.0.1"; "*" where any address of the machine will do.
        port: of it.
        origin: the page's own address where a proxy stands before the server, such as "https://films.example.org".
    """

    host: str
    port: int
    origin: str | None = None

    @property
    def base(self) -> str:
        """What a link begins with."""
        if self.origin is not None:
            return self.origin.rstrip("/").lower()
        host = "127.0.0.1" if self.host == "*" else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """What may stand in Host."""
        loopback = {f"{name}:{self.port}" for name in LOOPBACK}
        return frozenset({"*"} if self.host == "*" else set()) | loopback | {self.base.split("://", 1)[1]}


class Annotator:
    """The paths of the API, for one project.

    Args:
        project: what is annotated.
        secure: the cookie goes over https only.
    """

    def __init__(self, project: Project, *, secure: bool = False) -> None:
        self.project = project
        self._store = project.store
        self._secure = secure
        self._tokens: dict[str, str] = {}  # sha256 of a link's token -> reader
        self._lock = threading.Lock()
        self._sessions: dict[str, tuple[str, float]] = {}  # secret -> reader, and when the store was asked
        key = project.store.fact("key")
        if key is None:
            key = secrets.token_hex(8)
            project.store.set_fact("key", key)
        self.cookie = f"radmark_{key}"  # two servers on one machine share their cookies: ports do not part them

    def link(self, reader: str) -> str:
        """The end of a link that is good once: it makes whoever opens it this reader."""
        token = secrets.token_urlsafe(32)
        self._tokens[_digest(token)] = reader
        return f"/?token={token}"

    async def reader_of(self, secret: str) -> str | None:
        """The reader of a cookie; the store is not asked of one that was seen a short while ago."""
        name, at = self._sessions.get(secret, (None, 0.0))
        return name if time.monotonic() - at < _REMEMBER_S else await asyncio.to_thread(self._session, secret)

    def _session(self, secret: str) -> str | None:
        """The same by the store; one who is no longer in the project is nobody."""
        try:
            name = self._store.session(secret)
        except StoreUnavailable as error:  # no handler of the application's stands before its gate
            raise _unavailable() from error
        if name is None or self.project.reader(name) is None:
            return None
        if len(self._sessions) > 1000:
            self._sessions.clear()
        self._sessions[secret] = name, time.monotonic()
        return name

    # -------------------------------------------------------------------------------------------------- pages

    def page(self, request: Request, token: Text | None = None) -> Response:
        """The page; a token becomes a session."""
        if token is not None:
            with self._lock:
                reader = self._tokens.pop(_digest(token), None)
            if reader is not None:
                secret = secrets.token_urlsafe(32)
                self._store.open_session(secret, reader, SESSION_DAYS)
                # Not a redirect: after one that began in a mail or a chat, a browser keeps a SameSite=Strict cookie to itself.
                onwards = '<!doctype html><meta http-equiv="refresh" content="0;url=/"><a href="/">radmark</a>'
                response = HTMLResponse(onwards)
                response.set_cookie(
                    self.cookie,
                    secret,
                    max_age=round(SESSION_DAYS * 86400),
                    httponly=True,
                    samesite="strict",
                    secure=self._secure,
                )
                return response
        if request.scope["radmark.reader"] is None:
            return _page(401, "Open the link that <code>radmark annotate</code> printed. Each link is good once.")
        index = _static() / "index.html"
        return FileResponse(index) if index.is_file() else _page(503, "The page is not installed; the API is there.")

    # ------------------------------------------------------------------------------------------------ project

    def project_(self, request: Request) -> dict[str, Any]:
        """What is annotated, and who asks."""
        me, project = self._me(request), self.project
        scheme = project.scheme
        model = project.proposer.model if project.proposer is not None and me.proposals else None
        return {
            "name": project.name,
            "notice": RESEARCH_USE,
            "version": __version__,
            "scheme": {
                "name": scheme.name,
                "title": scheme.title,
                "source": scheme.source,
                "landmarks": [{"name": mark.name, "definition": mark.definition} for mark in scheme.landmarks],
                "pairs": [list(pair) for pair in scheme.pairs],
                "edges": [list(edge) for edge in scheme.edges],
            },
            "me": {"name": me.name, "role": me.role, "blind": me.blind, "proposals": me.proposals},
            "readers": [me.name] if me.blind else [reader.name for reader in project.readers],
            "has_model": model is not None,
            "model": model,
            "order": project.order if model is not None else "name",
            "counts": counts_json(self._store.counts(me.name)),
            "left_out": [{"name": left.name, "problem": left.problem} for left in project.left_out[:100]],
            "formats": [
                name for name, e in EXPORTS.items() if not e.of_all or (me.role == "adjudicator" and not me.blind)
            ],
        }

    def progress(self, request: Request) -> dict[str, Any]:
        """How far one is, and for an adjudicator how far everybody is."""
        me = self._me(request)
        everybody = self.project.readers if me.role == "adjudicator" and not me.blind else ()
        return {"me": self._progress(me), "readers": [self._progress(reader) for reader in everybody]}

    def _progress(self, reader: Account) -> dict[str, Any]:
        counts = counts_json(self._store.counts(reader.name))
        return {"reader": reader.name, **counts, "seconds": self._store.mean_seconds(reader.name)}

    # ------------------------------------------------------------------------------------------------- images

    def images(
        self,
        request: Request,
        state: Progress = "all",
        q: Annotated[Text, Query(max_length=200)] = "",
        order: Order | None = None,
        offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        """A page of the list."""
        me = self._me(request)
        total, items = self._store.items(
            me.name,
            progress=state,
            contains=q,
            order=(order or self.project.order) if me.proposals else "name",
            offset=offset,
            limit=limit,
            model=self._model,
        )
        n = len(self.project.scheme)
        listed = [item_json(item, n, blind=not me.proposals) for item in items]
        return {"total": total, "offset": offset, "limit": limit, "images": listed}

    def image(self, request: Request, id: str) -> dict[str, Any]:  # noqa: A002 - it is the path's word
        """An image, and what the reader marked on it."""
        me, item = self._asked(request, id)
        picture = self._picture(item)
        before, after = self._store.neighbours(item)
        film = examined(item, picture)
        return {
            **item_json(item, len(self.project.scheme), blind=not me.proposals),
            "landmarks": {name: mark_json(mark) for name, mark in self._store.marks(item).items()},
            "image_version": picture.film.pixel_hash,
            "calibration": item.calibration,
            "flags": [{"flag": finding.code, "words": finding.words} for finding in film.findings],
            "view": film.view,
            "side": film.side,
            "display": film.text("display"),
            "previous": before,
            "next": after,
        }

    def pixels(self, request: Request, id: str) -> Response:  # noqa: A002
        """The pixels at full depth."""
        _, item = self._asked(request, id)
        picture = self._picture(item)
        etag = f'"{picture.film.pixel_hash}"'
        headers = {
            "etag": etag,
            "x-radmark-width": str(picture.values.shape[1]),
            "x-radmark-height": str(picture.values.shape[0]),
            "x-radmark-bits": str(picture.bits),
            "x-radmark-window-low": str(picture.window[0]),
            "x-radmark-window-high": str(picture.window[1]),
            "x-radmark-scale": repr(picture.scale),
            "x-radmark-offset": repr(picture.offset),
        }
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(picture.values.tobytes(), media_type="application/octet-stream", headers=headers)

    # ------------------------------------------------------------------------------------------------ marking

    def event(self, request: Request, id: str, body: EventBody) -> dict[str, Any]:  # noqa: A002
        """One change of one landmark, on the disk before the answer."""
        me, item = self._asked(request, id)
        item = self._looked_at(item)
        self._check(me, item, body)
        change = Change(
            str(body.event_id),
            body.base_version,
            body.landmark,
            body.x,
            body.y,
            body.state,
            body.how,
            self._model if body.how == "accepted" else None,
        )
        result = self._store.mark(item, change)
        if isinstance(result, Conflict):
            current = result.current
            raise Refused(
                409,
                f"{body.landmark} was changed in another window or by another person since you saw it",
                "Look at what stands now, and place it again if it is wrong",
                None if current is None else current.version,
                current=None if current is None else {"landmark": current.landmark, **mark_json(current)},
            )
        return {
            "event_id": change.event_id,
            "landmark": body.landmark,
            "version": result.mark.version,
            "at": result.mark.at,
            "repeated": result.repeated,
            "n_placed": result.n_placed,
            "n_marked": result.n_marked,
        }

    def _check(self, me: Account, item: Item, body: EventBody) -> None:
        """A change has to make sense before it is stored for good."""
        self.project.scheme.index(body.landmark)  # raises
        placed = body.state in PLACED
        point = (body.x, body.y)
        if placed != (None not in point) or (not placed and point != (None, None)):
            raise Refused(
                422,
                f"{body.landmark} is {body.state}, which its coordinates contradict",
                "Give x and y where it is present or occluded, and null where not",
                str(list(point)),
            )
        if placed and not item.frame.holds(np.array(point, np.float64)):
            raise Refused(
                422,
                f"{body.landmark} lies outside the image, which is {item.frame.width} wide and {item.frame.height} high",
                "Place it on the image, or state it absent",
                str(list(point)),
            )
        if body.how == "adjudicated" and me.role != "adjudicator":
            raise Refused(403, "only an adjudicator adjudicates", "Place the point", me.role)
        if body.how == "accepted":
            self._check_accepted(me, item, body)

    def _check_accepted(self, me: Account, item: Item, body: EventBody) -> None:
        proposer = self.project.proposer
        known = proposer.known(item.image, item.pixels) if proposer is not None and me.proposals else None
        proposed = None if known is None else known["landmarks"].get(body.landmark)
        if proposed is None:
            raise Refused(422, "there is no proposal for it that could be accepted", "Place the point", body.landmark)
        same = proposed["state"] == body.state
        if same and body.x is not None and body.y is not None:
            same = max(abs(proposed["x"] - body.x), abs(proposed["y"] - body.y)) <= _SAME_PX
        if not same:
            raise Refused(
                422,
                "this is not the point that was proposed",
                'Send what was proposed, or how: "moved" for a point somebody corrected',
                str([body.x, body.y]),
            )

    def comment(self, request: Request, id: str, body: CommentBody) -> dict[str, Any]:  # noqa: A002
        """What the reader says of the image."""
        _, item = self._asked(request, id)
        text = body.text.strip()
        self._store.comment(item, text)
        return {"comment": text or None}

    def calibration(self, request: Request, id: str, body: CalibrationBody) -> dict[str, Any]:  # noqa: A002
        """Millimetres from something of known size on this very film."""
        _, item = self._asked(request, id)
        if body.kind == "none":
            self._store.calibrate(item, None)
            plain = self._store.item(item.reader, item.id)
            return {
                "calibration": None,
                "spacing": spacing_json(plain.frame.spacing if plain is not None else None),
                "residual_px": None,
            }
        kept = calibration_of(body, item.frame)
        self._store.calibrate(item, kept)
        return {"calibration": kept, "spacing": kept["spacing"], "residual_px": kept["residual_px"]}

    def time(self, request: Request, id: str, body: TimeBody) -> dict[str, Any]:  # noqa: A002
        """Time the image took."""
        _, item = self._asked(request, id)
        seconds = self._store.spent(item, str(body.event_id), body.seconds, with_proposal=body.with_proposal)
        return {"seconds": seconds}

    def done(self, request: Request, id: str, body: DoneBody) -> dict[str, Any]:  # noqa: A002
        """Whether the reader is done with the image."""
        me, item = self._asked(request, id)
        self._store.finish(item, body.done, me.second_after_days)
        return {"done": body.done, "counts": counts_json(self._store.counts(me.name))}

    # ----------------------------------------------------------------------------- proposals, measurements, readings

    def proposals(self, request: Request, id: str) -> dict[str, Any]:  # noqa: A002
        """What the model proposes."""
        me, item = self._asked(request, id)
        if not me.proposals:
            raise Refused(403, "you read without proposals", "Place the points by hand")
        proposer = self.project.proposer
        if proposer is None:
            return {"status": "none", "model": None, "landmarks": {}, "uncertainty": None}
        known = proposer.of(item.image, item.name, item.pixels)
        if known is None:
            return {"status": "pending", "model": proposer.model, "landmarks": {}, "uncertainty": None}
        ours = {name: mark for name, mark in known["landmarks"].items() if name in self.project.scheme.names}
        return {"status": "ready", "model": proposer.model, "landmarks": ours, "uncertainty": known["uncertainty"]}

    def measurements(
        self,
        request: Request,
        id: str,  # noqa: A002
        side: Literal["left", "right"] | None = None,
        display: Literal["standard", "mirrored", "unknown"] | None = None,
    ) -> dict[str, Any]:
        """What follows from the points as stored. Side and display are what this reader states, beside what the film says."""
        _, item = self._asked(request, id)
        film = examined(item, self._picture(item)).stated(side=side, display=display)
        report = examine(film, marks_of(self.project.scheme, item, self._store.marks(item)))
        return {
            "notice": RESEARCH_USE,
            "measurements": [result_json(result) for result in report.results],
            "findings": [finding_json(finding) for finding in report.findings],
        }

    def readings(self, request: Request, id: str) -> dict[str, Any]:  # noqa: A002
        """Everybody's points of an image, for who decides between them."""
        me, item = self._asked(request, id)
        if me.role != "adjudicator" or me.blind:
            raise Refused(403, "others' readings are for adjudicators who are not blind", "Read your own", me.role)
        others = [other for other in self._store.readings(item.image) if other.reader != me.name]
        marks = [(other, self._store.marks(other)) for other in others]
        heads = [{"reader": o.reader, "reading": o.reading, "done": o.done, "comment": o.comment} for o in others]
        about = {name: _readings_of(name, marks) for name in self.project.scheme.names}
        return {"id": item.id, "name": item.name, "readers": heads, "landmarks": about}

    def export(
        self,
        request: Request,
        format: str = "csv",  # noqa: A002
        reader: Text | None = None,
    ) -> Response:
        """Everything that stands, as a file."""
        me = self._me(request)
        if format not in EXPORTS:
            raise Refused(422, "there is no such format", f"Use one of: {', '.join(EXPORTS)}", format)
        everybody = me.role == "adjudicator" and not me.blind
        if not everybody and reader not in (None, me.name):
            raise Refused(403, "others' readings are for adjudicators who are not blind", "Export your own", reader)
        chosen = EXPORTS[format]
        if chosen.of_all and not everybody:
            raise Refused(403, "it is of all readers, so for adjudicators who are not blind", "Export your own", format)
        whose = reader if everybody else me.name
        if not self._store.all_items(whose):
            raise Refused(404, "there is nothing to export yet", "Mark a landmark first", whose)
        stem = "agreement" if chosen.of_all else "annotations"
        return Response(
            chosen.write(self.project, None if chosen.of_all else whose),
            media_type=chosen.media,
            headers={"content-disposition": f'attachment; filename="{stem}{chosen.suffix}"'},
        )

    def logout(self, request: Request, body: EmptyBody) -> Response:
        """End the session."""
        del body
        secret = request.scope["radmark.secret"]
        self._sessions.pop(secret, None)
        self._store.close_session(secret)
        response = JSONResponse({})
        response.delete_cookie(self.cookie, httponly=True, samesite="strict")
        return response

    # ------------------------------------------------------------------------------------------------- shared

    @property
    def _model(self) -> str | None:
        return self.project.proposer.model if self.project.proposer is not None else None

    def _me(self, request: Request) -> Account:
        reader = self.project.reader(request.scope["radmark.reader"] or "")
        if reader is None:  # the guard has seen to it
            raise Refused(401, "there is no session", "Open the link `radmark annotate` printed")
        return reader

    def _asked(self, request: Request, id_: str) -> tuple[Account, Item]:
        me = self._me(request)
        item = None
        if len(id_) == 20 and _ID.issuperset(id_):
            item = self._store.item(me.name, id_, self._model)
        if item is None:
            raise Refused(404, "there is no such image, or it is not yours to read", "Choose one from the list", id_)
        return me, item

    def _picture(self, item: Item) -> Picture:
        """The pixels, which have to be those the marks were placed on."""
        picture = self.project.films.open(item.name)
        pixels = picture.film.pixel_hash
        if picture.film.size != item.film.size or (item.pixels != pixels and not self._store.saw(item.image, pixels)):
            raise Refused(
                409,
                "the file holds another picture than the one that was marked",
                "Put the image back that was marked, or give the new one another name and start again",
                item.name,
            )
        return picture

    def _looked_at(self, item: Item) -> Item:
        """The item with the hash of its pixels, which are read where nobody did before."""
        if item.pixels is not None:
            return item
        self._picture(item)
        return self._store.item(item.reader, item.id) or item


def create_app(annotator: Annotator, address: Address) -> Gate:
    """The whole server as an ASGI application."""
    app = FastAPI(title="radmark annotate", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    gets = {
        "/": annotator.page,
        "/api/project": annotator.project_,
        "/api/progress": annotator.progress,
        "/api/images": annotator.images,
        "/api/images/{id}": annotator.image,
        "/api/images/{id}/pixels": annotator.pixels,
        "/api/images/{id}/proposals": annotator.proposals,
        "/api/images/{id}/measurements": annotator.measurements,
        "/api/export": annotator.export,
        "/api/readings/{id}": annotator.readings,
    }
    posts = {
        "/api/images/{id}/events": annotator.event,
        "/api/images/{id}/comment": annotator.comment,
        "/api/images/{id}/calibration": annotator.calibration,
        "/api/images/{id}/time": annotator.time,
        "/api/images/{id}/done": annotator.done,
        "/api/logout": annotator.logout,
    }
    for method, paths in (("GET", gets), ("POST", posts)):
        for path, answer in paths.items():
            app.add_api_route(path, cast("Callable[..., Any]", answer), methods=[method], response_model=None)
    if _static().is_dir():
        app.mount("/static", StaticFiles(directory=_static()))
    handle_errors(app, see="docs/annotate-api.md", after_bug="Please report it; your marks are safe")
    app.add_exception_handler(StoreUnavailable, lambda request, error: _unavailable().answer())  # noqa: ARG005
    return guarded(
        app,
        hosts=address.hosts,
        origin=None if address.origin is None else address.base,
        cookie=annotator.cookie,
        reader_of=annotator.reader_of,
    )


def _readings_of(name: str, readings: list[tuple[Item, dict[str, Any]]]) -> dict[str, Any]:
    """One landmark as several readers saw it. The consensus is of first readings: nobody counts twice."""
    rows: list[dict[str, Any]] = []
    for item, marks in readings:
        mark = marks.get(name)
        if mark is not None:
            rows.append(
                {"reader": item.reader, "reading": item.reading, "x": mark.x, "y": mark.y, "state": mark.state}
                | {"distance_px": None, "outlier": False}
            )
    first = [row for row in rows if row["reading"] == 1 and row["x"] is not None]
    if not first:
        return {"points": rows, "consensus": None, "spread_px": None}
    found = centre_of(np.array([[row["x"], row["y"]] for row in first]), OUTLIER_PX)
    for row, outlier in zip(first, found.outliers, strict=True):
        row["outlier"] = bool(outlier)
    for row in rows:
        if row["x"] is not None:
            row["distance_px"] = float(np.hypot(row["x"] - found.point[0], row["y"] - found.point[1]))
    x, y = (float(v) for v in found.point)
    return {"points": rows, "consensus": {"x": x, "y": y, "n": len(first)}, "spread_px": found.spread}


def _static() -> Path:
    return Path(str(files("radmark.web"))) / "static"


def _unavailable() -> Refused:
    """Without what the database says, which may hold what a reader wrote."""
    problem = "the store cannot be written or read just now; nothing was stored"
    return Refused(503, problem, "Try again", headers={"retry-after": "1"})


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _page(status: int, words: str) -> HTMLResponse:
    body = f"<h1>radmark annotate</h1><p>{words}</p><p>{escape(RESEARCH_USE)}</p>"
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>radmark annotate</title>{body}</html>', status
    )
