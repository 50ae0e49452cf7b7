"""Set-up, log-in and log-out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from mlpi.auth.audit import Actor
from mlpi.auth.credentials import COOKIE
from mlpi.auth.requests import actor_of, address_of, local_path, set_session_cookie
from mlpi.auth.setup import SetupKey
from mlpi.errors import Conflict, Invalid, TooManyAttempts, Unauthenticated
from mlpi.house import House
from mlpi.web.render import principal_of, render

Text = Annotated[str, Form()]


def router(house: House, setup_key: SetupKey) -> APIRouter:
    """The doorbell."""
    pages = APIRouter()

    def welcome(request: Request, target: str, secret: str) -> Response:
        response = RedirectResponse(local_path(target), 303)
        max_age_s = int(house.sessions.lifetime.total_seconds())
        set_session_cookie(request, response, secret, max_age_s)
        return response

    def agent(request: Request) -> str:
        return request.headers.get("user-agent", "")

    @pages.get("/login")
    def login_page(request: Request, next: str = "/") -> Response:  # noqa: A002 - the URL's word
        if request.scope["user"] is not None:
            return RedirectResponse(local_path(next), 303)
        if not house.users.any_exist():
            return RedirectResponse("/setup", 303)
        return render(request, "login.html", next=next, name="", error=None)

    @pages.post("/login")
    def log_in(
        request: Request,
        name: Text = "",
        password: Text = "",
        next: Text = "/",  # noqa: A002
    ) -> Response:
        try:
            secret = house.sessions.log_in(
                name, password, address=address_of(request), agent=agent(request)
            )
        except (Unauthenticated, TooManyAttempts) as error:
            status = 429 if isinstance(error, TooManyAttempts) else 422
            return render(request, "login.html", status, next=next, name=name, error=error)
        return welcome(request, next, secret)

    @pages.post("/logout")
    def log_out(request: Request) -> Response:
        principal = principal_of(request)
        if principal.session_id is not None:
            house.sessions.end(
                principal.session_id, user_id=principal.user_id, actor=actor_of(request)
            )
        response = RedirectResponse("/login", 303)
        response.delete_cookie(COOKIE)
        return response

    @pages.get("/setup")
    def setup_page(request: Request, key: str = "") -> Response:
        if house.users.any_exist():
            return RedirectResponse("/login", 303)
        has_key = setup_key.matches(key)
        status = 200 if has_key or not key else 403
        return render(
            request, "setup.html", status, key=key, has_key=has_key, name="admin", error=None
        )

    @pages.post("/setup")
    def set_up(
        request: Request,
        key: Text = "",
        name: Text = "",
        password: Text = "",
        again: Text = "",
    ) -> Response:
        if not setup_key.matches(key):
            return render(request, "setup.html", 403, key=key, has_key=False, name=name, error=None)
        try:
            if password != again:
                raise Invalid("The two passwords are not the same.", field="again")
            user = house.users.set_up(name, password, actor=Actor(name, address_of(request)))
        except Conflict:
            return RedirectResponse("/login", 303)
        except Invalid as error:
            return render(request, "setup.html", 422, key=key, has_key=True, name=name, error=error)
        secret = house.sessions.open(user, address=address_of(request), agent=agent(request))
        return welcome(request, "/", secret)

    return pages
