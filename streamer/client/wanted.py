"""Which scores a subscriber asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from schemas.records import ScoredAlert
from schemas.surveys.identity import SURVEYS
from schemas.taxonomy import CLASS_COLUMNS, CLASSES
from streamer.errors import ConfigurationError

_COLUMN = dict(zip(CLASSES, CLASS_COLUMNS, strict=True))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscriber's question; what is left out does not matter.

    Without `min_score` an alert is wanted when its predicted class is one of `classes`. With it, when one of them has
    at least that score, predicted or not; without `classes`, when the predicted class has it.
    """

    survey: str | None = None
    classes: tuple[str, ...] = ()
    min_score: float | None = None

    @classmethod
    def of(cls, survey: str | None, classes: Iterable[str], min_score: float | None) -> Self:
        """The question in the words of a person; ConfigurationError where a word is not known."""
        if survey is not None and survey.lower() not in SURVEYS:
            raise ConfigurationError(f"no survey is called {survey!r}; known are {', '.join(SURVEYS)}")
        if min_score is not None and not 0.0 <= min_score <= 1.0:
            raise ConfigurationError(f"a score lies between 0 and 1; found {min_score:g}")
        return cls(survey and survey.lower(), tuple(class_named(name) for name in classes), min_score)

    def fits(self, alert: ScoredAlert) -> bool:
        """Whether the subscriber wants it; one that was not classified fits where no class and no score is asked."""
        if self.survey is not None and alert.survey != self.survey:
            return False
        if self.min_score is None:
            return not self.classes or alert.predicted_class in self.classes
        scores, names = alert.class_scores, self.classes or (alert.predicted_class,)
        return scores is not None and any(getattr(scores, _COLUMN[name]) >= self.min_score for name in names if name)


def class_named(name: str) -> str:
    """The class that `name` means: `sn ii` and `SN_II` are `SN II`; ConfigurationError where there is none."""
    folded = name.strip().casefold().replace("_", " ").replace("-", " ")
    for known in CLASSES:
        if known.casefold() == folded:
            return known
    raise ConfigurationError(f"no class is called {name!r}; known are {', '.join(CLASSES)}")
