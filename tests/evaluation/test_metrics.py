"""Figures by hand, by a literal second implementation and by scipy."""

import json
import math

import numpy as np
import pytest
import scipy.stats

from radmark.core import Film, Frame, InputError, Marked, Marks, Scheme, Spacing, SpacingSource, State
from radmark.evaluation.metrics import (
    Metrics,
    difference,
    paper_rmse,
    point_errors,
    pooled,
    radial,
    score,
)

SCHEME = Scheme.from_names(("a", "b"))
NOT_THERE = (np.nan, np.nan)
MM = Spacing(0.5, 2.0, SpacingSource.TABLE)


def pair(name, truth, guess, *, spacing=None, patient=None, scheme=SCHEME, size=(100, 200), absent=()):
    width, height = size
    frame = Frame(width, height, spacing)
    points = np.array(truth, dtype=float)
    states = np.where(np.isfinite(points[:, 0]), State.PRESENT, State.NOT_ANNOTATED)
    states[list(absent)] = State.ABSENT
    film = Film(name, size, spacing).stated(patient=patient)
    guesses = np.array(guess, dtype=float)
    sure = np.where(np.isfinite(guesses[:, 0]), 0.5, np.nan)
    truth = Marked(film, Marks(scheme, frame, points, states, film=name))
    return truth, Marks.present(scheme, frame, guesses, film=name, confidence=sure)


def scored(*pairs, **options) -> Metrics:
    truths, predictions = zip(*pairs, strict=True)
    # Reversed, so that nothing may rest on the order of the predictions.
    return score(point_errors(truths, predictions[::-1]), **options)


def one_landmark(errors, patients=None):
    scheme = Scheme.from_names(("a",))
    owners = patients or [None] * len(errors)
    return [
        pair(str(i), [(50, 50)], [(50 + e, 50)], patient=owner, scheme=scheme)
        for i, (e, owner) in enumerate(zip(errors, owners, strict=True))
    ]


def test_a_3_4_5_triangle_is_5_pixels_off():
    metrics = scored(pair("i", [(10, 10), (20, 20)], [(13, 14), (20, 20)]))
    assert [landmark.px.mean for landmark in metrics.per_landmark] == [5.0, 0.0]
    assert metrics.per_landmark[0].px.shift == (3.0, 4.0)
    assert metrics.px.mean == 2.5


def test_millimetres_take_x_and_y_spacing_apart():
    # 6 px at 0.5 mm and 2 px at 2 mm are 3 mm and 4 mm: 5 mm.
    metrics = scored(pair("i", [(10, 10), NOT_THERE], [(16, 12), NOT_THERE], spacing=MM))
    assert metrics.mm is not None
    assert metrics.mm.mean == 5.0
    assert metrics.per_landmark[0].px.mean == pytest.approx(math.sqrt(40))


def test_millimetres_are_null_when_one_scored_image_has_no_spacing():
    known = pair("i", [(1, 1), (2, 2)], [(1, 1), (2, 2)], spacing=MM)
    unknown = pair("j", [(1, 1), (2, 2)], [(1, 1), (2, 2)])
    metrics = scored(known, unknown)
    assert metrics.mm is None
    assert metrics.to_json_dict()["sdr_percent_mm"] is None
    assert metrics.gross_failure_limit == "20 px"


def test_an_unscored_image_without_spacing_does_not_cost_the_millimetres():
    metrics = scored(
        pair("i", [(1, 1), (2, 2)], [(1, 1), (2, 2)], spacing=MM),
        pair("j", [NOT_THERE, NOT_THERE], [(1, 1), (2, 2)]),
    )
    assert metrics.mm is not None
    assert (metrics.n_images, metrics.n_patients, metrics.n_points) == (1, 1, 2)


def test_an_error_of_exactly_2_is_not_below_2():
    metrics = scored(*one_landmark([2.0, 1.999, 2.5, 3.9]))
    assert metrics.px.sdr_percent == {"2": 25.0, "2.5": 50.0, "3": 75.0, "4": 100.0}


def test_a_point_not_found_is_a_miss_and_leaves_the_mean():
    metrics = scored(pair("i", [(10, 10), (20, 20)], [(11, 10), NOT_THERE]))
    assert (metrics.n_points, metrics.n_not_found) == (2, 1)
    assert metrics.px.mean == 1.0
    assert metrics.px.sdr_percent["4"] == 50.0
    assert metrics.per_landmark[1].px.mean is None
    assert metrics.per_landmark[1].px.sdr_percent["4"] == 0.0


def test_only_what_the_reader_placed_is_scored_and_absent_points_are_counted_apart():
    metrics = scored(pair("i", [(10, 10), NOT_THERE], [(10, 10), (90, 90)], absent=[1]))
    assert (metrics.n_points, metrics.n_absent, metrics.n_absent_placed) == (1, 1, 1)
    assert metrics.px.mean == 0.0
    assert metrics.per_landmark[1].px.sdr_percent["2"] is None


def test_mean_over_images_weighs_images_and_mean_over_points_weighs_points():
    metrics = scored(
        pair("i", [(10, 10), (20, 20)], [(11, 10), (21, 20)]),
        pair("j", [(10, 10), NOT_THERE], [(14, 10), NOT_THERE]),
    )
    assert metrics.px.mean == 2.0
    assert metrics.mean_over_images_px == 2.5


def test_the_models_grid_scales_by_the_long_side_and_leaves_millimetres_alone():
    pairs = [pair("i", [(10, 10), (20, 20)], [(16, 12), (26, 22)], spacing=MM, size=(100, 200))]
    source, model = scored(*pairs), scored(*pairs, grid_size=512)
    assert (source.grid, model.grid) == ("source", "model 512x512")
    assert source.px.mean is not None
    assert model.px.mean == pytest.approx(source.px.mean * 512 / 200)
    assert model.mm == source.mm


def test_gross_failures_lie_beyond_20_pixels_or_10_millimetres():
    assert scored(*one_landmark([20.0, 20.1, 1, 1])).gross_failure_percent == 25.0
    # 6 px of 2 mm down is 12 mm; 6 px of 0.5 mm across is 3 mm.
    in_mm = scored(pair("i", [(10, 10), (20, 20)], [(10, 16), (26, 20)], spacing=MM))
    assert (in_mm.gross_failure_percent, in_mm.gross_failure_limit) == (50.0, "10 mm")


def test_paper_rmse_is_what_the_released_programs_compute():
    offset = np.random.default_rng(1).normal(0, 5, (7, 3, 2))
    offset[2, 1] = np.nan
    per_landmark = []
    for k in range(3):
        squares = []
        for n in range(7):
            if not np.isnan(offset[n, k, 0]):
                squares += [offset[n, k, 0] ** 2, offset[n, k, 1] ** 2]
        per_landmark.append(math.sqrt(sum(squares) / len(squares)))
    assert paper_rmse(offset) == pytest.approx(sum(per_landmark) / 3)


def test_paper_rmse_of_one_point_a_landmark_is_the_distance_over_root_2():
    offset = np.array([[[3.0, 4.0], [6.0, 8.0]]])
    assert paper_rmse(offset) == pytest.approx(radial(offset).mean() / math.sqrt(2))


def test_median_and_percentile_are_numpys():
    errors = np.random.default_rng(2).gamma(2, 3, 31)
    px = scored(*one_landmark(errors)).px
    assert px.median == pytest.approx(np.median(errors))
    assert px.p95 == pytest.approx(np.percentile(errors, 95))


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_intervals_agree_with_scipy_where_each_patient_has_one_point(statistic):
    errors = np.random.default_rng(3).gamma(2, 3, 80)
    px = scored(*one_landmark(errors), draws=8000).px
    ours = px.mean_ci95 if statistic is np.mean else px.median_ci95
    scipys = scipy.stats.bootstrap(
        (errors,), statistic, n_resamples=8000, method="percentile", rng=np.random.default_rng(4)
    ).confidence_interval
    # Two independent bootstraps differ by their own noise, far less than the interval is wide.
    width = scipys.high - scipys.low
    assert ours == pytest.approx((scipys.low, scipys.high), abs=0.06 * width)


def test_images_of_one_patient_widen_the_interval():
    """16 errors, each four times over: as 64 patients they seem to say twice as much as they do as 16."""
    errors = np.repeat(np.random.default_rng(5).gamma(2, 3, 16), 4)
    apart = scored(*one_landmark(errors)).px.mean_ci95
    together = scored(*one_landmark(errors, patients=[str(i // 4) for i in range(64)])).px.mean_ci95
    assert apart is not None
    assert together is not None
    assert (together[1] - together[0]) / (apart[1] - apart[0]) == pytest.approx(2, rel=0.15)


def test_one_patient_has_no_interval():
    metrics = scored(*one_landmark([1, 2, 3], patients=["p", "p", "p"]))
    assert metrics.px.mean_ci95 is None
    assert metrics.to_json_dict()["ci95"]["sdr_percent_px"]["2"] is None  # type: ignore[index]


def test_the_same_seed_gives_the_same_intervals():
    pairs = one_landmark(np.random.default_rng(7).gamma(2, 3, 30))
    assert scored(*pairs) == scored(*pairs)
    assert scored(*pairs).px.mean_ci95 != scored(*pairs, seed=1).px.mean_ci95


@pytest.mark.parametrize("spacing", [None, MM])
def test_json_has_the_contracts_keys_and_no_nan(spacing):
    metrics = scored(
        pair("i", [(10, 10), (20, 20)], [NOT_THERE, NOT_THERE], spacing=spacing),
        pair("j", [NOT_THERE, (20, 20)], [NOT_THERE, NOT_THERE], spacing=spacing),
        reader="senior",
    )

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    read = json.loads(json.dumps(metrics.to_json_dict()), parse_constant=refuse)
    assert {
        "n_images", "n_points", "grid", "reader", "mean_radial_error_px", "mean_radial_error_mm",
        "median_radial_error_px", "p95_radial_error_px", "paper_rmse_px", "sdr_percent_px", "sdr_percent_mm",
        "per_landmark", "ci95",
    } <= set(read)  # fmt: skip
    assert read["reader"] == "senior"
    assert list(read["sdr_percent_px"]) == ["2", "2.5", "3", "4"]
    assert read["mean_radial_error_px"] is None
    assert read["ci95"]["mean_radial_error_px"] is None


def test_numbers_in_json_are_those_of_the_metrics():
    metrics = scored(*one_landmark([1, 2, 3, 4]))
    read = metrics.to_json_dict()
    assert read["mean_radial_error_px"] == 2.5
    assert read["ci95"]["mean_radial_error_px"] == list(metrics.px.mean_ci95)  # type: ignore[index, arg-type]
    assert read["per_landmark"][0]["name"] == "a"  # type: ignore[index]


def test_predictions_must_match_the_truth_image_by_image():
    (case, guess), (_, other) = pair("i", [(1, 1), (2, 2)], [(1, 1), (2, 2)]), pair("j", [(1, 1)] * 2, [(1, 1)] * 2)
    with pytest.raises(InputError, match=r"has no prediction \(got 'i'\)"):
        point_errors([case], [])
    with pytest.raises(InputError, match=r"the truth does not have \(got 'j'\)"):
        point_errors([case], [guess, other])
    with pytest.raises(InputError, match="predicted twice"):
        point_errors([case], [guess, guess])


def test_another_scheme_or_another_image_size_is_refused():
    case, _ = pair("i", [(1, 1), (2, 2)], [(1, 1), (2, 2)])
    _, renamed = pair("i", [(1, 1)] * 2, [(1, 1)] * 2, scheme=Scheme.from_names(("b", "a")))
    _, resized = pair("i", [(1, 1)] * 2, [(1, 1)] * 2, size=(200, 100))
    with pytest.raises(InputError, match="scheme"):
        point_errors([case], [renamed])
    with pytest.raises(InputError, match="100 x 200"):
        point_errors([case], [resized])


def test_truth_without_any_point_is_refused():
    case, guess = pair("i", [NOT_THERE, NOT_THERE], [(1, 1), (2, 2)])
    with pytest.raises(InputError, match="nothing can be scored"):
        point_errors([case], [guess])


def errors_of(*pairs):
    truths, predictions = zip(*pairs, strict=True)
    return point_errors(truths, predictions)


def test_a_difference_is_paired_point_by_point_after_the_seeds_are_averaged():
    # Film 0: seeds 1 and 3, mean 2, against 5; film 1: 4 and 4 against 1. Differences -3 and 3.
    ours = pooled([errors_of(*one_landmark([1, 4])), errors_of(*one_landmark([3, 4]))])
    theirs = errors_of(*one_landmark([5, 1]))
    d = difference(ours, theirs)
    assert d is not None
    assert (d.mean, d.unit, d.n_points, d.n_patients) == (0.0, "px", 2, 2)
    assert d.sdr_percent["2"] == 100 * (0.25 - 0.5)  # half of one film's seeds against one film of two
    assert d.mean_ci95 == (-3.0, 3.0)


def test_only_points_both_methods_placed_are_compared():
    ours = errors_of(pair("i", [(10, 10), (20, 20)], [(11, 10), (20, 25)]))
    theirs = errors_of(pair("i", [(10, 10), (20, 20)], [(14, 10), NOT_THERE]))
    d = difference(ours, theirs)
    assert d is not None
    assert (d.mean, d.n_points, d.mean_ci95) == (-3.0, 1, None)
    assert difference(ours, errors_of(pair("other", [(1, 1), (2, 2)], [(1, 1), (2, 2)]))) is None


def test_the_interval_of_a_difference_is_scipys_paired_bootstrap():
    rng = np.random.default_rng(3)
    a, b = rng.gamma(2, 1, 60), rng.gamma(2, 1.5, 60)
    d = difference(errors_of(*one_landmark(a)), errors_of(*one_landmark(b)), draws=9000)
    theirs = scipy.stats.bootstrap(
        (a, b), lambda x, y, axis: (x - y).mean(axis=axis), paired=True, method="percentile", n_resamples=9000, rng=1
    ).confidence_interval
    assert d is not None
    assert d.mean_ci95 == pytest.approx(theirs, abs=0.03)


def test_films_of_one_patient_are_resampled_together_in_a_difference():
    # Two patients with ten films each; the patients differ, their films do not: only three resamples are possible.
    owners = ["p"] * 10 + ["q"] * 10
    d = difference(errors_of(*one_landmark([3] * 10 + [1] * 10, owners)), errors_of(*one_landmark([1] * 20, owners)))
    assert d is not None
    assert (d.mean, d.mean_ci95) == (1.0, (0.0, 2.0))


def test_a_second_seed_is_no_new_patient():
    once = errors_of(*one_landmark([1, 2, 3, 4]))
    metrics = score(pooled([once, once]))
    assert metrics.px.mean_ci95 == score(once).px.mean_ci95
    assert (metrics.n_patients, metrics.n_points) == (4, 8)


def test_a_point_one_seed_lost_is_the_mean_of_the_seeds_that_found_it():
    truth = [(10, 10), (20, 20)]
    ours = pooled(
        [
            errors_of(pair("i", truth, [(11, 10), (20, 20)])),  # 1 and 0
            errors_of(pair("i", truth, [(16, 10), NOT_THERE])),  # 6 and nothing
            errors_of(pair("i", truth, [(12, 10), (24, 20)])),  # 2 and 4
        ]
    )
    theirs = errors_of(pair("i", truth, [(10, 11), (20, 30)]))  # 1 and 10
    d = difference(ours, theirs)
    assert d is not None
    assert d.mean == pytest.approx(((1 + 6 + 2) / 3 - 1 + (0 + 4) / 2 - 10) / 2)
    # Nearer than 2: one of three seeds and one of two, against one and none.
    assert d.sdr_percent["2"] == pytest.approx(100 * (1 / 3 - 1 + 1 / 2 - 0) / 2)


def test_a_difference_is_in_millimetres_only_where_both_have_them():
    truth, guess, other = [(10, 10), (20, 20)], [(13, 10), (20, 23)], [(10, 10), (20, 20)]
    with_mm, without = (errors_of(pair("i", truth, guess, spacing=spacing)) for spacing in (MM, None))
    exact_mm, exact = (errors_of(pair("i", truth, other, spacing=spacing)) for spacing in (MM, None))
    in_mm, in_px = difference(with_mm, exact_mm), difference(without, exact_mm, grid_size=400)
    assert in_mm is not None
    assert in_px is not None
    assert (in_mm.unit, in_mm.mean) == ("mm", (3 * 0.5 + 3 * 2.0) / 2)  # x by its spacing, y by its own
    assert (in_px.unit, in_px.mean) == ("px", 6.0)  # 100 x 200 on a grid of 400: twice the size
    assert difference(with_mm, exact, grid_size=400) == in_px  # whichever of the two has none
    assert difference(without, exact).mean == 3.0  # type: ignore[union-attr]


def test_the_interval_of_a_clustered_difference_is_that_of_patients_drawn_one_by_one():
    """Films are not alike in number: a literal bootstrap draws patients and takes all the films of each."""
    rng = np.random.default_rng(8)
    owners = [str(p) for p in range(12) for _ in range(1 + p % 4)]
    a, b = rng.gamma(2, 1, len(owners)), rng.gamma(2, 1.4, len(owners))
    d = difference(errors_of(*one_landmark(a, owners)), errors_of(*one_landmark(b, owners)), draws=9000)
    films = {p: (a - b)[[o == p for o in owners]] for p in set(owners)}
    names = sorted(films)
    means = [np.concatenate([films[p] for p in rng.choice(names, len(names))]).mean() for _ in range(9000)]
    assert d is not None
    assert d.n_patients == 12
    assert d.mean_ci95 == pytest.approx(np.percentile(means, (2.5, 97.5)), abs=0.04)


def test_pooled_keeps_every_run_and_folds_have_films_of_their_own():
    first, second = (errors_of(*one_landmark(e)) for e in ([1, 2], [3]))
    both = pooled([first, second])
    assert [len(both.truths), len(both.predictions)] == [3, 3]
    assert radial(both.offset_px)[:, 0].tolist() == [1, 2, 3]
    assert both.found.shape == both.scored.shape == both.absent.shape == (3, 1)
    assert score(both).px.mean == 2.0
