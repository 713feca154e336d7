"""`radmark serve`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from radmark.cli.common import model_sha256, open_model
from radmark.core.errors import InputError


@dataclass(frozen=True)
class Serve:
    """Answer other programs over HTTP: images in, points and measurements out. For research use only; docs/serve.md."""

    run_folder: Annotated[Positional[Path | None], arg(metavar="RUN")] = None
    """The folder `radmark train` made, or a file `radmark export` made."""

    host: str = "127.0.0.1"
    """Address to listen on. One that others can reach needs --api-keys."""

    port: int = 8000
    """Port to listen on; 0 takes a free one."""

    api_keys: Path | None = None
    """File of who may ask: one line per name and the sha256 of its key."""

    new_key: str | None = None
    """Make a key for this name, add it to --api-keys, show it once, and end."""

    max_queue: int = 16
    """Images that wait or are worked on; the next one is answered 429."""

    max_bytes: int = 128 * 2**20
    """Of a request's body."""

    max_pixels: int = 60_000_000
    """Of an image, known before it is decoded."""

    timeout_s: float = 60.0
    """From a request's first byte to its answer."""

    threads: int = 2
    """That read images."""

    absent_below: float = 0.0
    """State a landmark absent where the model's confidence is less than this."""

    def run(self) -> int:
        """Serve until told to stop."""
        from radmark.console import out
        from radmark.core.detector import available_cpus

        try:
            import radmark.serve.server as service
            from radmark.http.keys import add_key, read_keys
        except ModuleNotFoundError as error:
            raise InputError(
                f"the service needs {error.name}, which is not installed",
                remedy='Install it with: pip install "radmark[web]"',
            ) from error
        if self.new_key is not None:
            if self.api_keys is None:
                raise InputError("there is no file to add the key to", remedy="Give --api-keys FILE")
            out.print(add_key(self.api_keys, self.new_key))
            return 0
        if self.run_folder is None:
            raise InputError("no model is given", remedy="Give the folder `radmark train` made")
        keys = read_keys(self.api_keys) if self.api_keys else {}
        service.check_address(self.host, keys)
        limits = service.Limits(
            max_bytes=self.max_bytes, max_pixels=self.max_pixels, max_queue=self.max_queue, timeout_s=self.timeout_s
        )
        sha256 = model_sha256(self.run_folder)
        detector = open_model(self.run_folder, self.absent_below, at_once=available_cpus())
        model = service.Model(detector, self.run_folder.stem, sha256)
        service.serve(
            model,
            host=self.host,
            port=self.port,
            limits=limits,
            keys=keys,
            threads=self.threads,
            on_listening=lambda url: out.print(f"{url}/v1/predict (schema: {url}/openapi.json). Ctrl-C stops it"),
        )
        return 0
