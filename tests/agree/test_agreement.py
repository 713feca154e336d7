"""Figures worked out by hand, and scatters whose truth is drawn here."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radmark.agree.agreement import ELLIPSE95, Agreement, agreement, scatter
from radmark.agree.bland_altman import bland_altman
from radmark.agree.consensus import geometric_median, outliers
from radmark.agree.panel import consensus_study, panel, together
from radmark.agree.report import agreement_csv, to_json_dict, write_report
from radmark.core import Film, InputError, Marked, Marks, Scheme, Spacing, SpacingSource, Study
from radmark.core.facts import FactSource, fact
from radmark.core.marks import ABSENT, Consensus, Mark, Model, Reader, State, present

SCHEME = Scheme.from_names(["tip"], "one")
SPACING = Spacing(0.5, 2.0, SpacingSource.TABLE)


def films(
    reader: str, points: list, spacing: Spacing | None = SPACING, patients: list | None = None, reading: str = ""
) -> Study:
    """Films 0, 1, … with one landmark; None is absent."""
    rows: list[Marked] = []
    for n, p in enumerate(points):
        said = () if patients is None else (fact("patient", patients[n], FactSource.TABLE),)
        film = Film(f"{n}.png", (100, 100), spacing, facts=said)
        mark = {"tip": ABSENT if p is None else present(*p)}
        rows.append(Marked(film, Marks.of(SCHEME, film.grid, mark, film=film.name, author=Reader(reader, reading))))
    return Study(SCHEME, tuple(rows))


def compared(*studies: Study, model: Study | None = None, **more) -> Agreement:
    """All figures of these readers, and of a model beside them."""
    if model is None:
        return agreement(panel(together(studies)), **more)
    author = Model("", model.reader or "model")
    return agreement(panel(together([*studies, model.by(author)]), author), **more)


def test_distance_bias_and_rates_by_hand():
    # Differences (3, 4), (-3, 4), (0, 0) px: distances 5, 5, 0; in mm (1.5, 8), (-1.5, 8), (0, 0): sqrt(66.25) twice, 0.
    first = films("anna", [(10, 10), (20, 20), (30, 30), None])
    second = films("ben", [(13, 14), (17, 24), (30, 30), (1, 1)])
    whole, tip = compared(first, second).pairs
    assert (whole.landmark, tip.landmark, tip.first, tip.second) == (None, "tip", "anna", "ben")
    assert (tip.px.n, tip.px.n_only_one, tip.px.n_patients) == (3, 1, 3)
    assert tip.px.mean == pytest.approx(10 / 3)
    assert tip.px.bias == pytest.approx((0, 8 / 3))
    assert tip.px.sdr_percent == pytest.approx({"2": 100 / 3, "2.5": 100 / 3, "3": 100 / 3, "4": 100 / 3})
    assert tip.px.covariance is not None
    assert np.array(tip.px.covariance) == pytest.approx(np.array([[9, 0], [0, 16 / 3]]))
    assert (tip.px.sd_along, tip.px.angle_deg) == (pytest.approx(3), pytest.approx(0))
    assert tip.mm is not None
    assert tip.mm.mean == pytest.approx(2 * math.sqrt(66.25) / 3)
    assert tip.mm.bias == pytest.approx((0, 16 / 3))


def test_nearer_than_two_is_strict():
    far = compared(films("a", [(0, 0), (0, 0)], None), films("b", [(2, 0), (1.99, 0)], None)).pairs[0]
    assert far.px.sdr_percent["2"] == 50
    assert far.mm is None


def test_the_ellipse_has_the_axes_it_was_drawn_with_and_holds_95_percent():
    rng = np.random.default_rng(1)
    turn = math.radians(30)
    axes = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    away = rng.normal(size=(20_000, 2)) * [3, 1] @ axes + [5, -2]
    s = scatter(away, np.arange(20_000) % 50)
    assert s is not None
    assert s.sd_along is not None
    assert s.sd_across is not None
    assert (s.sd_along, s.sd_across, s.angle_deg) == (
        pytest.approx(3, rel=0.02), pytest.approx(1, rel=0.02), pytest.approx(30, abs=1),
    )  # fmt: skip
    local = (away - s.bias) @ axes.T / (ELLIPSE95 * np.array([s.sd_along, s.sd_across]))
    assert np.mean((local**2).sum(axis=1) < 1) == pytest.approx(0.95, abs=0.006)


def test_intervals_are_by_patient_not_by_film():
    """Forty films of two patients: by film the interval of the mean would be narrow; by patient it spans both means."""
    a = films("a", [(0, 0)] * 40, None, ["P1"] * 20 + ["P2"] * 20)
    b = films("b", [(1, 0)] * 20 + [(3, 0)] * 20, None, ["P1"] * 20 + ["P2"] * 20)
    s = compared(a, b).pairs[0].px
    assert (s.mean, s.mean_ci95, s.n_patients) == (2, (1, 3), 2)
    assert compared(films("a", [(0, 0)]), films("b", [(1, 0)])).pairs[0].px.mean_ci95 is None


def test_a_second_reading_is_a_pair_of_its_own_and_counts_once_against_others():
    sets = [films("anna", [(0, 0), (5, 5)]), films("anna", [(1, 0), (5, 6)]), films("ben", [(0, 2), (5, 7)])]
    found = compared(*sets)
    kinds = [(p.kind, p.first, p.second) for p in found.pairs if p.landmark is None]
    assert kinds == [("second reading", "anna", "anna, reading 2"), ("readers", "anna", "ben")]
    assert next(p for p in found.pairs if p.kind == "second reading").px.mean == 1
    assert found.landmarks[0].mean == pytest.approx(4)  # anna's first against ben: 2 px down, 2 mm each


def test_in_whatever_order_they_come_the_first_reading_of_a_person_is_the_one_that_votes():
    sets = [
        films("anna", [(1, 0), (5, 6)], reading="2"),
        films("ben", [(0, 2), (5, 7)]),
        films("anna", [(0, 0), (5, 5)]),
    ]
    found = compared(*sets)
    assert found.panel.readers == ("anna", "anna, reading 2", "ben")
    assert found.landmarks[0].mean == pytest.approx(4)
    agreed = consensus_study(found.panel, found.consensus)
    assert agreed.rows[0].marks["tip"].tolist() == [0, 1]  # the middle of (0, 0) and (0, 2): anna votes once
    assert agreed.authors == (Consensus(("anna", "ben")),)


def test_one_reader_who_read_twice_is_no_consensus():
    sets = [films("anna", [(0, 0)]), films("anna", [(2, 0)]), films("ben", [None])]
    found = compared(*sets)
    with pytest.raises(InputError, match="no annotated film"):
        consensus_study(found.panel, found.consensus)


def test_readers_who_each_calibrate_a_film_do_not_contradict_each_other():
    own = [Spacing(mm, mm, SpacingSource.KNOWN_BALL) for mm in (0.4, 0.6)]
    both = compared(*(films(name, [(0, 0), (10, 0)], spacing) for name, spacing in zip("ab", own, strict=True)))
    assert both.panel.scale.tolist() == [[0.5, 0.5]] * 2
    assert [both.panel.rows[name, "0.png"].film.spacing for name in "ab"] == own  # each measures with their own
    stated = compared(films("a", [(0, 0)], own[0]), films("b", [(0, 0)]))
    assert stated.panel.scale.tolist() == [[0.5, 2.0]]  # the table's, which is of the film


def test_a_hidden_landmark_is_hidden_in_the_consensus_where_most_say_so():
    def said(reader: str, state: State) -> Study:
        marks = Marks.of(SCHEME, None, {"tip": Mark(state, 1, 1)}, film="0.png", author=Reader(reader))
        return Study(SCHEME, (Marked(Film("0.png"), marks),))

    for states, expected in (("OPO", State.OCCLUDED), ("OPP", State.PRESENT), ("OP", State.PRESENT)):
        of = {"O": State.OCCLUDED, "P": State.PRESENT}
        found = compared(*(said(f"reader {k}", of[letter]) for k, letter in enumerate(states)))
        assert consensus_study(found.panel, found.consensus).rows[0].marks.mark("tip").state is expected


def test_the_reliability_of_a_coordinate_is_that_of_its_millimetres():
    a, b = [(10, 0), (20, 0), (40, 0)], [(12, 0), (22, 0), (42, 0)]
    found = compared(films("a", a), films("b", b)).landmarks[1]
    assert found.x is not None
    # Always 1 mm apart, never other: MSE 0, MSC 1.5; SEM = sqrt(1.5 / 3).
    assert (found.x.icc_3_1, found.x.sem_consistency) == (pytest.approx(1), pytest.approx(0, abs=1e-7))
    assert found.x.sem_agreement == pytest.approx(math.sqrt(0.5))
    assert found.y is None


def test_a_model_among_its_readers_and_one_far_from_them():
    rng = np.random.default_rng(12)
    truth = rng.uniform(20, 80, size=(200, 2))
    sets = [films(name, (truth + rng.normal(size=truth.shape)).tolist(), None) for name in ("a", "b", "c")]
    good = films("good", (truth + rng.normal(size=truth.shape)).tolist(), None)
    bad = films("bad", (truth + 3 * rng.normal(size=truth.shape)).tolist(), None)
    perfect = films("perfect", truth.tolist(), None)
    near, far, best = (compared(*sets, model=m).models[0] for m in (good, bad, perfect))
    assert (near.verdict, far.verdict, best.verdict) == ("within", "farther", "nearer")
    # Two points with standard deviation 1 an axis lie sqrt(pi) apart on average (Rayleigh of sigma sqrt 2).
    assert near.between_readers == pytest.approx(math.sqrt(math.pi), rel=0.1)
    assert near.model_to_readers == pytest.approx(math.sqrt(math.pi), rel=0.1)
    # Root mean square over both axes: readers sqrt(2), the bad model 3 sqrt(2), the perfect one 0.
    assert near.rater_rms == pytest.approx(math.sqrt(2), rel=0.1)
    assert far.model_rms == pytest.approx(3 * math.sqrt(2), rel=0.08)
    assert best.model_rms < 0.35
    assert best.observed_rms == pytest.approx(math.sqrt(2 / 3), rel=0.08)


def test_a_reader_in_disguise_is_told_apart_about_once_in_twenty():
    """Three readers and a model that is a fourth: 60 panels of 60 films; the verdict is a 95 % interval's."""
    rng = np.random.default_rng(6)
    within = 0
    for _ in range(60):
        sets = [films(name, rng.normal(50, 1, size=(60, 2)).tolist(), None) for name in "abcm"]
        within += compared(*sets[:-1], model=sets[-1]).models[0].verdict == "within"
    assert within >= 52  # 57 expected; 51 or fewer once in a hundred


def test_the_model_takes_no_part_in_the_readers_figures():
    sets = [
        films("a", [(0, 0), (0, 0)], None),
        films("b", [(1, 0), (1, 0)], None),
        films("m", [(50, 0), (50, 0)], None),
    ]
    found = compared(*sets[:-1], model=sets[-1])
    assert found.landmarks[0].mean == 1
    assert found.consensus[0, 0].tolist() == [0.5, 0]
    assert found.models[0].model_to_readers == 49.5


def test_the_geometric_median_of_a_triangle_and_of_a_careless_click():
    # Angles below 120 degrees: the Fermat point. Of an equilateral triangle it is the centre.
    triangle = np.array([[0, 0], [2, 0], [1, math.sqrt(3)]])
    assert geometric_median(triangle) == pytest.approx(np.array([1, 1 / math.sqrt(3)]), abs=1e-6)
    # An angle of 120 degrees or more: the point itself (Vardi and Zhang's case).
    assert geometric_median(np.array([[0, 0], [5, 0.1], [-5, 0.1]])) == pytest.approx(np.array([0, 0]), abs=1e-6)
    assert geometric_median(np.array([[0, 0], [2, 4]])).tolist() == [1, 2]
    assert np.isnan(geometric_median(np.full((3, 2), np.nan))).all()
    square = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1], [1000, 1000]])
    assert np.hypot(*(geometric_median(square) - [0.5, 0.5])) < 1


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=7))
def test_no_point_nearby_has_a_smaller_sum_of_distances(points):
    cloud = np.array(points)
    best = geometric_median(cloud)

    def total(at: np.ndarray) -> float:
        return float(np.hypot(*(cloud - at).T).sum())

    for step in ((0.5, 0), (-0.5, 0), (0, 0.5), (0, -0.5)):
        assert total(best) <= total(best + np.array(step)) + 1e-3


def test_a_click_on_another_structure_is_an_outlier():
    rng = np.random.default_rng(3)
    points = rng.normal(size=(4, 50, 1, 2))
    points[2, 7, 0] = [40, 0]
    far = outliers(points, geometric_median(points))
    assert far[2, 7, 0]
    assert far.sum() <= 3
    assert not outliers(points[:2], geometric_median(points[:2])).any()


def test_bland_and_altman_by_hand():
    # d = 1, 2, 3: bias 2, sd 1, limits 2 -+ 1.96; t(2) = 4.3027; of the bias 4.3027 / sqrt 3, of a limit
    # 4.3027 sqrt(1/3 + 1.96^2 / 4) = 4.3027 * 1.1374.
    found = bland_altman(np.array([10.0, 20, 30, np.nan]), np.array([11.0, 22, 33, 4]), np.arange(4))
    assert found is not None
    assert (found.n, found.bias, found.sd) == (3, 2, 1)
    assert found.limits == pytest.approx((0.04, 3.96))
    assert found.bias_ci95 == pytest.approx((2 - 2.4842, 2 + 2.4842), abs=1e-3)
    assert found.upper_ci95 == pytest.approx((3.96 - 4.894, 3.96 + 4.894), abs=1e-2)
    assert bland_altman(np.ones(2), np.ones(2), np.arange(2)) is None


def test_an_error_that_grows_with_the_value_is_seen():
    rng = np.random.default_rng(4)
    value = rng.uniform(10, 100, 300)
    grows = bland_altman(value, value + 0.1 * value * rng.normal(size=300), np.arange(300))
    steady = bland_altman(value, value + rng.normal(size=300), np.arange(300))
    assert grows is not None
    assert steady is not None
    assert grows.spread_p is not None
    assert grows.spread_p < 0.001
    assert steady.spread_rho == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ([films("a", [(0, 0)])], "at least two readers"),
        ([films("a", [(0, 0)]), films("b", [None])], "no landmark of any film"),
        ([films("a", [(0, 0)], Spacing(1, 1, SpacingSource.FLAG)), films("b", [(0, 0)])], "different spacings"),
        ([films("a", [(0, 0)], patients=["P1"]), films("b", [(0, 0)], patients=["P2"])], "different patients"),
    ],
)
def test_what_cannot_be_compared_is_refused(sets, says):
    with pytest.raises(InputError, match=says) as raised:
        panel(together(sets))
    assert "P1" not in str(raised.value)


def test_the_report_says_the_figures_and_loads_nothing(tmp_path):
    rng = np.random.default_rng(5)
    truth = rng.uniform(20, 80, size=(12, 2))
    sets = [films(f"<b>{name}</b>", (truth + rng.normal(size=truth.shape)).tolist()) for name in ("a", "b", "c")]
    measured = {("leg length", "mm"): np.array([truth[:, 0], truth[:, 0] + 1, truth[:, 0] + rng.normal(size=12)])}
    found = compared(*sets, measured=measured)
    page = write_report(tmp_path / "out", found, title="Readers").read_text(encoding="utf-8")
    assert "<b>a</b>" not in page
    assert "For research use only" in page
    assert f"{found.landmarks[0].mean:.2f} mm" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "leg length" in page
    rows = agreement_csv(found).splitlines()
    assert len(rows) == 1 + 3 * 2 * 2  # three pairs; one landmark and all together; px and mm
    content = to_json_dict(found)
    assert content["unit"] == "mm"
    with pytest.raises(InputError, match="not empty"):
        write_report(tmp_path / "out", found, title="Readers")
    write_report(tmp_path / "out", found, title="Readers", overwrite=True)
