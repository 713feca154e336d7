"""A Storage SCP that has a model look at what arrives and sends an archive its report.

Three that wait for each other only through the spool on disk: the network keeps an image and answers; the model makes a report
of it; the post delivers that, again and again where the archive is away. What the program was doing when it ended is done again
at the next start: an image is looked at again, a report is sent again, and both come to the same objects.
"""

import contextlib
import io
import json
import logging
import math
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from radmark.core.errors import InputError
from radmark.io.dicom import RADIOGRAPHS, SYNTAXES
from radmark.pacs import spool as spools
from radmark.pacs.client import ArchiveAwayError, check_title
from radmark.pacs.lines import Line, TlsLine
from radmark.pacs.spool import Item, Spool
from radmark.privacy.audit import AuditLog, Processed

logging.getLogger("pynetdicom").addHandler(logging.NullHandler())

POLL_S = 1.0
"""How often the spool is looked at without a reason; what arrives is a reason."""

BACK_OFF_S = (1.0, 300.0)
"""The first and the longest wait for an archive that is away; each is twice the one before."""

DISK_WAIT_S = 10.0
LAST_POST_S = 20.0
"""How long a listener that is told to stop goes on sending reports."""

PROGRAM = ("-m", "radmark.pacs.worker")
"""What the model runs in; it gets the run's folder."""

IMAGE_LIMIT_S = 600.0
MODEL_LIMIT_S = 600.0
DEATHS = 2
"""How often the model's program may die of an image before that is set aside."""

_CALLERS, _PATIENCE_S = 50, 10.0
"""How many may be connected at once, and how long one may say nothing before it says who it is."""

_SUCCESS, _OUT_OF_RESOURCES, _NOT_ITS_CLASS, _NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000
_DEFLATED = "1.2.840.10008.1.2.1.99"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Door:
    """Where and for whom we listen.

    Args:
        port: 0: any that is free.
        bind: address of ours to listen on.
        ae_title: ours; a caller who wants another is refused.
        accept: AE titles of the callers who are let in; empty: all.
        tls_cert: our certificate, which turns encryption on.
        tls_key: its private key.
        tls_ca: who signed the certificates that callers must then show; None: they need none.

    Raises:
        InputError: an AE title is not valid.
    """

    port: int
    bind: str = "127.0.0.1"
    ae_title: str = "RADMARK"
    accept: Sequence[str] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None

    def __post_init__(self) -> None:
        for title in (self.ae_title, *self.accept):
            check_title(title)


def listen(
    door: Door,
    spool: Spool,
    model: "Model",
    audit: AuditLog,
    *,
    deliver: Callable[[Path], None] | None,
    stop: threading.Event,
    say: Say,
    frame: int | None = None,
) -> None:
    """Until `stop` is set; then the image in hand is finished, and its report sent where the archive is there.

    Args:
        door: where.
        spool: the queue.
        model: started.
        audit: gets a line for each image that is done.
        deliver: sends a report, or raises `ArchiveAwayError` or another `InputError`. None: reports stay in the spool, in `done`.
        stop: set from outside.
        say: gets a line for a log; none names a patient.
        frame: of images of several frames, which one, from 1; None: such images are set aside.

    Raises:
        InputError: we cannot listen there, or the model can no longer be used.
    """
    arrived, ready, finished = threading.Event(), threading.Event(), threading.Event()
    broken: list[BaseException] = []

    def guarded(work: Callable[[], None], last: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                broken.append(error)
                stop.set()
            finally:
                last()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with _open_door(door, spool, arrived, say) as port:
        if door.port != port:
            say(f"listening on port {port}")
        looking = guarded(lambda: _look(spool, model, frame, stop, arrived, ready, say), finished.set)
        sending = guarded(lambda: _post(spool, audit, deliver, stop, ready, finished, say), lambda: None)
        while not stop.wait(0.5):  # a wait without end would hold back signals on some systems
            pass
    say("stopping: no more images are taken; the one in hand is finished")
    looking.join()
    ready.set()
    sending.join()
    for error in broken:
        if isinstance(error, InputError):
            raise error
        where = traceback.extract_tb(error.__traceback__)[-1]  # its text may quote a file
        raise InputError(
            f"radmark itself failed ({type(error).__name__} in {Path(where.filename).name}, line {where.lineno})",
            remedy="Please report this. Nothing is lost: start it again",
        )


class ModelUnusableError(InputError):
    """The model cannot be loaded, or is not the one it was."""


class Model:
    """The program in which the model runs. Use it in a `with` block.

    Args:
        run: a trained run, or an exported file.

    Raises:
        InputError: it holds no usable model.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self.sha256 = ""
        self._program = self._started()

    def __enter__(self) -> "Model":
        return self

    def __exit__(self, *error: object) -> None:
        self._end()

    def report(self, item: Item, frame: int | None) -> Processed:
        """Make an item's report.

        Raises:
            InputError: the image has none, or takes the model's program down.
            OSError: the disk cannot be written.
        """
        job = {"image": str(item.image.absolute()), "report": str(item.report.absolute()), "frame": frame}
        for _ in range(DEATHS):
            if self._program.poll() is not None:
                self._end()
                self._program = self._started()
            answer = self._ask(job, IMAGE_LIMIT_S)
            if answer is None:
                continue
            if "later" in answer:
                raise OSError(0, answer["later"])
            if "failed" in answer:
                raise InputError(answer["failed"], remedy=answer["remedy"])
            return Processed(**answer["record"])
        raise InputError(
            "the program that reads images ended over this one, or took too long", remedy="Look at the file by itself"
        )

    def _started(self) -> subprocess.Popen[str]:
        program = subprocess.Popen(
            [sys.executable, "-W", "ignore", *PROGRAM, str(self._run.absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries quote files there
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is for us
        )
        self._program = program
        answer = self._ask(None, MODEL_LIMIT_S) or {"unusable": "the model's program does not start. Run it by itself."}
        if "unusable" in answer:
            self._end()
            raise ModelUnusableError(
                "the model cannot be used", value=answer["unusable"], remedy="Give a run that predicts"
            )
        if self.sha256 and answer["model_sha256"] != self.sha256:
            self._end()
            raise ModelUnusableError(
                "the model was changed while it was at work", file=self._run, remedy="Start anew, with another --spool"
            )
        self.sha256 = answer["model_sha256"]
        return program

    def _ask(self, job: dict[str, Any] | None, limit_s: float) -> dict[str, Any] | None:
        """The next answer; None where the program ends before it, or has to be ended."""
        assert self._program.stdin is not None
        assert self._program.stdout is not None
        late = threading.Timer(limit_s, self._program.kill)
        late.start()
        try:
            if job is not None:
                self._program.stdin.write(json.dumps(job) + "\n")
                self._program.stdin.flush()
            return json.loads(self._program.stdout.readline())
        except (OSError, ValueError):  # an end in the middle of a line, or before it
            self._program.kill()
            self._program.wait()
            return None
        finally:
            late.cancel()

    def _end(self) -> None:
        self._program.kill()  # between two images it holds nothing
        self._program.wait()
        for pipe in (self._program.stdin, self._program.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()


# ---------------------------------------------------------------------------------------------------------- the network


def _tls(door: Door) -> ssl.SSLContext | None:
    if door.tls_cert is None:
        if door.tls_key is not None or door.tls_ca is not None:
            raise InputError(
                "listening with TLS needs a certificate of our own", remedy="Give --tls-cert and --tls-key"
            )
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslsocket_class = TlsLine
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(door.tls_cert, door.tls_key, password="")  # a locked key would ask at the terminal
        if door.tls_ca is not None:
            context.load_verify_locations(door.tls_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise InputError(
            f"the certificates cannot be used ({error.strerror or 'not as OpenSSL wants them'})",
            file=door.tls_cert,
            remedy="Give PEM files, and the key that belongs to the certificate",
        ) from error
    return context


@contextlib.contextmanager
def _open_door(door: Door, spool: Spool, arrived: threading.Event, say: Say) -> Any:
    from pynetdicom import AE, evt
    from pynetdicom.transport import ThreadedAssociationServer

    context = _tls(door)

    class Server(ThreadedAssociationServer):
        def get_request(self) -> Any:
            listening: Any = self.socket
            accepted, caller = listening.accept()
            line = Line(fileno=accepted.detach())
            if context is None:
                return line, caller
            try:  # the caller's half of the handshake is waited for later, where it holds up nobody else
                return context.wrap_socket(line, server_side=True, do_handshake_on_connect=False), caller
            except OSError:
                line.close()
                raise

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # it would print what strangers send

    entity: Any = AE(ae_title=door.ae_title)
    entity.maximum_associations, entity.acse_timeout = _CALLERS, _PATIENCE_S
    entity.require_called_aet = True
    entity.require_calling_aet = list(door.accept)
    entity.add_supported_context("1.2.840.10008.1.1")
    for kind in RADIOGRAPHS:
        entity.add_supported_context(kind, [syntax for syntax in SYNTAXES if syntax != _DEFLATED])

    def store(event: Any) -> int:
        return _stored(event, spool, arrived, say)

    try:
        server: Any = entity.make_server(
            (door.bind, door.port), server_class=Server, evt_handlers=[(evt.EVT_C_STORE, store)]
        )
    except OSError as error:
        raise InputError(
            f"we cannot listen there: {error.strerror}", value=f"{door.bind}:{door.port}", remedy="Give another --port"
        ) from error
    answering = threading.Thread(target=server.serve_forever, daemon=True)
    answering.start()
    try:
        yield server.socket.getsockname()[1]
    finally:
        for caller in server.active_associations:
            caller.abort()
        socketserver.BaseServer.shutdown(server)  # pynetdicom's own looks for it in a list that it is not in
        answering.join()
        server.server_close()


def _stored(event: Any, spool: Spool, arrived: threading.Event, say: Say) -> int:
    """Keep what arrived, then answer: the status."""
    from pydicom import dcmread  # pyright: ignore[reportUnknownVariableType]

    try:
        data, uid = event.encoded_dataset(), str(event.request.AffectedSOPInstanceUID)
        head = dcmread(io.BytesIO(data), stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"])
        if (head.SOPClassUID, head.SOPInstanceUID) != (event.request.AffectedSOPClassUID, uid):
            return _NOT_ITS_CLASS
    except Exception:  # whatever a stranger's bytes make of a parser
        return _NOT_UNDERSTOOD
    try:
        new = spool.receive(uid, data)
    except OSError as error:
        say(f"an image was refused because it could not be stored: {error.strerror}")
        return _OUT_OF_RESOURCES
    if new:
        arrived.set()
    else:
        say("an image arrived again")
    return _SUCCESS


# ------------------------------------------------------------------------------------------------------------ the model


def _look(
    spool: Spool,
    model: Model,
    frame: int | None,
    stop: threading.Event,
    arrived: threading.Event,
    ready: threading.Event,
    say: Say,
) -> None:
    while not stop.is_set():
        arrived.clear()
        try:
            item = spool.first("work") or spool.first("incoming")
            if item is None:
                _wait(arrived, stop, POLL_S)
                continue
            if item.folder.parent.name != "work":
                item = spool.move(item, "work")
            began = time.monotonic()
            try:
                processed = model.report(item, frame)
            except ModelUnusableError:
                raise  # not the image's fault: it stays where it is
            except InputError as error:
                spool.fail(item, _reason(error))
                say(f"{item.name} set aside: {error.problem}")
                continue
            spools.sync(item.report)
            spools.write_durably(item.record, json.dumps(vars(processed)).encode())
            spool.move(item, "outgoing")
            say(f"{item.name} looked at in {time.monotonic() - began:.1f} s")
            ready.set()
        except OSError as error:
            say(f"cannot write to the spool disk; will retry: {error.strerror}")
            stop.wait(DISK_WAIT_S)


# ------------------------------------------------------------------------------------------------------------- the post


def _post(
    spool: Spool,
    audit: AuditLog,
    deliver: Callable[[Path], None] | None,
    stop: threading.Event,
    ready: threading.Event,
    finished: threading.Event,
    say: Say,
) -> None:
    spool.tidy(keep_report=deliver is None)
    delay_s, until = 0.0, math.inf
    # What the log says already of reports that are still to be sent: we ended between that line and the item's last move.
    written: set[str] = set()
    for item in spool.items("outgoing"):
        with contextlib.suppress(InputError, OSError):  # then it will be set aside, or waits
            written.add(audit.hidden(str(_record(item).report_uid)))
    written &= audit.reports()

    def post(item: Item) -> None:
        if deliver is not None:
            deliver(item.report)
        processed = _record(item)
        hidden = audit.hidden(str(processed.report_uid))
        if hidden not in written:
            audit.append(processed)
            written.add(hidden)
        spool.done(item, keep_report=deliver is None)
        written.discard(hidden)
        say(f"{item.name} " + ("done" if deliver is None else "report delivered"))

    def pause(seconds: float) -> bool:
        """False where we are to stop: then what could not be sent has to wait for the next start."""
        if stop.wait(seconds):
            finished.wait()
            return False
        return True

    while not (finished.is_set() and time.monotonic() > until):
        if stop.is_set():
            until = min(until, time.monotonic() + LAST_POST_S)
        ready.clear()
        over = finished.is_set()  # asked before looking: nothing comes after it
        item = spool.first("outgoing")
        if item is None:
            if over:
                return
            _wait(ready, finished, POLL_S)
            continue
        try:
            try:
                post(item)
                delay_s = 0.0
            except ArchiveAwayError as error:
                delay_s = min(max(BACK_OFF_S[0], 2 * delay_s), BACK_OFF_S[1])
                say(f"{error.problem}; tried again in {delay_s:.0f} s")
                if not pause(delay_s):
                    return
            except InputError as error:
                spool.fail(item, _reason(error))
                say(f"{item.name} set aside: {error.problem}")
        except OSError as error:
            say(f"cannot write to the disk; the report will be retried: {error.strerror}")
            if not pause(DISK_WAIT_S):
                return


def _record(item: Item) -> Processed:
    try:
        return Processed(**json.loads(item.record.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError("the record of the image is damaged", remedy="Move it back into incoming") from error


def _wait(reason: threading.Event, other: threading.Event, at_most_s: float) -> None:
    """For one of two events."""
    until = time.monotonic() + at_most_s
    while not (reason.wait(0.1) or other.is_set() or time.monotonic() > until):
        pass


def _reason(error: InputError) -> dict[str, str]:
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"time": when, "reason": error.problem, "remedy": error.remedy}
