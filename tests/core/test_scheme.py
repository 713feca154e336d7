"""Schemes: order, sides read out of names, and mistakes named."""

from typing import Any

import pytest

from radmark.core import InputError, LandmarkDefinition, Scheme
from radmark.core.scheme import one_sided, other_side


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("hip_left", "hip_right"),
        ("right_hip", "left_hip"),
        ("L_hip", "R_hip"),
        ("hip.r", "hip.l"),
        ("Left-Hip", "Right-Hip"),
        ("RIGHT hip", "LEFT hip"),
        ("hip_left_upper", "hip_right_upper"),
        ("sacrum", None),
        ("lesser_trochanter", None),  # begins with l, is not left
        ("cleft", None),
    ],
)
def test_the_other_side_of_a_name(name: str, other: str | None) -> None:
    assert other_side(name) == other
    if other is not None:
        assert other_side(other) == name


def test_pairs_are_right_then_left_in_the_order_of_the_right_ones() -> None:
    scheme = Scheme.from_names(("knee_left", "hip_left", "sacrum", "hip_right", "knee_right", "ankle_right"))
    assert scheme.pairs == (("hip_right", "hip_left"), ("knee_right", "knee_left"))


def test_a_landmark_without_its_partner_is_one_sided() -> None:
    assert one_sided(("hip_right", "hip_left", "ankle_right", "sacrum")) == ("ankle_right",)


def test_a_mirror_sends_each_landmark_to_its_partner_and_a_lonely_one_to_itself() -> None:
    scheme = Scheme.from_names(("knee_left", "hip_left", "sacrum", "hip_right", "knee_right", "ankle_right"))
    assert scheme.mirrored == (4, 3, 2, 1, 0, 5)


def test_a_landmark_with_two_partners_is_refused() -> None:
    landmarks = tuple(LandmarkDefinition(name) for name in ("hip_right", "hip_left", "sacrum"))
    with pytest.raises(InputError, match=r"two partners.*'hip_left'.*one pair"):
        Scheme("hips", landmarks, pairs=(("hip_right", "hip_left"), ("sacrum", "hip_left")))


def test_a_pair_that_stands_twice_is_one_pair() -> None:
    landmarks = (LandmarkDefinition("hip_right"), LandmarkDefinition("hip_left"))
    scheme = Scheme("hips", landmarks, pairs=(("hip_right", "hip_left"), ("hip_left", "hip_right")))
    assert scheme.mirrored == (1, 0)


def test_order_is_the_order_given(scheme: Scheme) -> None:
    assert scheme.names == ("hip_right", "hip_left", "sacrum")
    assert len(scheme) == 3
    assert scheme.index("sacrum") == 2


def test_an_unknown_landmark_is_answered_with_those_there_are(scheme: Scheme) -> None:
    with pytest.raises(InputError, match=r"'knee'.*Use one of: hip_right, hip_left, sacrum"):
        scheme.index("knee")


def test_a_name_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"appears twice.*'sacrum'"):
        Scheme.from_names(("sacrum", "hip", "sacrum"))


def test_no_landmark_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="at least one landmark"):
        Scheme.from_names(())


@pytest.mark.parametrize("kind", ["pair", "edge"])
def test_a_pair_or_an_edge_to_nowhere_is_refused(kind: str) -> None:
    landmarks = (LandmarkDefinition("a"), LandmarkDefinition("b"))
    more: dict[str, Any] = {f"{kind}s": (("a", "c"),)}
    with pytest.raises(InputError, match=rf"a {kind} names a landmark .*'c'.*Use one of: a, b"):
        Scheme("letters", landmarks, **more)
