"""`streamer simulate --report`: the page of figures of a simulated night."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.simulate.files import writing_to

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from streamer.compare.night import SimulatedNight

REPORT_FILE = "report.html"
"""One file that holds its pictures; each is beside it as `report_<survey>_<name>.png` too."""

_STYLE = """
body { font-family: system-ui, sans-serif; color: #1b1f24; max-width: 1150px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } p { color: #4b5259; max-width: 60rem; }
img { width: 100%; height: auto; }
"""


def write_report(folder: Path) -> Path:
    """Draws the night that `folder` holds; the page's path. UserError where it holds none or cannot be written."""
    from streamer.compare.night import read_nights

    nights = read_nights(folder)
    with writing_to(folder):
        body = "".join(_section(night, folder) for night in nights)
        page = folder / REPORT_FILE
        page.write_text(
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A simulated night</title>'
            f"<style>{_STYLE}</style></head><body><h1>A simulated night</h1>{body}</body></html>\n",
            encoding="utf-8",
        )
    return page


def _section(night: SimulatedNight, folder: Path) -> str:
    from streamer.compare import night_figures as figures

    read, total = len(night.sample), night.packets
    some = "" if read == total else f" The figures show {read:,} of these packets, chosen by chance."
    objects = sum(night.objects.values())
    parts = [
        f"<h2>{night.survey.upper()}</h2><p>{total:,} packets of {objects:,} objects.{some}</p>",
        _picture(night, folder, "mixture", "What it is made of", figures.draw_mixture(night)),
        _picture(night, folder, "distributions", "What the packets say", figures.draw_distributions(night)),
        _picture(night, folder, "redshifts", "Redshifts, from truth.parquet", figures.draw_redshifts(night)),
        _picture(
            night, folder, "sky", "Where the alerts lie, and how deep the exposures went", figures.draw_sky(night)
        ),
        _picture(
            night,
            folder,
            "light_curves",
            "Light curves as packets tell them, by type: the objects of most detections",
            figures.draw_light_curves(night),
        ),
        _picture(night, folder, "cutouts", "Stamps of these", figures.draw_cutouts(night)),
    ]
    return "".join(parts)


def _picture(night: SimulatedNight, folder: Path, name: str, title: str, figure: Figure) -> str:
    """Writes the picture beside the page; the page's part that holds it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    (folder / f"report_{night.survey}_{name}.png").write_bytes(buffer.getvalue())
    image = base64.b64encode(buffer.getvalue()).decode()
    return f'<h2>{escape(title)}</h2><img alt="{escape(title)}" src="data:image/png;base64,{image}">'
