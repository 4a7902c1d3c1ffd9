"""A wrong configuration is told by its place and by what was expected."""

from __future__ import annotations

import contextlib
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.taxonomy import CLASSES, NODES
from streamer.settings import Settings, SettingsError, default_yaml, load_settings
from streamer.settings.describing import expectation
from streamer.settings.loading import blocks, metadata_fields
from streamer.settings.models import ClassifierSettings
from streamer.settings.yaml_positions import Document, YamlError


def problems(tmp_path: Path, text: str) -> list[str]:
    """The problems found in `text`, without the file's name."""
    file = tmp_path / "streamer.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert all(problem.startswith(f"{file}:") and "\n" not in problem for problem in caught.value.problems)
    return [problem.removeprefix(f"{file}:") for problem in caught.value.problems]


def loaded(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "streamer.yaml"
    file.write_text(text)
    return load_settings(file)


def without_folder(settings: Settings, folder: Path) -> Settings:
    """The settings with paths in `folder` relative again."""
    return Settings.model_validate_json(settings.model_dump_json().replace(f"{folder}/", ""))


def test_the_default_file_gives_the_default_settings(tmp_path: Path) -> None:
    assert without_folder(loaded(tmp_path, default_yaml()), tmp_path) == Settings()


def unset_keys() -> list[str]:
    """The lines of the default file that show a key without a value, ready to be used."""
    return [line for line in default_yaml().splitlines() if re.match(r" *# [a-z_]+: (?!as in)[^A-Z]", line)]


def test_every_key_of_the_settings_stands_in_the_default_file() -> None:
    text = default_yaml()
    for path, block in blocks(Settings()):
        if 0 in path:
            continue
        for key in type(block).model_fields:
            assert re.search(rf"^ *(# )?([a-z_, ]*\b)?{key}\b[a-z_, ]*:", text, re.MULTILINE), (path, key)


def test_a_default_file_with_every_example_used_is_valid(tmp_path: Path) -> None:
    text = default_yaml()
    wanted = [line for line in unset_keys() if "password_env" not in line]
    assert len(wanted) > 8
    for line in wanted:
        text = text.replace(f"{line}\n", f"{line.replace('# ', '', 1)}\n", 1)
    settings = loaded(tmp_path, text)
    assert settings.kafka.security.ca_file == str(tmp_path / "ca.pem")
    assert settings.clusters[0].name == "rubin"


def test_keys_that_several_blocks_share_are_explained_once() -> None:
    text = default_yaml()
    assert text.count("Name of the environment variable") == 1
    assert "    # username, password_file, password_env: as in kafka.security." in text
    assert "security: How the cluster is spoken to. Takes a block of keys. Keys as in kafka.security." in text


def test_every_key_of_the_default_file_has_a_comment_above_it() -> None:
    lines = default_yaml().splitlines()
    for before, line in pairwise(lines):
        if line.strip() and not line.strip().startswith(("#", "-")):
            assert before.strip().startswith("#"), line


def test_an_empty_file_gives_the_defaults(tmp_path: Path) -> None:
    for text in ("", "# nothing yet\n"):
        assert without_folder(loaded(tmp_path, text), tmp_path) == Settings()


def test_paths_of_defaults_start_at_the_folder_of_the_file_too(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "")
    assert settings.state.folder == str(tmp_path / "streamer-state")
    assert settings.lsst_registry.cache_folder == str(tmp_path / "schema-cache")
    assert settings.classifier.bundle == "default"


def test_values_of_the_file_arrive(tmp_path: Path) -> None:
    text = "batch: {max_alerts: 8}\nselections:\n  ztf:\n  - name: bright\n    cuts:\n    - field: candidate.magpsf\n"
    settings = loaded(tmp_path, text + "      at_most: 1.85e1\n      missing: keep\n    solar_system: true\n")
    assert settings.batch.max_alerts == 8
    assert settings.sinks.max_rows == Settings().sinks.max_rows
    [selection] = settings.selections.ztf
    assert (selection.name, selection.solar_system) == ("bright", True)
    assert (selection.cuts[0].at_most, selection.cuts[0].at_least, selection.cuts[0].missing) == (18.5, None, "keep")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "batch:\n  max_alert: 1\n",
            "2:3: batch.max_alert: unknown key; expected one of max_alerts, max_wait_ms; did you mean 'max_alerts'?",
        ),
        (
            "bach: {}\n",
            (
                "1:1: bach: unknown key; expected one of deployment, host, kafka, clusters, streams, lsst_registry, "
                "batch, state, classifier, selections, dead_letters, metrics, logs, sinks; did you mean 'batch'?"
            ),
        ),
        (
            "batch:\n  max_alerts: many\n",
            ("2:15: batch.max_alerts: expected a whole number from 1 to 10000 [alerts]; found the text 'many'"),
        ),
        (
            "state:\n  cutouts_max_mb: -1\n",
            "2:19: state.cutouts_max_mb: expected a whole number from 0 to 10000000 [MB]; found -1",
        ),
        (
            "batch: {max_alerts: true}",
            ("1:21: batch.max_alerts: expected a whole number from 1 to 10000 [alerts]; found true"),
        ),
        (
            "batch: {max_alerts: 2.0}",
            ("1:21: batch.max_alerts: expected a whole number from 1 to 10000 [alerts]; found 2.0"),
        ),
        (
            "classifier: {prior: {TDE: .nan}}",
            "1:27: classifier.prior.TDE: expected a number of 0 or more; found nan",
        ),
        ("classifier: 3", "1:13: classifier: expected a block of keys; found 3"),
        ("- a\n", "1:1: expected a block of keys; found a list"),
        (
            "classifier: {prior: {SN Ia: 1.0}}",
            (
                "1:22: classifier.prior.SN Ia: unknown class; expected one of SN I, "
                "SN II, SLSN, CV, AGN, TDE, other; did you mean 'SN I'?"
            ),
        ),
        ("classifier: {prior: {TDE: -1}}", "1:27: classifier.prior.TDE: expected a number of 0 or more; found -1"),
        ("selections: {ztf: []}", "1:19: selections.ztf: must not be empty; leave the key out for the default"),
        (
            "selections: {ztf: [{cuts: []}]}",
            (
                "1:20: selections.ztf[0].name: this key is missing; expected text of small "
                "letters, digits and underscores, a letter first"
            ),
        ),
        (
            "selections:\n  ztf:\n  - name: a\n    cuts:\n    - field: candidate.dbr\n      at_least: 0.1\n",
            (
                "5:14: selections.ztf[0].cuts[0].field: no ztf alert has a numeric field 'candidate.dbr'; did you mean "
                "'candidate.drb'?"
            ),
        ),
        (
            "selections: {lsst: [{name: a, cuts: [{field: candidate.drb, at_least: 1}]}]}",
            "1:46: selections.lsst[0].cuts[0].field: no lsst alert has a numeric field 'candidate.drb'",
        ),
        (
            "selections: {ztf: [{name: a, cuts: [{field: candidate.drb}]}]}",
            ("1:37: selections.ztf[0].cuts[0]: a cut needs at_least, at_most or both (or `missing: only`)"),
        ),
        (
            "selections: {ztf: [{name: a, cuts: [{field: candidate.drb, at_least: 2, at_most: 1}]}]}",
            "1:37: selections.ztf[0].cuts[0]: at_least is above at_most, so no alert could pass",
        ),
        (
            "selections: {ztf: [{name: a}, {name: a}]}",
            ("1:13: selections: two ztf selections are named 'a'; names must differ"),
        ),
        ("batch: {max_alerts: 1, max_alerts: 2}", "1:24: key 'max_alerts' comes twice (first on line 1)"),
        ("a: &a [*a]", "1:4: an alias refers to a block that holds it"),
        ("a: b: c", "1:5: not valid YAML: mapping values are not allowed here"),
        ("batch: {1: 2}", "1:9: batch.1: a key must be text; expected one of max_alerts, max_wait_ms"),
        (
            "streams: [{topics: [a], cluster: rubin}]",
            "1:1: a stream names the cluster 'rubin'; known are home",
        ),
        (
            "clusters: [{name: home, bootstrap: x}]",
            "1:12: clusters[0]: `home` is the cluster under kafka: choose another name",
        ),
        (
            "clusters: [{name: a, bootstrap: x}, {name: a, bootstrap: y}]",
            "1:1: two clusters are named 'a'",
        ),
        (
            "kafka: {security: {protocol: sasl_ssl}}",
            "1:19: kafka.security: the sasl protocols need a username",
        ),
        (
            "kafka: {security: {username: me}}",
            "1:19: kafka.security: a username needs password_file or password_env",
        ),
        (
            "kafka: {security: {username: me, password_file: a, password_env: B}}",
            "1:19: kafka.security: give password_file or password_env, not both",
        ),
        (
            "kafka: {topic_prefix: Ours}",
            (
                "1:23: kafka.topic_prefix: expected text of small letters, digits, underscores and hyphens; found the "
                "text 'Ours'"
            ),
        ),
        (
            "state: {mongodb: {uri: 'mongodb://me:secret@host'}}",
            (
                "1:24: state.mongodb.uri: expected text that starts with mongodb:// or mongodb+srv:// and holds no "
                "user and password (their keys are username, password_file and password_env); found the text "
                "'mongodb://me:...@host'"
            ),
        ),
    ],
)
def test_a_problem_names_its_place_and_what_was_expected(tmp_path: Path, text: str, expected: str) -> None:
    assert problems(tmp_path, text) == [expected]


def test_all_problems_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    found = problems(tmp_path, "state: {cutouts_max_mb: -2}\nbatch: {max_alerts: 0, wait: 1}\n")
    assert [problem.split(":")[:2] for problem in found] == [["1", "25"], ["2", "21"], ["2", "24"]]


def test_the_error_itself_is_one_line_that_counts_the_others(tmp_path: Path) -> None:
    file = tmp_path / "streamer.yaml"
    file.write_text("batch: {max_alerts: 0, wait: 1}\n")
    with pytest.raises(SettingsError, match=r"max_alerts: .* \(and 1 more: see `streamer check-config`\)$") as caught:
        load_settings(file)
    assert "\n" not in str(caught.value)


def test_a_prior_must_leave_a_class_and_name_them_all(tmp_path: Path) -> None:
    shares = ", ".join(f"{name}: 0" for name in CLASSES)
    assert problems(tmp_path, f"classifier: {{prior: {{{shares}}}}}") == [
        "1:13: classifier: at least one class needs a share above 0"
    ]
    assert problems(tmp_path, "classifier: {prior: {SN I: 7, SN II: 1, CV: 1, AGN: 1, other: 1}}") == [
        "1:13: classifier: a prior names every class; SLSN, TDE missing"
    ]


def test_a_prior_may_name_every_class_of_the_taxonomy() -> None:
    ClassifierSettings.model_validate({"prior": dict.fromkeys(CLASSES, 0.5)})
    assert ", ".join(CLASSES) in expectation(ClassifierSettings.model_fields["prior"])


def test_a_cut_of_the_taxonomy_may_name_every_node_and_must_cover_it_once(tmp_path: Path) -> None:
    leaves = ["SN Ia", "SN Ib", "SN Ic", "SN IIP", "SN IIn", "SN IIb", *CLASSES[2:]]
    for nodes in (list(CLASSES), leaves):
        assert ClassifierSettings.model_validate({"taxonomy": nodes}).taxonomy == tuple(nodes)
    assert set(NODES) == set(CLASSES) | set(leaves)
    assert problems(tmp_path, "classifier: {taxonomy: [SN Ia, SN Ib, SN II, SLSN, CV, AGN, TDE, other, SN IIn]}") == [
        (
            "1:13: classifier: the cut does not cover the taxonomy once: SN Ic: missing below SN I; "
            "SN IIn: covered twice, SN II holds it already"
        )
    ]


def test_a_missing_file_and_a_folder_and_bytes_are_told_plainly(tmp_path: Path) -> None:
    for path, text in ((tmp_path / "no.yaml", "no such file"), (tmp_path, "cannot be read")):
        with pytest.raises(SettingsError, match=text):
            load_settings(path)
    file = tmp_path / "bytes.yaml"
    file.write_bytes(b"batch: \xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8 text"):
        load_settings(file)


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "card.json").write_text("{}")
    (tmp_path / "interest.txt").write_text("tree\nversion=v4\nmax_feature_idx=1\n\nTree=0\n")
    text = "classifier: {bundle: mine}\nselections: {ztf: [{name: a, model: {file: interest.txt, features: "
    settings = loaded(tmp_path, text + "[candidate.drb, candidate.magpsf], threshold: 1}}]}\n")
    model = settings.selections.ztf[0].model
    assert model is not None
    assert model.file == str(tmp_path / "interest.txt")
    assert settings.classifier.bundle == str(tmp_path / "mine")


@pytest.mark.parametrize(
    ("content", "features", "expected"),
    [
        (None, "[candidate.drb]", "model.file: no such file"),
        ("no model", "[candidate.drb]", "model.file: not a LightGBM model"),
        ("tree\nmax_feature_idx=2\n\n", "[candidate.drb]", "model.features: the model takes 3 features; found 1"),
        ("tree\nmax_feature_idx=0\n\n", "[candidate.drbb]", "model.features[0]: no ztf alert has a numeric field"),
    ],
)
def test_a_selection_model_must_be_there_and_fit_its_features(
    tmp_path: Path, content: str | None, features: str, expected: str
) -> None:
    if content is not None:
        (tmp_path / "m.txt").write_text(content)
    text = f"selections: {{ztf: [{{name: a, model: {{file: m.txt, features: {features}, threshold: 1}}}}]}}"
    [problem] = problems(tmp_path, text)
    assert expected in problem


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_the_fields_that_a_cut_may_name_are_those_that_alerts_have(survey: str) -> None:
    fields = metadata_fields(survey)
    assert {"ztf": "candidate.drb", "lsst": "diaSource.reliability"}[survey] in fields
    assert not fields & {"candidate.candid", "candidate.jd", "diaSource.diaSourceId", "diaSource.band"}


def test_a_bundle_folder_must_hold_a_card(tmp_path: Path) -> None:
    [problem] = problems(tmp_path, "classifier: {bundle: nowhere}")
    assert problem.startswith("1:22: classifier.bundle: expected `default` or a folder with a card.json")


def test_settings_cannot_be_changed_once_made() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().batch.max_alerts = 3  # type: ignore[misc]


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*#!|>'\"\n \t0.?,<%@`~"), max_size=40))
def test_any_text_is_a_document_or_a_plain_problem(text: str) -> None:
    with contextlib.suppress(YamlError):
        Document(text)
