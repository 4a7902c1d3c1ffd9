"""Is it real, and is it interesting: quality flags, real score and interest, before any transient class."""

from classifiers.quality.serving import Quality, load_quality

__all__ = ["Quality", "load_quality"]
