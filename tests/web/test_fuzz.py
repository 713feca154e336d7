"""Requests nobody would send by hand: whatever comes, the answer is one of ours, and never a mistake of ours."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import hypothesis
import hypothesis.strategies as st
import pytest
import schemathesis

from annotating import NAMES, Server, session
from postgres import Postgres
from radmark.core import Scheme
from radmark.web.accounts import Account
from radmark.web.app import Address, Annotator, create_app
from radmark.web.films import Films
from radmark.web.project import open_project
from radmark.web.store import Store

EVERY = cast("list[hypothesis.HealthCheck]", list(hypothesis.HealthCheck))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_no_request_makes_the_server_fail(
    kind: str,
    server: Callable[..., Server],
    images: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    scheme = tmp_path / "hips.txt"
    scheme.write_text("\n".join(NAMES), encoding="utf-8")
    words: list[Any] = [images, "--scheme", scheme, "--reader", "A"]
    if kind == "postgres":
        words += ["--db", cast("Postgres", request.getfixturevalue("postgres")).url()]
    made = server(*words)
    client = session(made.start()["A"])
    ids = [image["id"] for image in client.get("/api/images").json()["images"]]

    other = Store.at(tmp_path / "other" / "s.sqlite")
    project = open_project("x", Scheme.from_names(NAMES), other, Films(images), [Account("A")])
    app: Any = create_app(Annotator(project), Address("127.0.0.1", 8000))
    schema: Any = schemathesis.openapi.from_dict(app.app.openapi())
    other.close()
    asked = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in ("/", "/api/logout"):
            continue

        @hypothesis.settings(max_examples=12, deadline=None, suppress_health_check=EVERY)
        @hypothesis.given(case=operation.as_strategy(), known=st.sampled_from([*ids, None]))
        def ask(case: Any, known: str | None) -> None:
            nonlocal asked
            asked += 1
            if known is not None and "id" in case.path_parameters:
                case.path_parameters["id"] = known
            answer = case.call(
                base_url=str(client.base_url).rstrip("/"),
                headers={"origin": client.headers["origin"]},
                cookies=dict(client.cookies),
            )
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert set(answer.json()["error"]) == {"problem", "value", "remedy"}

        ask()
    assert asked > 100
    assert client.get("/api/project").status_code == 200
    client.close()
    made.stop()
    assert "Traceback" not in made.log.read_text(errors="replace")
