"""radmark: from a few dozen annotated radiographs to landmark positions, measurements and a report."""

__version__ = "0.1.0"

RESEARCH_USE = "For research use only. Not a medical device; not for diagnosis, treatment or planning."
"""Stands wherever results leave the program."""
