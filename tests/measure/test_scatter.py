"""How points scatter, from what `radmark evaluate` writes: drawn errors in, the covariance they were drawn with out."""

import json
from pathlib import Path

import numpy as np
import pytest

from radmark.core import Frame, InputError, Marks, Scheme
from radmark.measure.measure import measure
from radmark.measure.scatter import Scatter, covariance_of, drawn, propagated, scaled, scatter_of

HEAD = "image_name,landmark,dx_px,dy_px\n"


def errors_csv(path: Path, errors: dict[str, np.ndarray]) -> Path:
    rows = [f"film{i}.png,{name},{dx},{dy}\n" for name, xy in errors.items() for i, (dx, dy) in enumerate(xy)]
    path.write_text(HEAD + "".join(rows), encoding="utf-8")
    return path


def metrics_json(path: Path, rows: dict[str, tuple[float | None, int]], grid: str = "source") -> Path:
    tree = [{"name": name, "median_radial_error_px": median, "n": n} for name, (median, n) in rows.items()]
    path.write_text(json.dumps({"grid": grid, "per_landmark": tree}), encoding="utf-8")
    return path


def test_errors_that_were_drawn_give_back_what_they_were_drawn_with(tmp_path: Path) -> None:
    """Two landmarks that move together, twice as far along as across; every thirtieth of the first is lost far away."""
    rng = np.random.default_rng(0)
    together, own = rng.normal(size=(3000, 2)) * [1.0, 2.0], rng.normal(size=(3000, 2, 2))
    errors = {"a": together + 0.5 * own[:, 0], "b": together + 0.5 * own[:, 1]}
    errors["a"][::30] += 90
    found = scatter_of(errors_csv(tmp_path / "errors.csv", errors))
    assert isinstance(found, Scatter)
    variance_x, variance_y, shared_x, shared_y = 1.25, 4.25, 1.0, 4.0
    expected = [
        [variance_x, 0, shared_x, 0], [0, variance_y, 0, shared_y], [shared_x, 0, variance_x, 0],
        [0, shared_y, 0, variance_y],
    ]  # fmt: skip
    covariance = covariance_of(found, ("a", "b"))
    assert covariance is not None
    assert covariance == pytest.approx(np.array(expected), abs=0.35)
    # What moves together does not change a distance: without the shared part its variance would be 2 * 4.25.
    points = np.array([[0.0, 0.0], [0.0, 100.0]])
    assert propagated(lambda p: float(p[1, 1] - p[0, 1]), points, covariance) == pytest.approx(0.5**0.5, rel=0.1)
    assert covariance_of(found, ("a", "c")) is None


def test_a_bias_counts_as_scatter(tmp_path: Path) -> None:
    found = scatter_of(errors_csv(tmp_path / "errors.csv", {"a": np.tile([3.0, 0.0], (10, 1))}))
    covariance = covariance_of(found, ("a",))
    assert covariance is not None
    assert covariance[0, 0] == pytest.approx(9)


def test_lost_points_hardly_change_the_scatter_that_metrics_json_gives(tmp_path: Path) -> None:
    """Errors of sd 2 along each axis have a median radial error of 2 sqrt(2 ln 2); three in a hundred lost move it a little."""
    rng = np.random.default_rng(1)
    radial = np.hypot(*rng.normal(scale=2.0, size=(2, 5000)))
    radial[::33] = 500.0
    assert radial.mean() > 4 * 2.0  # what a mean would make of it
    found = scatter_of(metrics_json(tmp_path / "metrics.json", {"a": (float(np.median(radial)), 5000), "b": (None, 0)}))
    assert isinstance(found, dict)
    assert found["a"] == pytest.approx(2.0, rel=0.06)
    assert set(found) == {"a"}


def test_fewer_than_five_errors_say_nothing(tmp_path: Path) -> None:
    for file in (
        errors_csv(tmp_path / "errors.csv", {"a": np.ones((4, 2))}),
        metrics_json(tmp_path / "metrics.json", {"a": (1.0, 4)}),
    ):
        with pytest.raises(InputError, match="no landmark has 5 errors"):
            scatter_of(file)


@pytest.mark.parametrize(
    ("name", "text"), [("errors.csv", "a,b\n1,2\n"), ("metrics.json", "{}"), ("metrics.json", "[")]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"this is not the {name}"):
        scatter_of(tmp_path / name)


def test_errors_on_the_models_grid_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="on the model's grid"):
        scatter_of(metrics_json(tmp_path / "metrics.json", {"a": (1.0, 50)}, grid="model 512x512"))


def test_draws_and_derivatives_agree_and_unequal_pixels_are_not_exchanged() -> None:
    covariance = np.array([[4.0, 1.0, 0, 0], [1.0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 9.0]])
    in_mm = scaled(covariance, np.array([0.5, 2.0]))
    assert in_mm[:2, :2] == pytest.approx(np.array([[1.0, 1.0], [1.0, 4.0]]))

    def along_y(p: np.ndarray) -> float:
        return float(p[1, 1] - p[0, 1])

    at = np.array([[0.0, 0.0], [3.0, 40.0]])
    assert propagated(along_y, at, in_mm) == pytest.approx((4 + 36) ** 0.5)
    assert drawn(along_y, at, in_mm, 4000) == pytest.approx((4 + 36) ** 0.5, rel=0.05)
    assert drawn(lambda p: float("nan") if p[0, 0] > 0 else 1.0, at, in_mm, 100) is None


def test_a_mirrored_film_scatters_like_its_mirror_image() -> None:
    """The shaft's points move together along a slant; a mirrored film has the slant mirrored, and the same sd."""
    names = ("femoral_head", "femoral_shaft_proximal", "femoral_shaft_distal")
    points = np.array([[100.0, 100.0], [140.0, 180.0], [150.0, 300.0]])
    one = np.array([[4.0, 3.0], [3.0, 4.0]])
    sds: list[float | None] = []
    for mirror in (1.0, -1.0):
        flip = np.diag([mirror, 1.0])
        covariance = np.kron(np.eye(3), flip @ one @ flip).astype(np.float64)
        placed = Marks.present(Scheme.from_names(names), Frame(400, 400), points @ flip + [200 - 200 * mirror, 0])
        results = measure(placed, sd_px=Scatter(names, covariance), side="left", mirrored=mirror < 0)
        sds.append(next(r.sd for r in results if r.key == "femoral_offset"))
    assert sds[0] == pytest.approx(sds[1])
