"""Keys of mlpi's own child processes, and the workspace they may leave behind."""

from __future__ import annotations

import anyio
import pytest
from sqlalchemy import func, select

from mlpi.auth.audit import Actor
from mlpi.auth.models import Member, Token
from mlpi.auth.roles import Principal, Role
from mlpi.errors import Invalid, NotFound
from mlpi.house import House

ACTOR = Actor("tester", "127.0.0.1")
PASSWORD = "long enough"


def who(house: House, secret: str) -> Principal | None:
    return anyio.run(house.identity.by_token, secret)


def test_a_house_key_is_one_role_in_one_workspace_before_any_user_exists(house: House) -> None:
    principal = who(house, house.identity.house_key("demo", Role.EDITOR, purpose="demo"))
    assert principal is not None
    assert principal.workspace == "demo"
    assert dict(principal.roles) == {"demo": Role.EDITOR}
    assert not principal.is_admin
    assert not house.users.any_exist()


def test_no_user_can_be_called_like_a_house_key(house: House) -> None:
    principal = who(house, house.identity.house_key("demo", Role.EDITOR, purpose="demo"))
    assert principal is not None
    with pytest.raises(Invalid):
        house.users.add(principal.name, PASSWORD, actor=ACTOR)


def test_an_ended_house_key_opens_nothing_and_others_still_do(house: House) -> None:
    ended = house.identity.house_key("demo", Role.EDITOR, purpose="demo")
    other = house.identity.house_key("lab", Role.VIEWER, purpose="export")
    house.identity.end_house_key(ended)
    assert who(house, ended) is None
    principal = who(house, other)
    assert principal is not None
    assert principal.role is Role.VIEWER


def test_a_house_key_is_known_to_its_own_process_alone(house: House) -> None:
    secret = house.identity.house_key("demo", Role.EDITOR, purpose="demo")
    again = House.build(house.settings)
    try:
        assert who(again, secret) is None
    finally:
        again.close()


def test_a_removed_workspace_takes_members_and_tokens_with_it_and_no_others(house: House) -> None:
    house.users.set_up("root", PASSWORD, actor=ACTOR)
    house.users.add("ana", PASSWORD, actor=ACTOR)
    for name in ("lab", "other"):
        house.workspaces.add(name, owner="ana", actor=ACTOR)
    _, gone = house.tokens.add("ana", "lab", actor=ACTOR)
    _, kept = house.tokens.add("ana", "other", actor=ACTOR)
    assert who(house, gone) is not None

    house.workspaces.remove("lab", actor=ACTOR)

    assert who(house, gone) is None
    assert who(house, kept) is not None
    assert set(house.identity.workspaces()) == {"default", "other"}
    with house.db.read() as session:
        assert session.scalar(select(func.count()).select_from(Token)) == 1
        assert session.scalar(select(func.count()).select_from(Member)) == 2
    newest = house.audit.page(limit=1)[0]
    assert (newest.actor, newest.action, newest.target) == ("tester", "workspace_removed", "lab")


def test_the_default_workspace_and_a_missing_one_cannot_be_removed(house: House) -> None:
    with pytest.raises(Invalid, match="cannot be removed"):
        house.workspaces.remove("default", actor=ACTOR)
    with pytest.raises(NotFound):
        house.workspaces.remove("nowhere", actor=ACTOR)
    assert set(house.identity.workspaces()) == {"default"}
