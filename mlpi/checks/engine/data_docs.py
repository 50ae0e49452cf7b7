"""Great Expectations' Data Docs page of a stored result, without anything from elsewhere."""

from __future__ import annotations

import copy
import html
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from mlpi import paths

# What makes the page load, run or send something: gone with all that is inside.
_DROPPED = {"script", "iframe", "object", "embed", "form", "noscript", "template"}
_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_LINKS = {"src", "href", "action", "srcset", "poster", "background", "xlink:href"}


def data_docs(result: Mapping[str, Any]) -> str:
    """The page as one HTML file. result: an ExpectationSuiteValidationResult's JSON."""
    from great_expectations.core import (  # noqa: PLC0415 - seconds
        ExpectationSuiteValidationResult,
        expectationSuiteValidationResultSchema,
    )
    from great_expectations.render.renderer.page_renderer import (  # noqa: PLC0415
        ValidationResultsPageRenderer,
    )
    from great_expectations.render.view.view import DefaultJinjaPageView  # noqa: PLC0415

    loaded = expectationSuiteValidationResultSchema.load(_prepared(result))
    if isinstance(loaded, dict):
        loaded = ExpectationSuiteValidationResult(**loaded)
    page = ValidationResultsPageRenderer(run_info_at_end=True).render(loaded)
    view: Any = DefaultJinjaPageView()
    return without_strangers(view.render(page))


def _prepared(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result as the templates need it: tracebacks empty instead of missing, and as text what
    they would take for markup of their own. They escape arguments, but not columns and values.
    """
    found = copy.deepcopy(dict(result))
    for one in found["results"]:
        kwargs = one["expectation_config"]["kwargs"]
        if "column" in kwargs:
            kwargs["column"] = _as_text(kwargs["column"])
        one["result"] = _as_text(one.get("result") or {})
        trouble = one.get("exception_info") or {}
        for info in (trouble, *trouble.values()):
            if isinstance(info, dict) and info.get("exception_traceback", "") is None:
                info["exception_traceback"] = ""
    return found


def _as_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _as_text(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_text(one) for one in value]
    if isinstance(value, str):
        return value.replace("&", "&amp;").replace("<", "&lt;")
    return value


def without_strangers(page: str) -> str:
    """HTML with no scripts and no references outside itself, with a style of our own."""
    cleaner = _Cleaner()
    cleaner.feed(page)
    cleaner.close()
    style = (paths.STATIC / "css" / "data_docs.css").read_text("utf-8")
    return f"<!doctype html>\n<style>{style}</style>\n{''.join(cleaner.parts)}"


class _Cleaner(HTMLParser):
    """Writes a page again without what is dropped."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._inside: list[str] = []
        self._is_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED:
            self._inside.append(tag)
        if self._inside or tag in ("link", "base", "img", "style", "source"):
            self._is_style = tag == "style"
            return
        kept = "".join(
            f' {name}="{html.escape(value or "")}"'
            for name, value in attrs
            if _is_harmless(name, value or "")
        )
        self.parts.append(f"<{tag}{kept}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _DROPPED:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self._is_style = False
        if tag in _DROPPED:
            if tag in self._inside:
                del self._inside[self._inside.index(tag) :]
        elif not self._inside and tag not in _VOID and tag != "style":
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._inside and not self._is_style:
            self.parts.append(html.escape(data))


def _is_harmless(name: str, value: str) -> bool:
    if name.startswith("on") or name == "style":
        return False
    return name not in _LINKS or value.startswith("#")
