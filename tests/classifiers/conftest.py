"""Fixtures of the classifiers' tests."""

from __future__ import annotations

import pytest

from classifiers import load_bundle
from classifiers.serving import BundleClassifier


@pytest.fixture(scope="session")
def classifier() -> BundleClassifier:
    """The shipped bundle's classifier."""
    return load_bundle("default")
