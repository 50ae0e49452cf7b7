"""Which embedder a collection uses, and what is said when it cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, insert

from mlpi import mlflow_tables
from mlpi.auth.audit import Actor
from mlpi.errors import Invalid, NotReady
from mlpi.house import House
from mlpi.vectors.embedders.choice import EmbedderChoice, EmbedderUnusable, read_value
from mlpi.vectors.embedders.service import Embedders
from tests import embedding_models

ACTOR = Actor("ana", "test")
ONE, TWO = "5c2d3b0a-0000-4000-8000-000000000001", "5c2d3b0a-0000-4000-8000-000000000002"


@pytest.fixture
def embedders(house: House) -> Iterator[Embedders]:
    opened = Embedders(house)
    yield opened
    opened.close()


@pytest.fixture
def registered(house: House) -> None:
    """Tables as MLflow has them, with a model of two versions, a deleted one, and a prompt."""
    place = house.settings.home / "mlflow"
    place.mkdir()
    engine = create_engine(house.settings.mlflow_database)
    mlflow_tables.META.create_all(engine)
    models, tags, versions, aliases = (
        mlflow_tables.registered_models,
        mlflow_tables.registered_model_tags,
        mlflow_tables.model_versions,
        mlflow_tables.model_aliases,
    )
    with engine.begin() as db:
        rows = [("lab", "tfidf"), ("lab", "hello"), ("other", "secret")]
        db.execute(insert(models), [{"workspace": w, "name": n} for w, n in rows])
        db.execute(
            insert(tags).values(workspace="lab", name="hello", key="mlflow.prompt.is_prompt")
        )
        for number, stage, place_of in (
            (1, "None", "mlflow-artifacts:/workspaces/lab/1/models/m-1/artifacts"),
            (2, None, "mlflow-artifacts:/workspaces/lab/1/models/m-2/artifacts"),
            (3, "Deleted_Internal", "mlflow-artifacts:/workspaces/lab/1/models/m-3/artifacts"),
            (4, "None", "mlflow-artifacts:/workspaces/other/1/models/m-4/artifacts"),
        ):
            db.execute(
                insert(versions).values(
                    workspace="lab",
                    name="tfidf",
                    version=number,
                    current_stage=stage,
                    source=f"models:/m-{number}",
                    storage_location=place_of,
                )
            )
        db.execute(insert(aliases).values(workspace="lab", name="tfidf", alias="best", version=2))
    engine.dispose()


def test_a_collection_has_no_embedder_until_somebody_chooses(embedders: Embedders) -> None:
    assert embedders.of("lab", ONE) == EmbedderChoice("none")
    embedders.choose("lab", ONE, "lexical", {}, actor=ACTOR)
    assert embedders.of("lab", ONE).word == "lexical"
    embedders.choose("lab", ONE, "none", {}, actor=ACTOR)
    assert embedders.of("lab", ONE).word == "none"


def test_a_choice_is_one_workspaces_alone(embedders: Embedders) -> None:
    embedders.choose("lab", ONE, "lexical", {}, actor=ACTOR)
    assert embedders.of("other", ONE).word == "none"
    assert embedders.all("other") == {}
    with pytest.raises(Invalid, match="another workspace"):
        embedders.choose("other", ONE, "lexical", {}, actor=ACTOR)
    embedders.forget("other", ONE)
    assert embedders.all("lab") == {ONE: EmbedderChoice("lexical")}


def test_a_collection_that_goes_takes_its_choice_along(embedders: Embedders) -> None:
    for collection in (ONE, TWO):
        embedders.choose("lab", collection, "lexical", {}, actor=ACTOR)
    embedders.forget("lab", ONE)
    embedders.forget("lab", ONE)
    assert list(embedders.all("lab")) == [TWO]


def test_a_choice_is_in_the_audit_trail(embedders: Embedders, house: House) -> None:
    embedders.choose("lab", ONE, "lexical", {}, actor=ACTOR)
    entry = house.audit.page()[0]
    assert (entry.actor, entry.action, entry.workspace) == ("ana", "embedder_chosen", "lab")
    assert entry.target == f"lexical for {ONE}"


@pytest.mark.parametrize(
    ("word", "options", "field", "says"),
    [
        ("magic", {}, "embedder", "no embedder 'magic'"),
        ("lexical", {"folder": "x"}, "folder", "has no option 'folder'"),
        ("onnx", {}, "folder", "needs a folder"),
        ("onnx", {"folder": 3}, "folder", "needs a folder"),
        ("onnx", {"folder": "../x"}, "folder", "not the name of a folder"),
        ("onnx", {"folder": "absent"}, "folder", "is not complete"),
        ("model", {"version": 1}, "name", "needs the name"),
        ("model", {"name": "tfidf"}, "version", "which version"),
        ("model", {"name": "tfidf", "version": 1, "alias": "best"}, "version", "which version"),
        ("model", {"name": "tfidf", "version": "x"}, "version", "not the number"),
        ("model", {"name": "tfidf", "version": "9" * 5000}, "version", "not the number"),
        ("model", {"name": "tfidf", "version": "-1"}, "version", "not the number"),
        ("model", {"name": "tfidf", "version": 7}, "version", "has no version 7"),
        ("model", {"name": "tfidf", "version": 3}, "version", "has no version 3"),
        ("model", {"name": "tfidf", "version": 4}, "version", "outside this workspace"),
        ("model", {"name": "tfidf", "alias": "worst"}, "alias", "no alias 'worst'"),
        ("model", {"name": "hello", "version": 1}, "name", "no registered model 'hello'"),
        ("model", {"name": "secret", "version": 1}, "name", "no registered model 'secret'"),
    ],
)
@pytest.mark.usefixtures("registered")
def test_a_wrong_choice_says_what_is_wrong_and_where(
    embedders: Embedders, word: str, options: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(Invalid, match=says) as caught:
        embedders.choose("lab", ONE, word, options, actor=ACTOR)
    assert caught.value.field == field
    assert embedders.of("lab", ONE).word == "none"


@pytest.mark.usefixtures("registered")
def test_an_alias_is_looked_up_when_it_is_used(embedders: Embedders, house: House) -> None:
    choice = embedders.choose("lab", ONE, "model", {"name": "tfidf", "alias": "best"}, actor=ACTOR)
    recipe = embedders.recipe("lab", choice)
    assert recipe.path == "workspaces/lab/1/models/m-2/artifacts"
    assert recipe.place == house.settings.artifacts
    engine = create_engine(house.settings.mlflow_database)
    with engine.begin() as db:
        db.execute(mlflow_tables.model_aliases.update().values(version=1))
    engine.dispose()
    moved = embedders.recipe("lab", embedders.of("lab", ONE))
    assert moved.path == "workspaces/lab/1/models/m-1/artifacts"
    assert moved != recipe


@pytest.mark.usefixtures("registered")
def test_what_may_be_chosen_is_offered_and_read_back(embedders: Embedders, house: House) -> None:
    embedding_models.write(house.settings.home / "models" / "tiny")
    (house.settings.home / "models" / "half").mkdir()
    options = embedders.options_of("lab")
    assert [(one.name, one.lacks) for one in options.folders] == [
        ("half", ("onnx/model.onnx", "onnx/tokenizer.json")),
        ("tiny", ()),
    ]
    values = [offer.value for offer in options.offers]
    assert values == [
        "none",
        "lexical",
        "onnx:tiny",
        "model:tfidf@best",
        "model:tfidf:4",
        "model:tfidf:2",
        "model:tfidf:1",
    ]
    for value in values:
        assert read_value(value).value == value
        assert read_value(value).label
        assert read_value(value).detail


@pytest.mark.parametrize("value", ["", "onnx", "onnx:", "model", "model:x", "model:x@", "model::1"])
def test_a_broken_word_of_a_form_is_refused(value: str) -> None:
    with pytest.raises(Invalid):
        read_value(value)


def test_a_models_name_may_hold_an_at_sign() -> None:
    assert read_value("model:a@b:3").options == {"name": "a@b", "version": 3}
    assert read_value("model:a@b@best").options == {"name": "a@b", "alias": "best"}


def test_before_mlflow_has_its_tables_nothing_of_it_is_offered(
    embedders: Embedders, house: House
) -> None:
    assert embedders.options_of("lab").models is None
    assert not (house.settings.home / "mlflow").exists()
    with pytest.raises(NotReady):
        embedders.choose("lab", ONE, "model", {"name": "x", "version": 1}, actor=ACTOR)


def test_none_is_no_recipe(embedders: Embedders) -> None:
    with pytest.raises(EmbedderUnusable, match="no embedder"):
        embedders.recipe("lab", EmbedderChoice())
