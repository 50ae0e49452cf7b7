"""Reading MLmodel files, which anybody may have written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from mlpi.errors import Invalid
from mlpi.tracking.registry import files, mlmodel
from mlpi.tracking.registry.deeds import checked_name

TENSOR = {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 64]}}


def written(**parts: object) -> str:
    return json.dumps(parts)  # JSON is YAML


def test_a_signature_is_read_with_types_as_people_write_them() -> None:
    inputs = [
        {"type": "double", "name": "length", "required": True},
        {"type": "string", "name": "colour", "required": False},
        {"type": "array", "items": {"type": "array", "items": {"type": "long"}}, "name": "grid"},
        {
            "type": "object",
            "name": "who",
            "properties": {"age": {"type": "long"}, "name": {"type": "string"}},
        },
        {"type": "map", "values": {"type": "double"}, "name": "scores"},
    ]
    params = [{"name": "threshold", "type": "double", "default": 0.5, "shape": None}]
    file = mlmodel.read(
        written(
            flavors={"sklearn": {"sklearn_version": "1.9", "code": None}, "python_function": {}},
            signature={
                "inputs": json.dumps(inputs),
                "outputs": json.dumps([TENSOR]),
                "params": json.dumps(params),
            },
            model_size_bytes=1234,
            mlflow_version="3.17.0",
        ),
        "# made by hand\nscikit-learn==1.9\n\n  numpy\n",
    )
    assert [(one.name, one.type, one.note) for one in file.inputs] == [
        ("length", "double", ""),
        ("colour", "string", "optional"),
        ("grid", "list of list of long", ""),
        ("who", "object (age: long, name: string)", ""),
        ("scores", "map of double", ""),
    ]
    assert [(one.name, one.type) for one in file.outputs] == [("–", "tensor float64 (-1, 64)")]
    assert [(one.type, one.note) for one in file.params] == [("double", "default 0.5")]
    assert file.flavors["sklearn"] == {"sklearn_version": "1.9"}
    assert file.loadable == ["sklearn"]
    assert (file.size_bytes, file.mlflow_version) == (1234, "3.17.0")
    assert list(file.requirements) == ["scikit-learn==1.9", "numpy"]
    lines = list(file.lines())
    assert ("inputs", "colour", "string, optional") in lines
    assert ("flavors", "sklearn", "1.9") in lines


@pytest.mark.parametrize(
    "text",
    [
        "- just\n- a list",
        "{unclosed",
        "!!python/object/apply:os.system ['true']",
        "[" * 5000,
        "\x00",
        "2026-13-45",
    ],
)
def test_what_is_no_mlmodel_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="MLmodel"):
        mlmodel.read(text)


def test_odd_parts_are_left_out() -> None:
    deep: object = {"type": "double"}
    for _ in range(50):
        deep = {"type": "array", "items": deep}
    odd = {"type": "object", "properties": ["x"]}
    file = mlmodel.read(
        written(
            flavors=["sklearn"],
            signature={"inputs": "[not json", "outputs": [deep, odd, "x"], "params": 7},
            model_size_bytes="many",
        )
    )
    assert (file.flavors, file.inputs, file.params, file.size_bytes) == ({}, [], [], None)
    assert file.outputs[0].type.endswith("…")
    assert file.outputs[1].type == "object"
    assert not mlmodel.read("flavors:\nsignature:\n").has_signature


def test_a_file_that_multiplies_itself_stays_small() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    file = mlmodel.read("\n".join([*lines, "flavors: {bomb: {list: *a11, text: fine}}"]))
    assert file.flavors == {"bomb": {"text": "fine"}}


def test_loading_code_is_python_whatever_the_name() -> None:
    name = 'quo"te \\ and ünïcode'
    code = mlmodel.loading_code("http://pi:9000", f"models:/{name}/3", ["sklearn"])
    compile(code, "code", "exec")
    quoted = code.split("mlflow.sklearn.load_model(")[1].rstrip(")")
    assert json.loads(quoted) == f"models:/{name}/3"


@dataclass
class Item:
    path: str
    file_size: int | None
    is_dir: bool = False


class Repository:
    """Stands for MLflow's artifact repository."""

    def list_artifacts(self, _folder: str) -> list[Item]:
        big = files.MAX_BYTES + 1
        return [Item("m/MLmodel", 3), Item("m/requirements.txt", big), Item("m/sub", None, True)]

    def _download_file(self, path: str, local: str) -> None:
        Path(local).write_bytes(path.encode() + b"\xff")


def test_large_and_missing_files_are_not_fetched() -> None:
    read = files.texts(Repository(), "m", ("MLmodel", "requirements.txt", "sub", "none"))
    assert read == {"MLmodel": "m/MLmodel\ufffd"}


@pytest.mark.parametrize("name", ["", "  ", "a/b", "a:b", "a\nb", "x" * 257])
def test_names_that_mlflow_or_an_address_cannot_carry_are_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        checked_name(name)
    assert caught.value.field == "name"
