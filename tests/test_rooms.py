"""The rooms of the house: who may import whom, what ships, and what serving must do without."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_imports_go_only_where_the_contracts_allow() -> None:
    out = run(str(Path(sys.executable).parent / "lint-imports"), "--no-cache")
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    assert f"{len(contracts)} kept, 0 broken" in out


def loaded_by(module: str, *packages: str) -> str:
    """Which of the packages are loaded once `module` is imported, in a fresh interpreter."""
    code = f"import sys, {module}; print(*sorted(set({packages!r}) & set(sys.modules)))"
    return run(sys.executable, "-c", code).strip()


@pytest.mark.parametrize("module", ["streamer.cli", "streamer.factory.worker", "classifiers", "classifiers.cli"])
def test_serving_loads_no_training_package(module: str) -> None:
    assert loaded_by(module, "torch", "onnx") == ""


def test_help_comes_quickly_because_commands_import_late() -> None:
    slow = ("numba", "lancedb", "lightgbm", "onnxruntime", "matplotlib", "pyarrow")
    assert loaded_by("streamer.cli", *slow) == ""


def test_every_folder_of_code_is_a_package() -> None:
    for top in ("schemas", "classifiers", "streamer", "tests"):
        for folder in {file.parent for file in (ROOT / top).rglob("*.py")}:
            assert (folder / "__init__.py").is_file(), folder


def test_every_file_that_is_not_python_ships() -> None:
    shipped = PROJECT["tool"]["setuptools"]["package-data"]
    for top in ("schemas", "classifiers", "streamer"):
        for file in (ROOT / top).rglob("*"):
            if file.is_dir() or "__pycache__" in file.parts or file.suffix in (".py", ".pyc"):
                continue
            name = file.relative_to(ROOT).as_posix()
            globs = [f"{package.replace('.', '/')}/{glob}" for package, found in shipped.items() for glob in found]
            assert any(fnmatch(name, glob.replace("**/", "")) for glob in globs), f"{name} is in no package data"


@pytest.mark.parametrize("lock", sorted(path.name for path in (ROOT / "requirements").glob("*.lock")))
def test_a_lock_pins_every_version_with_hashes_and_names_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    for block in text.replace("\\\n", " ").splitlines():
        if block and not block.lstrip().startswith("#"):
            assert "==" in block, block
            assert "--hash=sha256:" in block, block


def test_what_is_locked_for_serving_is_locked_alike_for_development_and_training() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / "requirements" / f"{name}.lock").read_text(encoding="utf-8").splitlines()
        return {line.split()[0] for line in lines if line[:1].isalnum()}

    assert pins("runtime") <= pins("dev")
    assert pins("runtime") <= pins("train")


def test_every_dependency_is_locked() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    for lock, wanted in (
        ("runtime", []),
        ("dev", [*extras["dev"], *extras["docs"]]),
        ("train", [*extras["dev"], *extras["train"]]),
    ):
        text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8").lower()
        for requirement in [*PROJECT["project"]["dependencies"], *wanted]:
            name = re.split("[=<>!~]", requirement)[0].lower()
            assert f"\n{name}==" in text, f"{name} is not in {lock}.lock: run `make lock`"


def imported_by(*rooms: str) -> set[str]:
    """Distributions whose modules the rooms' code imports, in lower case with dashes; our own are left out."""
    names: set[str] = set()
    for file in (file for room in rooms for file in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
    names -= {*sys.stdlib_module_names, "schemas", "classifiers", "streamer", "scripts", "tests"}
    homes = packages_distributions()
    return {homes.get(name, [name])[0].lower().replace("_", "-") for name in names}


def declared(requirements: list[str]) -> set[str]:
    return {re.split("[=<>!~]", requirement)[0].lower().replace("_", "-") for requirement in requirements}


def test_what_the_product_imports_is_declared_and_what_is_declared_is_imported() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    runtime, train = declared(PROJECT["project"]["dependencies"]), declared(extras["train"])
    imported = imported_by("schemas", "classifiers", "streamer")
    learning = {"torch", "optuna", "mlflow", "mlflow-skinny"}  # MLflow's module by its name where it is not installed
    assert imported - learning == runtime
    # torch's exporter imports onnx, and its writer of summaries imports tensorboard.
    assert train == {"torch", "optuna", "mlflow-skinny", "onnx", "tensorboard"}
    assert imported_by("tests", "scripts") - learning <= runtime | declared(extras["dev"])


def test_the_readme_begins_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    commands = [line.split("#")[0].strip() for line in lines[:8] if line.startswith("make ")]
    assert commands == ["make demo", "make test"]
