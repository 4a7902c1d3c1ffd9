"""What the classifier says, how sure it is, and whether that drifts."""

from __future__ import annotations

from scripts.dashboards.promql import SHOWN, at_most, gained, mean, of_all, quantile, rate, series, share
from scripts.dashboards.spec import Board, Choice, Panel, Query, Row, one
from streamer.metrics import definitions as d

SURVEY = 'survey=~"$survey"'


def _before(expression: str) -> str:
    """The same, of the same hours a week before."""
    return expression.replace(f"[{SHOWN}]", f"[{SHOWN}] offset 1w")


def _now_and_before(expression: str) -> tuple[Query, ...]:
    return (Query(expression, "{{survey}} now"), Query(_before(expression), "{{survey}} a week before"))


_SETS = gained(d.SET_SIZE, "", SURVEY, "_count", "$__rate_interval")


def _sets(most: float) -> str:
    return at_most(d.SET_SIZE, most, "", SURVEY, "$__rate_interval")


_MIXTURE = of_all(gained(d.SCORES, "class", SURVEY), gained(d.SCORES, "", SURVEY))

ANSWERS = Row(
    "Answers",
    (
        Panel(
            "Who answers",
            "table",
            "Workers by the bundle that they answer with. One line; two while another bundle is brought in.",
            "short",
            one(f"count by (model, version, bundle_hash) ({series(d.MODEL)})"),
            width=8,
            see=("runbooks/StreamerMixedVersions.md", "train-your-own.md"),
        ),
        Panel(
            "Class mixture",
            "shares",
            "Shares of the likeliest classes among scored alerts. They wander with the fields of the night, slowly.",
            "short",
            one(rate(d.SCORES, "class", SURVEY), "{{class}}"),
            width=16,
            see=("runbooks/StreamerClassMixtureJumped.md", "scores.md"),
        ),
        Panel(
            "Confidence",
            "lines",
            "Score of the likeliest class: median, and where a tenth are below and above. It should not jump.",
            "percentunit",
            tuple(Query(quantile(q, d.TOP_SCORE, "", SURVEY), f"{100 * q:.0f} %") for q in (0.1, 0.5, 0.9)),
            width=6,
            most=1,
            see=("scores.md",),
        ),
        Panel(
            "Size of the prediction sets",
            "shares",
            "How many classes the prediction sets of calibrated alerts hold. More large sets: less certain answers.",
            "short",
            (
                Query(_sets(0), "empty"),
                Query(f"{_sets(1)} - {_sets(0)}", "one class"),
                Query(f"{_sets(2)} - {_sets(1)}", "two"),
                Query(f"{_SETS} - {_sets(2)}", "more"),
            ),
            width=6,
            see=("scores.md",),
        ),
        Panel(
            "Modality missing",
            "lines",
            "Share of the scored alerts whose answer did without light curve, metadata, cutouts or spectrum. Nearly "
            "all do without a spectrum; light curves are missing of new objects; a jump of cutouts is the survey's.",
            "percentunit",
            one(of_all(rate(d.MISSING, "modality", SURVEY), rate(d.SCORES, "", SURVEY)), "{{modality}}"),
            width=6,
            most=1,
            see=("runbooks/StreamerModalityMissingJumped.md", "modalities.md"),
        ),
        Panel(
            "Without a class, or without calibration",
            "lines",
            "Shares of the scored alerts: without a class, as they have no usable photometry (nearly none), and "
            "without calibration, as no labelled alert of their kind stands behind them (the bundle's, and steady).",
            "percentunit",
            (
                Query(f"{of_all(rate(d.UNCLASSIFIED, 'reason'), rate(d.SCORES))} or vector(0)", "no class: {{reason}}"),
                Query(
                    share(rate(d.UNCALIBRATED, "survey", SURVEY), rate(d.SCORES, "survey", SURVEY)),
                    "no calibration: {{survey}}",
                ),
            ),
            width=6,
            see=("runbooks/StreamerUnclassifiedJumped.md", "runbooks/StreamerUncalibratedJumped.md"),
        ),
    ),
)

STAMPS = Row(
    "Is it real?",
    (
        Panel(
            "Real score, all alerts",
            "heatmap",
            "0 is bogus, 1 real, of the alerts whose stamps were looked at. Two bands, at the ends; bogus ones in "
            "plenty come with a bad subtraction.",
            "percentunit",
            one(gained(d.REAL_SCORE, "le", SURVEY, "_bucket", "$__rate_interval"), "{{le}}"),
            width=12,
            see=("runbooks/StreamerRealScoresDrift.md", "quality.md"),
        ),
        Panel(
            "Quality flags",
            "lines",
            "Share of the alerts whose stamps were looked at that have each flag. A flag that climbs alone is a fault "
            "of the images.",
            "percentunit",
            one(of_all(rate(d.QUALITY, "flag", SURVEY), rate(d.REAL_SCORE, "", SURVEY, "_count")), "{{flag}}"),
            width=12,
            see=("quality.md",),
        ),
    ),
)

DRIFT = Row(
    "Drift: beside the same hours a week before",
    (
        Panel(
            "Class mixture, change",
            "bars",
            "Share of each class in the time shown, less that of a week before. Within a few hundredths on a good "
            "night; a class that gains much means other fields, or a classifier that drifts.",
            "percentunit",
            one(f"{_MIXTURE} - {_before(_MIXTURE)}", "{{class}}"),
            width=6,
            decimals=1,
            least=None,
            see=("runbooks/StreamerClassMixtureJumped.md", "evaluation.md"),
        ),
        *(
            Panel(
                title,
                "bars",
                f"{what} in the time shown, and in the same hours a week before. They should be alike.",
                "percentunit",
                _now_and_before(mean(metric, "survey", SURVEY, SHOWN)),
                width=6,
                decimals=1,
                most=1,
                see=("evaluation.md",),
            )
            for title, what, metric in (
                ("Confidence, change", "Mean score of the likeliest class", d.TOP_SCORE),
                ("Real score, change", "Mean real score", d.REAL_SCORE),
                ("Novelty, change", "Mean novelty", d.NOVELTY),
            )
        ),
    ),
)

MODELS = Board(
    "streamer-models",
    "Transient streamer: models",
    "What do the models say, and do they still say it as last week?",
    (ANSWERS, STAMPS, DRIFT),
    (Choice("survey", "Survey", f"label_values({series(d.ALERTS)}, survey)"),),
)
