"""A labeling configuration as the page's script reads it: a tree to draw, objects, controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlpi.labels.config.config import Control, Label, LabelConfig
from mlpi.labels.config.vocabulary import Role, tag_named
from mlpi.labels.config.xml import Node


def config_json(config: LabelConfig) -> dict[str, Any]:
    """{"tree", "objects", "controls", "relations"}; objects and controls by name.

    A node of the tree is {"kind", "name", "attributes", "children"}, kind being view, header,
    object or control; what stands inside of a control is told with the control.
    """
    return {
        "tree": _node(config.root),
        "objects": {
            one.name: {
                "tag": one.tag.name,
                "name": one.name,
                "value": one.value,
                "field": one.field,
                "attributes": dict(one.attributes),
            }
            for one in config.objects.values()
        },
        "controls": {one.name: _control(one) for one in config.controls.values()},
        "relations": list(config.relation_labels),
        "hasRelations": any(node.tag.lower() == "relations" for node in config.root.walk()),
    }


def _node(node: Node) -> dict[str, Any]:
    tag = tag_named(node.tag)
    assert tag is not None  # read_config refuses others
    names = {name.lower(): name for name in tag.attributes}
    attributes = {names.get(name.lower(), name): value for name, value in node.attributes.items()}
    is_whole = tag.role is not Role.LAYOUT
    children = [] if is_whole else [_node(one) for one in node.children if _is_drawn(one)]
    return {
        "kind": tag.role.value if is_whole else tag.name.lower(),
        "name": attributes.get("name", "").strip(),
        "attributes": attributes,
        "children": children,
    }


def _is_drawn(node: Node) -> bool:
    return node.tag.lower() not in ("style", "relations")


def _control(control: Control) -> dict[str, Any]:
    return {
        "tag": control.tag.name,
        "type": control.type,
        "name": control.name,
        "toNames": list(control.to_names),
        "valueKey": control.tag.value_key,
        "isRegion": control.tag.is_region,
        "isPerRegion": control.is_per_region,
        "isRequired": control.is_required,
        "isMultiple": control.is_multiple,
        "dynamicField": control.dynamic_field,
        "attributes": dict(control.attributes),
        "labels": [_label(one) for one in control.labels],
    }


def _label(label: Label) -> dict[str, Any]:
    attributes: Mapping[str, str] = label.attributes
    return {
        "key": label.key,
        "value": label.value,
        "alias": label.alias,
        "path": list(label.path),
        "background": attributes.get("background", ""),
        "hotkey": attributes.get("hotkey", ""),
        "hint": attributes.get("hint", ""),
        "selected": attributes.get("selected", "").lower() == "true",
        "title": attributes.get("title", ""),
        "isDefault": attributes.get("default", "").lower() == "true",
    }
