"""What is wrong with how a page looks, as far as a program can say."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

_SCRIPT = Path(__file__).with_name("seen.js")


def look_at(page: Page) -> list[str]:
    """In words: what sticks out, has no name, is hard to read, or too small for a finger.

    A page of 500 pixels or less is one that is touched.
    """
    found: list[str] = page.evaluate(_SCRIPT.read_text())
    return found
