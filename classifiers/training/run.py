"""One training run: its folder, seeds, device and checkpoints. Needs torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import yaml
from torch import Tensor, nn

from classifiers.training.config import ConfigError, FitConfig, Part, TrainingConfig, config_from
from classifiers.training.tracking import Tracker

CONFIG_FILE = "config.yaml"
"""The configuration that a run began with, in its folder."""

CLIP = 1.0
"""Largest norm of a step's gradient."""

WARM_UP = 0.1
"""Share of the steps in which the learning rate rises."""

REPORT_STEPS = 50
"""Steps over which a loss is averaged before it is told."""

LossOf = Callable[[np.random.Generator], Tensor]
"""The loss of one step, with every draw from the generator that it is given."""


class Run:
    """A run's folder, where each fit leaves its network; whatever has been fitted there is not fitted again."""

    def __init__(self, config: TrainingConfig, folder: Path, tracker: Tracker) -> None:
        self.config, self.folder, self.tracker = config, folder, tracker
        self.device = torch.device(_device(config.device))
        torch.set_num_threads(config.threads)
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)

    def rng(self, name: str) -> np.random.Generator:
        """The generator of one part of the run; the same for the same name, whatever ran before."""
        return np.random.default_rng(self._seed(name))

    def build(self, part: Part, name: str) -> nn.Module:
        """A new network with weights drawn from the seed of `name`."""
        torch.manual_seed(self._seed(name))
        network: nn.Module = part()
        return network.to(self.device)

    def build_linear(self, name: str, width: int, outputs: int) -> nn.Module:
        """A new linear layer with weights drawn from the seed of `name`."""
        torch.manual_seed(self._seed(name))
        return nn.Linear(width, outputs).to(self.device)

    def tensor(self, array: npt.NDArray[Any]) -> Tensor:
        """An array on the run's device."""
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

    def fit(self, name: str, recipe: FitConfig, network: nn.Module, loss_of: LossOf) -> None:
        """Fits `network` in place by `recipe.steps` steps on `loss_of`; goes on where an earlier start had come to."""
        path = self._checkpoint(name)
        optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, max_lr=recipe.rate, total_steps=recipe.steps + 1, pct_start=WARM_UP
        )
        rng = self.rng(f"{name}/steps")
        torch.manual_seed(self._seed(f"{name}/steps"))
        done = _restore(path, network, optimiser, schedule, rng)
        if done < recipe.steps:
            self._descend(name, path, recipe, network, loss_of, (optimiser, schedule, rng), done)
        network.eval()

    def _descend(
        self, name: str, path: Path, recipe: FitConfig, network: nn.Module, loss_of: LossOf, state: Any, done: int
    ) -> None:
        optimiser, schedule, rng = state
        network.train()
        losses: list[float] = []
        with self.tracker.bar(name, recipe.steps, done) as bar:
            for step in range(done + 1, recipe.steps + 1):
                optimiser.zero_grad()
                loss = loss_of(rng)
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), CLIP)
                optimiser.step()
                schedule.step()
                losses.append(float(loss.detach()))
                bar.advance()
                if step % REPORT_STEPS == 0 or step == recipe.steps:
                    bar.loss(float(np.mean(losses)), step)
                    losses.clear()
                if step % self.config.checkpoints.every_steps == 0 or step == recipe.steps:
                    _save(path, step, network, optimiser, schedule, rng)

    def restore(self, name: str, recipe: FitConfig, network: nn.Module) -> None:
        """Puts a fit's weights into `network`; ConfigError where it has not been finished."""
        path = self._checkpoint(name)
        held = torch.load(path, map_location="cpu", weights_only=True) if path.is_file() else {"step": 0}
        if held["step"] < recipe.steps:
            raise ConfigError(
                f"{name} has come to step {held['step']} of {recipe.steps} in {self.folder}: continue the run with "
                "`classifiers train --resume`"
            )
        network.load_state_dict(held["network"])
        network.eval()

    def _checkpoint(self, name: str) -> Path:
        return self.folder / "checkpoints" / f"{name.replace('/', '-')}.pt"

    def note(self, name: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        """Writes a small result beside the checkpoints, or reads it back; ConfigError where there is none."""
        path = self.folder / f"{name}.json"
        if values is not None:
            _replace(path, json.dumps(values, indent=1).encode())
            return values
        try:
            held: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise ConfigError(
                f"{self.folder} holds no {path.name}: the run has not come so far; continue it with "
                "`classifiers train --resume`"
            ) from None
        return held

    def _seed(self, name: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.config.seed}/{name}".encode()).digest()[:4], "big")


def begin(folder: Path, config: TrainingConfig, resume: bool) -> None:
    """Makes the folder of a run and writes its configuration; ConfigError where a run is there that is not resumed."""
    told = config.model_dump(mode="json")
    path = folder / CONFIG_FILE
    if path.is_file():
        held = config_of(folder).model_dump(mode="json")
        if not resume:
            raise ConfigError(f"{folder} holds a run: continue it with --resume, or name another folder with --run")
        if held != told:
            changed = ", ".join(sorted(key for key in told if told[key] != held.get(key)))
            raise ConfigError(f"the run in {folder} began with another configuration ({changed}); name another --run")
    elif resume:
        raise ConfigError(f"{folder} holds no run to resume")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(told, sort_keys=False), encoding="utf-8")


def config_of(folder: Path) -> TrainingConfig:
    """The configuration that a run began with; ConfigError where the folder holds no run."""
    path = folder / CONFIG_FILE
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"no run in {folder}: cannot read {CONFIG_FILE} ({error.strerror})") from error
    return config_from(values, str(path))


def _device(name: str) -> str:
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device: cuda was asked for, and torch sees no GPU; use auto or cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _save(path: Path, step: int, network: nn.Module, optimiser: Any, schedule: Any, rng: np.random.Generator) -> None:
    held = {
        "step": step,
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
        "rng": json.dumps(rng.bit_generator.state),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    scratch = path.with_suffix(".part")
    torch.save(held, scratch)
    scratch.replace(path)


def _restore(path: Path, network: nn.Module, optimiser: Any, schedule: Any, rng: np.random.Generator) -> int:
    """Puts everything back as it was saved; returns the steps done, 0 where nothing was saved."""
    if not path.is_file():
        return 0
    held = torch.load(path, map_location="cpu", weights_only=True)
    network.load_state_dict(held["network"])
    optimiser.load_state_dict(held["optimiser"])
    schedule.load_state_dict(held["schedule"])
    rng.bit_generator.state = json.loads(held["rng"])
    torch.set_rng_state(held["torch"])
    if held["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(held["cuda"])
    return int(held["step"])


def _replace(path: Path, content: bytes) -> None:
    scratch = path.with_suffix(".part")
    scratch.write_bytes(content)
    scratch.replace(path)
