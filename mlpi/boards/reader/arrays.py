"""Names for NumPy's arrays in signatures. NumPy is imported late; to the checker they are Any."""

from __future__ import annotations

from typing import Any

Array = Any
Ints = Any  # int64
Floats = Any  # float32 or float64
Flags = Any  # bool
Bytes = Any  # uint8
Words = Any  # uint32 or uint64
