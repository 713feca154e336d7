"""One film, one record of marks, one road: whichever door they take, the same values, units, origins and findings come out.

The model is a real exported file whose graph holds its answer, so that every door opens it as a user's and its points are known.
Films and points are worked out once by the API; each door's answer is then compared with that, number by number, and counted.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

import radmark as rm
from dicom_files import film as dicom
from radmark import cli, phantom
from radmark.core.frame import SPACING_WORDS, Frame, Inset
from radmark.exported.facts import CONFIDENCE, IMAGE, KEY, POINTS, SOURCE_SIZE, Facts
from radmark.outputs.reported import reported

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
hd = pytest.importorskip("highdicom")
pq = pytest.importorskip("pyarrow.parquet")

WIDTH, HEIGHT = 512, 433
PELVIS = phantom.render("pelvis-radiograph", 3, WIDTH)
BALL = {"ball_1": (80.0, 380.0), "ball_2": (40.0, 380.0), "ball_3": (60.0, 400.0), "ball_4": (60.0, 360.0)}
NAMES = (*PELVIS.names, *BALL)
STANDARD = np.vstack([np.round(PELVIS.points * 16) / 16, list(BALL.values())])
"""(K, 2), in sixteenths of a pixel: exact in 32 bits, and in a table's four decimals."""
MIRRORED = np.stack([WIDTH - 1 - STANDARD[:, 0], STANDARD[:, 1]], axis=1)
EXCHANGED = STANDARD[
    [NAMES.index(n.replace("right", "L").replace("left", "right").replace("L", "left")) for n in NAMES]
]
MM = {"ImagerPixelSpacing": [0.16, 0.15]}


@dataclass(frozen=True)
class Case:
    """A film as it comes, with where its points are.

    Args:
        name: of its file.
        points: (K, 2).
        tags: of its DICOM file; None: a PNG.
        facts: what the user says of it.
    """

    name: str
    points: np.ndarray
    tags: Mapping[str, Any] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


LOSSY = {"LossyImageCompression": "01", "LossyImageCompressionRatio": "20", "PixelSpacing": [0.15, 0.15]}
CASES = (
    Case("plain.png", STANDARD),
    Case("standard.dcm", STANDARD, MM),
    Case("lossy.dcm", STANDARD, LOSSY),
    Case("mirrored.dcm", MIRRORED, {**MM, "PatientOrientation": ["R", "F"]}),
    Case("unlike.dcm", STANDARD, {**MM, "PatientOrientation": ["R", "F"]}),  # the points are as on a standard display
    Case("exchanged.dcm", EXCHANGED, MM),
    Case("ball.dcm", STANDARD, MM, {"ball_mm": ",".join([*BALL, "25"])}),
    Case("magnified.dcm", STANDARD, MM, {"magnification": "1.15"}),
    Case("told.png", STANDARD, None, {"display": "standard", "spacing_mm": "0.2", "operated": "left"}),
    Case("overruled.dcm", MIRRORED, MM, {"display": "mirrored", "pelvic_tilt_deg": "5"}),
)


def one_sided(tmp_path: Path, case: Case) -> Path:
    """The film's file, in a folder of its own."""
    folder = tmp_path / case.name.replace(".", "_")
    folder.mkdir()
    path = folder / case.name
    pixels = np.ascontiguousarray(PELVIS.pixels)
    if case.tags is None:
        Image.fromarray(pixels).save(path)
        return path
    return dicom(path, pixels, bits=16, **case.tags)


def model_of(path: Path, points: np.ndarray) -> Path:
    """An exported model that finds these points in every film of this size."""
    size = WIDTH
    at = Inset.letterbox(Frame(WIDTH, HEIGHT), size).to_target(points).astype(np.float32)[None]
    sure = np.linspace(0.5, 0.9, len(NAMES), dtype=np.float32)[None]
    make, numbers = onnx.helper, onnx.numpy_helper.from_array
    constants = {
        "at": at,
        "sure": sure,
        "zero": np.array([0]),
        "more_p": np.array([len(NAMES), 2]),
        "more_c": np.array([len(NAMES)]),
    }
    nodes = [
        make.make_node("Shape", [SOURCE_SIZE], ["shape"]),
        make.make_node("Gather", ["shape", "zero"], ["batch"]),
        make.make_node("Concat", ["batch", "more_p"], ["like_p"], axis=0),
        make.make_node("Concat", ["batch", "more_c"], ["like_c"], axis=0),
        make.make_node("Expand", ["at", "like_p"], [POINTS]),
        make.make_node("Expand", ["sure", "like_c"], [CONFIDENCE]),
    ]
    real, whole = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    value = make.make_tensor_value_info
    graph = make.make_graph(
        nodes,
        "answer",
        [value(IMAGE, real, ["n", 1, size, size]), value(SOURCE_SIZE, whole, ["n", 2])],
        [value(POINTS, real, ["n", len(NAMES), 2]), value(CONFIDENCE, real, ["n", len(NAMES)])],
        [numbers(array, name) for name, array in constants.items()],
    )
    made = make.make_model(graph, opset_imports=[make.make_opsetid("", 18)], ir_version=9)
    parity = {"images": 0, "max_px": 0.0, "mean_px": 0.0, "max_confidence": 0.0}
    told = Facts(
        size,
        rm.Scheme.from_names(NAMES, "contract"),
        {"name": "answer", "sha256": "ab" * 32, "network": "none"},
        {},
        "none",
        parity,
    )
    entry = made.metadata_props.add()
    entry.key, entry.value = KEY, told.to_json()
    onnx.save(made, path)
    return path


class Tally:
    """Compares and counts; what differs is collected, so that one run shows all of it."""

    def __init__(self) -> None:
        self.compared = 0
        self.by_door: dict[str, int] = {}
        self.differing: list[str] = []

    def same(self, where: str, said: object, expected: object, near: float = 0.0) -> None:
        """One comparison."""
        self.compared += 1
        door = where.split(":")[0]
        self.by_door[door] = self.by_door.get(door, 0) + 1
        close = (
            isinstance(said, int | float)
            and isinstance(expected, int | float)
            and math.isclose(said, expected, rel_tol=near, abs_tol=near)
        )
        if said != expected and not close:
            self.differing.append(f"{where}: {said!r}, not {expected!r}")

    def results(self, where: str, said: Sequence[Mapping[str, Any]], report: rm.Report, near: float = 0.0) -> None:
        """A list of measurements as JSON and HTTP have it."""
        self.same(
            f"{where}: which", [(m["key"], m["side"] or None) for m in said], [(r.key, r.side) for r in report.results]
        )
        for m, r in zip(said, report.results, strict=False):
            at = f"{where}: {r.key} {r.side or ''}"
            self.same(f"{at} value", m["value"], r.value, near)
            self.same(f"{at} unit", m["unit"], r.unit)
            self.same(f"{at} mm_from", m["mm_from"], r.mm_from)
            self.same(f"{at} usable", m["usable"], r.usable)
            codes = [f.code for f in r.findings]
            if "codes" in m:  # a table has each once
                self.same(f"{at} codes", m["codes"], list(dict.fromkeys(codes)))
            else:
                self.same(f"{at} codes", [f["code"] for f in m["findings"]], codes)
            told = m["flags"] if isinstance(m["flags"], str) else "; ".join(m["flags"])
            self.same(f"{at} flags", told, "; ".join(r.flags))
            self.same(f"{at} reason", m["reason"], r.reason)

    def reports(self, where: str, said: rm.Report, report: rm.Report) -> None:
        """Another report of the same points."""
        from radmark.io.measurements import measurements_tree

        self.results(where, measurements_tree(said.results), report, 1e-9)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def of_table(cells: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a table of measurements, as JSON has it."""

    def many(text: str | None) -> list[str]:
        return text.split("; ") if text else []

    value = cells["value"]
    return {
        **cells, "value": None if value in (None, "") else float(value), "unit": cells["unit"] or "",
        "side": cells["side"] or None, "mm_from": cells["mm_from"] or None, "codes": many(cells["codes"]),
        "reason": cells["reason"] or "",
        "flags": cells["flags"] or "",
    }  # fmt: skip


def check_points(tally: Tally, where: str, row: Mapping[str, Any], report: rm.Report) -> None:
    """A film's row of the annotation table."""
    for name, (x, y) in zip(NAMES, report.marks.points.tolist(), strict=True):
        tally.same(f"{where}: {name}", (float(row[f"{name}_x"]), float(row[f"{name}_y"])), (x, y))
        tally.same(
            f"{where}: {name} confidence", float(row[f"{name}_confidence"]), report.marks.mark(name).confidence, 1e-4
        )
    spacing = report.marks.frame.spacing
    told = (None, None, None) if spacing is None else (spacing.x_mm, spacing.y_mm, spacing.source.value)
    said = [row.get(c) or None for c in ("spacing_x_mm", "spacing_y_mm", "spacing_source")]
    tally.same(f"{where}: spacing", (*(None if v is None else float(v) for v in said[:2]), said[2]), told)
    model = report.marks.model
    assert model is not None
    tally.same(f"{where}: model", row["model_sha256"], model.sha256)


def check_json(tally: Tally, where: str, image: Mapping[str, Any], report: rm.Report, *, points: bool = True) -> None:
    """A film of radmark's own JSON."""
    if points:
        tally.same(f"{where}: flags", image["film_flags"], list(report.film.flags))
        for name, (x, y) in zip(NAMES, report.marks.points.tolist(), strict=True):
            tally.same(f"{where}: {name}", (image["landmarks"][name]["x"], image["landmarks"][name]["y"]), (x, y))
        spacing = report.marks.frame.spacing
        told = spacing and (round(spacing.x_mm, 12), round(spacing.y_mm, 12), spacing.source.value)
        mm = image["spacing"]
        tally.same(f"{where}: spacing", mm and (round(mm["x_mm"], 12), round(mm["y_mm"], 12), mm["source"]), told)
    findings = [(f["code"], f["severity"], f["words"]) for f in image["findings"]]
    tally.same(f"{where}: findings", findings, [(f.code, f.severity.value, f.words) for f in report.findings])
    tally.results(where, image["measurements"], report, 1e-9)


def check_sr(tally: Tally, where: str, path: Path, report: rm.Report) -> None:
    """A structured report, read by highdicom."""
    content = hd.sr.srread(path).content
    groups = content.get_planar_roi_measurement_groups()
    spots = {
        g.finding_type.meaning.replace(" ", "_"): g.roi.value[0] - 0.5
        for g in groups
        if g.tracking_identifier.split(":")[1] == "Probe"
    }
    for name, point in zip(NAMES, report.marks.points, strict=True):
        tally.same(f"{where}: {name}", spots[name].round(3).tolist(), point.round(3).tolist())
    told = [g for g in groups if g.tracking_identifier.split(":")[1] != "Probe"]
    expected = report.computed
    tally.same(f"{where}: which", [g.finding_type.meaning for g in told], [r.title[:64] for r in expected])
    for group, r in zip(told, expected, strict=False):
        at = f"{where}: {r.key} {r.side or ''}"
        (number,) = group.get_measurements()
        assert r.value is not None
        tally.same(f"{at} value", float(number.value), round(r.value, 4), 1e-9)
        tally.same(f"{at} unit", number.unit.value, {"": "1", "px": "{pixels}"}.get(r.unit, r.unit))
        words = {str(e.value) for e in group[0].iterall() if e.keyword == "TextValue"}
        tally.same(f"{at} flags", set(r.flags) <= words, True)
        tally.same(f"{at} origin", f"millimetres from: {r.mm_from}" in words, r.mm_from is not None)
        level = [e.value.meaning for e in group.get_qualitative_evaluations() if e.name.meaning == "millimetres from"]
        spacing = report.marks.frame.spacing
        in_mm = spacing is not None and r.unit == "mm"
        tally.same(f"{at} level", level, [SPACING_WORDS[spacing.source]] if spacing is not None and in_mm else [])


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words that are drawn on pictures."""
    said: list[str] = []
    plain = ImageDraw.ImageDraw.text

    def text(self: Any, at: Any, words: str, **more: Any) -> None:
        said.append(words)
        plain(self, at, words, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    return said


def radmark(*words: object) -> None:
    assert cli.main([str(word) for word in words]) == 0


def flags_of(facts: Mapping[str, str]) -> Iterator[str]:
    for name, value in facts.items():
        yield from (f"--{name.replace('_', '-')}", value)


@pytest.fixture(scope="module")
def counts() -> Iterator[list[int]]:
    """How many comparisons each film took; their sum is said at the end."""
    each: list[int] = []
    yield each
    print(f"\n{sum(each):,} comparisons of {len(each)} films")  # noqa: T201, with pytest -s


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_film_has_the_same_values_units_origins_and_findings_whichever_door_it_takes(
    case: Case, tmp_path: Path, written: list[str], counts: list[int], record_property: Callable[[str, object], None]
) -> None:
    tally = Tally()
    path = one_sided(tmp_path, case)
    model = model_of(path.parent / "answer.onnx", case.points)
    facts: dict[str, Any] = dict(case.facts)
    spacing = facts.pop("spacing_mm", None)
    loaded = rm.read(path, spacing_mm=None if spacing is None else float(spacing), **facts)
    report = rm.examine(loaded, rm.load(model)(loaded))
    assert np.array_equal(report.marks.points, case.points)  # the model's answer is known
    for door in DOORS:
        door(tally, case, path, model, report, written)
    assert tally.differing == []
    counts.append(tally.compared)
    record_property("comparisons", tally.compared)
    print(f"{case.name}: {tally.compared} comparisons: {tally.by_door}")  # noqa: T201, with pytest -s
    assert tally.compared > 2500


def through_predict(tally: Tally, case: Case, path: Path, model: Path, report: rm.Report, written: list[str]) -> None:
    out = path.parent / "predicted"
    words = ("predict", model, path, *flags_of(case.facts), "--out")
    radmark(*words, out / "a.csv", "--measure")
    (row,) = rows(out / "a.csv")
    check_points(tally, "predict csv", row, report)
    tally.results("predict csv", [of_table(cells) for cells in rows(out / "a.measurements.csv")], report, 1e-5)
    radmark(*words, out / "a.json", "--measure")
    (image,) = json.loads((out / "a.json").read_text(encoding="utf-8"))["images"]
    check_json(tally, "predict json", image, report)
    radmark(*words, out / "a.parquet", "--measure")
    (row,) = pq.read_table(out / "a.parquet").to_pylist()
    check_points(tally, "predict parquet", row, report)
    measured = pq.read_table(out / "a.measurements.parquet").to_pylist()
    tally.results("predict parquet", [of_table(cells) for cells in measured], report, 1e-5)
    written.clear()
    radmark(*words, out / "a.png")
    panel = " ".join(" ".join(written).split())
    for k, m in enumerate(reported(report)):
        tally.same(f"predict png: {m.name}", f"{k + 1} {m.words}" in panel, True)
    for finding in report.film.findings:
        tally.same(f"predict png: {finding.code}", finding.words in panel or finding.about == "millimetres", True)
    if case.tags is not None:
        radmark(*words, out / "dcm", "--format", "dcm-all")
        check_sr(tally, "predict dcm", out / "dcm" / f"{path.name}.sr.dcm", report)


def through_a_batch(tally: Tally, case: Case, path: Path, model: Path, report: rm.Report, _: list[str]) -> None:
    out = path.parent / "batch"
    words = ("predict", model, path, *flags_of(case.facts), "--measure", "--engine", "local", "--out")
    for suffix in ("csv", "json"):
        radmark(*words, out / f"a.{suffix}")
    (row,) = rows(out / "a.csv")
    alone = rows(path.parent / "predicted" / "a.csv")[0]
    tally.same("batch csv: columns", list(row), [*alone, "sha256"])
    tally.same("batch csv: row", {c: row[c] for c in alone}, alone)
    measured = (path.parent / "predicted" / "a.measurements.csv").read_bytes()
    tally.same("batch csv: measurements", (out / "a.measurements.csv").read_bytes(), measured)
    (image,) = json.loads((out / "a.json").read_text(encoding="utf-8"))["images"]
    (alone_too,) = json.loads((path.parent / "predicted" / "a.json").read_text(encoding="utf-8"))["images"]
    tally.same("batch json: image", {key: image[key] for key in alone_too}, alone_too)
    check_json(tally, "batch json", image, report)


def through_measure_and_report(
    tally: Tally, case: Case, path: Path, model: Path, report: rm.Report, written: list[str]
) -> None:
    """The table that was predicted, measured again; and the same marks as reports."""
    del model, written
    table, out = path.parent / "predicted" / "a.csv", path.parent / "again"
    # What the millimetres are calibrated by is in the table; the rest is asked for again.
    facts = {name: value for name, value in case.facts.items() if name not in ("ball_mm", "spacing_mm")}
    words = (table, "--films", path.parent, *flags_of(facts), "--out")
    radmark("measure", *words, out / "m.csv")
    tally.results("measure csv", [of_table(cells) for cells in rows(out / "m.csv")], report, 1e-5)
    radmark("measure", *words, out / "m.json")
    (image,) = json.loads((out / "m.json").read_text(encoding="utf-8"))["images"]
    check_json(tally, "measure json", image, report, points=False)
    radmark("report", *words, out / "r.json", "--measure")
    (image,) = json.loads((out / "r.json").read_text(encoding="utf-8"))["images"]
    check_json(tally, "report json", image, report)
    if case.tags is not None:
        radmark("report", *words, out / "r.dcm")
        check_sr(tally, "report dcm", out / "r.dcm", report)


def through_the_service(tally: Tally, case: Case, path: Path, model: Path, report: rm.Report, _: list[str]) -> None:
    from starlette.testclient import TestClient

    from radmark.serve.app import Model, create_app

    app = create_app(Model(rm.load(model), "answer", "ab" * 32))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        response = client.post("/v1/predict", params=dict(case.facts), content=path.read_bytes())
    assert response.status_code == 200, response.text
    image = response.json()["image"]
    check_json(tally, "serve", {**image, "film_flags": image["flags"]}, report)


def through_the_listener(tally: Tally, case: Case, path: Path, model: Path, report: rm.Report, _: list[str]) -> None:
    """Nobody says anything of a film that comes from the network."""
    if case.tags is None or case.facts:
        return
    from radmark.pacs.worker import _work, load

    out = path.parent / "listened.dcm"
    said = _work(path, out, None, load(model))
    check_sr(tally, "listener", out, report)
    spacing = report.marks.frame.spacing
    tally.same("listener: millimetres", said["millimetres_from"], spacing and spacing.source.value)
    tally.same("listener: flags", list(said["flags"]), list(report.film.flags))
    tally.same("listener: measurements", said["measurements"], len(report.computed))


def through_the_page(tally: Tally, case: Case, path: Path, model: Path, report: rm.Report, _: list[str]) -> None:
    """The table that was predicted, taken into a project: what the page shows of it, and what leaves it again."""
    del model
    from starlette.testclient import TestClient

    from annotating import BASE
    from radmark.web.accounts import Account
    from radmark.web.app import Address, Annotator, create_app
    from radmark.web.films import Films
    from radmark.web.project import import_study, open_project, told_films
    from radmark.web.store import Store

    table = path.parent / "predicted" / "a.csv"
    study = rm.read_study(table, films=path.parent)
    store = Store.at(path.parent / "project.sqlite")
    try:
        films = Films(path.parent, told_films(study, path.parent))
        project = open_project("films", study.scheme, store, films, (Account("A"),))
        import_study(project, study, path.parent, "A")
        annotator = Annotator(project)
        client = TestClient(create_app(annotator, Address("127.0.0.1", 8000)), BASE, headers={"origin": BASE})
        assert client.get(annotator.link("A")).status_code == 200
        (image,) = client.get("/api/images").json()["images"]
        query = {name: value for name, value in case.facts.items() if name in ("side", "display")}
        answer = client.get(f"/api/images/{image['id']}/measurements", params=query).json()
        check_json(tally, "page", answer, report, points=False)
        left = path.parent / "left.csv"
        left.write_bytes(client.get("/api/export", params={"format": "csv"}).content)
        (row,) = rm.read_study(left, films=path.parent).rows
        tally.same("page export: reader", row.marks.reader, "A")
        stated = row.film.stated(**query)
        again = rm.examine(stated, row.marks)
        told = [(f.code, f.words) for f in again.findings]
        tally.same("page export: findings", told, [(f.code, f.words) for f in report.findings])
        tally.reports("page export", again, report)
    finally:
        store.close()


def through_agreement(tally: Tally, case: Case, path: Path, model: Path, report: rm.Report, _: list[str]) -> None:
    """The model's table beside a reader's with the same points: both measure what the report has, where it may be used."""
    del model
    from radmark.agree.panel import panel, together
    from radmark.cli.agree import _measured

    if (
        case.name == "overruled.dcm"
    ):  # a table that differs from the header is no user's word: these numbers are stopped there
        return
    tables = (path.parent / "predicted" / "a.csv", path.parent / "left.csv")
    named = [rm.read_study(table, films=path.parent).named(table.stem) for table in tables]
    found = _measured(panel(together(named)))
    usable = {(f"{r.title}, {r.side}" if r.side else r.title, r.unit): r for r in report.results if r.usable != "no"}
    there = {key for key, values in found.items() if not np.isnan(values).all()}
    tally.same("agree: which", there, set(usable))
    for key, r in usable.items():
        for value in found[key][:, 0].tolist():
            tally.same(f"agree: {key}", value, r.value, 1e-9)


DOORS = (
    through_predict,
    through_a_batch,
    through_measure_and_report,
    through_the_service,
    through_the_listener,
    through_the_page,
    through_agreement,
)
