"""Sentence models in ONNX: tokens in, the mean of their vectors out, as Chroma's own embedder does.

Never imported by the service: its packages take 60 MB, and a model as much again and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlpi.vectors.embedders.choice import EmbedderUnusable
from mlpi.vectors.embedders.folders import MODEL, TOKENIZER, file_of, how_to_put

MOST_TOKENS = 256  # what Chroma's embedder reads of a text
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_BATCH = 8  # texts at once: 16 take as long each, and 60 MB more for a small model
_LEAST = 1e-9


class OnnxEmbedder:
    """A model and its tokenizer, loaded. Texts past MOST_TOKENS tokens are cut there."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Raises EmbedderUnusable saying which of the files is wrong."""
        self._folder = folder
        self._tokenizer = _tokenizer(folder)
        self._session = _session(folder, threads)
        self._inputs = [one.name for one in self._session.get_inputs()]
        strange = sorted(set(self._inputs) - set(_INPUTS))
        if strange or "input_ids" not in self._inputs:
            wanted = ", ".join(self._inputs)
            raise self._unusable(MODEL, f"it asks for {wanted}, not for {', '.join(_INPUTS)}")
        self.dimension = int(self.embed(["text"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Any:
        """(n, dimension) float32, each row of length 1. Raises EmbedderUnusable."""
        import numpy as np  # noqa: PLC0415 - never in the service

        # Those of a like length together, for all of a batch are as long as its longest.
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
        found = np.concatenate([self._embed([texts[index] for index in part]) for part in parts])
        sorted_back = np.empty_like(found)
        sorted_back[order] = found
        return sorted_back

    def _embed(self, texts: list[str]) -> Any:
        import numpy as np  # noqa: PLC0415 - never in the service

        tokens = self._tokenizer.encode_batch(texts)
        mask = np.array([one.attention_mask for one in tokens], dtype=np.int64)
        columns = {
            "input_ids": np.array([one.ids for one in tokens], dtype=np.int64),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),  # one sentence, whatever the tokenizer says
        }
        try:
            found = self._session.run(None, {name: columns[name] for name in self._inputs})[0]
        except Exception as error:  # onnxruntime's own, each in its own class
            raise self._unusable(MODEL, _line(error)) from None
        found = np.asarray(found)
        if found.ndim == 3 and found.shape[:2] == mask.shape:
            found = _mean(found, mask)
        elif found.ndim != 2 or len(found) != len(tokens):
            raise self._unusable(MODEL, f"it answers with the shape {found.shape}")
        if not np.isfinite(found).all():
            raise self._unusable(MODEL, "it answers with values that are no numbers")
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        return (found / np.maximum(lengths, _LEAST)).astype(np.float32)

    def _unusable(self, name: str, reason: str) -> EmbedderUnusable:
        return _wrong(self._folder, name, reason)


def _mean(found: Any, mask: Any) -> Any:
    """(n, dimension): the mean of each text's tokens, filling left out."""
    weights = mask[:, :, None]
    total: Any = (found * weights).sum(axis=1)
    return total / weights.sum(axis=1).clip(min=_LEAST)


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer  # noqa: PLC0415 - never in the service

    try:
        tokenizer = Tokenizer.from_file(str(file_of(folder, TOKENIZER)))
    except Exception as error:  # tokenizers raises nothing finer
        raise _wrong(folder, TOKENIZER, _line(error)) from None
    own = tokenizer.padding or {}
    tokenizer.enable_truncation(max_length=MOST_TOKENS)
    # To the longest of a batch: Chroma pads to 256, which gives the same and takes the time of it.
    tokenizer.enable_padding(
        pad_id=own.get("pad_id", 0), pad_token=own.get("pad_token", "[PAD]"), length=None
    )
    return tokenizer


def _session(folder: Path, threads: int) -> Any:
    import onnxruntime  # noqa: PLC0415 - never in the service

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait for work would otherwise keep their cores busy with waiting.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            str(file_of(folder, MODEL)), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's own, each in its own class
        raise _wrong(folder, MODEL, _line(error)) from None


def _wrong(folder: Path, name: str, reason: str) -> EmbedderUnusable:
    return EmbedderUnusable(
        f"{file_of(folder, name)} cannot be used: {reason.rstrip('.')}.",
        advice=how_to_put(folder),
        field="folder",
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
