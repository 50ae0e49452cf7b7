"""Errors own their HTTP status, their code for machines and their advice for people."""

from __future__ import annotations

from typing import ClassVar


class MlpiError(Exception):
    """Something went wrong inside mlpi; its log says what."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "INTERNAL_ERROR"
    exit_code: ClassVar[int] = 1  # 2 says: what was given is wrong, trying again is no use

    def __init__(
        self, message: str | None = None, *, advice: str | None = None, field: str | None = None
    ) -> None:
        """message: what was wrong; advice: what to do; field: the form field or key it is about."""
        self.message = message or (type(self).__doc__ or "").strip().split("\n")[0]
        self.advice = advice
        self.field = field
        super().__init__(self.message)

    def line(self) -> str:
        """One line for a terminal: what was wrong, then what to do."""
        return f"{self.message} {self.advice}" if self.advice else self.message


class Invalid(MlpiError):
    """The input is not valid."""

    status = 422
    code = "INVALID_PARAMETER_VALUE"
    exit_code = 2


class Conflict(MlpiError):
    """Something of this name exists already."""

    status = 409
    code = "RESOURCE_ALREADY_EXISTS"


class NotFound(MlpiError):
    """There is nothing here, or it is not yours to see."""

    status = 404
    code = "RESOURCE_DOES_NOT_EXIST"


class Unauthenticated(MlpiError):
    """Log in, or send a token."""

    status = 401
    code = "UNAUTHENTICATED"


class Forbidden(MlpiError):
    """Your role in this workspace does not allow this."""

    status = 403
    code = "PERMISSION_DENIED"


class CrossSite(MlpiError):
    """This request came from another site and was refused."""

    status = 403
    code = "PERMISSION_DENIED"


class TooManyAttempts(MlpiError):
    """Too many failed attempts."""

    status = 429
    code = "REQUEST_LIMIT_EXCEEDED"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many failed attempts. Try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class NotReady(MlpiError):
    """This room is still starting."""

    status = 503
    code = "TEMPORARILY_UNAVAILABLE"

    def __init__(self, message: str | None = None, *, retry_after_s: int = 5) -> None:
        super().__init__(message, advice=f"Try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class DiskFull(MlpiError):
    """The disk is full."""

    status = 507
    code = "RESOURCE_EXHAUSTED"


class StartupError(MlpiError):
    """mlpi cannot start. Raised only before the port answers; ends as one line on the terminal."""


class DatabaseCorrupt(StartupError):
    """The database file is damaged."""


class DatabaseNewer(StartupError):
    """The database was written by a newer mlpi."""


class SettingsInvalid(StartupError):
    """A setting is not valid."""

    exit_code = 2


class HomeUnusable(StartupError):
    """The home folder cannot be used."""


class HomeInUse(StartupError):
    """Another mlpi runs on this home."""


class PortTaken(StartupError):
    """The port is in use by another program."""
