"""The command line. Each command's module is imported when it runs: help must be quick."""

from __future__ import annotations

import sys

from mlpi.cli.app import app
from mlpi.errors import MlpiError


def main() -> None:
    """Run a command; an error of ours is one line on stderr."""
    try:
        app()
    except MlpiError as error:
        print(f"mlpi: {error.line()}", file=sys.stderr)
        sys.exit(2 if error.status == 422 else 1)
    except KeyboardInterrupt:
        sys.exit(130)


__all__ = ["main"]
