"""A bundle: a folder of model files with a card that names each by its hash. Read and sealed here."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from classifiers.features import spec_hash
from schemas.taxonomy import CLASSES, MODALITIES

CARD = "card.json"
"""Name of the card inside a bundle."""

DEFAULT_BUNDLE = "default"
"""Name of the bundle that ships with the package."""

FUSION_FILE = "fusion.onnx"
TREES_FILE = "light_curve_trees.txt"
NOVELTY_FILE = "novelty.npz"

_REQUIRED = (
    *("name", "version", "taxonomy", "prior", "feature_spec_sha256"),
    *("files", "modalities", "calibration", "tree_share"),
)


class BundleError(Exception):
    """A bundle cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle."""

    folder: Path
    card: dict[str, Any]
    bundle_hash: str
    """SHA-256 of the card's bytes; the card holds every file's hash, so this names the whole bundle."""

    def file(self, name: str) -> Path:
        """Path of one of the bundle's files."""
        return self.folder / name


def encoder_file(modality: str) -> str:
    """Name of a modality's encoder inside a bundle."""
    return f"{modality}.onnx"


def bundle_folder(path: str | Path) -> Path:
    """The folder of a bundle: the shipped one for `default`, else the path itself."""
    if str(path) == DEFAULT_BUNDLE:
        return Path(str(resources.files("classifiers.bundles"))) / DEFAULT_BUNDLE
    return Path(path)


def open_bundle(path: str | Path) -> Bundle:
    """Reads a bundle's card and checks every file and the feature spec; BundleError where something is not as told."""
    folder = bundle_folder(path)
    try:
        raw = (folder / CARD).read_bytes()
    except OSError as error:
        raise BundleError(f"no bundle at {folder}: cannot read {CARD} ({error.strerror})") from error
    card = _parse(raw, folder)
    check_files(folder, card)
    used = [name for name in MODALITIES if card["modalities"][name]["surveys"]]
    needed = {FUSION_FILE, TREES_FILE, NOVELTY_FILE, *(encoder_file(name) for name in used)}
    if missing := sorted(needed - set(card["files"])):
        raise BundleError(f"the card of bundle {folder} does not name {', '.join(missing)}")
    return Bundle(folder, card, hashlib.sha256(raw).hexdigest())


def check_files(folder: Path, card: dict[str, Any]) -> None:
    """BundleError unless every file is the one that the card names by its hash."""
    for name, expected in card["files"].items():
        if Path(name).name != name:
            raise BundleError(f"{folder / CARD} names a file outside the bundle: {name!r}")
        try:
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except OSError as error:
            raise BundleError(f"bundle {folder} lacks {name} ({error.strerror}); copy the bundle anew") from error
        if found != expected:
            raise BundleError(f"{name} in bundle {folder} is not the file its card names; copy the bundle anew")


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Writes the card with the SHA-256 of every other file of the folder."""
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != CARD
    }
    text = json.dumps({**card, "files": files}, indent=1, ensure_ascii=False)
    (folder / CARD).write_text(text + "\n", encoding="utf-8")


def _parse(raw: bytes, folder: Path) -> dict[str, Any]:
    try:
        card: dict[str, Any] = json.loads(raw)
    except ValueError as error:
        raise BundleError(f"{folder / CARD} is not JSON: {error}") from error
    missing = [key for key in _REQUIRED if not isinstance(card, dict) or key not in card]
    if missing:
        raise BundleError(f"{folder / CARD} lacks {', '.join(missing)}")
    if card["taxonomy"] != list(CLASSES):
        raise BundleError(f"bundle {folder} knows the classes {card['taxonomy']}, this version knows {list(CLASSES)}")
    if card["feature_spec_sha256"] != spec_hash():
        raise BundleError(
            f"bundle {folder} was trained on other features than this version computes; "
            "use a bundle made for this version, or train it anew"
        )
    return card
