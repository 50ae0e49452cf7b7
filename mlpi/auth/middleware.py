"""The door: one ASGI middleware that decides everything before anything is routed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mlpi.auth import credentials
from mlpi.auth.audit import Actor, Audit
from mlpi.auth.csrf import refuse_cross_site
from mlpi.auth.headers import security_headers
from mlpi.auth.identity import Identity
from mlpi.auth.roles import Principal, Role, current_principal
from mlpi.auth.table import boards, chroma, mlflow
from mlpi.auth.table.match import Match, Need, RouteTable, Row
from mlpi.db import Database
from mlpi.errors import Forbidden, MlpiError, NotFound, Unauthenticated

log = logging.getLogger(__name__)

WORKSPACE_HEADER = b"x-mlflow-workspace"
# Never handed to an embedded tool, which has no use for them and might log them.
_OURS = frozenset({b"authorization", b"x-chroma-token", b"cookie", WORKSPACE_HEADER})

# The embedded tools that clients may also be given as a path: the prefix, and whose it is.
_PREFIXES = {
    mlflow.PREFIX: ("mlflow", "mlflow-late"),
    chroma.PREFIX: ("chroma",),
    boards.PREFIX: ("tensorboard",),
}
_DEFAULT = "default"

OnError = Callable[[MlpiError, Scope], ASGIApp]


class Door:
    """Pure ASGI, because dependencies do not reach mounted apps.

    It finds the row of method and path, turns a token or a session cookie into
    scope["user"] and scope["workspace"], compares the role, and routes to the room the row
    names. What has no row is 404, so a route that somebody forgot to decide about is closed.
    """

    def __init__(
        self,
        rooms: dict[str, ASGIApp],
        *,
        table: RouteTable,
        identity: Identity,
        audit: Audit,
        db: Database,
        on_error: OnError,
    ) -> None:
        self._rooms = rooms
        self._table = table
        self._identity = identity
        self._audit = audit
        self._db = db
        self._on_error = on_error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._rooms["own"](scope, receive, send)
            return
        if scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = dict(scope["headers"])
        match, path = self._find(scope["method"], _meant(scope["path"], headers))
        row = match.row if match else None
        send = security_headers(send, row)
        try:
            principal = await self._principal(row, headers)
            scope["user"] = principal
            scope["workspace"] = principal.workspace if principal else None
            principal = await self._decide(scope, match, principal, headers)
        except MlpiError as error:
            await self._on_error(error, scope)(scope, receive, send)
            return
        assert match is not None
        scope["user"] = principal
        scope["workspace"] = principal.workspace if principal else None
        if match.row.room != "own":
            scope = _for_tool(scope, path)
        if _is_audited(match.row) and principal:
            send = self._audited(send, match, principal, scope)
        mark = current_principal.set(principal)
        try:
            await self._enter(match.row.room, scope, receive, send)
        finally:
            current_principal.reset(mark)

    async def _enter(self, room: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the room's app; what it lets out becomes an answer, if none has begun."""
        has_begun = False

        async def sending(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._rooms[room](scope, receive, sending)
        except MlpiError as error:  # an embedded tool that cannot answer yet
            await self._on_error(error, scope)(scope, receive, send)
        except Exception:
            # Starlette raises again what it has answered; uvicorn would cut the connection.
            if has_begun and room == "own":
                return
            log.exception("request failed", extra={"action": "request_failed"})
            if not has_begun:
                await self._on_error(MlpiError(), scope)(scope, receive, send)

    def _find(self, method: str, path: str) -> tuple[Match | None, str]:
        """The row, and the path as the room sees it, without the prefix of an embedded tool."""
        match = self._table.find(method, path)
        for prefix, rooms in _PREFIXES.items():
            if path.startswith(prefix + "/"):
                inner = path[len(prefix) :]
                if match is None:
                    found = self._table.find(method, inner)
                    if found and found.row.room in rooms:
                        match = found
                return match, inner
        return match, path

    async def _principal(self, row: Row | None, headers: dict[bytes, bytes]) -> Principal | None:
        if row and row.need is Need.NOTHING and row.pattern not in ("/login", "/setup"):
            return None
        token = credentials.token_in(headers)
        if token is not None:
            principal = await self._identity.by_token(token) if token else None
            if principal is None and not (row and row.need is Need.NOTHING):
                raise Unauthenticated(
                    "This token is not valid, has expired or was revoked.",
                    advice="Make a new one under Settings, Tokens.",
                )
            return principal
        session = credentials.session_in(headers)
        return await self._identity.by_session(session) if session else None

    async def _decide(
        self,
        scope: Scope,
        match: Match | None,
        principal: Principal | None,
        headers: dict[bytes, bytes],
    ) -> Principal | None:
        """The principal in its workspace, if the row allows it. Raises what to answer."""
        need = match.row.need if match else Need.LOGIN
        if principal is None or principal.token_id is None:
            refuse_cross_site(scope["method"], headers)
        if need is Need.NOTHING:
            return principal
        if principal is None:
            if not await self._identity.is_set_up():
                raise Unauthenticated("mlpi is not set up yet.", advice="Open the set-up link.")
            raise Unauthenticated
        if match is None:
            raise self._no_row(scope)
        if need is Need.OFF:
            raise Forbidden("mlpi keeps this part of MLflow switched off, for everybody.")
        if need is Need.SESSION and principal.session_id is None:
            raise Forbidden("This is for a person in a browser, not for a token.")
        remembered, principal = principal, _in_workspace(scope, match, principal, headers)
        scope["user"], scope["workspace"] = principal, principal.workspace
        scope["switched"] = principal is not remembered
        if need is Need.ADMIN and not principal.is_admin:
            raise Forbidden(
                "This is for an admin, logged in: a token never carries the admin flag."
                if principal.token_id
                else "This is for an admin."
            )
        if isinstance(need, Role) and not principal.can(need):
            if principal.role is None:
                raise NotFound("You are not a member of any workspace yet.", advice="Ask an owner.")
            raise Forbidden(
                f"This needs the role {need.word} in workspace {principal.workspace!r}; "
                f"you are {principal.role.word}."
            )
        return principal

    def _no_row(self, scope: Scope) -> MlpiError:
        allowed = [m for m in self._table.methods if self._find(m, scope["path"])[0]]
        if allowed:
            return MethodRefused(scope["method"], allowed)
        return NotFound()

    def _audited(
        self, send: Send, match: Match, principal: Principal, scope: Scope
    ) -> Callable[[Message], Awaitable[None]]:
        """Leaves a trace of a tool's request once it has succeeded, before the answer goes out."""
        actor = Actor(principal.name, (scope.get("client") or ("",))[0])
        action = f"{scope['method']} {match.row.pattern}"[:64]

        def record() -> None:
            with self._db.write() as session:
                target = scope["path"]
                self._audit.record(session, actor, action, target, principal.workspace or "")

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] < 300:
                await anyio.to_thread.run_sync(record)
            await send(message)

        return sending


class MethodRefused(MlpiError):
    """This address does not take this method."""

    status = 405
    code = "BAD_REQUEST"

    def __init__(self, method: str, allowed: list[str]) -> None:
        super().__init__(f"{method} is not possible here; {', '.join(allowed)} is.")
        self.allowed = allowed


def _meant(path: str, headers: dict[bytes, bytes]) -> str:
    """/health is MLflow's; who asks with Label Studio's own scheme wants Label Studio's answer."""
    is_theirs = headers.get(b"authorization", b"").lower().startswith(b"token ")
    return "/api/health" if path == "/health" and is_theirs else path


def _is_audited(row: Row) -> bool:
    return row.room != "own" and row.need in (Role.OWNER, Need.ADMIN)


def _in_workspace(
    scope: Scope, match: Match, principal: Principal, headers: dict[bytes, bytes]
) -> Principal:
    """The principal in the workspace that the request names. Raises NotFound for a strange one."""
    asked = match.params.get("workspace_name")
    if match.row.room == "chroma":
        asked = _of_database(match.params.get("database"), principal)
    if asked is None and WORKSPACE_HEADER in headers:
        asked = headers[WORKSPACE_HEADER].decode("latin-1").strip()
    if not asked and b"workspace=" in scope["query_string"]:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        asked = query.get("workspace", [""])[0]
    if not asked or asked == principal.workspace:
        return principal
    if asked not in principal.roles:
        raise NotFound(f"There is no workspace {asked!r}, or you are not a member of it.")
    return principal.within(asked)


def _of_database(database: str | None, principal: Principal) -> str | None:
    """The workspace that a Chroma client means.

    Its clients always name a database, and name the default one when their user named none: a
    token of another workspace then means its own.
    """
    if database != chroma.DEFAULT_DATABASE:
        return database
    return _DEFAULT if _DEFAULT in principal.roles else principal.workspace


def _for_tool(scope: Scope, path: str) -> Scope:
    """A copy of the scope for an embedded tool: its own path, our workspace, no secrets."""
    kept = [(name, value) for name, value in scope["headers"] if name not in _OURS]
    if scope["workspace"]:
        kept.append((WORKSPACE_HEADER, scope["workspace"].encode()))
    return {
        **scope,
        "path": path,
        "raw_path": path.encode(),
        "headers": kept,
    }
