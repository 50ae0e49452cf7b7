"""Users, sessions, tokens, workspaces and members, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from mlpi.auth.audit import Actor
from mlpi.auth.identity import TOUCH_EVERY
from mlpi.auth.roles import Principal, Role
from mlpi.auth.throttle import FREE_TRIES
from mlpi.auth.tokens import lifetime
from mlpi.errors import (
    Conflict,
    Invalid,
    NotFound,
    TooManyAttempts,
    Unauthenticated,
)
from mlpi.house import House
from tests.conftest import TurnedClock

ACTOR = Actor("tester", "127.0.0.1")
PASSWORD = "long enough"


@pytest.fixture
def furnished(house: House) -> House:
    """root is admin; ana owns lab, vic views it; otto owns other."""
    house.users.set_up("root", PASSWORD, actor=ACTOR)
    for name in ("ana", "vic", "otto"):
        house.users.add(name, PASSWORD, actor=ACTOR)
    house.workspaces.add("lab", "a laboratory", owner="ana", actor=ACTOR)
    house.workspaces.add("other", owner="otto", actor=ACTOR)
    house.workspaces.set_member("lab", "vic", Role.VIEWER, actor=ACTOR)
    return house


def who(house: House, token: str) -> Principal | None:
    return anyio.run(house.identity.by_token, token)


def who_browses(house: House, secret: str) -> Principal | None:
    return anyio.run(house.identity.by_session, secret)


def log_in(house: House, name: str, password: str = PASSWORD) -> str:
    return house.sessions.log_in(name, password, address="10.0.0.7", agent="test")


def token(house: House, user: str, workspace: str, role: Role | None = None, **more: object) -> str:
    _, secret = house.tokens.add(user, workspace, role=role, actor=ACTOR, **more)  # type: ignore[arg-type]
    return secret


def test_the_first_user_is_admin_and_owns_default(house: House) -> None:
    assert not house.users.any_exist()
    assert house.users.set_up("root", PASSWORD, actor=ACTOR).is_admin
    assert [m.user.name for m in house.workspaces.members("default")] == ["root"]
    with pytest.raises(Conflict, match="set up already"):
        house.users.set_up("second", PASSWORD, actor=ACTOR)
    assert [user.name for user in house.users.page()] == ["root"]


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a/b", "x" * 65, "<b>", "ä"])
def test_strange_user_names_are_refused(house: House, name: str) -> None:
    with pytest.raises(Invalid):
        house.users.add(name, PASSWORD, actor=ACTOR)


@pytest.mark.parametrize("name", ["a", "A", "a_b", "-ab", "ab-", "api", "x" * 64, "a.b", ""])
def test_workspace_names_follow_mlflow(house: House, name: str) -> None:
    with pytest.raises(Invalid):
        house.workspaces.add(name, owner=None, actor=ACTOR)


def test_names_are_unique(furnished: House) -> None:
    with pytest.raises(Conflict, match="already a user 'ana'"):
        furnished.users.add("ana", PASSWORD, actor=ACTOR)
    with pytest.raises(Conflict, match="already a workspace 'lab'"):
        furnished.workspaces.add("lab", owner=None, actor=ACTOR)


def test_a_short_password_is_refused_and_never_stored_in_clear(furnished: House) -> None:
    with pytest.raises(Invalid, match="at least 8"):
        furnished.users.add("bob", "short", actor=ACTOR)
    stored = furnished.users.get("ana").password_hash
    assert stored.startswith("$argon2id$")
    assert PASSWORD not in stored


def test_log_in_says_nothing_about_which_part_was_wrong(furnished: House) -> None:
    messages = set()
    for name, password in (("ana", "wrong password"), ("nobody", PASSWORD), ("ana", "")):
        with pytest.raises(Unauthenticated) as caught:
            log_in(furnished, name, password)
        messages.add(caught.value.message)
    assert len(messages) == 1
    assert who_browses(furnished, log_in(furnished, "ana")) is not None


def test_failures_slow_the_account_and_the_address(furnished: House) -> None:
    for _ in range(FREE_TRIES):
        with pytest.raises(Unauthenticated):
            log_in(furnished, "ana", "wrong password")
    with pytest.raises(TooManyAttempts) as caught:
        log_in(furnished, "ana")
    assert 1 <= caught.value.retry_after_s <= 60
    with pytest.raises(TooManyAttempts):
        furnished.sessions.log_in("vic", PASSWORD, address="10.0.0.7", agent="")
    assert furnished.sessions.log_in("vic", PASSWORD, address="10.0.0.8", agent="")


def test_a_session_is_its_users_roles(furnished: House) -> None:
    principal = who_browses(furnished, log_in(furnished, "vic"))
    assert principal is not None
    assert (principal.name, dict(principal.roles)) == ("vic", {"lab": Role.VIEWER})
    assert (principal.workspace, principal.role) == ("lab", Role.VIEWER)
    admin = who_browses(furnished, log_in(furnished, "root"))
    assert admin is not None
    assert dict(admin.roles) == dict.fromkeys(("default", "lab", "other"), Role.OWNER)


def test_a_session_ends_by_time_and_lives_by_use(furnished: House, clock: TurnedClock) -> None:
    secret = log_in(furnished, "ana")
    clock.advance(days=13)
    assert who_browses(furnished, secret) is not None  # and is prolonged
    clock.advance(days=13)
    assert who_browses(furnished, secret) is not None
    clock.advance(days=15)
    assert who_browses(furnished, secret) is None


def test_ended_sessions_stop_at_once(furnished: House) -> None:
    first, second = log_in(furnished, "ana"), log_in(furnished, "ana")
    principal = who_browses(furnished, first)
    assert principal is not None
    assert len(furnished.sessions.page(principal.user_id)) == 2
    furnished.sessions.end_others(user_id=principal.user_id, keep=principal.session_id, actor=ACTOR)
    assert who_browses(furnished, second) is None
    assert who_browses(furnished, first) is not None
    stranger = furnished.users.get("vic").id
    with pytest.raises(NotFound):
        furnished.sessions.end(principal.session_id or 0, user_id=stranger, actor=ACTOR)


def test_a_new_password_ends_other_sessions(furnished: House) -> None:
    secret = log_in(furnished, "ana")
    with pytest.raises(Invalid, match="current password"):
        furnished.users.change_password(
            "ana", "not it at all", "brand new one", actor=ACTOR, keep_session=None
        )
    furnished.users.change_password(
        "ana", PASSWORD, "brand new one", actor=ACTOR, keep_session=None
    )
    assert who_browses(furnished, secret) is None
    assert log_in(furnished, "ana", "brand new one")


def test_a_token_is_one_workspace_and_one_role(furnished: House) -> None:
    secret = token(furnished, "ana", "lab", Role.EDITOR)
    assert secret.startswith("mlpi_")
    principal = who(furnished, secret)
    assert principal is not None
    assert (principal.workspace, principal.role) == ("lab", Role.EDITOR)
    assert dict(principal.roles) == {"lab": Role.EDITOR}
    assert who(furnished, secret + "x") is None
    assert who(furnished, "") is None


def test_a_token_cannot_be_more_than_its_user(furnished: House) -> None:
    with pytest.raises(Invalid, match="'vic' is viewer"):
        token(furnished, "vic", "lab", Role.EDITOR)
    with pytest.raises(Invalid, match="not a member"):
        token(furnished, "vic", "other")


def test_a_token_sinks_with_its_users_role(furnished: House) -> None:
    secret = token(furnished, "ana", "lab")
    furnished.workspaces.set_member("lab", "otto", Role.OWNER, actor=ACTOR)
    furnished.workspaces.set_member("lab", "ana", Role.VIEWER, actor=ACTOR)
    principal = who(furnished, secret)
    assert principal is not None
    assert principal.role is Role.VIEWER
    furnished.workspaces.remove_member("lab", "ana", actor=ACTOR)
    assert who(furnished, secret) is None


def test_an_admins_token_does_not_carry_the_admin_flag(furnished: House) -> None:
    principal = who(furnished, token(furnished, "root", "lab"))
    assert principal is not None
    assert (principal.role, principal.is_admin) == (Role.OWNER, False)


def test_tokens_expire_and_are_revoked(furnished: House, clock: TurnedClock) -> None:
    short = token(furnished, "ana", "lab", lifetime=timedelta(hours=1))
    assert who(furnished, short) is not None
    clock.advance(hours=1)
    assert who(furnished, short) is None
    row, secret = furnished.tokens.add("ana", "lab", actor=ACTOR)
    assert who(furnished, secret) is not None
    with pytest.raises(NotFound):
        furnished.tokens.revoke(row.id, user="vic", actor=ACTOR)
    furnished.tokens.revoke(row.id, user="ana", actor=ACTOR)
    assert who(furnished, secret) is None
    with pytest.raises(NotFound):
        furnished.tokens.revoke(row.id, actor=ACTOR)


def test_a_disabled_user_is_out_at_once(furnished: House) -> None:
    session, key = log_in(furnished, "ana"), token(furnished, "ana", "lab")
    assert who_browses(furnished, session)
    assert who(furnished, key)
    furnished.users.set_disabled("ana", True, actor=ACTOR)
    assert who_browses(furnished, session) is None
    assert who(furnished, key) is None
    with pytest.raises(Unauthenticated):
        log_in(furnished, "ana")
    furnished.users.set_disabled("ana", False, actor=ACTOR)
    assert who(furnished, key) is not None


def test_another_process_revokes_and_this_one_notices(furnished: House) -> None:
    row, secret = furnished.tokens.add("ana", "lab", actor=ACTOR)
    assert who(furnished, secret) is not None
    elsewhere = House.build(furnished.settings)
    elsewhere.tokens.revoke(row.id, actor=ACTOR)
    elsewhere.close()
    assert who(furnished, secret) is None


def test_the_last_admin_and_the_last_owner_stay(furnished: House) -> None:
    with pytest.raises(Invalid, match="only admin"):
        furnished.users.set_disabled("root", True, actor=ACTOR)
    with pytest.raises(Invalid, match="only admin"):
        furnished.users.set_admin("root", False, actor=ACTOR)
    with pytest.raises(Invalid, match="only owner"):
        furnished.workspaces.set_member("lab", "ana", Role.EDITOR, actor=ACTOR)
    with pytest.raises(Invalid, match="only owner"):
        furnished.workspaces.remove_member("lab", "ana", actor=ACTOR)


def test_last_use_is_kept_but_not_at_every_request(furnished: House, clock: TurnedClock) -> None:
    secret = token(furnished, "ana", "lab")
    first = clock.now
    for _ in range(5):
        who(furnished, secret)
        clock.advance(minutes=1)
    assert furnished.tokens.page(user="ana")[0].last_used_at == first
    clock.advance(seconds=TOUCH_EVERY.total_seconds())
    who(furnished, secret)
    assert furnished.tokens.page(user="ana")[0].last_used_at == clock.now


def test_lookups_are_cached_where_the_database_tells_of_changes(furnished: House) -> None:
    secret = token(furnished, "ana", "lab")
    who(furnished, secret)
    statements: list[str] = []
    from sqlalchemy import event

    event.listen(
        furnished.db.engine,
        "before_cursor_execute",
        lambda _c, _cur, statement, *_: statements.append(statement),
    )
    who(furnished, secret)
    who(furnished, secret)
    reads = [s for s in statements if s.startswith("SELECT")]
    assert bool(reads) is not furnished.db.is_sqlite


def test_every_deed_leaves_a_trace(furnished: House, clock: TurnedClock) -> None:
    trail = furnished.audit.page()
    assert {entry.actor for entry in trail} == {"tester"}
    assert {"admin_added", "user_added", "workspace_added", "member_set"} <= {
        entry.action for entry in trail
    }
    assert all(entry.at == clock.now and entry.address == "127.0.0.1" for entry in trail)
    assert [e.target for e in furnished.audit.page(search="vic as")] == ["vic as viewer"]
    assert furnished.audit.page(search="100%") == []
    older = furnished.audit.page(before_id=trail[2].id, limit=2)
    assert [e.id for e in older] == [e.id for e in trail[3:5]]


def test_old_audit_entries_go(furnished: House, clock: TurnedClock) -> None:
    before = len(furnished.audit.page(limit=1000))
    assert furnished.audit.prune(older_than_days=30) == 0
    clock.advance(days=31)
    assert furnished.audit.prune(older_than_days=30) == before
    assert furnished.audit.page() == []


@pytest.mark.parametrize(
    ("text", "span"),
    [("90d", 90 * 24), ("12h", 12), ("2 w", 14 * 24), ("1Y", 365 * 24), ("", None), (None, None)],
)
def test_lifetimes_are_read(text: str | None, span: int | None) -> None:
    assert lifetime(text) == (timedelta(hours=span) if span else None)


@pytest.mark.parametrize("text", ["90", "d", "-1d", "0d", "1.5d", "90days", "1m"])
def test_strange_lifetimes_are_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not a lifetime"):
        lifetime(text)
