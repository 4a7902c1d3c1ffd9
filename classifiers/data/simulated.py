"""Simulated light curves, as `streamer simulate --light-curves` writes them: for training, and reported apart.

Real and simulated objects never enter one figure: their names begin with `SIM`, and their reader is this one alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from classifiers.data.labelled import LabelledCurves, fine_label
from schemas.light_curve import BANDS, DETECTION, LightCurves
from schemas.surveys.columns import flux_from_magnitude
from schemas.taxonomy import CLASS_INDEX, CLASSES

SIMULATED_PREFIX = "SIM"
"""How the names of simulated objects begin; no survey's do."""

_LISTS = ("mjd", "band", "mag", "mag_err", "isdiffpos")
_COLUMNS = ("object_id", "survey", "type", "label", *_LISTS)


def read_simulated_light_curves(folder: Path) -> LabelledCurves:
    """Detections of the objects of one simulated survey that have a class: difference magnitudes to signed nJy.

    ValueError where `light_curves.parquet` holds no simulated objects with a class, or those of several surveys.
    """
    path = folder / "light_curves.parquet"
    table = pq.read_table(path, columns=list(_COLUMNS))
    table = table.filter(pc.is_in(table["label"], pa.array(CLASSES)))
    names: list[str] = table["object_id"].to_pylist()
    surveys = pc.unique(table["survey"]).to_pylist()
    if len(surveys) != 1 or not all(name.startswith(SIMULATED_PREFIX) for name in names):
        raise ValueError(f"{path} must hold simulated objects of one survey: write it with `streamer simulate`")
    lists = {name: table[name].combine_chunks() for name in _LISTS}
    lengths = pc.list_value_length(lists["mjd"]).to_numpy(zero_copy_only=False)
    mag, mag_err, mjd = (lists[name].flatten().to_numpy().astype(np.float64) for name in ("mag", "mag_err", "mjd"))
    positive = lists["isdiffpos"].flatten().to_numpy(zero_copy_only=False)
    flux = flux_from_magnitude(mag)
    curves = LightCurves(
        survey=surveys[0],
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        mjd_tai=mjd,
        flux_njy=np.where(positive, flux, -flux).astype(np.float32),
        flux_err_njy=(flux * mag_err * np.log(10.0) / 2.5).astype(np.float32),
        band=pc.index_in(lists["band"].flatten(), pa.array(BANDS)).to_numpy().astype(np.uint8),
        kind=np.full(len(mjd), DETECTION, np.uint8),
    )
    labels: list[str] = table["label"].to_pylist()
    fine = [fine_label(*both) for both in zip(labels, table["type"].to_pylist(), strict=True)]
    return LabelledCurves(
        names, np.array([CLASS_INDEX[name] for name in labels], np.int64), np.array(fine, np.int64), curves
    )
