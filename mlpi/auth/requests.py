"""What the pages and the API of this room read from a request."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from mlpi.auth.audit import Actor
from mlpi.auth.credentials import COOKIE
from mlpi.auth.roles import Role
from mlpi.errors import Invalid


def address_of(request: Request) -> str:
    """The client's address."""
    return request.client.host if request.client else ""


def actor_of(request: Request) -> Actor:
    """Who does this, for the audit trail."""
    principal = request.scope["user"]
    return Actor(principal.name if principal else "", address_of(request))


def role_of(word: str) -> Role:
    """The role of this name. Raises Invalid."""
    try:
        return Role.of(word)
    except KeyError:
        raise Invalid(
            f"{word!r} is not a role.", advice="Use viewer, editor or owner.", field="role"
        ) from None


def set_session_cookie(request: Request, response: Response, secret: str, max_age_s: int) -> None:
    """HttpOnly and SameSite=Lax always; Secure when the browser came by https."""
    response.set_cookie(
        COOKIE,
        secret,
        max_age=max_age_s,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def local_path(target: str) -> str:
    """A path of this host to go on to, with its query and fragment; anything else becomes /."""
    is_local = target.startswith("/") and not target.startswith(("//", "/\\"))
    # Browsers drop control characters, so that "/\t/host" would lead to another host.
    return target if is_local and target.isprintable() else "/"
