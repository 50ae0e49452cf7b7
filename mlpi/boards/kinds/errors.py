"""What is wrong with a value."""

from __future__ import annotations

from mlpi.errors import MlpiError


class ContentError(ValueError):
    """These bytes are not what their tag says they are."""


class ContentBroken(MlpiError):
    """A value in a log cannot be read."""

    status = 422
    code = "CONTENT_BROKEN"
