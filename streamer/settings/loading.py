"""Settings from a YAML file; what is wrong is told by its place and by what was expected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from schemas.alert import DERIVED_FIELDS
from schemas.surveys.identity import SURVEYS
from streamer.errors import ConfigurationError
from streamer.settings.describing import expectation, field_at, is_path, known_keys
from streamer.settings.models import BUNDLE_MODEL, ClassName, Selection, SelectionModel, Settings
from streamer.settings.yaml_positions import Document, YamlError

LARGEST_FILE_BYTES = 1_000_000
"""A configuration larger than this is not one."""

Steps = tuple[str | int, ...]
S = TypeVar("S", bound=BaseModel)


class SettingsError(ConfigurationError):
    """A configuration that cannot be used. Its text is the first problem; `problems` holds all, one line each."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = len(problems) - 1
        super().__init__(problems[0] + (f" (and {more} more: see `streamer check-config`)" if more else ""))


def load_settings(path: Path | str | None) -> Settings:
    """The settings of a YAML file; no file and an empty file give the defaults.

    Relative paths start at the file's folder, those of defaults too, and come back resolved. Raises SettingsError
    whose lines read `file:line:column: dotted.key: what is wrong`.
    """
    if path is None:
        return Settings()
    file = Path(path)
    try:
        document = Document(_read(file))
    except YamlError as error:
        raise SettingsError([f"{file}:{error.line}:{error.column}: {error}"]) from None
    found: list[tuple[Steps, bool, str]] = []
    settings = Settings()
    try:
        settings = _with_paths_resolved(Settings.model_validate(document.value or {}), file.resolve().parent)
    except ValidationError as error:
        # A list whose items are all wrong is reported as too short besides; only an empty one is.
        items = [item for item in error.errors(include_url=False) if item["type"] != "too_short" or not item["input"]]
        found += [_problem(item) for item in items]
    else:
        found += _further_problems(settings)
    if found:
        raise SettingsError(_lines(file, document, found))
    return settings


def located(file: Path, problems: Iterable[tuple[Steps, str]]) -> list[str]:
    """Problems of values, each with its path, as the lines that SettingsError has; `file` was loaded before."""
    return _lines(file, Document(_read(file)), [(path, False, text) for path, text in problems])


def blocks(section: BaseModel, path: Steps = ()) -> Iterator[tuple[Steps, BaseModel]]:
    """Every block of the settings with its path, from the outside in."""
    yield path, section
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from blocks(value, (*path, name))
        for index, item in enumerate(value) if isinstance(value, tuple) else ():
            if isinstance(item, BaseModel):
                yield from blocks(item, (*path, name, index))


def _read(file: Path) -> str:
    try:
        if file.is_file() and file.stat().st_size > LARGEST_FILE_BYTES:
            raise SettingsError([f"{file}: too large for a configuration (over {LARGEST_FILE_BYTES} bytes)"])
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SettingsError([f"{file}: no such file (`streamer check-config --print-default` prints one)"]) from None
    except UnicodeDecodeError:
        raise SettingsError([f"{file}: not UTF-8 text"]) from None
    except OSError as error:
        raise SettingsError([f"{file}: cannot be read: {error.strerror}"]) from None


def _lines(file: Path, document: Document, found: Iterable[tuple[Steps, bool, str]]) -> list[str]:
    placed = sorted((document.place(path, key=key), path, text) for path, key, text in found)
    return [
        f"{file}:{line}:{column}: {f'{_dotted(path)}: ' if path else ''}{text}" for (line, column), path, text in placed
    ]


def _dotted(path: Steps) -> str:
    """('selections', 'ztf', 0, 'name') -> 'selections.ztf[0].name'."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _problem(item: Any) -> tuple[Steps, bool, str]:
    """(path, whether its key is wrong, what is wrong) of one of pydantic's errors."""
    path: Steps = tuple(item["loc"])
    kind, value = item["type"], item["input"]
    if path and path[-1] == "[key]":
        names = [str(name) for name in get_args(ClassName)]
        return path[:-1], True, f"unknown class; expected one of {', '.join(names)}{_near(path[-2], names)}"
    if kind == "invalid_key":
        path = (*path[:-1], str(path[-1]))
    model, field = field_at(Settings, path)
    if kind == "extra_forbidden":
        names = list(known_keys(model))
        return path, True, f"unknown key; expected one of {', '.join(names)}{_near(path[-1], names)}"
    if kind == "invalid_key":
        return path, True, f"a key must be text; expected one of {', '.join(known_keys(model))}"
    if kind == "missing":
        expected = f"; expected {expectation(field)}" if field is not None else ""
        return path, False, f"this key is missing{expected}"
    if kind in ("prior", "taxonomy", "cut", "selection", "cluster", "credentials"):
        return path, False, str(item["msg"])
    if kind == "too_short":
        return path, False, "must not be empty; leave the key out for the default"
    expected = expectation(field) if field is not None else "a block of keys"
    return path, False, f"expected {expected}; found {_shown(value)}"


_URL_PASSWORD = re.compile(r"(://[^/@:]*:)[^/@]*@")
"""What stands between the user of an address and its host: it must not be said."""


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        value = _URL_PASSWORD.sub(r"\1...@", value)
        return f"the text '{value[:40]}'" if len(value) <= 40 else f"the text '{value[:40]}...'"
    if isinstance(value, dict):
        return "a block of keys"
    if isinstance(value, list):
        return "a list"
    return f"{value!r}"[:60]


def _near(name: str | int, known: Iterable[str], before: str = "") -> str:
    """A hint at the known name that looks most like `name`; '' where none does."""
    folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(str(name).casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean '{before}{folded[close[0]]}'?" if close else ""


def _with_paths_resolved(section: S, folder: Path) -> S:
    """The section with every relative path below it starting at `folder`."""
    changed: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            changed[name] = _with_paths_resolved(value, folder)
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            changed[name] = tuple(_with_paths_resolved(item, folder) for item in value)
        elif value is not None and value not in ("default", BUNDLE_MODEL) and is_path(field):
            changed[name] = str(folder / Path(value).expanduser())
    return section.model_copy(update=changed)


def metadata_fields(survey: str) -> set[str]:
    """Full names of the numeric fields that alerts of a survey ('ztf' or 'lsst') can be cut on, over all versions."""
    # Imported here: the readers bring the compiled decoder, which most uses of the settings can do without.
    from schemas.surveys.lsst import LsstReader, LsstSchemas
    from schemas.surveys.ztf import ZtfReader

    reader = ZtfReader() if survey == "ztf" else LsstReader(LsstSchemas())
    return set(reader.read([])[0].metadata_names) | DERIVED_FIELDS


def _further_problems(settings: Settings) -> Iterator[tuple[Steps, bool, str]]:
    """What the models cannot know: fields that no version has, models and bundles that are not there."""
    bundle = settings.classifier.bundle
    if bundle != "default" and not (Path(bundle) / "card.json").is_file():
        yield ("classifier", "bundle"), False, f"expected `default` or a folder with a card.json; none at {bundle}"
    for survey in SURVEYS:
        known = metadata_fields(survey)
        selections: tuple[Selection, ...] = getattr(settings.selections, survey)
        for place, selection in enumerate(selections):
            path: Steps = ("selections", survey, place)
            for index, cut in enumerate(selection.cuts):
                if cut.field not in known:
                    yield (*path, "cuts", index, "field"), False, _unknown_field(survey, cut.field, known)
            if selection.model is not None:
                yield from _model_problems(survey, (*path, "model"), selection.model, known)


def _unknown_field(survey: str, name: str, known: set[str]) -> str:
    record, dot, short = name.rpartition(".")
    # Within one record only the last part is compared: the shared beginning would make everything look alike.
    same_record = [field.removeprefix(record + dot) for field in sorted(known) if field.startswith(record + dot)]
    hint = _near(short, same_record, record + dot) if same_record else _near(name, sorted(known))
    return f"no {survey} alert has a numeric field '{name}'{hint}"


def _model_problems(
    survey: str, path: Steps, model: SelectionModel, known: set[str]
) -> Iterator[tuple[Steps, bool, str]]:
    if model.file == BUNDLE_MODEL:
        return
    for index, name in enumerate(model.features):
        if name not in known:
            yield (*path, "features", index), False, _unknown_field(survey, name, known)
    file = Path(model.file)
    if not file.is_file():
        yield (*path, "file"), False, f"no such file: {file}"
        return
    wanted = _number_of_features(file)
    if wanted is None:
        yield (*path, "file"), False, f"not a LightGBM model in text form: {file}"
    elif wanted != len(model.features):
        yield (*path, "features"), False, f"the model takes {wanted} features; found {len(model.features)}"


def _number_of_features(file: Path) -> int | None:
    """How many features a LightGBM text model takes, from its header; None where the file is no such model."""
    with file.open("rb") as stream:
        header = stream.read(1_000_000).split(b"\n\n", 1)[0].splitlines()
    for line in header if header[:1] == [b"tree"] else []:
        name, _, value = line.partition(b"=")
        if name == b"max_feature_idx" and value.isdigit():
            return int(value) + 1
    return None
