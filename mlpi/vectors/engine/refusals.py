"""Errors as Chroma's own server answers them: a status, the name of a kind, a message."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Refused(Exception):
    """A request that is answered with an error.

    kind: one of the names that clients turn into exceptions, chromadb.errors.error_types.
    """

    status: int
    kind: str
    message: str


def invalid(message: str) -> Refused:
    return Refused(400, "InvalidArgumentError", message)


def not_found(message: str) -> Refused:
    return Refused(404, "NotFoundError", message)


def mistyped(message: str) -> Refused:
    """A body whose JSON is well formed but of the wrong shape."""
    prefix = "Failed to deserialize the JSON body into the target type: "
    return Refused(422, "ChromaError", prefix + message)


def unsupported(message: str) -> Refused:
    """What a local Chroma does not do."""
    return Refused(501, "ChromaError", message)


def explained(error: Exception) -> Refused:
    """What an exception of the bindings is called by Chroma's own server.

    The bindings report whatever exists already as an internal error.
    """
    name, message = type(error).__name__, str(error)
    if name == "InvalidArgumentError":
        return invalid(message)
    if name == "NotFoundError":
        return not_found(message)
    if name == "AuthorizationError":
        return Refused(403, "ChromaError", message)
    if name == "BatchSizeExceededError":
        return Refused(413, "ChromaError", message)
    if message.endswith("already exists"):
        return Refused(409, "ChromaError", message)
    return Refused(500, "InternalError", message)
