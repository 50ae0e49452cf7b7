"""Numbers in answers of Chroma's API."""

from __future__ import annotations

import numpy as np
import orjson
from hypothesis import given
from hypothesis import strategies as st

from mlpi.vectors.engine.answers import shortest


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_distance_has_as_few_digits_as_a_float32_needs(value: float) -> None:
    row = np.array([value], np.float32)
    [written] = orjson.loads(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY))
    found = shortest(value)
    assert np.float32(found) == row[0]
    assert len(repr(found)) <= len(repr(written))


def test_what_is_missing_stays_missing() -> None:
    assert shortest(None) is None
