"""Security headers, put on every answer at the door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import Message, Send

from mlpi.auth.table.match import Row

OWN_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; connect-src 'self'; media-src 'self' blob:; frame-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
# MLflow's UI styles itself from script, compiles chart specifications and starts workers.
MLFLOW_CSP = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; media-src 'self' data: blob:; "
    "frame-src 'self' data: blob:; object-src 'none'; form-action 'self'; "
    "frame-ancestors 'self'; base-uri 'self'"
)
# TensorBoard's own UI styles itself from script and starts workers. A plugin's frame begins with
# one line of script, known by its hash. It asks nothing of other hosts, and may not.
_FRAME_LINE = "'sha256-PVZp/wXI2V6hq7T2aNiDNM+vJWIOWwNwyhE53i+6lSQ='"
TENSORBOARD_CSP = (
    f"default-src 'none'; script-src 'self' {_FRAME_LINE}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; "
    "worker-src 'self' blob:; media-src 'self' data: blob:; frame-src 'self'; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'self'"
)
# In its frame the projector compiles code.
PROJECTOR_CSP = TENSORBOARD_CSP.replace(_FRAME_LINE, "'unsafe-eval' blob:")
# What users upload may hold script. It runs, if at all, in an origin of its own that can reach
# neither this host's pages nor any other host.
ARTIFACT_CSP = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' data:; "
    "style-src 'unsafe-inline' data:; img-src data: blob:; font-src data:; media-src data: blob:"
)
# A page made by somebody else's templates around somebody's data: nothing in it runs.
DOCUMENT_CSP = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

# A PDF for the browser's own viewer, which no sandbox lets work: its type is fixed, and never HTML.
PDF_CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"

# Pictures and sounds that people upload for labeling: shown by pages, and nothing in them runs.
MEDIA_CSP = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"

_ARTIFACT_WORDS = ("artifact",)
_DOCUMENTS = frozenset({"/checks/runs/{run_id}/docs"})
_PDFS = frozenset({"/tracking/runs/{run_id}/pdf"})


def serves_artifacts(row: Row) -> bool:
    """Whether this row answers with bytes that users uploaded."""
    return any(word in row.pattern for word in _ARTIFACT_WORDS)


def _of_tool(row: Row) -> str:
    """An embedded tool's policy."""
    if row.room != "tensorboard":
        return MLFLOW_CSP
    return PROJECTOR_CSP if "/projector/" in row.pattern else TENSORBOARD_CSP


def security_headers(send: Send, row: Row | None) -> Callable[[Message], Awaitable[None]]:
    """A send that adds the headers fitting the row to the answer's start."""
    extra = [
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"same-origin"),
    ]
    if row is not None and serves_artifacts(row):
        extra.append((b"content-security-policy", ARTIFACT_CSP.encode()))
    elif row is not None and row.pattern.startswith("/data/"):
        extra.append((b"content-security-policy", MEDIA_CSP.encode()))
        extra.append((b"x-frame-options", b"SAMEORIGIN"))
    elif row is not None and row.pattern in _PDFS:
        extra.append((b"content-security-policy", PDF_CSP.encode()))
        extra.append((b"x-frame-options", b"SAMEORIGIN"))
    elif row is None or row.room == "own":
        policy = DOCUMENT_CSP if row is not None and row.pattern in _DOCUMENTS else OWN_CSP
        extra.append((b"content-security-policy", policy.encode()))
        extra.append((b"x-frame-options", b"DENY"))
    else:
        extra.append((b"content-security-policy", _of_tool(row).encode()))
        extra.append((b"x-frame-options", b"SAMEORIGIN"))
    ours = {name for name, _ in extra}

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in ours]
            has_caching = any(name.lower() == b"cache-control" for name, _ in kept)
            caching = [] if has_caching else [(b"cache-control", b"no-store")]
            message = {**message, "headers": [*kept, *extra, *caching]}
        await send(message)

    return sending
