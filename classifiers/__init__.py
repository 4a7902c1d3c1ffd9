"""Machine learning only: features, networks, trees, bundles; knows no Kafka, no database and no settings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from classifiers.bundle import DEFAULT_BUNDLE, BundleError

if TYPE_CHECKING:
    from classifiers.serving import BundleClassifier

__all__ = ["BundleError", "load_bundle"]


def load_bundle(path: str | Path = DEFAULT_BUNDLE, prior: Mapping[str, float] | None = None) -> BundleClassifier:
    """The classifier of a bundle folder, or of the shipped one for "default"; BundleError where it cannot be used.

    `prior`: shares of the classes by name, in the place of the card's.
    """
    from classifiers.bundle import open_bundle
    from classifiers.serving import BundleClassifier

    return BundleClassifier(open_bundle(path), prior)
