"""The service asked in this process: what it answers, what it refuses and how, and what it never writes down."""

import concurrent.futures
import contextlib
import io
import json
import logging
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
from starlette.testclient import TestClient

from dicom_files import film
from lantern import OFFSETS, Lantern, picture
from radmark import RESEARCH_USE, cli
from radmark.core import InputError
from radmark.http.keys import add_key, owner, read_keys
from radmark.serve import engine
from radmark.serve.app import Model, create_app
from radmark.serve.engine import Limits
from radmark.serve.logs import JsonLines
from radmark.serve.server import check_address

HOME = "http://127.0.0.1"


@contextlib.contextmanager
def service(detector: Any = None, *, keys: dict[str, str] | None = None, **limits: Any) -> Iterator[TestClient]:
    app = create_app(Model(detector or Lantern(), "lantern", "ab" * 32), limits=Limits(**limits), keys=keys)
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def ask() -> Iterator[TestClient]:
    with service() as client:
        yield client


def spot(answer: Any) -> list[list[float]]:
    return [[point["x"], point["y"]] for point in answer["image"]["landmarks"].values()]


class Answer(Protocol):
    """What is read of a response; starlette's test client brings an httpx of its own."""

    @property
    def status_code(self) -> int: ...

    def json(self) -> Any: ...


def in_shape(response: Answer) -> dict[str, Any]:
    """The error of an answer, which has the one shape."""
    tree = response.json()
    assert set(tree) == {"error"}
    assert set(tree["error"]) == {"problem", "value", "remedy"}
    assert tree["error"]["problem"]
    assert tree["error"]["remedy"]
    return tree["error"]


# ---- what it answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF-not", "DICOM"])
@pytest.mark.parametrize("way", ["form", "body"])
def test_the_lit_pixel_is_found_where_it_is_in_the_image_that_was_sent(
    ask: TestClient, tmp_path: Path, kind: str, way: str
) -> None:
    if kind == "DICOM":
        pixels = np.zeros((48, 64), np.uint16)
        pixels[21, 37] = 4000
        data = film(tmp_path / "film.dcm", pixels).read_bytes()
    else:
        data = picture(37, 21, suffix=kind.removesuffix("-not"))
    sent = {"files": {"file": ("film", data)}} if way == "form" else {"content": data}
    response = ask.post("/v1/predict", **sent)  # pyright: ignore[reportArgumentType]
    if kind == "GIF-not":
        assert response.status_code == 422
        assert "not a DICOM, PNG, JPEG or TIFF" in in_shape(response)["problem"]
        return
    assert response.status_code == 200
    answer = response.json()
    assert spot(answer) == (np.array([37, 21]) + OFFSETS).tolist()
    assert (answer["image"]["width"], answer["image"]["height"]) == (64, 48)
    assert answer["notice"] == RESEARCH_USE
    assert answer["model"] == {"name": "lantern", "sha256": "ab" * 32, "scheme": "lantern"}


def test_measurements_have_the_units_and_the_source_of_their_millimetres(ask: TestClient, tmp_path: Path) -> None:
    def leg(response: Answer) -> dict[str, Any]:
        (found,) = [m for m in response.json()["image"]["measurements"] if m["key"] == "leg_length_discrepancy"]
        return found

    plain = leg(ask.post("/v1/predict", content=picture(20, 20)))
    assert (plain["value"], plain["unit"], plain["mm_from"]) == (pytest.approx(3), "px", None)
    told = leg(ask.post("/v1/predict?spacing_x_mm=0.5", content=picture(20, 20)))
    assert (told["value"], told["unit"], told["mm_from"]) == (pytest.approx(1.5), "mm", "flag")
    pixels = np.zeros((48, 64), np.uint16)
    pixels[20, 20] = 4000
    response = ask.post("/v1/predict", content=film(tmp_path / "f", pixels, ImagerPixelSpacing=[0.2, 0.2]).read_bytes())
    assert leg(response)["mm_from"] == "dicom-detector"
    image = response.json()["image"]
    assert image["spacing"] == {"x_mm": 0.2, "y_mm": 0.2, "source": "dicom-detector"}
    assert "spacing_at_detector" in image["flags"]


def test_every_number_says_whether_it_may_be_used_and_why_not(ask: TestClient, tmp_path: Path) -> None:
    pixels = np.zeros((48, 64), np.uint16)
    pixels[20, 20] = 4000
    data = film(tmp_path / "f", pixels, ImagerPixelSpacing=[0.2, 0.2]).read_bytes()

    def said(query: str) -> dict[str, Any]:
        response = ask.post(f"/v1/predict{query}", content=data)
        assert response.status_code == 200, response.text
        return response.json()["image"]

    image = said("")
    assert image["flags"] == ["spacing_at_detector"]
    assert [f["code"] for f in image["findings"]] == ["spacing_at_detector"]
    for m in image["measurements"]:
        in_mm = m["unit"] == "mm" and m["value"] is not None
        assert m["usable"] == ("no" if m["value"] is None else "check" if in_mm else "yes")
        assert [f["words"] for f in m["findings"]] == m["flags"]
    # The user's word goes before the file's, and the answer says that they differ.
    turned = said("?display=mirrored")
    contradicted = {"code": "display_contradicted", "severity": "check", "about": "display"}
    assert contradicted.items() <= {f["code"]: f for f in turned["findings"]}["display_contradicted"].items()
    assert turned["flags"] != image["flags"]
    head = said("?known_mm=teardrop_right,teardrop_left,40")
    assert head["spacing"] == {"x_mm": 2.0, "y_mm": 2.0, "source": "known-distance"}
    assert said("?spacing_mm=0.5,0.6")["spacing"] == {"x_mm": 0.5, "y_mm": 0.6, "source": "flag"}


@pytest.mark.parametrize(
    ("query", "meant"), [("sidee=left", "Did you mean side?"), ("spacing=0.1", "spacing_"), ("zzz=1", "There are")]
)
def test_a_parameter_there_is_not_is_refused_and_not_left_unread(ask: TestClient, query: str, meant: str) -> None:
    response = ask.post(f"/v1/predict?{query}", content=picture(9, 8))
    assert response.status_code == 422
    told = in_shape(response)
    assert told["value"] == query.split("=")[0]
    assert meant in told["remedy"]


def test_of_several_images_each_has_its_answer_in_its_place_and_a_bad_one_its_reason(ask: TestClient) -> None:
    files = [("files", ("a", picture(9, 8))), ("files", ("b", b"no image")), ("files", ("c", picture(31, 30)))]
    response = ask.post("/v1/predict/batch", files=files)
    assert response.status_code == 200
    first, second, third = response.json()["images"]
    assert (spot(first)[0], spot(third)[0]) == ([9, 8], [31, 30])
    assert second["image"] is None
    assert "not a DICOM" in second["error"]["problem"]


def test_the_models_and_the_states_are_told(ask: TestClient) -> None:
    (model,) = ask.get("/v1/models").json()["models"]
    assert [landmark["name"] for landmark in model["landmarks"]] == list(Lantern().scheme.names)
    assert ask.get("/healthz").json() == {"status": "alive"}
    assert ask.get("/readyz").json() == {"status": "ready"}


def test_prometheus_reads_what_was_asked() -> None:
    from prometheus_client.parser import text_string_to_metric_families

    with service() as ask:
        ask.post("/v1/predict", content=picture(9, 8))
        ask.post("/v1/predict", content=b"no image")
        ask.get("/patients/Planted")
        text = ask.get("/metrics").text
    samples = {
        (s.name, *sorted(s.labels.items())): s.value for f in text_string_to_metric_families(text) for s in f.samples
    }
    asked = [("method", "POST"), ("route", "/v1/predict")]
    assert samples["radmark_requests_total", *asked, ("status", "200")] == 1
    assert samples["radmark_requests_total", *asked, ("status", "422")] == 1
    assert samples["radmark_images_total", ("outcome", "found")] == 1
    assert samples["radmark_waiting",] == 0
    assert "Planted" not in text


# ---- what it refuses --------------------------------------------------------------------------------------------------

REFUSED: list[tuple[int, str, str, dict[str, Any]]] = [
    (404, "GET", "/nowhere", {}),
    (405, "GET", "/v1/predict", {}),
    (405, "DELETE", "/v1/models", {}),
    (422, "POST", "/v1/predict", {}),
    (422, "POST", "/v1/predict", {"content": b"\x89PNG\r\n\x1a\n"}),
    (422, "POST", "/v1/predict", {"data": {"file": "no file"}}),
    (422, "POST", "/v1/predict", {"files": {"film": b"x"}}),
    (400, "POST", "/v1/predict", {"content": b"x", "headers": {"content-type": "multipart/form-data"}}),
    (400, "POST", "/v1/predict", {"files": [("file", b"1"), ("file", b"2")]}),
    (422, "POST", "/v1/predict/batch", {"content": b"x"}),
    (422, "POST", "/v1/predict?frame=0", {"content": picture(1, 1)}),
    (422, "POST", "/v1/predict?frame=2", {"content": picture(1, 1)}),
    (422, "POST", "/v1/predict?spacing_x_mm=nan", {"content": picture(1, 1)}),
    (422, "POST", "/v1/predict?spacing_y_mm=1", {"content": picture(1, 1)}),
    (422, "POST", "/v1/predict?side=front", {"content": picture(1, 1)}),
    (422, "POST", "/v1/predict?spacing_mm=wide", {"content": picture(1, 1)}),
    (422, "POST", "/v1/predict?spacing_mm=1&spacing_x_mm=1", {"content": picture(1, 1)}),
    (422, "POST", "/v1/predict?head_mm=large", {"content": picture(1, 1)}),
    (422, "POST", "/v1/predict/batch?frames=1", {"files": [("files", picture(1, 1))]}),
    (421, "GET", "/readyz", {"headers": {"host": "somewhere.example"}}),
    (403, "POST", "/v1/predict", {"content": picture(1, 1), "headers": {"origin": "http://somewhere.example"}}),
]


@pytest.mark.parametrize(("status", "method", "path", "sent"), REFUSED, ids=[f"{s} {m} {p}" for s, m, p, _ in REFUSED])
def test_whatever_does_not_work_is_told_in_one_shape(
    ask: TestClient, status: int, method: str, path: str, sent: dict[str, Any]
) -> None:
    response = ask.request(method, path, **sent)
    assert response.status_code == status, response.text
    in_shape(response)
    assert response.headers["x-request-id"]
    if status == 405:
        assert response.headers["allow"]


def test_a_request_that_says_it_is_too_large_is_refused() -> None:
    with service(max_bytes=1000) as small:
        response = small.post("/v1/predict", content=b"x" * 1001)
    assert response.status_code == 413
    assert in_shape(response)["value"] == 1001


def test_a_request_that_does_not_say_how_large_it_is_is_cut_off_where_it_is_too_large() -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(50):
            yield b"x" * 400

    with service(max_bytes=1000) as small:
        for sent in ({"content": endless()}, {"files": {"file": b"x" * 2000}}):
            response = small.post("/v1/predict", **sent)  # pyright: ignore[reportArgumentType]
            assert response.status_code == 413
            assert "more than 1000 bytes" in in_shape(response)["problem"]


def png_that_promises(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (2001, 500), (50_000, 1)])
def test_too_many_pixels_are_refused_before_one_is_decoded(width: int, height: int) -> None:
    with service(max_pixels=1_000_000) as ask:
        response = ask.post("/v1/predict", content=png_that_promises(width, height))
        assert response.status_code == 422
        assert "pixels" in in_shape(response)["problem"]  # the decoder would have said that the image is damaged
        fits = ask.post("/v1/predict", content=png_that_promises(2000, 500))
        assert "damaged" in in_shape(fits)["problem"]


def at_once(n: int, ask: Callable[[int], Answer]) -> list[Answer]:
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return list(pool.map(ask, range(n)))


class Held(Lantern):
    """Waits in its first image for a sign."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def locate(self, prepared: Any) -> Any:
        if prepared[0][0] != "warm-up":
            self.go.wait(60)
        return super().locate(prepared)


def until(true: Callable[[], bool]) -> None:
    for _ in range(6000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def test_where_all_places_are_taken_the_next_is_told_when_to_come_again_and_nothing_is_lost() -> None:
    held = Held()
    with service(held, max_queue=3) as client, concurrent.futures.ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(client.post, "/v1/predict", content=picture(i, i)) for i in (1, 2, 3)]
        until(lambda: "radmark_waiting 3.0" in client.get("/metrics").text)
        refused = client.post("/v1/predict", content=picture(4, 4))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        in_shape(refused)
        assert client.get("/readyz").status_code == 200
        held.go.set()
        assert sorted(spot(future.result().json())[0][0] for future in waiting) == [1, 2, 3]
        assert client.post("/v1/predict", content=picture(4, 4)).status_code == 200


def test_an_answer_that_takes_too_long_is_refused_and_its_place_is_free_when_its_work_ends() -> None:
    held = Held()
    with service(held, max_queue=1, timeout_s=0.3) as client:
        late = client.post("/v1/predict", content=picture(1, 1))
        assert late.status_code == 503
        assert "longer than 0.3 seconds" in in_shape(late)["problem"]
        assert client.post("/v1/predict", content=picture(1, 1)).status_code == 429  # its thread is still at it
        held.go.set()
        until(lambda: "radmark_waiting 0.0" in client.get("/metrics").text)
    with service(Lantern(), max_queue=1, timeout_s=20) as client:
        assert client.post("/v1/predict", content=picture(1, 1)).status_code == 200


# ---- many at once -----------------------------------------------------------------------------------------------------


class Together(Lantern):
    """Answers only when it is asked by two threads at once."""

    def __init__(self) -> None:
        super().__init__()
        self.met = threading.Barrier(2, timeout=60)
        self.open = False

    def side_by_side(self) -> contextlib.AbstractContextManager[None]:
        stack = contextlib.ExitStack()
        self.open = True
        stack.callback(setattr, self, "open", False)
        return stack  # type: ignore[return-value]

    def locate(self, prepared: Any) -> Any:
        if prepared[0][0] != "warm-up":
            self.met.wait()
        return super().locate(prepared)


def test_a_model_that_may_be_is_asked_by_as_many_threads_as_there_are_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "available_cpus", lambda: 2)
    together = Together()
    with service(together) as client:
        assert together.open
        answers = at_once(8, lambda i: client.post("/v1/predict", content=picture(i, 47 - i)))
    assert [spot(answer.json())[0] for answer in answers] == [[i, 47 - i] for i in range(8)]
    assert not together.open


@pytest.mark.parametrize("batch_size", [1, 4])
def test_answers_are_not_mixed_up_when_many_ask_at_once(batch_size: int) -> None:
    with service(Lantern(0.002, batch_size), max_queue=200) as client:
        answers = at_once(40, lambda i: client.post("/v1/predict", content=picture(i, 47 - i)))
        passes = client.get("/metrics").text.split("radmark_network_images_count ")[1].split("\n")[0]
    assert [spot(answer.json())[0] for answer in answers] == [[i, 47 - i] for i in range(40)]
    assert float(passes) == 40 if batch_size == 1 else float(passes) < 40


@pytest.mark.slow
def test_a_trained_models_answers_are_those_of_its_direct_prediction(tmp_path: Path) -> None:
    import torch

    from radmark.checkpoint import Checkpoint
    from radmark.config import Config, DataConfig, LabelConfig, ModelConfig
    from radmark.core import Scheme
    from radmark.infer import Predictor
    from radmark.io import read_film
    from radmark.model import build

    config = Config(
        data=DataConfig(size=64),
        model=ModelConfig("mobilenet_v2", "none", (16, 8, 8, 8, 8)),
        labels=LabelConfig("softmax"),
    )
    scheme = Scheme.from_names(("tip", "heel"))
    torch.manual_seed(0)
    net = build(config.model, 2).eval()
    predictor = Predictor(Checkpoint(config, scheme, {}, 0, 3, {}), net, torch.device("cpu"))
    rng = np.random.default_rng(0)
    films = [film(tmp_path / f"{i}", rng.integers(0, 4000, (50, 60 + i), np.uint16)) for i in range(12)]
    with service(predictor, max_queue=50) as client:
        answers = at_once(12, lambda i: client.post("/v1/predict", content=films[i].read_bytes()))
    for path, answer in zip(films, answers, strict=True):
        direct = predictor(read_film(path))
        assert spot(answer.json()) == pytest.approx(direct.points, abs=1.5e-4)
        told = [point["confidence"] for point in answer.json()["image"]["landmarks"].values()]
        assert told == pytest.approx(direct.confidence, abs=1e-4)


# ---- who may ask ------------------------------------------------------------------------------------------------------


def test_with_keys_only_their_owners_are_answered(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    pacs, desk = add_key(file, "pacs"), add_key(file, "desk")
    assert pacs not in file.read_text(encoding="utf-8")
    keys = read_keys(file)
    assert (owner(keys, pacs), owner(keys, desk), owner(keys, "x")) == ("pacs", "desk", None)
    with service(keys=keys) as client:
        for path in ("/v1/models", "/metrics", "/nowhere"):
            refused = client.get(path)
            assert refused.status_code == 401
            in_shape(refused)
        for wrong in ("", "x", pacs[:-1], f"{pacs}x", keys["pacs"]):
            assert client.get("/v1/models", headers={"Authorization": f"Bearer {wrong}"}).status_code == 401
        assert client.post("/v1/predict", content=picture(1, 1)).status_code == 401
        for header in ({"Authorization": f"Bearer {pacs}"}, {"X-API-Key": desk}):
            assert client.post("/v1/predict", content=picture(1, 1), headers=header).status_code == 200
        for path in ("/healthz", "/readyz", "/openapi.json"):
            assert client.get(path).status_code == 200
        # With keys it may be asked by any name, and from any page that has one.
        assert client.get("/healthz", headers={"host": "radmark.hospital.example"}).status_code == 200
        page = {"origin": "https://hospital.example", "X-API-Key": desk}
        assert client.post("/v1/predict", content=picture(1, 1), headers=page).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "radmark.hospital.example", "", "127.0.0.1.example"])
def test_an_address_that_others_can_reach_needs_keys(host: str) -> None:
    with pytest.raises(InputError, match="no API keys"):
        check_address(host, {})
    check_address(host, {"pacs": "0" * 64})


def test_the_command_makes_keys_and_refuses_what_others_can_reach(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "keys"
    assert cli.main(["serve", "--new-key", "pacs", "--api-keys", str(file)]) == 0
    key = capsys.readouterr().out.strip()
    assert owner(read_keys(file), key) == "pacs"
    assert cli.main(["serve", "--new-key", "pacs", "--api-keys", str(file)]) == 2
    assert cli.main(["serve", str(tmp_path), "--host", "0.0.0.0"]) == 2
    assert "API keys" in capsys.readouterr().err


# ---- what it writes down ----------------------------------------------------------------------------------------------


class Broken(Lantern):
    """A model that fails and quotes the patient in its error."""

    def locate(self, prepared: Any) -> Any:
        if prepared[0][0] == "warm-up":
            return super().locate(prepared)
        raise ValueError("cannot digest Planted^Name")


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Whatever any library says, at every level, as the service writes it."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    own = logging.getLogger("radmark.serve")
    own_before = (own.level, own.propagate)
    own.propagate = True
    own.setLevel(logging.INFO)
    yield text
    root.removeHandler(handler)
    root.setLevel(before)
    own.level, own.propagate = own_before


@pytest.mark.parametrize("broken", [False, True])
def test_no_word_of_a_patient_is_logged(log: io.StringIO, tmp_path: Path, broken: bool) -> None:
    data = film(tmp_path / "film.dcm", np.zeros((48, 64), np.uint16), BodyPartExamined="PLANTEDPART").read_bytes()
    with service(Broken() if broken else Lantern()) as client:
        headers = {"X-Request-ID": "Planted-7", "User-Agent": "Planted", "Referer": "http://x/Planted"}
        name = {"file": ("Planted^Name.dcm", data, "application/dicom")}
        response = client.post("/v1/predict?side=Planted", files=name, headers=headers)
        assert response.status_code == 422
        response = client.post("/v1/predict", files=name, headers=headers)
        assert response.status_code == (500 if broken else 200)
        client.post("/v1/predict", content=data[:-100] + b"Planted", headers=headers)
        client.post("/v1/predict/batch", files=[("files", ("Planted", b"Planted^Name"))])
        client.get("/Planted/Name?patient=Planted")
        in_shape(client.post("/v1/predict", content=b"Planted"))
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["status"] for line in requests][:2] == [422, 500 if broken else 200]
    assert len(requests) == 6
    assert "planted" not in log.getvalue().lower()
    if broken:
        (fault, *_) = [line for line in lines if line["event"] == "fault"]
        assert fault["error"] == "ValueError"
        assert fault["id"] == in_shape(response)["value"]  # what the caller can tell whoever runs it


def test_after_a_fault_the_next_is_served() -> None:
    class Once(Lantern):
        failed = False

        def locate(self, prepared: Any) -> Any:
            if not self.failed and prepared[0][0] != "warm-up":
                self.failed = True
                raise RuntimeError
            return super().locate(prepared)

    with service(Once()) as client:
        assert client.post("/v1/predict", content=picture(1, 1)).status_code == 500
        assert client.post("/v1/predict", content=picture(1, 1)).status_code == 200
