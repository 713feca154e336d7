"""Splits of a study that never part a patient."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from radmark.core.errors import InputError
from radmark.core.study import Study

_SPLIT_REMEDY = 'Give a list of image names for each part, such as {"train": ["a.png"], "test": ["b.png"]}'


@dataclass(frozen=True)
class Split:
    """Named parts of a study, each a tuple of case names. A patient is in one part only.

    Build one with `Split.of`, which checks; `by_patient` and `folds` draw one.
    """

    parts: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, study: Study, parts: Mapping[str, Sequence[str]]) -> "Split":
        """A split of `study` as given.

        Raises:
            InputError: a name is unknown or in two parts, or a patient is in two parts (the patient is named).
        """
        patient_of = {film.name: film.owner for film in study.films}
        home: dict[str, str] = {}
        patient_home: dict[str, str] = {}
        for part, names in parts.items():
            for name in names:
                if name not in patient_of:
                    raise InputError(
                        f"part {part} of the split names an image that is not in the study",
                        value=name,
                        remedy="Remove it from the split or add the image",
                    )
                if name in home:
                    where = (
                        f"twice in part {part}" if home[name] == part else f"in part {home[name]} and in part {part}"
                    )
                    raise InputError(
                        f"an image is {where} of the split", value=name, remedy="Keep it once, in one part"
                    )
                home[name] = part
                patient = patient_of[name]
                if patient_home.setdefault(patient, part) != part:
                    raise InputError(
                        f"patient {patient} is in part {patient_home[patient]} and in part {part}",
                        value=name,
                        remedy="Keep all films of a patient in one part, or the score will flatter",
                    )
        return cls({part: tuple(names) for part, names in parts.items()})

    @classmethod
    def by_column(cls, study: Study) -> "Split":
        """The split the annotation file's own `split` column states; cases without a value are in no part."""
        parts: dict[str, list[str]] = defaultdict(list)
        for film in study.films:
            if film.part:
                parts[film.part].append(film.name)
        return cls.of(study, parts)

    @classmethod
    def by_patient(
        cls, study: Study, fractions: Mapping[str, float], *, seed: int, stratify: str | None = None
    ) -> "Split":
        """Draw parts at random, whole patients at a time.

        Args:
            fractions: share of the patients for each part; they are normalised to sum to 1.
            seed: the same seed and study give the same split.
            stratify: an attribute column whose values are spread evenly over the parts; a patient counts with the
                value of its first case.

        Raises:
            InputError: a fraction is negative or all are zero, the column is missing, or there are fewer patients than
                parts; a part that was asked for is never empty.
        """
        total = sum(fractions.values())
        if not 0 < total < math.inf or min(fractions.values()) < 0:
            raise InputError(
                "split fractions must be positive numbers",
                value=dict(fractions),
                remedy="Give shares such as 0.8 and 0.2",
            )
        shares = {part: fraction / total for part, fraction in fractions.items() if fraction > 0}
        groups = _patients(study)
        chosen: dict[str, list[str]] = {part: [] for part in shares}
        for patient in _shuffled(study, groups, seed, stratify):
            # The part furthest behind its share gets the next patient: exact counts, and even within each stratum.
            dealt = sum(len(v) for v in chosen.values()) + 1
            behind = max(shares, key=lambda part: shares[part] * dealt - len(chosen[part]))
            chosen[behind].append(patient)
        if len(groups) < len(shares):
            raise InputError(
                f"{len(groups)} patients are too few for parts {', '.join(shares)}: one would be empty",
                remedy="Add patients, ask for fewer parts, or give patient_id where films were counted as one patient",
            )
        for patients in chosen.values():
            if not patients:  # a small share of few patients rounds to none, which nobody asked for
                patients.append(max(chosen.values(), key=len).pop())
        return cls.of(study, {part: [n for p in patients for n in groups[p]] for part, patients in chosen.items()})

    @classmethod
    def folds(cls, study: Study, k: int, *, seed: int, stratify: str | None = None) -> tuple["Split", ...]:
        """k-fold cross-validation: k splits into "train" and "test"; each patient is tested once.

        Raises:
            InputError: k is smaller than 2 or larger than the number of patients, or the column is missing.
        """
        if k < 2:
            raise InputError(
                "cross-validation needs at least 2 folds", value=k, remedy="Ask for 2 or more, such as the usual 5"
            )
        dealt = cls.by_patient(study, {str(i): 1.0 for i in range(k)}, seed=seed, stratify=stratify)
        return tuple(
            cls.of(
                study,
                {
                    "train": [n for part, names in dealt.parts.items() if part != str(i) for n in names],
                    "test": dealt.parts[str(i)],
                },
            )
            for i in range(k)
        )

    def to_json(self) -> str:
        """The split as JSON text, one list of image names a part."""
        return json.dumps({part: list(names) for part, names in self.parts.items()}, indent=1)

    @classmethod
    def from_json(cls, text: str, study: Study) -> "Split":
        """Read back what `to_json` wrote, checked against `study`.

        Raises:
            InputError: the text is not such a split, or not one of `study`.
        """
        try:
            parts: object = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError("the split is not JSON", value=str(error), remedy=_SPLIT_REMEDY) from error
        if not isinstance(parts, dict):
            raise InputError("the split does not name its parts", value=text[:40], remedy=_SPLIT_REMEDY)
        checked: dict[str, list[str]] = {}
        for part, names in cast("dict[str, object]", parts).items():
            if not isinstance(names, list) or not all(isinstance(n, str) for n in cast("list[object]", names)):
                raise InputError(f"part {part} of the split is not a list of image names", remedy=_SPLIT_REMEDY)
            checked[part] = cast("list[str]", names)
        return cls.of(study, checked)


def _patients(study: Study) -> dict[str, list[str]]:
    """Image names by patient, patients in the order they first appear."""
    groups: dict[str, list[str]] = defaultdict(list)
    for film in study.films:
        groups[film.owner].append(film.name)
    return dict(groups)


def _shuffled(study: Study, groups: Mapping[str, list[str]], seed: int, stratify: str | None) -> list[str]:
    """Patients in random order, stratum by stratum. Sorted first, so the order of rows in a file does not matter."""
    columns = {
        film.name: {**film.columns, **({"reader": marks.reader} if marks.reader else {})}
        for film, marks in reversed(study.rows)
    }
    strata: dict[str, list[str]] = defaultdict(list)
    for patient in sorted(groups):
        own = columns[groups[patient][0]]
        if stratify is not None and stratify not in own:
            raise InputError(
                "the column to stratify by is not in the study",
                value=stratify,
                remedy=f"Use one of: {', '.join(own) or 'none there'}",
            )
        strata[own[stratify] if stratify else ""].append(patient)
    rng = np.random.default_rng(seed)
    order: list[str] = []
    for value in sorted(strata):
        members = strata[value]
        order += [members[i] for i in rng.permutation(len(members))]
    return order


def same_pixels(hashes: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Groups of names whose pixel hashes (name -> hash) are equal: one picture, several names, a leak if parted."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name, pixel_hash in hashes.items():
        groups[pixel_hash].append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)
