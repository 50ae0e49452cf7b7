"""/api/token/, /api/current-user/token and their kin: mlpi's tokens by Label Studio's words.

A token cannot make another one, which would outlive it; it can be replaced by one of the same
rights that ends when it would have. mlpi's tokens are no JWT: they are used as they are, and
refreshing one gives it back.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mlpi.auth.credentials import token_in
from mlpi.auth.requests import actor_of
from mlpi.errors import Conflict, Forbidden, Invalid, NotFound
from mlpi.house import House
from mlpi.labels.api.answers import answer, nothing
from mlpi.labels.api.asked import fields_of
from mlpi.labels.flags import flag
from mlpi.web.render import principal_of, workspace_of

_WHERE = "Make one on /settings/tokens, or with `mlpi token add`."
_JWT = ("api_tokens_enabled", "legacy_api_tokens_enabled")


def router(house: House) -> APIRouter:
    """A user's own tokens."""
    api = APIRouter(prefix="/api", include_in_schema=False)
    tokens = house.tokens

    def renewed(request: Request, token_id: int) -> str:
        return tokens.renew(token_id, user=principal_of(request).name, actor=actor_of(request))

    @api.get("/current-user/token")
    @api.get("/current-user/token/")
    def get_token(request: Request) -> Response:
        """The one that asks: of others only a hash is known."""
        secret = _mine(request)[1]
        return answer({"token": secret})

    @api.post("/current-user/reset-token")
    @api.post("/current-user/reset-token/")
    def reset_token(request: Request) -> Response:
        return answer({"token": renewed(request, _mine(request)[0])}, 201)

    @api.get("/token")
    @api.get("/token/")
    def list_tokens(request: Request) -> Response:
        workspace = workspace_of(request)
        found = tokens.page(user=principal_of(request).name)
        return answer([{"token": one.hint} for one in found if one.workspace.name == workspace])

    @api.post("/token")
    @api.post("/token/")
    def add_token(request: Request) -> Response:
        principal, workspace = principal_of(request), workspace_of(request)
        if principal.session_id is None:
            raise Forbidden("A token cannot make another one.", advice=_WHERE)
        _, secret = tokens.add(
            principal.name,
            workspace,
            role=principal.role,
            label="Label Studio's API",
            actor=actor_of(request),
        )
        return answer({"token": secret}, 201)

    @api.post("/token/refresh")
    @api.post("/token/refresh/")
    async def refresh(request: Request) -> Response:
        secret = await _named(request)
        await run_in_threadpool(tokens.known, secret, user=principal_of(request).name)
        return answer({"access": secret})

    @api.post("/token/rotate")
    @api.post("/token/rotate/")
    async def rotate(request: Request) -> Response:
        secret = await _named(request)

        def work() -> str:
            found = tokens.known(secret, user=principal_of(request).name)
            return renewed(request, found.id)

        try:
            return answer({"refresh": await run_in_threadpool(work)})
        except NotFound as error:
            raise Invalid(error.message, field="refresh") from None

    @api.post("/token/blacklist")
    @api.post("/token/blacklist/")
    async def revoke(request: Request) -> Response:
        secret, name = await _named(request), principal_of(request).name

        def work() -> None:
            tokens.revoke(tokens.known(secret, user=name).id, user=name, actor=actor_of(request))

        await run_in_threadpool(work)
        return nothing()

    @api.get("/jwt/settings")
    @api.get("/jwt/settings/")
    def get_settings(request: Request) -> Response:
        workspace_of(request)
        return answer(dict.fromkeys(_JWT, True))

    @api.post("/jwt/settings")
    @api.post("/jwt/settings/")
    async def set_settings(request: Request) -> Response:
        """Tokens are always possible here, by either of upstream's words for them."""
        sent = await fields_of(request)
        for name in _JWT:
            if name in sent and not flag(sent[name], name):
                raise Invalid(
                    "Tokens cannot be switched off.",
                    advice="Revoke those that shall not work.",
                    field=name,
                )
        return answer(dict.fromkeys(_JWT, True))

    @api.get("/invite")
    @api.get("/invite/")
    @api.post("/invite/reset-token")
    @api.post("/invite/reset-token/")
    def invite(request: Request) -> Response:
        workspace_of(request)
        raise NotFound(
            "Nobody signs up by a link here.",
            advice="An admin makes accounts on /settings/users; an owner puts them into the "
            "workspace on /settings/members.",
        )

    return api


def _mine(request: Request) -> tuple[int, str]:
    """The number and the secret of the token that asks. Raises Conflict for a browser."""
    principal = principal_of(request)
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    secret = token_in(headers)
    if not principal.token_id or not secret:
        raise Conflict("This request came without a token.", advice=_WHERE)
    return principal.token_id, secret


async def _named(request: Request) -> str:
    sent: Any = (await fields_of(request)).get("refresh")
    if not isinstance(sent, str) or not sent.strip():
        raise Invalid("This field is required.", field="refresh")
    return sent.strip()
