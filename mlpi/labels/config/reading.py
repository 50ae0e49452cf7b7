"""Reading a labeling configuration, and checking it: errors name the line and the tag."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from mlpi.labels.config.config import Control, Label, LabelConfig, ObjectTag, number_in
from mlpi.labels.config.vocabulary import TAGS, Role, Tag, known, tag_named
from mlpi.labels.config.xml import ConfigInvalid, Node, parse

EMPTY = "<View></View>"  # what a project begins with, as in Label Studio
VISIBLE_WHEN = ("region-selected", "no-region-selected", "choice-selected", "choice-unselected")
_VARIABLE = re.compile(r"\$([^$,\s]+)")
_COLOUR = re.compile(
    r"#[0-9a-f]{3,8}|[a-z]{3,20}|(?:rgb|hsl)a?\([0-9.,%/ deg]{1,40}\)", re.IGNORECASE
)


@lru_cache(maxsize=256)
def read_config(text: str) -> LabelConfig:
    """A configuration from its XML. Raises ConfigInvalid."""
    return _Reading(text).config()


class _Reading:
    def __init__(self, text: str) -> None:
        self._text = text
        self._root = parse(text)
        self._objects: dict[str, ObjectTag] = {}
        self._controls: dict[str, Control] = {}
        self._relation_labels: list[str] = []
        self._warnings: list[str] = []

    def config(self) -> LabelConfig:
        if self._root.tag.lower() != "view":
            raise ConfigInvalid(
                f"The outermost tag is <{self._root.tag}>.",
                line=self._root.line,
                advice="Put everything into one <View>.",
            )
        self._visit(self._root, None)
        for control in self._controls.values():
            self._check_objects(control)
        for node in self._root.walk():
            self._check_when(node)
        return LabelConfig(
            self._text,
            self._root,
            self._objects,
            self._controls,
            tuple(self._relation_labels),
            tuple(self._warnings),
        )

    def _visit(self, node: Node, control: Tag | None) -> None:
        """control: the one that the node lies in."""
        tag = tag_named(node.tag)
        if tag is None:
            raise ConfigInvalid(
                f"<{node.tag[:60]}> is not a tag that mlpi knows.",
                line=node.line,
                advice=f"Known are {known()}.",
            )
        attributes = self._attributes(node, tag)
        if tag.role is Role.PART:
            self._check_part(node, tag, control)
        elif control is not None and tag.name not in ("View", "Header"):
            raise ConfigInvalid(f"<{tag.name}> cannot lie in <{control.name}>.", line=node.line)
        if tag.name == "Style":
            self._warnings.append(
                f"Line {node.line}: <Style> is left aside; mlpi has its own look."
            )
        elif tag.role is Role.OBJECT:
            self._add_object(node, tag, attributes)
        elif tag.role is Role.CONTROL:
            self._add_control(node, tag, attributes)
        inner = tag if tag.role is Role.CONTROL else control
        for child in node.children:
            self._visit(child, inner)

    def _attributes(self, node: Node, tag: Tag) -> dict[str, str]:
        """By the names that the vocabulary has for them."""
        names = {name.lower(): name for name in tag.attributes}
        found: dict[str, str] = {}
        for written, value in node.attributes.items():
            name = names.get(written.lower())
            if name is None:
                self._warnings.append(
                    f"Line {node.line}: {written[:60]} of <{tag.name}> is left aside."
                )
            found[name or written] = value
        return found

    def _check_part(self, node: Node, tag: Tag, control: Tag | None) -> None:
        if control is None or tag.name not in control.parts:
            owners = [one.name for one in TAGS.values() if tag.name in one.parts]
            owners = [name for name in owners if TAGS[name].role is Role.CONTROL]
            where = f"in <{control.name}>" if control else "outside of any"
            raise ConfigInvalid(
                f"<{tag.name}> lies {where} control.",
                line=node.line,
                advice=f"It belongs in {_listed([f'<{name}>' for name in owners], 'or')}.",
            )

    def _name(self, node: Node, tag: Tag, attributes: Mapping[str, str]) -> str:
        name = attributes.get("name", "").strip()
        if not name:
            raise ConfigInvalid(f"<{tag.name}> has no name.", line=node.line)
        if name in self._objects or name in self._controls:
            raise ConfigInvalid(f"The name {name!r} is there twice.", line=node.line)
        return name

    def _add_object(self, node: Node, tag: Tag, attributes: dict[str, str]) -> None:
        name = self._name(node, tag, attributes)
        value = attributes.get("value", "")
        if not value and node.attributes.get("valueList"):
            raise ConfigInvalid(
                f"<{tag.name} name={name!r}> shows one {tag.name.lower()}, not a valueList.",
                line=node.line,
                advice="Name one field in value and make a task of each.",
            )
        if not value:
            raise ConfigInvalid(
                f"<{tag.name} name={name!r}> has no value.",
                line=node.line,
                advice='Name the data that it shows, as in value="$text".',
            )
        self._objects[name] = ObjectTag(tag, name, value, _field(value), attributes, node.line)

    def _add_control(self, node: Node, tag: Tag, attributes: dict[str, str]) -> None:
        if tag.name == "Relations":
            self._relation_labels += [self._part_value(one) for one in _parts(node, "relation")]
            return
        name = self._name(node, tag, attributes)
        to_names = tuple(filter(None, map(str.strip, attributes.get("toName", "").split(","))))
        if not to_names:
            raise ConfigInvalid(
                f"<{tag.name} name={name!r}> has no toName.",
                line=node.line,
                advice="Give the name of the object that it is about.",
            )
        value = attributes.get("value", "")
        dynamic = _field(value) if tag.parts else None
        labels = tuple(self._labels(node, (), set()))
        control = Control(tag, name, to_names, labels, dynamic, attributes, node.line)
        if tag.parts and tag.name != "Ranker" and not labels and dynamic is None:
            raise ConfigInvalid(
                f"<{tag.name} name={name!r}> has no <{tag.parts[0]}>.", line=node.line
            )
        _check_numbers(control)
        self._controls[name] = control

    def _labels(
        self, node: Node, above: tuple[str, ...], seen: set[tuple[str, ...]]
    ) -> Iterator[Label]:
        for child in node.children:
            tag = tag_named(child.tag)
            if tag is None or tag.role is not Role.PART or tag.name == "Relation":
                yield from self._labels(child, above, seen)
                continue
            if tag.name == "Bucket":
                label = Label(self._part_value(child, "name"), "", (), child.attributes, child.line)
            else:
                attributes = self._attributes(child, tag)
                alias = attributes.get("alias", "")
                value = self._part_value(child)
                label = Label(value, alias, (*above, alias or value), attributes, child.line)
                _check_colour(attributes.get("background", ""), child.line)
            key = label.path or (label.value,)
            if key in seen:
                raise ConfigInvalid(
                    f"{label.key[:100]!r} is there twice.",
                    line=child.line,
                    advice="Give one of them another value or an alias.",
                )
            seen.add(key)
            yield label
            yield from self._labels(child, label.path, seen)

    def _part_value(self, node: Node, attribute: str = "value") -> str:
        names = {name.lower(): value for name, value in node.attributes.items()}
        value = names.get(attribute, "")
        if not value.strip():
            raise ConfigInvalid(f"<{node.tag}> has no {attribute}.", line=node.line)
        return value

    def _check_objects(self, control: Control) -> None:
        for name in control.to_names:
            one = self._objects.get(name)
            if one is None:
                there = _listed(sorted(map(repr, self._objects)), "and") or "none"
                raise ConfigInvalid(
                    f"toName of <{control.tag.name} name={control.name!r}>: "
                    f"there is no object {name!r}.",
                    line=control.line,
                    advice=f"Objects are {there}.",
                )
            if control.tag.objects and one.tag.name not in control.tag.objects:
                raise ConfigInvalid(
                    f"<{control.tag.name}> is not for <{one.tag.name}>.",
                    line=control.line,
                    advice=f"It is for {_listed([f'<{n}>' for n in control.tag.objects], 'or')}.",
                )
        if control.tag.name == "Pairwise" and len(control.to_names) != 2:
            raise ConfigInvalid(
                "<Pairwise> compares two objects.",
                line=control.line,
                advice='Name both, as in toName="left,right".',
            )

    def _check_when(self, node: Node) -> None:
        attributes = {name.lower(): value for name, value in node.attributes.items()}
        when = attributes.get("visiblewhen")
        if when is not None and when not in VISIBLE_WHEN:
            raise ConfigInvalid(
                f"visibleWhen is {when[:60]!r}.",
                line=node.line,
                advice=f"It may be {_listed(list(VISIBLE_WHEN), 'or')}.",
            )
        named = attributes.get("whentagname")
        strange = [
            one for one in (named or "").split(",") if one and one.strip() not in self._controls
        ]
        if strange:
            raise ConfigInvalid(
                f"whenTagName: there is no control {strange[0].strip()[:60]!r}.", line=node.line
            )


def _parts(node: Node, tag: str) -> Sequence[Node]:
    return [one for one in node.walk() if one.tag.lower() == tag]


def _field(value: str) -> str | None:
    found = _VARIABLE.fullmatch(value.strip())
    return found[1] if found else None


def _check_colour(colour: str, line: int) -> None:
    if colour and not _COLOUR.fullmatch(colour.strip()):
        raise ConfigInvalid(
            f"background is {colour[:60]!r}.",
            line=line,
            advice="Give a CSS colour, as in 'tomato' or '#ff6347'.",
        )


def _check_numbers(control: Control) -> None:
    for attribute in ("maxRating", "maxSubmissions", "maxUsages"):
        text = control.attributes.get(attribute)
        if text is not None and not re.fullmatch(r"0*[1-9]\d{0,5}", text.strip()):
            raise ConfigInvalid(
                f"{attribute} of <{control.tag.name}> is {text[:40]!r}, "
                "not a whole number above 0.",
                line=control.line,
            )
    if control.tag.name != "Number":
        return
    low, high = (number_in(control, attribute) for attribute in ("min", "max"))
    number_in(control, "step")
    if low is not None and high is not None and low > high:
        raise ConfigInvalid("min of <Number> is above its max.", line=control.line)


def _listed(words: Sequence[str], joint: str) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {joint} {words[-1]}"
