"""Writes docs/schemas.md from the schemas themselves: `python -m schemas.describe > docs/schemas.md`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from schemas.columns import EMBEDDINGS_SCHEMA, SCORES_SCHEMA, TRUTH_SCHEMA
from schemas.spectrum_files import SPECTRA_SCHEMA
from schemas.wire import DEAD_LETTER, EMBEDDING, SCORED_ALERT, SPECTRUM, schema_text

_OPENING = """\
# Schemas

<!-- Made by `python -m schemas.describe > docs/schemas.md`; change schemas/, then run it again. -->

What the service writes. The Avro schemas are files in `schemas/avro/`, each with its version in its name: a field may
be added with a default, anything else gets the next version.

A score's key is (`survey`, `alert_id`, `model`, `version`, `revision`). Alert ids pass 2^53: read them as 64-bit
integers, never as floating point. Missing numbers are null.

## Reading

Any Avro or Parquet reader does. From Python there are typed readers:

```python
from schemas.records import read_dead_letters, read_scored_alerts

for alert in read_scored_alerts("scored.avro"):
    print(alert.object_id, alert.predicted_class, alert.class_scores)

for letter in read_dead_letters("out/dead_letters/000001.avro"):
    print(letter.coordinates, letter.reason, len(letter.payload))
```

```python
import lancedb
import pyarrow.parquet

scores = pyarrow.parquet.read_table("out/scores.parquet")
embeddings = lancedb.connect("out").open_table("embeddings")
vector = embeddings.search().limit(1).to_list()[0]["embedding"]
alike = embeddings.search(vector).limit(5).to_list()
```

A killed run leaves rows in `scores.parts/` beside `scores.parquet`; the next run into the folder merges them.
"""


def page() -> str:
    """The whole page, as Markdown."""
    parts = [_OPENING]
    for name in (SCORED_ALERT, EMBEDDING, DEAD_LETTER, SPECTRUM):
        schema = json.loads(schema_text(name))
        base, version = name.rsplit("_v", 1)
        parts.append(f"## {base} v{version} (Avro)\n\n{schema['doc']}\n\n" + _table(avro_rows(schema)))
    parts.append("## scores.parquet\n\nOne row for each scored alert.\n\n" + _table(arrow_rows(SCORES_SCHEMA)))
    parts.append(
        "## embeddings.lance\n\nOne row for each alert that has an embedding.\n\n"
        + _table(arrow_rows(EMBEDDINGS_SCHEMA))
    )
    parts.append(
        "## truth.parquet\n\nOne row for each object of a simulated night.\n\n" + _table(arrow_rows(TRUTH_SCHEMA))
    )
    parts.append(
        "## spectra.parquet\n\nOne row for each spectrum, as `streamer replay --spectra` reads it; `flux_var` and "
        "`redshift` may be absent, and further columns are passed over.\n\n" + _table(arrow_rows(SPECTRA_SCHEMA))
    )
    return "\n".join(parts)


def avro_rows(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """(field, type, meaning) of each field of a record, those of inner records after their own."""
    for field in schema["fields"]:
        yield prefix + field["name"], _avro_type(field["type"]), field["doc"]
        for record in _records_in(field["type"]):
            yield from avro_rows(record, f"{prefix}{field['name']}.")


def arrow_rows(schema: pa.Schema) -> Iterator[tuple[str, str, str]]:
    """(column, type, meaning) of each column."""
    for field in schema:
        yield field.name, _arrow_type(field.type), field.metadata[b"description"].decode()


def _records_in(kind: Any) -> Iterator[Any]:
    """The record types of a field, be it of one of them or of arrays of them."""
    for branch in _branches(kind):
        if isinstance(branch, dict) and branch["type"] == "record":
            yield branch
        elif isinstance(branch, dict) and branch["type"] == "array":
            yield from _records_in(branch["items"])


def _branches(kind: Any) -> list[Any]:
    return kind if isinstance(kind, list) else [kind]


def _avro_type(kind: Any) -> str:
    if isinstance(kind, list):
        return " or ".join(_avro_type(branch) for branch in kind if branch != "null") + " or null"
    if isinstance(kind, str):
        return kind
    if kind["type"] == "array":
        return f"array of {_avro_type(kind['items'])}"
    if kind["type"] == "map":
        values = _avro_type(kind["values"])
        return f"map of ({values})" if " or " in values else f"map of {values}"
    if kind["type"] == "enum":
        return "one of " + ", ".join(f"`{symbol}`" for symbol in kind["symbols"])
    return str(kind.get("logicalType", kind["type"]))


def _arrow_type(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return f"{kind.value_type}[{kind.list_size}]"
    if pa.types.is_list(kind):
        return f"list of {kind.value_type}"
    if pa.types.is_map(kind):
        return f"map of {kind.key_type} to {kind.item_type}"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"{part.name}: {part.type}" for part in kind) + "}"
    return str(kind)


def _table(rows: Iterator[tuple[str, str, str]]) -> str:
    lines = ["| name | type | meaning |", "|---|---|---|"]
    lines += [f"| `{name}` | {kind} | {meaning} |" for name, kind, meaning in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
