"""What pages make of templates and spans: marks, comparisons, trees, messages, bounded JSON."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from mlpi.tracking.prompts import template
from mlpi.tracking.prompts.records import TEXT, TYPE, Version
from mlpi.tracking.traces import artifact, body
from mlpi.tracking.traces.body import MAX_NODES, MAX_TEXT, Node
from mlpi.tracking.traces.records import Span
from mlpi.tracking.traces.tree import MAX_DEPTH, WIDTH, grown


def nodes(node: Node | None) -> int:
    assert node is not None
    return 1 + sum(nodes(child) for child in node.children or ())


def span(id_: str, parent: str | None, start: int, end: int | None) -> Span:
    return Span(id_, parent, id_, "", "OK", start, end)


# --- templates ------------------------------------------------------------------------------------


def test_variables_are_marked_as_mlflow_reads_them() -> None:
    text = "{{a}} {{ b.c }} {{ 1x }} {{a}} {d}"
    assert template.variables(text) == ["a", "b.c"]
    marked = [piece.text for piece in template.pieces(text) if piece.is_marked]
    assert marked == ["{{a}}", "{{ b.c }}", "{{a}}"]
    assert "".join(piece.text for piece in template.pieces(text)) == text


def kinds(before: str, after: str) -> str:
    found = template.compared(before.split(), after.split())
    assert found is not None
    return "".join(line.kind for line in found)


def test_a_comparison_shows_what_changed_with_some_lines_around() -> None:
    assert template.compared(["a"], ["a"]) == []
    assert kinds("a b c", "a x c") == " -+ "
    assert kinds("a", "a b") == " +"
    assert kinds("1 2 3 4 5 6 7 8 9 x", "1 2 3 4 5 6 7 8 9 y") == "~   -+"
    assert kinds("x 1 2 3 4 5 6 7 8 9", "y 1 2 3 4 5 6 7 8 9") == "-+   ~"
    assert template.compared(["a"] * 3001, []) is None


def test_a_comparison_numbers_lines_and_marks_words() -> None:
    found = template.compared(["same", "be very brief"], ["new", "same", "be very long"])
    assert found is not None
    assert [(line.kind, line.before, line.after) for line in found] == [
        ("+", None, 1),
        (" ", 1, 2),
        ("-", 2, None),
        ("+", None, 3),
    ]
    assert [piece.text for piece in found[2].pieces if piece.is_marked] == ["brief"]
    assert [piece.text for piece in found[3].pieces if piece.is_marked] == ["long"]


@pytest.mark.parametrize("text", ["not json", "{}", '["a"]', "[" * 5000])
def test_a_chat_template_that_cannot_be_read_is_shown_as_text(text: str) -> None:
    version = Version(1, raw_tags={TYPE: "chat", TEXT: text})
    assert version.messages is None
    assert version.lines == text.splitlines()


# --- the tree of spans ----------------------------------------------------------------------------


def test_spans_stand_below_their_parents_with_self_time() -> None:
    found = grown(
        [
            span("late", "root", 60, 80),
            span("root", None, 0, 100),
            span("early", "root", 10, 50),
            span("inner", "early", 20, 30),
        ]
    )
    assert [(node.span.id, node.depth, node.self_ns) for node in found] == [
        ("root", 0, 40),
        ("early", 1, 30),
        ("inner", 2, 10),
        ("late", 1, 20),
    ]
    assert found[0].whole == (0, WIDTH)
    assert found[0].alone == [(0, 100), (500, 100), (800, 200)]
    assert found[0].child_count == 2


def test_overlapping_children_are_not_counted_twice() -> None:
    found = grown([span("r", None, 0, 100), span("a", "r", 10, 60), span("b", "r", 20, 90)])
    assert found[0].self_ns == 20


def test_odd_spans_are_shown_once_and_never_end_in_a_circle() -> None:
    found = grown(
        [
            span("orphan", "nobody", 5, 6),
            span("self", "self", 6, 7),
            span("x", "y", 7, 8),
            span("y", "x", 8, 9),
            span("open", None, 9, None),
            span("backwards", None, 9, 2),
        ]
    )
    assert sorted(node.span.id for node in found) == [
        *("backwards", "open", "orphan", "self", "x", "y")
    ]
    assert all(node.whole[0] + 3 <= WIDTH and node.took_ns >= 0 for node in found)
    assert grown([]) == []


def test_a_very_deep_chain_is_indented_up_to_a_depth() -> None:
    deep = [span(str(n), str(n - 1) if n else None, n, 5000) for n in range(3000)]
    found = grown(deep)
    assert found[-1].depth == 2999
    assert max(node.indent for node in found) == MAX_DEPTH


# --- one span -------------------------------------------------------------------------------------


def read(**attributes: Any) -> body.Body:
    held = {f"mlflow.{key}": json.dumps(value) for key, value in attributes.items()}
    content = json.dumps({"name": "s", "attributes": held})
    return body.read(content, len(content))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, [("user", "hi")]),
        ([{"role": "user", "content": "hi"}], [("user", "hi")]),
        ({"messages": [[{"type": "human", "content": "hi"}]]}, [("user", "hi")]),
        (
            {"choices": [{"message": {"role": "assistant", "content": "yes"}}]},
            [("assistant", "yes")],
        ),
        (
            {"role": "assistant", "content": [{"type": "text", "text": "a"}, {"type": "image"}]},
            [("assistant", 'a\n{\n  "type": "image"\n}')],
        ),
        (
            [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"function": {"name": "find", "arguments": "{}"}}],
                }
            ],
            [("assistant", "calls find({})")],
        ),
    ],
)
def test_chat_messages_are_known_in_the_forms_of_the_field(
    given: Any, expected: list[tuple[str, str]]
) -> None:
    found = read(spanInputs=given).inputs
    assert found is not None
    assert [(one.role, one.content) for one in found.messages or ()] == expected


@pytest.mark.parametrize(
    "given", [{"messages": "no"}, {"choices": [1]}, [], [1], {"role": 1, "content": 2}, None, 3.5]
)
def test_what_is_no_chat_is_shown_as_json(given: Any) -> None:
    found = read(spanInputs=given).inputs
    assert found is not None
    assert found.messages is None
    assert found.node is not None


def test_json_is_shown_within_bounds() -> None:
    wide = body.folded([[n] * 10 for n in range(10_000)])
    assert nodes(wide) < MAX_NODES + 20
    assert "left out" in (wide.children or [])[-1].text
    deep: Any = "end"
    for _ in range(200):
        deep = {"a": deep}
    assert nodes(body.folded(deep)) < 20
    long = read(spanOutputs="x" * 1_000_000).outputs
    assert long is not None
    assert long.text is not None
    assert len(long.text) < MAX_TEXT + 100
    assert "980,000 more characters" in long.text


def test_a_span_too_large_or_broken_is_shown_by_its_beginning() -> None:
    assert body.read("{" * 50_000, 9_000_000).cut == "{" * MAX_TEXT
    assert body.read("[" * 100_000, 100_000).cut
    assert body.read("not json", 8).cut == "not json"
    assert body.read('{"attributes": 3, "events": {}, "status": []}', 45).cut == ""


def test_exceptions_are_told_from_other_events() -> None:
    event = {
        "name": "exception",
        "attributes": {
            "exception.type": "ValueError",
            "exception.message": "no",
            "exception.stacktrace": "Traceback",
            "more": 1,
        },
    }
    content = json.dumps({"attributes": {}, "events": [event, 3], "status": {"message": "bad"}})
    found = body.read(content, len(content))
    assert found.status_message == "bad"
    assert (found.events[0].message, found.events[0].stacktrace) == ("ValueError: no", "Traceback")
    assert nodes(found.events[0].values) == 2
    assert found.events[1].name == "3"


def test_files_of_both_forms_are_read() -> None:
    new = {
        "span_id": base64.b64encode(b"\x01\x02").decode(),
        "parent_span_id": base64.b64encode(b"\x03").decode(),
        "name": "new",
        "start_time_unix_nano": 5,
        "end_time_unix_nano": 9,
        "status": {"code": "STATUS_CODE_ERROR"},
        "attributes": {"mlflow.spanType": '"LLM"'},
    }
    old = {"context": {"span_id": "0xa"}, "name": "old", "start_time": 1, "status_code": "OK"}
    found = artifact.read(json.dumps({"spans": [new, old, 3, {"name": "none"}]}).encode())
    assert [one for one, _ in found.values()] == [
        Span("0102", "03", "new", "LLM", "ERROR", 5, 9),
        Span("0xa", None, "old", "", "OK", 1, None),
    ]
    for wrong in (b"", b"{", b"[]", b'{"spans": 3}', b"[" * 100_000, b"\xff"):
        assert artifact.read(wrong) == {}
