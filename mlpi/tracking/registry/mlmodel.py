"""What a model's MLmodel file says: flavours, signature, sizes.

The file was written by whoever logged the model: everything in it is taken for text of unknown
kind, and a part that is not as expected is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlpi.errors import Invalid

MAX_COLUMNS = 1000  # of a signature, shown
MAX_TYPE_CHARS = 400
MAX_DEPTH = 6
# Flavours that `mlflow.<flavour>.load_model` brings back as what was saved.
LOADABLE = frozenset(
    (
        *("catboost", "diviner", "dspy", "fastai", "h2o", "johnsnowlabs", "keras", "langchain"),
        *("lightgbm", "llama_index", "onnx", "paddle", "pmdarima", "prophet", "pytorch"),
        *("sentence_transformers", "sklearn", "spacy", "spark", "statsmodels", "tensorflow"),
        *("transformers", "xgboost"),
    )
)


@dataclass(frozen=True, slots=True)
class Column:
    """One input, output or param of a signature; its type as people write types."""

    name: str
    type: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The readable part of an MLmodel file."""

    flavors: dict[str, dict[str, str]] = field(default_factory=dict)
    inputs: Sequence[Column] = ()
    outputs: Sequence[Column] = ()
    params: Sequence[Column] = ()
    size_bytes: int | None = None
    mlflow_version: str = ""
    requirements: Sequence[str] = ()

    @property
    def has_signature(self) -> bool:
        return bool(self.inputs or self.outputs or self.params)

    @property
    def loadable(self) -> list[str]:
        """Flavours with a load_model of their own."""
        return sorted(LOADABLE.intersection(self.flavors))

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """(part, name, value) of everything that two versions can be compared by."""
        for part in ("inputs", "outputs", "params"):
            for one in getattr(self, part):
                yield part, one.name, f"{one.type}{', ' + one.note if one.note else ''}"
        for flavor, facts in self.flavors.items():
            version = next((facts[key] for key in facts if key.endswith("_version")), "")
            yield "flavors", flavor, version or "yes"


def read(text: str, requirements: str = "") -> ModelFile:
    """An MLmodel file's content. Raises Invalid when it is not one."""
    import yaml  # noqa: PLC0415 - 40 ms that most pages need not spend

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        found = yaml.load(text, loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Invalid("The version's MLmodel file is not YAML as MLflow writes it.")
    signature = found.get("signature")
    signature = signature if isinstance(signature, dict) else {}
    flavors = found.get("flavors")
    size = found.get("model_size_bytes")
    return ModelFile(
        flavors={
            str(name)[:100]: _facts(facts)
            for name, facts in (flavors.items() if isinstance(flavors, dict) else ())
        },
        inputs=_columns(signature.get("inputs")),
        outputs=_columns(signature.get("outputs")),
        params=_columns(signature.get("params")),
        size_bytes=size if isinstance(size, int) and not isinstance(size, bool) else None,
        mlflow_version=str(found.get("mlflow_version") or "")[:40],
        requirements=[
            line.strip()[:200]
            for line in requirements.splitlines()
            if line.strip() and not line.lstrip().startswith("#")
        ][:300],
    )


def _facts(facts: object) -> dict[str, str]:
    """The plain values of a flavour."""
    if not isinstance(facts, dict):
        return {}
    return {
        str(key)[:100]: str(value)[:MAX_TYPE_CHARS]
        for key, value in list(facts.items())[:50]
        if isinstance(value, str | int | float) and value != ""
    }


def _columns(given: object) -> list[Column]:
    """A part of a signature, which MLflow keeps as JSON in a string."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return []
    if not isinstance(given, list):
        return []
    return [
        Column(
            str(one.get("name") or (f"[{number}]" if len(given) > 1 else "–"))[:300],
            type_of(one)[:MAX_TYPE_CHARS],
            _note(one),
        )
        for number, one in enumerate(given[:MAX_COLUMNS])
        if isinstance(one, dict)
    ]


def type_of(one: object, depth: int = 0) -> str:
    """'double', 'tensor float64 (-1, 64)', 'list of string', 'object (a: long, b: string)'."""
    if not isinstance(one, Mapping) or depth > MAX_DEPTH:
        return "…"
    kind = str(one.get("type", "any"))
    if kind == "tensor":
        spec = one.get("tensor-spec")
        spec = spec if isinstance(spec, Mapping) else {}
        return f"tensor {spec.get('dtype', 'any')} {_shape(spec.get('shape'))}"
    if kind == "array":
        return f"list of {type_of(one.get('items'), depth + 1)}"
    if kind == "map":
        return f"map of {type_of(one.get('values'), depth + 1)}"
    properties = one.get("properties")
    if kind == "object" and isinstance(properties, Mapping):
        inside = [
            f"{name}: {type_of(value, depth + 1)}" for name, value in list(properties.items())[:30]
        ]
        return f"object ({', '.join(inside)})"
    return f"{kind} {_shape(one['shape'])}" if one.get("shape") else kind


def _shape(shape: object) -> str:
    if not isinstance(shape, list):
        return ""
    return f"({', '.join(str(size) for size in shape[:12])})"


def _note(one: Mapping[str, Any]) -> str:
    if "default" in one:
        return f"default {str(one['default'])[:100]}"
    return "optional" if one.get("required") is False else ""


def loading_code(base: str, uri: str, flavors: Sequence[str]) -> str:
    """Python that loads a model from the server at base."""
    quoted = json.dumps(uri, ensure_ascii=False)
    lines = ["import mlflow", "", f"mlflow.set_tracking_uri({json.dumps(base)})"]
    lines.append(f"model = mlflow.pyfunc.load_model({quoted})")
    for flavor in flavors:
        lines += ["", "# as it was saved:", f"model = mlflow.{flavor}.load_model({quoted})"]
    return "\n".join(lines)
