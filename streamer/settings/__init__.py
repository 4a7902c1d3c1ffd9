"""Settings of the service: models, the YAML file they come from, and the commented file made from them."""

from streamer.settings.loading import SettingsError, load_settings
from streamer.settings.models import (
    BatchSettings,
    ClassifierSettings,
    Cut,
    Selection,
    SelectionModel,
    SelectionSettings,
    Settings,
)
from streamer.settings.service import StateSettings
from streamer.settings.writing import default_yaml

__all__ = [
    "BatchSettings",
    "ClassifierSettings",
    "Cut",
    "Selection",
    "SelectionModel",
    "SelectionSettings",
    "Settings",
    "SettingsError",
    "StateSettings",
    "default_yaml",
    "load_settings",
]
