"""The configured prior reaches the classifier."""

from __future__ import annotations

from schemas.taxonomy import CLASSES
from streamer.factory.pipeline import load_classifier
from streamer.settings import ClassifierSettings, Settings


def test_a_configured_prior_gives_another_version_of_the_same_model() -> None:
    plain = load_classifier(Settings())
    shares = dict.fromkeys(CLASSES, 1.0) | {"TDE": 0.1}
    weighed = load_classifier(Settings(classifier=ClassifierSettings(prior=shares)))
    assert weighed.name == plain.name
    assert weighed.version.startswith(f"{plain.version}+prior.")
    assert weighed.bundle_hash != plain.bundle_hash
