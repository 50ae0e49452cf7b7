"""Which failures end a transfer, and which only cost one item."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mlpi.tracking.transfer import Lost
from mlpi.tracking.transfer.report import Report

# What MLflow's client says when no answer came at all (mlflow/utils/rest_utils.py).
_NO_ANSWER = "API request to "


@dataclass
class Guard:
    """Keeps one bad item from ending everything, and a dead server from failing each item."""

    report: Report

    @contextmanager
    def item(self, name: str) -> Iterator[None]:
        """What goes wrong inside is a trouble of this item. Raises Lost."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
        from requests import RequestException  # noqa: PLC0415

        try:
            yield
        except MlflowException as error:
            words = str(error)
            status: Any = error.get_http_status_code  # untyped
            if words.startswith(_NO_ANSWER) or status() in (401, 403):
                raise Lost(
                    f"{_first(words)} at {name}.", advice="Run it again: it goes on from there."
                ) from None
            self.report.trouble(name, words)
        except RequestException as error:
            if error.response is not None and error.response.status_code not in (401, 403):
                self.report.trouble(name, error)
                return
            raise Lost(
                f"{_first(str(error))} at {name}.", advice="Run it again: it goes on from there."
            ) from None
        except (OSError, ValueError, LookupError) as error:
            self.report.trouble(name, error)


def _first(words: str) -> str:
    """The beginning of MLflow's words, which go on with what the socket said."""
    return " ".join(words.split()).partition(" with exception")[0][:200].rstrip(".")
