"""The command line. Each command's module is imported when it runs: help must be quick."""

from __future__ import annotations

import sys

import typer

from mlpi.cli.app import app
from mlpi.errors import MlpiError


def main() -> None:
    """Run a command. What goes wrong is one line on stderr, and the exit code of its kind."""
    try:
        code = app(prog_name="mlpi", standalone_mode=False)
    except MlpiError as error:
        code = _failed(error.line(), error.exit_code)
    except typer.TyperException as error:
        code = _misused(error)
    except typer.Abort:
        code = _failed("Stopped; nothing was changed.", 130)
    sys.exit(code)


def _failed(line: str, code: int) -> int:
    print(f"mlpi: {line}", file=sys.stderr)
    return code


def _misused(error: typer.TyperException) -> int:
    """A wrong argument costs one line, which says where to look it up."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    if "\n" in message:  # a group without a command: typer raises its help
        print(message, file=sys.stderr)
        return error.exit_code
    if context is not None:
        message = f"{message.rstrip('.')}. See: {context.command_path} --help"
    return _failed(message, error.exit_code)


__all__ = ["main"]
