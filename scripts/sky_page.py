"""The docs page of the simulator's classes, made from the populations themselves."""

from __future__ import annotations

import inspect

from streamer.simulate.observing.cadence import _conditions, draw_place, weather
from streamer.simulate.observing.surveys import SURVEYS
from streamer.simulate.scene import _observe
from streamer.simulate.sky.dust import reddening_mag
from streamer.simulate.sky.galaxies import draw_hosts
from streamer.simulate.sky.mixture import MIXTURES, POPULATIONS
from streamer.simulate.sky.populations import Place, Population, Window
from streamer.simulate.sky.stars import draw_neighbours

TOP = """\
# The simulated sky

What [`streamer simulate`](simulator.md) draws, and where its numbers come from. Nothing here is a real object: curves
follow published forms, rates and distributions, and metadata, stamps and spectra follow from the scene that is drawn.

A field is drawn class by class. Candidates of a class are drawn down to a little below the faintest peak that the
survey's depth lets through, are given a host, neighbours, the Galaxy's dust and the noise of each exposure, and those
that stand out by 5 sigma on a night that is sent become its alerts. So what a night shows follows from rates,
luminosities, cadence and depth.
"""

CANDIDATES = """\
Candidates a square degree at galactic latitude 40 deg and ecliptic latitude 30 deg, for one night; which of them are
detected depends on the night. *rich* is the share of the objects in the `rich` mixture.
"""


QUOTED = """\
ZTF quotes larger errors for its detections than their noise is: `sigmapsf` of real packets grows with depth and flux,
while their curves scatter less, and forced photometry quotes about half as much. The simulator does the same, so that
measured less true flux over the quoted error scatters by about 0.6 in ZTF and by 1 in LSST, which quotes its noise.
"""


def simulated_sky() -> str:
    """The page's text."""
    lines = [TOP, "## Mixtures", "", "| `--mixture` | what it is |", "|---|---|"]
    lines += [f"| `{name}` | {text} |" for name, text in MIXTURES.items()]
    lines += [
        "",
        "## Classes",
        "",
        CANDIDATES,
        "| `--only` | class | host | ZTF | LSST | rich |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(one) for one in POPULATIONS]
    for one in POPULATIONS:
        lines += ["", f"### {one.type}", "", _text(one.draw)]
    lines += ["", "## Around them", ""]
    for title, of in (("Hosts", draw_hosts), ("Neighbours", draw_neighbours), ("Dust", reddening_mag)):
        lines += [f"**{title}.** {_text(of)}", ""]
    lines += ["## Observing", ""]
    lines += [QUOTED, ""]
    for title, of in (("Fields", draw_place), ("Weather", weather), ("Depth", _conditions), ("Noise", _observe)):
        lines += [f"**{title}.** {_text(of)}", ""]
    return "\n".join(lines)


def _row(one: Population) -> str:
    window = Window(61_100.0, 61_101.0)
    density = [f"{one.density_deg2(survey, Place(40.0, 30.0), window):.2g}" for survey in SURVEYS.values()]
    host = "-" if one.host is None else f"M = {one.host.absolute_mag:.1f}{', its nucleus' if one.host.nuclear else ''}"
    return f"| `{one.type}` | {one.label or '-'} | {host} | {' | '.join(density)} | {one.share:.2f} |"


def _text(of: object) -> str:
    return inspect.cleandoc(of.__doc__ or "")
