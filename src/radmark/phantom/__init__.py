"""Synthetic radiographs whose landmarks are known exactly.

A phantom stands in for data that cannot be given away: it looks like the film it is named after, and where its
landmarks lie follows from the outlines that draw its bones, never from its pixels.

The rooms, from the bottom: `raster` turns outlines into pixels, `pose` lays a patient on the film, `pelvis`, `femur`,
`implant` and `knee` hold the anatomy, `soft_tissue` what surrounds it, `film` exposes it, `views` composes the six
kinds of picture, `dataset` writes them.
"""

from radmark.phantom.dataset import KINDS as KINDS
from radmark.phantom.dataset import Phantom as Phantom
from radmark.phantom.dataset import render as render
from radmark.phantom.dataset import write as write
