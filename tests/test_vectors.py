"""Our parsers read the published vectors (conformance/vectors) as they are meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import conformance
from ftlite.protocol.addresses import parse_eprt, parse_epsv, parse_pasv, parse_port
from ftlite.protocol.entries import Entry
from ftlite.protocol.errors import ProtocolError
from ftlite.protocol.facts import parse_facts, parse_time
from ftlite.protocol.listparse import parse_list, safe_name
from ftlite.protocol.replies import ReplyReader
from ftlite.protocol.text import join, quote_path, unquote_path

VECTORS = Path(conformance.__file__).parent / "vectors"
SECOND = 10**9

Vector = dict[str, Any]


def vectors(name: str) -> list[Any]:
    found = json.loads((VECTORS / name).read_text(encoding="ascii"))["vectors"]
    return [pytest.param(vector, id=vector["about"]) for vector in found]


def test_every_file_is_tried() -> None:
    assert {path.name for path in VECTORS.glob("*.json")} == {
        "addresses.json", "facts.json", "listings.json", "paths.json", "replies.json"
    }  # fmt: skip


@pytest.mark.parametrize("vector", vectors("replies.json"))
def test_replies(vector: Vector) -> None:
    reader = ReplyReader()
    reader.feed(vector["octets"].encode("latin-1"))
    if vector.get("refused"):
        with pytest.raises(ProtocolError):
            reader.next()
        return
    found = []
    while (reply := reader.next()) is not None:
        found.append({"code": reply.code, "lines": list(reply.lines)})
    assert found == vector["replies"]
    assert reader.pending == vector["pending"].encode("latin-1")


@pytest.mark.parametrize("vector", vectors("addresses.json"))
def test_addresses(vector: Vector) -> None:
    parse: Any = {"227": parse_pasv, "229": parse_epsv, "PORT": parse_port, "EPRT": parse_eprt}[vector["kind"]]
    if vector.get("refused"):
        with pytest.raises(ProtocolError):
            parse(vector["text"])
    else:
        expected = vector["port"] if vector["kind"] == "229" else (vector["host"], vector["port"])
        assert parse(vector["text"]) == expected


@pytest.mark.parametrize("vector", vectors("facts.json"))
def test_facts(vector: Vector) -> None:
    parse: Any = parse_time if "time" in vector else parse_facts
    text = vector["time"] if "time" in vector else vector["line"]
    if vector.get("refused"):
        with pytest.raises(ProtocolError):
            parse(text)
    elif "time" in vector:
        assert parse(text) == vector["seconds"] * SECOND + vector["nanoseconds"]
    else:
        facts, name = parse(text)
        assert (dict(facts), name) == (vector["facts"], vector["name"])


@pytest.mark.parametrize("vector", vectors("listings.json"))
def test_listings(vector: Vector) -> None:
    if vector.get("refused"):
        with pytest.raises(ProtocolError):
            parse_list(vector["lines"], vector["now"] * SECOND)
    else:
        found = parse_list(vector["lines"], vector["now"] * SECOND)
        assert [as_vector(entry) for entry in found] == vector["entries"]


def as_vector(entry: Entry) -> Vector:
    modify = None if entry.modify_ns is None else entry.modify_ns // SECOND
    told = {"name": entry.name, "kind": entry.kind.value, "size": entry.size, "modify": modify}
    return told if entry.target is None else told | {"target": entry.target}


@pytest.mark.parametrize("vector", vectors("paths.json"))
def test_paths(vector: Vector) -> None:
    act: Any = {
        "257": lambda: unquote_path(vector["text"]),
        "join": lambda: join(vector["cwd"], vector["argument"]),
        "listed": lambda: safe_name(vector["name"]),
    }[vector["kind"]]
    if vector.get("refused"):
        with pytest.raises(ProtocolError):
            act()
        return
    assert act() == vector.get("path", vector.get("name"))
    if vector["kind"] == "257" and not vector.get("read_only"):
        assert quote_path(vector["path"]) == vector["text"]
