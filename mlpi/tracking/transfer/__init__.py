"""Moving in and out: experiments, runs, metrics, artifacts and models from one MLflow to another.

Runs in the process of `mlpi tracking import` and `export`, never in the service. Both are the same
copy between two ends (ends.py), each reached through MLflow's own client. Whatever was copied
carries a tag with its id at the source; the tag `done` comes last, so that a copy which was
interrupted goes on where it was, and a second one finds everything there.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlpi.errors import Invalid, MlpiError

# Marks of earlier transfers say nothing about this one.
PREFIXES = ("mlpi.imported.", "mlpi.exported.")


class EndUnusable(Invalid):
    """One end of the transfer cannot be used."""


class Lost(EndUnusable):
    """One end stopped answering, or no longer lets us in; the rest cannot be copied now."""


class Interrupted(MlpiError):
    """Stopped. Run it again: it goes on from there."""

    exit_code = 130


@dataclass(frozen=True)
class Marks:
    """The tags that a transfer leaves on what it makes."""

    word: str

    @property
    def run_id(self) -> str:
        return f"mlpi.{self.word}.run_id"

    @property
    def model_id(self) -> str:
        return f"mlpi.{self.word}.model_id"

    @property
    def version(self) -> str:
        return f"mlpi.{self.word}.version"

    @property
    def origin(self) -> str:
        return f"mlpi.{self.word}.from"

    @property
    def created_at(self) -> str:
        """When the original was created, in ms; MLflow itself dates models by their copy."""
        return f"mlpi.{self.word}.created_at"

    @property
    def done(self) -> str:
        return f"mlpi.{self.word}.done"


IMPORT = Marks("imported")
EXPORT = Marks("exported")


def own_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags without the marks of transfers."""
    return {key: value for key, value in tags.items() if not key.startswith(PREFIXES)}
