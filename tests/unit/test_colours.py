"""Text in colour: what is coloured, and that nothing else about it changes."""

from __future__ import annotations

import html
import itertools
import re

import pytest

from mlpi.tracking.run_page import colours
from mlpi.tracking.run_page.colours import coloured

EVIL = "</span></pre><script>alert('x')</script> & \"quoted\""
TEXTS = {
    "a.py": f'# {EVIL}\n@wraps\ndef train(depth: int = 3) -> None:\n    return "{{EVIL}}", None\n',
    "a.json": '{"key <b>": ["value", 1.5, true, null, "<script>"]}',
    "a.yaml": "key: value # why\nlist:\n  - 1\n  - 'two'\n\n\n",
    "a.toml": '[part]\nkey = "value"\n',
    "a.sh": f"if true; then echo '{EVIL}'; fi\n",
    "a.diff": "--- a\n+++ b\n-old <i>\n+new\n",
    "Dockerfile": "FROM debian:13\nRUN echo <nothing>\n",
    "broken.py": "def (:\n\t'never ends\n\x0c\x00",
    "broken.json": '{"a": [1, }}} <b>',
    "broken.yaml": "a: [b\n\tc: - :",
}


@pytest.mark.parametrize("name", TEXTS)
def test_colours_change_no_character_and_let_no_markup_through(name: str) -> None:
    found = coloured(TEXTS[name], name)
    assert found is not None
    bare = re.sub(r'<span class="[ksncf]">|</span>', "", str(found))
    assert "<" not in bare
    assert html.unescape(bare) == TEXTS[name]


@pytest.mark.parametrize(
    ("name", "piece"),
    [
        ("a.py", '<span class="k">def </span><span class="f">train</span>'),
        ("a.py", '<span class="n">3</span>'),
        ("a.json", '<span class="f">&#34;key &lt;b&gt;&#34;</span>'),
        ("a.json", '<span class="n">1.5</span>'),
        ("a.yaml", '<span class="c"># why'),
        ("a.diff", '<span class="s">+new'),
    ],
)
def test_kinds_of_words_have_their_classes(name: str, piece: str) -> None:
    assert piece in str(coloured(TEXTS[name], name))


@pytest.mark.parametrize("name", ["notes.txt", "README", "model.bin", "x.unknown", ".py"])
def test_other_texts_stay_plain(name: str) -> None:
    assert coloured("def f(): pass", name) is None


def test_a_large_text_stays_plain() -> None:
    assert coloured("#" * (colours.MOST_BYTES + 1), "a.py") is None


@pytest.mark.parametrize("limit", ["time", "spans"])
def test_what_is_left_when_a_limit_is_met_is_plain(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "\n".join(f"x = {number} # <b>" for number in range(2000))
    clock = itertools.count(0, colours.MOST_S / 100 if limit == "time" else 0)
    if limit == "spans":
        monkeypatch.setattr(colours, "MOST_SPANS", 100)
    found = str(coloured(text, "a.py", lambda: next(clock)))
    assert found.startswith('x = <span class="n">0 </span>')
    assert 20 <= found.count("<span") <= 100
    assert html.unescape(re.sub(r"</?span[^>]*>", "", found)) == text


def test_a_faulty_lexer_costs_the_colours_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        raise RuntimeError("lexer")

    monkeypatch.setattr(colours, "_spans", broken)
    assert coloured("x = 1", "a.py") is None
