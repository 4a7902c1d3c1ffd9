"""What a run tells while it goes: progress bars, TensorBoard, MLflow. Needs the `train` extra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from classifiers.training.config import TrackingConfig


class Tracker:
    """Logs the figures of one run; a log that is switched off costs nothing."""

    def __init__(self, config: TrackingConfig, folder: Path, name: str, console: Console) -> None:
        self.console = console
        self._board: Any = _board(folder / config.tensorboard) if config.tensorboard else None
        self._flow = _Flow(folder / config.mlflow, name, folder / "mlflow_run.txt") if config.mlflow else None

    def figure(self, name: str, value: float, step: int) -> None:
        """One number at one step."""
        if self._board:
            self._board.add_scalar(name, value, step)
        if self._flow:
            self._flow.figure(name, value, step)

    def parameters(self, values: Mapping[str, Any]) -> None:
        """What the run was told, nested mappings and all."""
        if self._flow:
            self._flow.parameters(dict(_flat(values)))

    def say(self, line: str) -> None:
        """One line for whoever watches."""
        self.console.print(line, highlight=False)

    @contextmanager
    def bar(self, name: str, steps: int, done: int) -> Iterator[Bar]:
        """A progress bar over the steps of one fit."""
        columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, TextColumn("{task.fields[loss]}"), console=self.console) as progress:
            yield Bar(self, progress, progress.add_task(name, total=steps, completed=done, loss=""), name)

    def close(self, status: str) -> None:
        """Writes what is still held; `status` is MLflow's: FINISHED or FAILED."""
        if self._board:
            self._board.close()
        if self._flow:
            self._flow.close(status)


class Bar:
    """The bar of one fit."""

    def __init__(self, tracker: Tracker, progress: Progress, task: Any, name: str) -> None:
        self._tracker, self._progress, self._task, self._name = tracker, progress, task, name

    def advance(self) -> None:
        """One step more."""
        self._progress.advance(self._task)

    def loss(self, value: float, step: int) -> None:
        """The mean loss of the last steps."""
        self._progress.update(self._task, loss=f"loss {value:.3f}")
        self._tracker.figure(f"{self._name}/loss", value, step)


class _Flow:
    """A run in an MLflow store of one SQLite file; one that is resumed goes on under its old id."""

    def __init__(self, folder: Path, name: str, remembered: Path) -> None:
        import mlflow

        folder.mkdir(parents=True, exist_ok=True)
        self._client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder.resolve() / 'mlflow.db'}")
        found = self._client.get_experiment_by_name(name)
        artifacts = (folder / "artifacts").resolve().as_uri()
        experiment = found.experiment_id if found else self._client.create_experiment(name, artifacts)
        if not remembered.is_file():
            remembered.write_text(self._client.create_run(experiment).info.run_id, encoding="utf-8")
        self._run = remembered.read_text(encoding="utf-8")
        self._client.update_run(self._run, status="RUNNING")

    def figure(self, name: str, value: float, step: int) -> None:
        self._client.log_metric(self._run, name, value, step=step)

    def parameters(self, values: dict[str, str]) -> None:
        for key, value in values.items():
            self._client.log_param(self._run, key, value[:500])

    def close(self, status: str) -> None:
        self._client.set_terminated(self._run, status)


def _board(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", str(value)
