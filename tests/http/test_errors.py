"""Whatever a route raises is answered in one shape, and says nothing of the inside."""

import json
from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from radmark.core import InputError
from radmark.http.errors import Refused, handle_errors, of_input


class Said(BaseModel):
    model_config = ConfigDict(extra="forbid")

    side: str | None = None
    frame: int = 1


RAISED: dict[str, Exception] = {
    "refused": Refused(409, "it was changed", "Look again", 4, {"retry-after": "7"}, current={"x": 1.5}),
    "input": InputError("/tmp/a1b2 is torn", remedy="Send it whole", file="/tmp/a1b2"),
    "http": HTTPException(418, "a teapot", {"x-pot": "tea"}),
    "bug": RuntimeError("/home/somebody/secret"),
}


def asked(**words: Any) -> TestClient:
    app = FastAPI()

    @app.get("/raise/{what}")
    def fail(what: str) -> None:
        raise RAISED[what]

    @app.get("/said")
    def said(said: Annotated[Said, Query()]) -> None:
        del said

    @app.post("/body")
    def body(body: Said) -> None:
        del body

    handle_errors(app, see="the docs", after_bug="Tell us", **words)
    return TestClient(app, raise_server_exceptions=False)


def told(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"problem", "value", "remedy"}
    assert error["problem"]
    assert error["remedy"]
    return error


def test_a_refusal_says_what_it_was_given_to_say() -> None:
    answer = asked().get("/raise/refused")
    assert told(answer, 409) == {"problem": "it was changed", "value": 4, "remedy": "Look again"}
    assert answer.json()["current"] == {"x": 1.5}
    assert answer.headers["retry-after"] == "7"


def test_a_file_is_named_where_it_is_the_users_and_not_where_it_is_our_copy() -> None:
    whole = {"problem": "/tmp/a1b2 is torn", "value": "/tmp/a1b2", "remedy": "Send it whole"}
    assert told(asked().get("/raise/input"), 422) == whole
    copy = {"problem": "the upload is torn", "value": None, "remedy": "Send it whole"}
    assert told(asked(copies=True).get("/raise/input"), 422) == copy


def test_a_bug_tells_its_kind_and_nothing_of_the_inside() -> None:
    answer = asked().get("/raise/bug")
    assert told(answer, 500) == {"problem": "radmark made a mistake (RuntimeError)", "value": None, "remedy": "Tell us"}


def test_what_the_framework_refuses_is_in_the_one_shape_with_its_headers() -> None:
    pot = asked().get("/raise/http")
    assert told(pot, 418)["problem"] == "a teapot"
    assert pot.headers["x-pot"] == "tea"
    assert "the docs" in told(asked().get("/nowhere"), 404)["remedy"]
    wrong = asked().delete("/said")
    assert told(wrong, 405)["value"] == "DELETE"
    assert wrong.headers["allow"] == "GET"


def test_a_parameter_there_is_not_is_told_the_one_that_may_be_meant() -> None:
    known = asked(parameters=["side", "frame"])
    error = told(known.get("/said?sidee=left"), 422)
    assert (error["value"], error["remedy"]) == ("sidee", "Did you mean side? There are side, frame")
    assert told(known.get("/said?zzz=left"), 422)["remedy"] == "There are side, frame"
    assert told(known.get("/said?frame=first"), 422)["value"] == "first"
    assert told(asked().get("/said?sidee=left"), 422)["problem"].startswith("sidee: ")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[1]", 422),
        (b'{"frame": 1e999}', 422),
        (b'{"frame": NaN}', 422),
        (b'{"frame": "\\ud800"}', 422),
        (b'{"\\ud800": 1}', 422),
        (b'{"frame": "' + b"x" * 10_000 + b'"}', 422),
        (b'{"' + b"x" * 10_000 + b'": 1}', 422),
    ],
)
def test_a_body_json_cannot_hold_or_too_long_to_repeat_is_answered_all_the_same(body: bytes, status: int) -> None:
    answer = asked().post("/body", content=body, headers={"content-type": "application/json"})
    told(answer, status)
    assert len(answer.content) < 1500


def test_a_value_of_any_kind_is_told_as_json_can_hold_it() -> None:
    for value, shown in ((float("inf"), "inf"), ([1, 2], "[1, 2]"), (True, True), (1.5, 1.5), ("ä", "ä")):
        refused = of_input(InputError("bad", remedy="Mend it", value=value, file="x.csv"))
        assert json.loads(bytes(refused.answer().body))["error"]["value"] == shown
