"""Numbers for Prometheus. Labels are routes, methods and statuses of our own list: nothing a caller sends becomes one."""

import time
from collections.abc import Generator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """One service's numbers, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "radmark_requests", "Requests answered", ("route", "method", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "radmark_request_seconds",
            "From a request's head to the end of its answer",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.images = Counter("radmark_images", "Images, by what became of them", ("outcome",), registry=self.registry)
        self.waiting = Gauge("radmark_waiting", "Places in the queue that are taken", registry=self.registry)
        self.batch = Histogram(
            "radmark_network_images",
            "Images in a pass of the network",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self.registry,
        )
        self._stages = Histogram(
            "radmark_stage_seconds",
            "Reading an image, and a pass of the network",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        """Note how long the block takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._stages.labels(name).observe(time.monotonic() - began)

    def text(self) -> bytes:
        """In Prometheus's own format, version 0.0.4."""
        return generate_latest(self.registry)
