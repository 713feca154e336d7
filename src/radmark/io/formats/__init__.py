"""Every annotation format is one file here, found by itself: a `Format` at the top of a module says all there is to say of it.

Another package adds one by an entry point in the group `radmark.formats` that names a `Format`, a program by
`radmark.io.FORMATS.register(…)`.
"""

import warnings
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules

from radmark.io.format import Format, Formats


def _find(formats: Formats) -> None:
    for module in iter_modules(__path__):
        for value in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, Format):
                formats.register(value)
    for entry in entry_points(group="radmark.formats"):
        try:
            loaded = entry.load()
            if not isinstance(loaded, Format):
                raise TypeError(f"{entry.value} is not a radmark.io.Format")
            formats.register(loaded)
        except Exception as error:  # somebody else's package; radmark's own formats work without it
            warnings.warn(f"the annotation format {entry.name} cannot be used: {error}", stacklevel=2)


FORMATS = Formats(_find)
"""Every annotation format, by name."""
