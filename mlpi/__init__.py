"""mlpi: the whole machine-learning workbench in one process."""

from functools import cache


@cache
def version() -> str:
    """The installed version, read late because importlib.metadata costs start-up time."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    return installed("mlpi")
