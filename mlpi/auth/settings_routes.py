"""A user's own settings: account, sessions, tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.auth.requests import actor_of, role_of
from mlpi.auth.roles import ROLE_WORDS
from mlpi.auth.tokens import lifetime
from mlpi.errors import MlpiError
from mlpi.house import House
from mlpi.web.render import back_to, principal_of, render

Text = Annotated[str, Form()]


def router(house: House) -> APIRouter:
    """What every user may change about themselves."""
    pages = APIRouter()

    @pages.get("/settings")
    def settings() -> Response:
        return RedirectResponse("/settings/account", 303)

    @pages.get("/settings/account")
    def account(request: Request, done: str = "") -> Response:
        user = house.users.get(principal_of(request).name)
        return render(request, "settings/account.html", user=user, error=None, done=done)

    @pages.post("/settings/account/password")
    def password(request: Request, old: Text = "", new: Text = "", again: Text = "") -> Response:
        principal = principal_of(request)
        try:
            if new != again:
                raise MlpiError("The two new passwords are not the same.", field="again")
            house.users.change_password(
                principal.name,
                old,
                new,
                actor=actor_of(request),
                keep_session=principal.session_id,
            )
        except MlpiError as error:
            user = house.users.get(principal.name)
            return render(request, "settings/account.html", 422, user=user, error=error, done="")
        return back_to(request, "/settings/account", "password")

    @pages.get("/settings/sessions")
    def sessions(request: Request) -> Response:
        found = house.sessions.page(principal_of(request).user_id)
        return render(request, "settings/sessions.html", sessions=found)

    @pages.post("/settings/sessions/end-others")
    def end_others(request: Request) -> Response:
        principal = principal_of(request)
        house.sessions.end_others(
            user_id=principal.user_id, keep=principal.session_id, actor=actor_of(request)
        )
        return back_to(request, "/settings/sessions")

    @pages.post("/settings/sessions/{session_id}/end")
    def end(request: Request, session_id: int) -> Response:
        user_id = principal_of(request).user_id
        house.sessions.end(session_id, user_id=user_id, actor=actor_of(request))
        return back_to(request, "/settings/sessions")

    def tokens_page(
        request: Request,
        status: int = 200,
        *,
        secret: str | None = None,
        error: MlpiError | None = None,
        form: dict[str, str] | None = None,
    ) -> Response:
        principal = principal_of(request)
        return render(
            request,
            "settings/tokens.html",
            status,
            tokens=house.tokens.page(user=principal.name),
            roles=[
                word for word in ROLE_WORDS if principal.role and role_of(word) <= principal.role
            ],
            secret=secret,
            error=error,
            form=form or {"label": "", "role": "editor", "expires": ""},
        )

    @pages.get("/settings/tokens")
    def tokens(request: Request) -> Response:
        return tokens_page(request)

    @pages.post("/settings/tokens")
    def add_token(
        request: Request, label: Text = "", role: Text = "", expires: Text = ""
    ) -> Response:
        principal = principal_of(request)
        try:
            if principal.workspace is None:
                raise MlpiError("You are not a member of any workspace yet.")
            _, secret = house.tokens.add(
                principal.name,
                principal.workspace,
                role=role_of(role) if role else None,
                lifetime=lifetime(expires),
                label=label,
                actor=actor_of(request),
            )
        except MlpiError as error:
            form = {"label": label, "role": role, "expires": expires}
            return tokens_page(request, 422, error=error, form=form)
        return tokens_page(request, secret=secret)

    @pages.post("/settings/tokens/{token_id}/revoke")
    def revoke(request: Request, token_id: int) -> Response:
        house.tokens.revoke(token_id, user=principal_of(request).name, actor=actor_of(request))
        return back_to(request, "/settings/tokens")

    return pages
