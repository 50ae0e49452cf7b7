"""One handler: an error becomes a page for a browser and JSON for everyone else."""

from __future__ import annotations

import logging
from http import HTTPStatus
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Scope

from mlpi.auth.middleware import MethodRefused, OnError
from mlpi.errors import (
    Forbidden,
    Invalid,
    MlpiError,
    NotFound,
    NotReady,
    TooManyAttempts,
    Unauthenticated,
)
from mlpi.web.render import is_htmx, render

log = logging.getLogger(__name__)

CHROMA_PATHS = ("/api/v2/", "/chroma/api/v2/")
CHROMA_TRACE = "chroma-trace-id"  # Chroma's clients show it with an error; mlpi traces nothing
NO_TRACE = "0" * 32
# Label Studio's own, beside which mlpi's lie under /api/mlpi.
LABEL_PATHS = (
    *("/api/projects", "/api/tasks", "/api/annotations", "/api/predictions", "/api/drafts"),
    *("/api/dm/", "/api/import/", "/api/webhooks", "/api/users", "/api/current-user"),
    *("/api/organizations", "/api/version", "/api/ml/", "/api/templates", "/data/"),
    *("/api/annotation-reviews", "/api/token", "/api/jwt/", "/api/invite", "/api/health"),
)
LABEL_VERSION = "1.23.2"  # of Label Studio whose API mlpi answers
API_PATHS = ("/chroma/", "/api/", "/ajax-api/", "/v1/", "/gateway/", "/graphql")


def respond(request: Request, error: MlpiError) -> Response:
    """The answer to an error, fitting who asks."""
    if isinstance(error, Unauthenticated) and wants_page(request):
        response = _to_login(request)
    elif wants_page(request):
        template = "_error.html" if is_htmx(request) else "error.html"
        response = render(request, template, error.status, error=error)
    elif request.url.path.startswith(CHROMA_PATHS):
        response = JSONResponse(_for_chroma(error), error.status, {CHROMA_TRACE: NO_TRACE})
    elif request.url.path.startswith(LABEL_PATHS):
        status = 400 if error.status == Invalid.status else error.status
        response = JSONResponse(_for_label_studio(error, status), status)
    else:
        body = {"error_code": error.code, "message": error.message}
        if error.advice:
            body["advice"] = error.advice
        if error.field:
            body["field"] = error.field
        response = JSONResponse(body, error.status)
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = 'Bearer realm="mlpi"'
    if isinstance(error, TooManyAttempts | NotReady):
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, MethodRefused):
        response.headers["Allow"] = ", ".join(error.allowed)
    return response


def _for_chroma(error: MlpiError) -> dict[str, str]:
    """What Chroma's clients turn into exceptions of their own."""
    kinds = {401: "AuthorizationError", 403: "AuthError", 404: "NotFoundError"}
    return {"error": kinds.get(error.status, "ChromaError"), "message": error.line()}


def _for_label_studio(error: MlpiError, status: int) -> dict[str, object]:
    """As Django REST framework and Label Studio's handler of exceptions put it."""
    body: dict[str, object] = {
        "id": str(uuid4()),
        "status_code": status,
        "version": LABEL_VERSION,
        "detail": error.line(),
        "exc_info": None,
    }
    if status == 400:
        body["detail"] = "Validation error"
        body["validation_errors"] = {error.field or "non_field_errors": [error.line()]}
    return body


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer, and not a program at an API."""
    if is_htmx(request):
        return True
    if request.url.path.removeprefix("/mlflow").startswith(API_PATHS):
        return False
    return "text/html" in request.headers.get("accept", "")


def door_errors(app: FastAPI) -> OnError:
    """What the door calls for a refused request, which never reached the app."""

    def answer(error: MlpiError, scope: Scope) -> ASGIApp:
        return respond(Request({**scope, "app": app}), error)

    return answer


def install(app: FastAPI) -> None:
    """Handle every error that a route of mlpi's own lets out."""

    async def own(request: Request, error: Exception) -> Response:
        assert isinstance(error, MlpiError)
        return respond(request, error)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return respond(request, _from_status(error.status_code, str(error.detail)))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return respond(request, Invalid(f"{field}: {first['msg']}.", field=field))

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error(
            "request failed",
            exc_info=error,
            extra={"action": "request_failed", "path": request.url.path},
        )
        return respond(request, MlpiError())

    app.add_exception_handler(MlpiError, own)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, unexpected)


def _from_status(status: int, detail: str) -> MlpiError:
    for kind in (NotFound, Forbidden, Unauthenticated, Invalid):
        if kind.status == status:
            return kind()
    error = MlpiError(detail if detail != HTTPStatus(status).phrase else None)
    error.status = status  # type: ignore[misc]
    return error


def _to_login(request: Request) -> Response:
    # An htmx part knows the page it lives in; come back to that, not to the part.
    target = request.url.path
    if request.url.query:
        target += f"?{request.url.query}"
    if is_htmx(request):
        target = request.headers.get("hx-current-url", "/")
    login = "/login?" + urlencode({"next": target}) if target != "/" else "/login"
    if is_htmx(request):
        return Response(status_code=401, headers={"HX-Redirect": login})
    return RedirectResponse(login, 303)
