"""Pages from templates: one environment, one shell."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from mlpi import paths
from mlpi.auth.roles import Principal
from mlpi.component import Components
from mlpi.web import filters, words

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "mlpi_theme"


@cache
def environment() -> Environment:
    """The one Jinja environment; an undefined name is an error, not an empty string."""
    env = Environment(
        loader=FileSystemLoader(paths.TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    env.filters.update(filters.ALL)
    env.filters.update(words.ALL)
    env.globals["asset"] = asset
    return env


@lru_cache(maxsize=256)
def asset(path: str) -> str:
    """The URL of a static file with its content's hash, so that it can be cached for ever."""
    digest = hashlib.sha256((paths.STATIC / path).read_bytes()).hexdigest()
    return f"/static/{path}?v={digest[:10]}"


def is_htmx(request: Request) -> bool:
    """Whether htmx asks rather than the browser itself."""
    return request.headers.get("hx-request") == "true"


def wants_part(request: Request) -> bool:
    """Whether a part of a page is asked for; htmx also asks for whole pages, to select from."""
    return is_htmx(request) and request.headers.get("hx-request-type") != "full"


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """A template with the shell's context around it."""
    html = environment().get_template(template).render(**shell(request), **context)
    if status == 200 and request.method == "GET" and not is_htmx(request):
        _remember_workspace(request)
    return HTMLResponse(html, status)


def _remember_workspace(request: Request) -> None:
    """A page of another workspace was opened by its address: its links lead on inside it."""
    principal: Principal | None = request.scope.get("user")
    if request.scope.get("switched") and principal and principal.session_id is not None:
        house = request.app.state.house
        house.sessions.set_workspace(principal.session_id, str(principal.workspace))
        house.identity.forget()


def shell(request: Request) -> dict[str, Any]:
    """What every page shows: who, where, and the ways to go."""
    principal: Principal | None = request.scope.get("user")
    theme = request.cookies.get(THEME_COOKIE, "auto")
    path, query = request.url.path, request.url.query
    components: Components = request.app.state.components
    links = [link for one in components.all for link in one.links]
    return {
        "principal": principal,
        "workspace": principal.workspace if principal else None,
        "workspaces": sorted(principal.roles) if principal else [],
        "links": links,
        # A part of a page has no header, and an answer to nobody no signs in it.
        "badges": components.badges(principal) if principal and not wants_part(request) else [],
        "path": path,
        # Where a small form of the shell returns to; a page that answered a POST has no address.
        "url": (f"{path}?{query}" if query else path) if request.method == "GET" else "/",
        "base": str(request.base_url).rstrip("/"),
        "theme": theme if theme in THEMES else "auto",
        "here": lambda target, **query: here(principal, target, **query),
    }


def here(principal: Principal | None, target: str, **query: str | Sequence[str]) -> str:
    """A form's target bound to the page's workspace, whatever another tab has switched to.

    What is empty is left out. target may have a query of its own.
    """
    query = {name: value for name, value in query.items() if value}
    if principal and principal.workspace:
        query["workspace"] = principal.workspace
    joint = "&" if "?" in target else "?"
    return f"{target}{joint}{urlencode(query, doseq=True)}" if query else target


def back_to(request: Request, page: str, done: str = "") -> Response:
    """After a form: on to a page, in the workspace that the form acted on."""
    query = {"done": done} if done else {}
    return RedirectResponse(here(principal_of(request), page, **query), 303)


def principal_of(request: Request) -> Principal:
    """Who asks; the door has made sure that there is somebody."""
    principal = request.scope["user"]
    assert isinstance(principal, Principal)
    return principal


def workspace_of(request: Request) -> str:
    """The workspace a request acts in; the door has made sure that there is one."""
    return str(request.scope["workspace"])
