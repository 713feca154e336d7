"""What follows from a film and marks on it: results, and the report that every output writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from radmark.core.facts import Side as Side
from radmark.core.film import Film
from radmark.core.finding import Finding, Severity
from radmark.core.marks import Marks

Usable = Literal["yes", "check", "no"]


def usable(findings: Sequence[Finding]) -> Usable:
    """Whether a number may be used, by the gravest of its findings: yes; check, after a look; no."""
    severities = {finding.severity for finding in findings}
    return "no" if Severity.STOP in severities else "check" if Severity.CHECK in severities else "yes"


@dataclass(frozen=True)
class Result:
    """One measurement of one film.

    Args:
        key: of the catalog.
        title: in words.
        side: of the patient; None where it concerns both.
        value: None where it could not be computed.
        unit: mm, px, deg, % or "" (a ratio).
        sd: standard deviation that follows from the points' own; None where those are not given.
        points: the landmarks used.
        line: what it is measured against.
        sign: what a positive value means.
        source: of the definition.
        mm_from: where the millimetres come from; None where there are none in it.
        findings: what has to be known of this value.
        missing: landmarks that were not there.
        reason: why there is no value though all were there.
        published: a range from the literature, with its source.
        scale_sd_percent: standard deviation of the millimetres themselves, which is not in `sd`; None where there are none.
        lines: what it looks like on the film, by names among `points`; as `measure.entry.Line` says.
    """

    key: str
    title: str
    side: Side | None
    value: float | None
    unit: str
    sd: float | None
    points: tuple[str, ...]
    line: str
    sign: str
    source: str
    mm_from: str | None
    findings: tuple[Finding, ...]
    missing: tuple[str, ...] = ()
    reason: str = ""
    published: str = ""
    scale_sd_percent: float | None = None
    lines: tuple[tuple[str, ...], ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """The findings in words."""
        return tuple(finding.words for finding in self.findings)

    @property
    def usable(self) -> Usable:
        """Whether the number may be used: no where there is none."""
        return "no" if self.value is None else usable(self.findings)

    @property
    def words(self) -> str:
        """ "4.2 ± 0.8 mm", or "not computable: missing [...]"."""
        if self.value is None:
            why = f"missing [{', '.join(self.missing)}]" if self.missing else self.reason
            return f"not computable: {why}"
        digits = 2 if self.unit == "" and abs(self.value) < 10 else 1
        spread = "" if self.sd is None else f" ± {self.sd:.{digits}f}"
        return f"{self.value:.{digits}f}{spread} {self.unit}".rstrip()


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """A film, marks on it, and what follows from them; made by `measure.examine`.

    Args:
        film: as it was read, with its facts.
        marks: one author's, on the film's frame, with the millimetres that were used.
        results: every measurement that the marks' scheme is about.
        findings: what has to be known of film and marks as a whole.
    """

    film: Film
    marks: Marks
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]

    @property
    def computed(self) -> tuple[Result, ...]:
        """The results that have a value."""
        return tuple(result for result in self.results if result.value is not None)

    def __getitem__(self, key: str | tuple[str, str]) -> Result:
        """A result by its key, or its key and side: `report["lateral_centre_edge_angle", "left"]`.

        Raises:
            KeyError: there is none, or both sides have one and none was named.
        """
        name, side = key if isinstance(key, tuple) else (key, None)
        found = [r for r in self.results if r.key == name and side in (None, r.side)]
        if len(found) != 1:
            raise KeyError(key)
        return found[0]

    def __repr__(self) -> str:
        by = "" if self.marks.author is None else f", marks by {self.marks.author}"
        lines = [f"Report on {self.film.name}{by}: {len(self.computed)} of {len(self.results)} measurements"]
        for r in self.computed[:15]:
            title = f"{r.title}, {r.side}" if r.side else r.title
            lines.append(f"  {title:<48} {r.words}" + ("" if r.usable == "yes" else f"  ({r.usable})"))
        if len(self.computed) > 15:
            lines.append(f"  … {len(self.computed) - 15} more")
        lines += [f"  {finding.severity}: {finding.words}" for finding in self.findings[:5]]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        head = "<tr><th>measurement</th><th>side</th><th>value</th><th>usable</th><th>remarks</th></tr>"
        rows = "".join(
            f"<tr><td>{escape(r.title)}</td><td>{r.side or ''}</td><td>{escape(r.words)}</td><td>{r.usable}</td>"
            f"<td>{escape('; '.join(r.flags))}</td></tr>"
            for r in self.results
        )
        return f"<table>{head}{rows}</table>"
