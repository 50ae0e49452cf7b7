"""The demo's part in labels: real digits to box, and what scikit-learn says of its data to mark.

Both are filled through the API by an ordinary client. A model that was trained on other digits
predicts; rules that find years and people predict in texts. Some of it is labeled, and some of that
twice, so that there is something to agree about: a second reader, which is a small tree for digits
and hasty rules for texts, is often wrong.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, inspect, select, update

from mlpi.db import Database
from mlpi.demo import WORKSPACE, State
from mlpi.labels.models import LabelAnnotation, LabelProject
from mlpi.settings import Settings

if TYPE_CHECKING:
    import httpx

    from mlpi.demo import Say

MARK = "From scikit-learn's bundled data (mlpi demo)"
DIGITS, TEXTS = "Digits in pictures", "People and years in texts"
DIGIT_TASKS, DIGIT_DONE, DIGIT_TWICE = 60, 36, 24
TEXT_DONE, TEXT_TWICE = 0.5, 0.35  # of the texts
# No account, as the demo has none either: it may be made before the first one.
READER_ID, READER = -1, "second reader (demo)"
TREE_LEAVES = 12  # too few for ten digits to be told well
SIDE, SCALE = 8, 3  # pixels of a digit, and each of them in the picture
WIDTH, HEIGHT = 120, 60  # pixels of a picture
SHORTEST, LONGEST = 90, 900  # characters of a text
_YEAR = re.compile(r"\b(?:18|19|20)\d\d\b")
_PERSON = re.compile(
    r"\b[A-Z]\.(?: ?[A-Z]\.)* ?[A-Z][a-z]{2,}|\b[A-Z][a-z]{2,}, [A-Z]\.(?:[A-Z]\.)*"
)
_HASTY_PERSON = re.compile(r"\b[A-Z][a-z]{2,}(?=, [A-Z]\.)")  # the last name alone
_DIGIT_CONFIG = (
    '<View>\n  <RectangleLabels name="digit" toName="image">\n'
    + "".join(f'    <Label value="{n}" hotkey="{n}"/>\n' for n in range(10))
    + '  </RectangleLabels>\n  <Image name="image" value="$image" zoom="true"/>\n</View>'
)
_TEXT_CONFIG = """<View>
  <Labels name="what" toName="text">
    <Label value="Person" background="#d97757" hotkey="1"/>
    <Label value="Year" background="#4a90d9" hotkey="2"/>
  </Labels>
  <Text name="text" value="$text"/>
</View>"""


def state(settings: Settings) -> State:
    """How much of it is there. The figures of a whole part stand in its two projects."""
    with _opened(settings) as db:
        if db is None:
            return State.ABSENT
        with db.read() as session:
            found = {one.title: one for one in session.scalars(_marked())}
            seconds = set(session.scalars(_seconds_in([one.id for one in found.values()])))
    if not found:
        return State.ABSENT
    digits, texts = found.get(DIGITS), found.get(TEXTS)
    is_whole = (
        digits is not None
        and texts is not None
        and digits.annotation_count >= DIGIT_DONE + DIGIT_TWICE
        and 0 < texts.task_count <= texts.prediction_count
        and {digits.id, texts.id} <= seconds
    )
    return State.COMPLETE if is_whole else State.PARTIAL


def remove(settings: Settings) -> list[str]:
    """Take it away for good; what else the workspace holds."""
    with _opened(settings) as db:
        if db is None:
            return []
        with db.write() as session:
            ids = [one.id for one in session.scalars(_marked())]
            session.execute(delete(LabelProject).where(LabelProject.id.in_(ids)))
            asked = select(func.count()).where(LabelProject.workspace == WORKSPACE)
            left = session.scalar(asked) or 0
    return [f"{left} labeling project{'s' if left != 1 else ''}"] if left else []


def fill(base_url: str, token: str, say: Say) -> None:
    """Make both projects, with tasks, predictions and some annotations."""
    import httpx  # noqa: PLC0415 - 0.1 s

    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=base_url, headers=headers, timeout=120) as client:
        texts = list(_text_tasks())
        say(f"labels: {len(texts)} texts of scikit-learn to mark people and years in")
        _project(client, TEXTS, _TEXT_CONFIG, texts)
        say(f"labels: {DIGIT_TASKS} pictures with three digits each, boxed by a model")
        _project(client, DIGITS, _DIGIT_CONFIG, _digit_tasks())


def finish(settings: Settings) -> None:
    """Put the second reader's name to what it said: a client can only send it as its own."""
    with _opened(settings) as db:
        if db is None:
            return
        with db.write() as session:
            ids = session.scalars(_marked().with_only_columns(LabelProject.id)).all()
            newest = (
                select(func.max(LabelAnnotation.id))
                .where(LabelAnnotation.project_id.in_(ids))
                .group_by(LabelAnnotation.task_id)
                .having(func.count() > 1)
            )
            session.execute(
                update(LabelAnnotation)
                .where(LabelAnnotation.id.in_(newest))
                .values(completed_by_id=READER_ID, completed_by_name=READER)
                .execution_options(synchronize_session=False)
            )


def _project(
    client: httpx.Client, title: str, config: str, tasks: Sequence[dict[str, Any]]
) -> None:
    sent = {
        "title": title,
        "description": MARK,
        "label_config": config,
        "maximum_annotations": 2,
    }
    made = client.post("/api/projects/", json=sent).raise_for_status().json()
    client.post(f"/api/projects/{made['id']}/import", json=list(tasks)).raise_for_status()


def _digit_tasks() -> list[dict[str, Any]]:
    """Three real digits in each picture; nearest neighbours of other digits say which they are."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - seconds
    from sklearn.neighbors import KNeighborsClassifier  # noqa: PLC0415
    from sklearn.tree import DecisionTreeClassifier  # noqa: PLC0415

    pictures, numbers = load_digits(return_X_y=True)
    count = 3 * DIGIT_TASKS
    model = KNeighborsClassifier(5).fit(pictures[count:], numbers[count:])
    sure = model.predict_proba(pictures[:count])
    tree = DecisionTreeClassifier(max_leaf_nodes=TREE_LEAVES, random_state=0)
    seconds = tree.fit(pictures[count:], numbers[count:]).predict(pictures[:count])
    found = []
    for at in range(0, count, 3):
        canvas = [bytearray(WIDTH) for _ in range(HEIGHT)]
        true, read, guessed, scores = [], [], [], []
        for place in range(3):
            number = at + place
            left, top = 6 + place * 38 + number * 7 % 8, 4 + number * 11 % 28
            _draw(canvas, left, top, pictures[number])
            score = float(max(sure[number]))
            true.append(_box(left, top, str(numbers[number]), f"d{place}"))
            read.append(_box(left, top, str(seconds[number]), f"r{place}"))
            guess = str(model.classes_[int(sure[number].argmax())])
            guessed.append({**_box(left, top, guess, f"g{place}"), "score": score})
            scores.append(score)
        task: dict[str, Any] = {
            "data": {"image": _png(canvas)},
            "predictions": [
                {
                    "result": guessed,
                    "score": sum(scores) / 3,
                    "model_version": "nearest-neighbours",
                }
            ],
        }
        if at < 3 * DIGIT_DONE:
            task["annotations"] = [{"result": true, "lead_time": 4 + at % 9}]
        if at < 3 * DIGIT_TWICE:
            task["annotations"].append({"result": read, "lead_time": 2 + at % 5})
        found.append(task)
    return found


def _draw(canvas: list[bytearray], left: int, top: int, pixels: Sequence[float]) -> None:
    for y in range(SIDE * SCALE):
        for x in range(SIDE * SCALE):
            value = pixels[y // SCALE * SIDE + x // SCALE]
            canvas[top + y][left + x] = min(255, round(value * 255 / 16))


def _box(left: int, top: int, label: str, mark: str) -> dict[str, Any]:
    side = SIDE * SCALE
    value = {
        "x": left * 100 / WIDTH,
        "y": top * 100 / HEIGHT,
        "width": side * 100 / WIDTH,
        "height": side * 100 / HEIGHT,
        "rotation": 0,
        "rectanglelabels": [label],
    }
    return {
        "id": mark,
        "from_name": "digit",
        "to_name": "image",
        "type": "rectanglelabels",
        "value": value,
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
    }


def _png(canvas: Sequence[bytearray]) -> str:
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + bytes(row) for row in canvas), 9)
    parts = ((b"IHDR", head), (b"IDAT", body), (b"IEND", b""))
    png = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        for name, part in parts
    )
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _text_tasks() -> Iterator[dict[str, Any]]:
    """Paragraphs of the descriptions of bundled data in which rules find people or years."""
    from sklearn import datasets  # noqa: PLC0415 - seconds

    loaders = ("iris", "wine", "breast_cancer", "diabetes", "digits", "linnerud")
    texts = []
    for name in loaders:
        for part in getattr(datasets, f"load_{name}")().DESCR.split("\n\n"):
            text = " ".join(part.split())
            if SHORTEST <= len(text) <= LONGEST and _spans(text):
                texts.append((text, f"load_{name}"))
    for number, (text, source) in enumerate(texts):
        spans = _spans(text)
        task: dict[str, Any] = {
            "data": {"text": text, "source": source},
            "predictions": [{"result": spans, "score": 0.6, "model_version": "rules-1"}],
        }
        if number < len(texts) * TEXT_DONE:
            task["annotations"] = [{"result": spans, "lead_time": 6 + number % 11}]
        if number < len(texts) * TEXT_TWICE:
            read = {"result": _spans(text, _HASTY_PERSON), "lead_time": 3 + number % 7}
            task["annotations"].append(read)
        yield task


def _spans(text: str, person: re.Pattern[str] = _PERSON) -> list[dict[str, Any]]:
    found = [(match, "Year") for match in _YEAR.finditer(text)]
    found += [(match, "Person") for match in person.finditer(text)]
    return [
        {
            "id": f"s{number}",
            "from_name": "what",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": match.start(),
                "end": match.end(),
                "text": match.group(),
                "labels": [label],
            },
        }
        for number, (match, label) in enumerate(sorted(found, key=lambda one: one[0].start()))
    ]


def _marked() -> Any:
    return select(LabelProject).where(
        LabelProject.workspace == WORKSPACE, LabelProject.description == MARK
    )


def _seconds_in(project_ids: Sequence[int]) -> Any:
    """Those of the projects in which the second reader has said something."""
    return (
        select(LabelAnnotation.project_id)
        .where(
            LabelAnnotation.project_id.in_(project_ids),
            LabelAnnotation.completed_by_id == READER_ID,
        )
        .distinct()
    )


@contextmanager
def _opened(settings: Settings) -> Iterator[Database | None]:
    """mlpi's own database; None when it is not there yet, for to look would make one."""
    db = Database(settings.database)
    try:
        is_there = db.path is None or db.path.exists()
        yield db if is_there and inspect(db.engine).has_table("label_projects") else None
    finally:
        db.close()
