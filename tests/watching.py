"""A watch for training in tests."""


class Silent:
    """A watch that only remembers the epochs; `stop_after` presses Ctrl-C in the middle of the epoch after that one."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.rows: list[object] = []
        self._stop_after = stop_after

    def image(self, done: int, total: int) -> None: ...

    def step(self, epoch: int, epochs: int, done: int, total: int) -> None:
        if self._stop_after is not None and epoch > self._stop_after:
            raise KeyboardInterrupt

    def epoch(self, row: object) -> None:
        self.rows.append(row)
