"""Records of messages as rows of tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest

from schemas.columns import (
    EMBEDDINGS_SCHEMA,
    SCORES_SCHEMA,
    embeddings_rows,
    embeddings_table,
    scores_rows,
    scores_table,
)
from schemas.messages import ContainerEncoder, read_message
from schemas.scored import ScoredBatch
from schemas.wire import EMBEDDING, SCORED_ALERT, embedding_records, scored_alert_records
from tests import made_up


@pytest.mark.parametrize(
    ("schema", "records", "rows", "table"),
    [
        (SCORED_ALERT, scored_alert_records, scores_rows, scores_table),
        (EMBEDDING, embedding_records, embeddings_rows, embeddings_table),
    ],
)
def test_what_goes_over_a_topic_gives_the_rows_that_the_batch_itself_gives(
    schema: str,
    records: Callable[[ScoredBatch], list[Any]],
    rows: Callable[[Sequence[Any]], pa.Table],
    table: Callable[[ScoredBatch], pa.Table],
) -> None:
    batch = made_up.scored([1, 2, made_up.BIG_ID], unclassified=[1])
    sent = [ContainerEncoder(schema).encode(record) for record in records(batch)]
    assert rows([read_message(value, schema) for value in sent]).equals(table(batch))


def test_no_records_give_no_rows_of_the_same_columns() -> None:
    assert scores_rows([]).equals(SCORES_SCHEMA.empty_table())
    assert embeddings_rows([]).equals(EMBEDDINGS_SCHEMA.empty_table())


def test_an_embedding_of_another_length_is_refused() -> None:
    (record,) = embedding_records(made_up.scored([1]))
    with pytest.raises(pa.ArrowInvalid):
        embeddings_rows([record | {"embedding": [1.0]}])
