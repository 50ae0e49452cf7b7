"""The other end: mlpi's API for event files, and what its refusals mean for a sender."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mlpi.sync.protocol import (
    CHECKSUM,
    CONTENT,
    FILES,
    OFFSET,
    QUOTA_CODE,
    REPLACE,
    checksum,
)

if TYPE_CHECKING:
    import httpx

MOST_PIECE, LEAST_PIECE = 4 << 20, 64 << 10
SLICE = 64 << 10
CONNECT_S, ANSWER_S = 10.0, 60.0
LONGEST_WAIT_S = 60.0  # whatever Retry-After asks for


class Lost(Exception):
    """It does not answer, or cannot now; the same may work later. wait_s: what it asked for."""

    def __init__(self, words: str, wait_s: float = 0.0) -> None:
        super().__init__(words)
        self.wait_s = wait_s


class Refused(Exception):
    """It will not have this file; others may go on.

    is_final: it never will; is_of_run: nor any other of its run.
    """

    def __init__(self, words: str, *, is_final: bool = True, is_of_run: bool = False) -> None:
        super().__init__(words)
        self.is_final, self.is_of_run = is_final, is_of_run


class Elsewhere(Exception):
    """The file does not end there where it was thought to."""


class Stopped(Exception):
    """Nothing more can be sent. exit_code: 2 when what was given is wrong, else 1."""

    def __init__(self, words: str, exit_code: int = 2) -> None:
        super().__init__(words)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class There:
    """A file at the other end. beginning: `protocol.beginning` of its first `upto` bytes."""

    size: int
    upto: int
    beginning: str

    @classmethod
    def of(cls, told: dict[str, Any]) -> There:
        """Raises KeyError, TypeError, ValueError."""
        return cls(int(told["size_bytes"]), int(told["upto"]), str(told["beginning"]))


class Remote:
    """One workspace of an mlpi.

    piece: how many bytes to send at once, by how well that goes; answers: how many came.
    """

    def __init__(self, url: str, token: str, workspace: str = "") -> None:
        """Raises Stopped for an address that is none."""
        import httpx  # noqa: PLC0415 - 0.1 s

        self.url = url.rstrip("/")
        self.piece = MOST_PIECE
        self.answers = 0
        try:
            self._client = httpx.Client(
                base_url=self.url,
                headers={"Authorization": f"Bearer {token}"},
                params={"workspace": workspace} if workspace else {},
                timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
                trust_env=False,
            )
        except (httpx.InvalidURL, ValueError) as error:
            raise Stopped(f"{url!r} is no address ({error}).") from None

    def close(self) -> None:
        self._client.close()

    def listed(self, prefix: str) -> tuple[str, dict[str, There]]:
        """The workspace's name, and what it has below a run, by path. Raises Lost, Stopped."""
        answer = self._ask("GET", FILES, params={"run": prefix} if prefix else {})
        if not answer.is_success:
            raise Stopped(words_of(answer))
        with self._understanding():
            told = answer.json()
            found = {
                one["name"] if one["run"] == "." else f"{one['run']}/{one['name']}": There.of(one)
                for one in told["files"]
            }
            return str(told["workspace"]), found

    def there(self, target: str, upto: int) -> There | None:
        """A file; None when it is not there. Raises Lost, Refused, Stopped."""
        answer = self._ask("GET", _path(target), params={"upto": upto})
        if answer.status_code == 404 and _told(answer, "error_code") == "RESOURCE_DOES_NOT_EXIST":
            return None
        if not answer.is_success:
            raise _refused(answer)
        with self._understanding():
            return There.of(answer.json())

    def append(self, target: str, offset: int, data: bytes, *, replaces: bool) -> None:
        """Raises Elsewhere, Lost, Refused, Stopped."""
        headers = {
            "Content-Type": CONTENT,
            "Content-Length": str(len(data)),
            OFFSET: str(offset),
            CHECKSUM: checksum(data),
        }
        if replaces:
            headers[REPLACE] = "true"
        # In slices: httpx copies what is left of a body after every send.
        slices = (data[at : at + SLICE] for at in range(0, len(data), SLICE))
        answer = self._ask("PATCH", _path(target), content=slices, headers=headers)
        if answer.is_success:
            self.piece = min(2 * self.piece, MOST_PIECE)
            return
        if OFFSET in answer.headers:
            raise Elsewhere
        if answer.status_code == 413:
            self._make_smaller(answer, len(data))
        raise _refused(answer)

    @contextmanager
    def _understanding(self) -> Iterator[None]:
        """Raises Stopped when an answer is not mlpi's."""
        try:
            yield
        except (ValueError, KeyError, TypeError):
            raise Stopped(f"{self.url} does not answer as mlpi does.") from None

    def _make_smaller(self, answer: httpx.Response, size: int) -> None:
        """Raises Lost, so that smaller pieces are tried, or Stopped."""
        if _told(answer, "error_code") == QUOTA_CODE:
            raise Stopped(words_of(answer), 1)
        if size <= LEAST_PIECE:
            raise Stopped(f"What stands before {self.url} takes no {size:,} bytes at once.", 1)
        self.piece = max(min(self.piece, size) // 2, LEAST_PIECE)
        raise Lost("smaller pieces are asked for")

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        import httpx  # noqa: PLC0415

        try:
            answer = self._client.request(method, path, **more)
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise Stopped(f"{self.url!r} is no address of an mlpi ({error}).") from None
        except httpx.HTTPError as error:
            if isinstance(error, httpx.TimeoutException | httpx.WriteError):
                self.piece = max(self.piece // 2, LEAST_PIECE)
            raise Lost(f"{self.url} cannot be reached ({_short(error)})") from None
        status = answer.status_code
        if status in (401, 403):
            raise Stopped(words_of(answer))
        if answer.is_redirect:
            raise Stopped(f"{self.url} leads on to {answer.headers.get('location', '')[:200]}.")
        is_of_file = status == 500 and path != FILES  # something in this file; others may go on
        if status in (408, 429, 460) or (status >= 500 and not is_of_file):
            if status == 408:
                self.piece = max(self.piece // 2, LEAST_PIECE)
            words = f"{self.url} answers {status}: {words_of(answer)}"
            raise Lost(words.rstrip("."), _wait_s(answer))
        self.answers += 1
        return answer


def words_of(answer: httpx.Response) -> str:
    """What an answer says was wrong, and what to do."""
    try:
        told = answer.json()
        words = " ".join(filter(None, (told.get("message"), told.get("advice"))))
    except (ValueError, AttributeError):
        words = ""
    return words or f"The service answered {answer.status_code}."


def _path(target: str) -> str:
    try:
        return f"{FILES}/{quote(target, safe='/')}"
    except UnicodeEncodeError:
        raise Refused("Its name is not UTF-8.") from None


def _refused(answer: httpx.Response) -> Refused:
    return Refused(
        words_of(answer),
        is_final=answer.status_code == 422,
        is_of_run=_told(answer, "field") == "run",
    )


def _told(answer: httpx.Response, key: str) -> str:
    try:
        return str(answer.json().get(key, ""))
    except (ValueError, AttributeError):
        return ""


def _wait_s(answer: httpx.Response) -> float:
    asked = answer.headers.get("retry-after", "")
    return min(float(asked), LONGEST_WAIT_S) if asked.isdecimal() else 0.0


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200] if str(error) else type(error).__name__
