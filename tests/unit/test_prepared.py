"""Prepared statements, on each kind of database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from mlpi.db import Database
from mlpi.house import House
from mlpi.labels.models import LabelProject
from mlpi.prepared import Prepared

NOW = datetime(2026, 11, 29, 5, 0, 0, 250, UTC)
PROJECTS = cast(Table, LabelProject.__table__)
INSERT = Prepared(
    insert(PROJECTS)
    .values({one.name: bindparam(one.name, type_=one.type) for one in list(PROJECTS.c)[1:]})
    .returning(PROJECTS.c.id)
)
WITH_ID = Prepared(
    insert(PROJECTS).values({one.name: bindparam(one.name, type_=one.type) for one in PROJECTS.c})
)
MANY = Prepared(
    insert(PROJECTS).values(
        {one.name: bindparam(one.name, type_=one.type) for one in list(PROJECTS.c)[1:]}
    )
)
FIND = Prepared(
    select(PROJECTS.c.title, PROJECTS.c.options, PROJECTS.c.created_at)
    .where(PROJECTS.c.workspace == bindparam("workspace"), PROJECTS.c.task_count == 0)
    .order_by(PROJECTS.c.id)
    .limit(2)
)
RENAME = Prepared(
    update(PROJECTS).where(PROJECTS.c.id == bindparam("one")).values(title=bindparam("new"))
)


def project(title: str = "A", at: datetime = NOW, **more: Any) -> dict[str, Any]:
    counts = {one.name: 0 for one in PROJECTS.c if one.name.endswith("_count")}
    return {
        "workspace": "lab",
        "title": title,
        "description": "",
        "label_config": "<View/>",
        "maximum_annotations": 1,
        "sampling": "Sequential sampling",
        "options": {"a": [1, "é"]},
        "created_by_id": 1,
        "created_by_name": "ana",
        "created_at": at,
        "updated_at": at,
        "last_inner_id": 0,
        **counts,
        **more,
    }


def add(house: House, **more: Any) -> int:
    with house.db.write() as session:
        ((number,),) = INSERT.rows(session.connection(), **project(**more))
    return int(number)


def test_values_and_rows_have_the_types_of_the_columns(house: House) -> None:
    elsewhere = timezone(timedelta(hours=2))
    number = add(house, at=NOW.astimezone(elsewhere))
    with house.db.reading() as connection:
        assert FIND.rows(connection, workspace="lab") == [("A", {"a": [1, "é"]}, NOW)]
        assert FIND.first(connection, workspace="nowhere") is None
    with house.db.read() as session:
        kept = session.get_one(LabelProject, number)
        assert (kept.created_at, kept.options) == (NOW, {"a": [1, "é"]})


def test_what_a_statement_binds_itself_is_bound(house: House) -> None:
    for title in "ABC":
        add(house, title=title)
    add(house, title="D", task_count=1)
    with house.db.reading() as connection:
        assert [one[0] for one in FIND.rows(connection, workspace="lab")] == ["A", "B"]


def test_many_rows_share_what_is_alike(house: House) -> None:
    same = project()
    own = [
        {"title": title, "created_at": NOW + timedelta(days=day)} for day, title in enumerate("AB")
    ]
    for name in own[0]:
        del same[name]
    with house.db.write() as session:
        MANY.many(session.connection(), own, **same)
    with house.db.reading() as connection:
        found = FIND.rows(connection, workspace="lab")
    assert [(title, at) for title, _, at in found] == [("A", NOW), ("B", NOW + timedelta(days=1))]


def test_it_is_part_of_the_transaction(house: House) -> None:
    number = add(house)

    def rename_and_fail() -> None:
        with house.db.write() as session:
            assert RENAME.rows(session.connection(), one=number, new="B") == []
            raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError, match="changed my mind"):
        rename_and_fail()
    with house.db.read() as session:
        assert session.get_one(LabelProject, number).title == "A"


def test_errors_are_those_of_sqlalchemy(house: House) -> None:
    number = add(house)
    with pytest.raises(IntegrityError), house.db.write() as session:
        WITH_ID.rows(session.connection(), id=number, **project())


def test_a_database_that_another_writes_to_is_busy_in_our_words(tmp_path: Path) -> None:
    first, second = (Database(f"sqlite:///{tmp_path}/a.db") for _ in range(2))
    with second.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute("PRAGMA busy_timeout = 1")
    with first.write() as session:
        session.connection()
        with pytest.raises(OperationalError, match="locked"), second.write() as other:
            other.connection()
    first.close()
    second.close()


def test_a_list_of_values_cannot_be_prepared(house: House) -> None:
    asked = Prepared(select(PROJECTS.c.id).where(PROJECTS.c.id.in_([1, 2])))
    with house.db.reading() as connection, pytest.raises(ValueError, match="expanding"):
        asked.rows(connection)
