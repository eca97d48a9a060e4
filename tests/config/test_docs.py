"""The page about configuration and the models say the same: every key, every default, every right, and an example."""

from __future__ import annotations

import enum
import re
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest

from ftlite.config.models import ServerConfig
from ftlite.config.rights import WORDS, Right, format_rights
from ftlite.config.structure import keys, structure

PAGE = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
ROWS = dict(re.findall(r"^\| `([^`]+)` \| ([^|]*) \|", PAGE, re.MULTILINE))
FIELDS = dict(keys(ServerConfig))
SIZES = ("line", "tree_size", "tree_path", "tree_free")


def default(key: str, field: attrs.Attribute[Any]) -> str:
    """How the page writes the default of `field`, unit included."""
    value = field.default
    name = key.rpartition(".")[2]
    if value is attrs.NOTHING:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Right):
        return f'`"{format_rights(value)}"`'
    if isinstance(value, (str, enum.Enum)):
        return f'`"{value.value if isinstance(value, enum.Enum) else value}"`'
    if isinstance(value, float):
        return f"`{value:g} s`"
    if name == "umask":
        return f"`0o{value:03o}`"
    return f"`{value}{' B/s' if name.startswith('rate_') else ' B' if name in SIZES else ''}`"


@pytest.mark.parametrize("key", FIELDS)
def test_every_key_is_there_with_its_default(key: str) -> None:
    assert ROWS.get(key) == default(key, FIELDS[key])


def test_nothing_else_is_there() -> None:
    assert {key for key in ROWS if key not in WORDS} == set(FIELDS)


def test_every_right_is_there() -> None:
    assert set(WORDS) <= set(ROWS)


def test_the_example_is_understood() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    config = structure(ServerConfig, tomllib.loads(example), None)
    assert config.users[0].name == "ci"
