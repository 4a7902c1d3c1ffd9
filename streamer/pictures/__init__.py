"""Pictures of alerts as PNG: one alert in full, and a night's best on one sheet. No window, no global state."""

from streamer.pictures.alert import draw_alert
from streamer.pictures.night import draw_night
from streamer.pictures.subject import Subject

__all__ = ["Subject", "draw_alert", "draw_night"]
