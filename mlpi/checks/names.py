"""What datasets, suites and checkpoints may be called."""

from __future__ import annotations

import re

from mlpi.errors import Invalid

_NAME = re.compile(r"[^\W_][\w .,()+-]{0,98}[\w)+]|[^\W_]")


def checked_name(name: str, what: str) -> str:
    """The name if it can be a thing's: letters of any script, digits, and . , _ - ( ) + inside.

    what: the thing, such as "a dataset". Raises Invalid.
    """
    name = " ".join(name.split())
    if not _NAME.fullmatch(name):
        raise Invalid(
            f"{name[:120]!r} cannot be the name of {what}.",
            advice="Use 1–100 letters, digits, spaces, and . , _ - ( ) + inside.",
            field="name",
        )
    return name
