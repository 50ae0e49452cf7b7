"""Sentence models in ONNX, against Chroma's own embedder on the same files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlpi.errors import MlpiError
from mlpi.vectors.embedders import folders
from mlpi.vectors.embedders.choice import EmbedderUnusable
from mlpi.vectors.embedders.loading import MOST_AT_ONCE, Recipe, load
from mlpi.vectors.embedders.onnx import OnnxEmbedder
from tests import embedding_models

TEXTS = ["a cat sat", "The dog runs on the mat", "", "zebra", "cat " * 400]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    embedding_models.write(tmp_path / "tiny")
    return tmp_path / "tiny"


def test_chromas_own_embedder_gives_the_same(folder: Path) -> None:
    from chromadb.utils.embedding_functions.onnx_mini_lm_l6_v2 import ONNXMiniLM_L6_V2

    class Theirs(ONNXMiniLM_L6_V2):
        DOWNLOAD_PATH = folder

    for name in ("config", "special_tokens_map", "tokenizer_config"):
        (folder / "onnx" / f"{name}.json").write_text("{}")
    (folder / "onnx" / "vocab.txt").write_text("")
    ours = OnnxEmbedder(folder).embed(TEXTS)
    assert ours.dtype == np.float32
    assert np.allclose(ours, np.array(Theirs()(TEXTS)), atol=1e-6)


def test_a_vector_is_the_mean_of_the_tokens_brought_to_length_one(folder: Path) -> None:
    embedder = OnnxEmbedder(folder)
    rows = np.array(embedding_models.table(), dtype=np.float32)
    words = [embedding_models.WORDS.index(word) for word in ("[CLS]", "a", "cat", "[SEP]")]
    mean = rows[words].mean(axis=0)
    assert embedder.dimension == embedding_models.DIMENSION
    assert np.allclose(embedder.embed(["a cat"]), [mean / np.linalg.norm(mean)], atol=1e-6)


def test_what_else_is_embedded_at_once_does_not_matter(folder: Path) -> None:
    embedder = OnnxEmbedder(folder)
    texts = [
        " ".join(["cat", "dog", "mat"][: n % 3 + 1] * (n % 7 + 1)) for n in range(MOST_AT_ONCE)
    ]
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert together.shape == (MOST_AT_ONCE, embedding_models.DIMENSION)
    assert np.allclose(together, alone, atol=1e-6)


def test_only_the_inputs_that_a_model_has_are_given(tmp_path: Path) -> None:
    embedding_models.write(tmp_path / "two", inputs=("input_ids", "attention_mask"))
    embedding_models.write(tmp_path / "three")
    two, three = (OnnxEmbedder(tmp_path / name).embed(TEXTS) for name in ("two", "three"))
    assert np.array_equal(two, three)


def test_the_files_may_lie_in_the_folder_itself(tmp_path: Path) -> None:
    embedding_models.write(tmp_path / "flat", inner=".")
    assert OnnxEmbedder(tmp_path / "flat").dimension == embedding_models.DIMENSION


@pytest.mark.parametrize(
    ("name", "content"),
    [("model.onnx", b"no model"), ("model.onnx", b""), ("tokenizer.json", b"{}")],
)
def test_a_broken_file_is_named_with_its_place(folder: Path, name: str, content: bytes) -> None:
    (folder / "onnx" / name).write_bytes(content)
    with pytest.raises(EmbedderUnusable) as caught:
        OnnxEmbedder(folder)
    assert str(folder / "onnx" / name) in caught.value.message
    assert "downloads nothing" in (caught.value.advice or "")


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    embedding_models.write(tmp_path / "odd", inputs=("pixels", "attention_mask"))
    with pytest.raises(EmbedderUnusable, match="it asks for pixels"):
        OnnxEmbedder(tmp_path / "odd")


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    rows = embedding_models.table()
    rows[embedding_models.WORDS.index("[UNK]")][0] = float("nan")
    embedding_models.write(tmp_path / "nan", rows=rows)
    with pytest.raises(EmbedderUnusable, match="no numbers"):
        OnnxEmbedder(tmp_path / "nan")


def test_folders_are_listed_with_what_they_lack(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert folders.listed(home) == []
    embedding_models.write(home / "models" / "whole")
    (home / "models" / "half" / "onnx").mkdir(parents=True)
    (home / "models" / "half" / "onnx" / "tokenizer.json").write_text("{}")
    (home / "models" / ".hidden").mkdir()
    (home / "models" / "a file").write_text("")
    found = {folder.name: folder.lacks for folder in folders.listed(home)}
    assert found == {"half": ("onnx/model.onnx",), "whole": ()}


@pytest.mark.parametrize("name", ["..", "../tiny", "/etc", "a/b", "", ".hidden", "x" * 101])
def test_no_other_place_than_the_models_folder_is_looked_at(tmp_path: Path, name: str) -> None:
    embedding_models.write(tmp_path / "tiny")
    (tmp_path / "models").mkdir()
    with pytest.raises(EmbedderUnusable, match="is not the name of a folder"):
        folders.folder(tmp_path, name)


def test_a_missing_model_says_where_to_put_what(tmp_path: Path) -> None:
    with pytest.raises(MlpiError) as caught:
        folders.folder(tmp_path, "all-MiniLM-L6-v2")
    advice = caught.value.advice or ""
    assert str(tmp_path / "models" / "all-MiniLM-L6-v2" / "onnx") in advice
    assert "model.onnx" in advice
    assert "tokenizer.json" in advice
    assert "downloads nothing" in advice


def test_other_files_make_another_stamp(tmp_path: Path) -> None:
    embedding_models.write(tmp_path / "models" / "tiny")
    before = folders.folder(tmp_path, "tiny").stamp
    rows = embedding_models.table(dimension=4)
    embedding_models.write(tmp_path / "models" / "tiny", rows=rows)
    assert folders.folder(tmp_path, "tiny").stamp != before


def test_what_has_no_embedder_is_not_loaded() -> None:
    with pytest.raises(EmbedderUnusable, match="no embedder"):
        load(Recipe("none"))


def test_a_recipe_survives_json(folder: Path) -> None:
    import json

    recipe = Recipe("onnx", "tiny", place=str(folder))
    loaded = load(json.loads(json.dumps(recipe.plain())))
    assert loaded.embed(["a cat"]).shape == (1, loaded.dimension)


def test_lexical_loads_with_the_bits_of_the_service() -> None:
    from mlpi.vectors.embedders import lexical

    rows = load({"word": "lexical"}).embed(TEXTS)
    assert rows.tobytes() == b"".join(lexical.vector(text).tobytes() for text in TEXTS)
