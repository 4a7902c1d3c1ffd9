"""Fixtures of the classifiers' tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifiers import load_bundle
from classifiers.serving import BundleClassifier
from streamer.simulate.files import write_night
from streamer.simulate.night import NightPlan
from tests.classifiers.made_up_bundle import write_bundle


@pytest.fixture(scope="session")
def classifier() -> BundleClassifier:
    """The shipped bundle's classifier."""
    return load_bundle("default")


@pytest.fixture(scope="session")
def made_up_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle that fits the code as it is, whatever the shipped one is."""
    return write_bundle(tmp_path_factory.mktemp("bundles") / "made-up")


@pytest.fixture(scope="session", params=["shipped", "made-up"])
def any_classifier(request: pytest.FixtureRequest) -> BundleClassifier:
    """A classifier of which everything must hold that holds of every bundle."""
    return load_bundle("default" if request.param == "shipped" else request.getfixturevalue("made_up_bundle"))


@pytest.fixture(scope="session")
def lsst_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a simulated LSST night of 120 packets."""
    folder = tmp_path_factory.mktemp("lsst-night")
    write_night(NightPlan("lsst", 120, 3, nights=10, mixture="rich"), folder)
    return folder
