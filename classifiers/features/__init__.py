"""Nouns to arrays: one set of features, used by training and by serving alike."""

from classifiers.features.cutouts import cutout_images
from classifiers.features.light_curve import (
    LENGTH_BUCKETS,
    PooledCurves,
    bucket_lengths,
    light_curve_tokens,
    pool_nights,
)
from classifiers.features.metadata import metadata_features
from classifiers.features.spec import feature_spec, spec_hash
from classifiers.features.spectra import spectrum_channels
from classifiers.features.statistics import light_curve_statistics

__all__ = [
    "LENGTH_BUCKETS",
    "PooledCurves",
    "bucket_lengths",
    "cutout_images",
    "feature_spec",
    "light_curve_statistics",
    "light_curve_tokens",
    "metadata_features",
    "pool_nights",
    "spec_hash",
    "spectrum_channels",
]
