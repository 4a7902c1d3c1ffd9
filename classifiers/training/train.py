"""A training run from data to bundle, stage by stage. Needs torch."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from torch import nn

from classifiers import load_bundle
from classifiers.bundle import CARD, NOVELTY_FILE, bundle_folder, write_card
from classifiers.evaluation.for_card import card_figures
from classifiers.novelty import Novelty, save_novelty
from classifiers.quality.command import CARD_PART
from classifiers.quality.fit import fit_quality as fitted_quality
from classifiers.quality.serving import REAL_TREES, SELECTION_TREES
from classifiers.serving import EVIDENCE_GROUPS
from classifiers.training import encoders, joining
from classifiers.training.calibrate import calibrated
from classifiers.training.cards import card_of
from classifiers.training.config import ConfigError, TrainingConfig
from classifiers.training.export import write_networks
from classifiers.training.provider import CALIBRATE, Data, absent, read_data
from classifiers.training.run import Run, begin, config_of
from classifiers.training.tracking import Tracker
from classifiers.verification import verify_bundle

JOINED = "joined"
"""Note in a run's folder of what was chosen between encoders and fusion."""


@dataclass(slots=True)
class Work:
    """What the stages hand on; each fills what the next ones take."""

    run: Run
    folder: Path
    """Of the data."""
    staged: Path
    """Of the bundle while it is made."""
    data: Data = field(init=False)
    encoders: dict[str, nn.Module] = field(default_factory=dict)
    strengths: dict[str, float] = field(default_factory=dict)
    fitted: joining.Fitted = field(init=False)
    fusion: Any = field(init=False)
    card: dict[str, Any] = field(default_factory=dict)


def read(work: Work) -> None:
    """Every input that the configuration names."""
    work.data = read_data(work.run.config, work.folder)
    for name, each in work.data.inputs.items():
        work.run.tracker.say(f"{name}: {len(each.side)} rows")
    for name, told in work.run.config.data.items():
        if absent(told, work.folder):
            work.run.tracker.say(f"{name}: left out, for there is no folder {told.folder}")


def pretrain(work: Work) -> None:
    """Each encoder, without labels, where the configuration says so."""
    for name in work.run.config.names_on():
        work.encoders[name] = encoders.pretrain(work.run, work.data, name)


def fit_encoders(work: Work) -> None:
    """Each encoder on its labelled rows."""
    for name, encoder in work.encoders.items():
        work.strengths[name] = encoders.fit_encoder(work.run, work.data, name, encoder)


def fit_trees(work: Work) -> None:
    """The trees, and the share of them that the calibration side likes best."""
    work.fitted = joining.Fitted(work.encoders, joining.fit_trees(work.run, work.data), 0.0)
    share, strength = joining.choose_share(work.run, work.data, work.fitted)
    work.fitted.tree_share = share
    work.strengths |= {"light_curve": strength}
    work.strengths = joining.joint_strengths(work.run, work.data, work.fitted, work.strengths)
    said = ", ".join(f"{name} {value:.2f}" for name, value in work.strengths.items())
    work.run.tracker.say(f"trees' share {share}; strengths: {said}")


def fit_fusion(work: Work) -> None:
    """The fusion of what the encoders say, and a note of all that a bundle needs besides."""
    rows = joining.fusion_rows(work.run, work.data, work.fitted)
    work.run.tracker.say(f"fusion: {len(rows.label)} rows")
    work.fusion = joining.fit_fusion(work.run, rows, work.strengths)
    known = joining.fusion_rows(work.run, work.data, work.fitted, CALIBRATE)
    if len(known.label):
        strength = joining.fit_head_strength(work.run, work.fusion, known)
        work.run.tracker.say(f"strength of the embedding's own logits: {strength:.2f}")
    noted = {
        "tree_share": work.fitted.tree_share,
        "strengths": work.strengths,
        "head_strength": float(work.fusion.head_strength),
        "counts": work.data.counts(),
    }
    work.run.note(JOINED, noted)


def fit_quality(work: Work) -> None:
    """The trees of real score and interest: fitted to the data folder, or those of another bundle."""
    told = work.run.config.quality
    if told is None or (work.run.folder / f"{CARD_PART}.json").is_file():
        return
    folder = work.run.folder / CARD_PART
    folder.mkdir(exist_ok=True)
    if told.bundle is None:
        nights = told.simulated if told.simulated and told.simulated.is_dir() else None
        if told.simulated and not nights:
            work.run.tracker.say(f"quality: no simulated nights, for there is no folder {told.simulated}")
        part = fitted_quality(work.folder, folder, work.run.rng("quality"), nights, work.run.tracker.say)
    else:
        part = taken_quality(bundle_folder(told.bundle), folder)
    work.run.note(CARD_PART, part)


def export(work: Work) -> None:
    """Networks to ONNX, verified, with a card that says as yet of no calibration."""
    differences = write_networks(work.fitted, work.fusion, work.staged)
    save_novelty(work.staged / NOVELTY_FILE, dict.fromkeys(EVIDENCE_GROUPS, Novelty.unknown()))
    work.card = card_of(work.run.config, work.run.note(JOINED), differences)
    if work.run.config.quality:
        shutil.copytree(work.run.folder / CARD_PART, work.staged, dirs_exist_ok=True)
        work.card[CARD_PART] = work.run.note(CARD_PART)
    write_card(work.staged, work.card)


def calibrate(work: Work) -> None:
    """Temperature, sets and novelty, through the code that serves."""
    work.card["calibration"], novelty = calibrated(load_bundle(work.staged), work.data, work.run.config)
    save_novelty(work.staged / NOVELTY_FILE, novelty)
    write_card(work.staged, work.card)


def evaluate(work: Work) -> None:
    """Figures on the objects held aside, looked at once, through the code that serves."""
    work.card["metrics"] = card_figures(load_bundle(work.staged), work.folder)


def finish(work: Work) -> None:
    """The card, sealed over every file, and the whole bundle asked what must hold of any."""
    write_card(work.staged, work.card)
    verify_bundle(work.staged)


STAGES = (read, pretrain, fit_encoders, fit_trees, fit_fusion, fit_quality, export, calibrate, evaluate, finish)
"""A run, top to bottom."""


def train(
    config: TrainingConfig, data: Path, out: Path, folder: Path, resume: bool, console: Console
) -> dict[str, Any]:
    """Trains on the folder `data` and writes the bundle to `out`, which it replaces; returns the card.

    Everything fitted is kept in `folder`, and a run that was stopped goes on from there to the same result.
    """
    begin(folder, config, resume)
    tracker = Tracker(config.tracking, folder, config.bundle.name, console)
    status = "FAILED"
    try:
        tracker.parameters(config.model_dump(mode="json"))
        run = Run(config, folder, tracker)
        with tempfile.TemporaryDirectory() as scratch:
            work = Work(run, data, Path(scratch))
            for number, stage in enumerate(STAGES, 1):
                tracker.say(f"[bold]{number}/{len(STAGES)} {stage.__name__.replace('_', ' ')}[/bold]")
                stage(work)
            replace_folder(work.staged, out)
        status = "FINISHED"
    finally:
        tracker.close(status)
    return work.card


def export_run(folder: Path, out: Path, console: Console) -> dict[str, Any]:
    """The bundle of a run whose networks are all fitted, not yet calibrated; returns the card. It takes no data."""
    config = config_of(folder)
    tracker = Tracker(config.tracking.model_copy(update={"tensorboard": None, "mlflow": None}), folder, "", console)
    run = Run(config, folder, tracker)
    note = run.note(JOINED)
    with tempfile.TemporaryDirectory() as scratch:
        work = Work(run, folder, Path(scratch))
        work.encoders = {name: encoders.restored(run, name) for name in config.names_on()}
        trees = joining.fit_trees(run, Data({}))
        work.fitted = joining.Fitted(work.encoders, trees, note["tree_share"])
        work.fusion = run.build(config.fusion.model, "fusion")
        run.restore("fusion", config.fusion.fit, work.fusion)
        work.fusion.head_strength.fill_(note["head_strength"])  # found after the fit
        export(work)
        replace_folder(work.staged, out)
    return work.card


def taken_quality(bundle: Path, out: Path) -> dict[str, Any]:
    """Copies a bundle's trees of real score and interest; returns the part of its card that speaks of them."""
    try:
        for name in (*REAL_TREES.values(), SELECTION_TREES):
            shutil.copy(bundle / name, out / name)
        part: dict[str, Any] = json.loads((bundle / CARD).read_text(encoding="utf-8"))[CARD_PART]
    except (OSError, KeyError) as error:
        raise ConfigError(f"quality.bundle: {bundle} has no trees of real score and interest ({error})") from error
    return part


def replace_folder(made: Path, out: Path) -> None:
    """Puts a finished folder in the place of another, if there is one."""
    if out.exists():
        shutil.rmtree(out)
    shutil.copytree(made, out)
