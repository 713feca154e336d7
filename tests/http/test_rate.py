import contextlib
import time

import pytest

from radmark.http import rate
from radmark.http.errors import Refused


def test_a_bucket_gives_its_burst_and_then_what_flows_in(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    bucket = rate.Rate(per_second=0.5, burst=3)

    def taken(who: str) -> int:
        for n in range(10):
            with contextlib.suppress(Refused):
                bucket.take(who)
                continue
            return n
        return 10

    assert taken("a") == 3
    with pytest.raises(Refused) as refused:
        bucket.take("a")
    assert (refused.value.status_code, refused.value.headers) == (429, {"retry-after": "2"})
    assert taken("b") == 3  # each has a bucket
    clock[0] += 4
    assert taken("a") == 2
    clock[0] += 1000
    assert taken("a") == 3


def test_of_many_who_ask_once_not_all_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "_MOST", 10)
    bucket = rate.Rate(1, 1)
    for i in range(1000):
        bucket.take(str(i))
    assert len(bucket._buckets) <= 10
