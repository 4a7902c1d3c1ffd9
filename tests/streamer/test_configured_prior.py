"""The configured prior reaches the classifier."""

from __future__ import annotations

from streamer.factory.pipeline import load_classifier
from streamer.settings import ClassifierSettings, Settings


def test_a_configured_prior_gives_another_version_of_the_same_model() -> None:
    plain = load_classifier(Settings())
    weighed = load_classifier(Settings(classifier=ClassifierSettings(prior={"TDE": 0.1})))
    assert weighed.name == plain.name
    assert weighed.version.startswith(f"{plain.version}+prior.")
    assert weighed.bundle_hash != plain.bundle_hash
