"""A sentence model small enough to write down: a table of vectors, one for each token, in ONNX."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "dog", "sat", "on", "the", "mat", "runs"]
DIMENSION = 6
_FLOAT, _INT64 = 1, 7
INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def table(words: Sequence[str] = WORDS, dimension: int = DIMENSION) -> list[list[float]]:
    """A vector for each word, of small numbers that are all different."""
    return [[((n * 7 + d * 5) % 23 - 11) / 8 for d in range(dimension)] for n in range(len(words))]


def write(
    folder: Path,
    *,
    inputs: Sequence[str] = INPUTS,
    inner: str = "onnx",
    rows: Sequence[Sequence[float]] | None = None,
) -> None:
    """model.onnx and tokenizer.json in a folder, as Chroma lays them out."""
    place = folder / inner
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.onnx").write_bytes(_model(rows or table(), inputs))
    _write_tokenizer(place / "tokenizer.json")


def _write_tokenizer(file: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.normalizers import Lowercase
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing

    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = Lowercase()
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(file))


def _model(rows: Sequence[Sequence[float]], inputs: Sequence[str]) -> bytes:
    """A ModelProto: last_hidden_state = rows[input_ids], the other inputs are not looked at."""
    raw = b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)
    weights = _join(
        _number(1, len(rows)), _number(1, len(rows[0])), _number(2, _FLOAT), _text(8, "table")
    ) + _bytes(9, raw)
    node = _join(
        _text(1, "table"), _text(1, inputs[0]), _text(2, "last_hidden_state"), _text(4, "Gather")
    )
    shape = ("texts", "tokens")
    graph = _join(
        _bytes(1, node),
        _text(2, "table"),
        _bytes(5, weights),
        *(_bytes(11, _value(name, _INT64, shape)) for name in inputs),
        _bytes(12, _value("last_hidden_state", _FLOAT, (*shape, len(rows[0])))),
    )
    return _join(_number(1, 8), _bytes(7, graph), _bytes(8, _text(1, "") + _number(2, 17)))


def _value(name: str, kind: int, shape: Iterable[str | int]) -> bytes:
    sizes = (_text(2, size) if isinstance(size, str) else _number(1, size) for size in shape)
    dims = b"".join(_bytes(1, size) for size in sizes)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, dims)))


def _join(*parts: bytes) -> bytes:
    return b"".join(parts)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
