"""Ways to break a running server in one place."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from attrs import evolve, frozen

from ftlite.protocol import states
from ftlite.protocol.replies import Reply
from ftlite.server.call import Call
from ftlite.server.channel import Channel
from ftlite.server.rows import ROWS

Plant = Callable[[pytest.MonkeyPatch], None]


@frozen
class Fault:
    """`plant` breaks the server, and `case` claims to notice; `tls`: it is run over TLS."""

    case: str
    plant: Plant
    tls: bool = False


def says(pattern: bytes, instead: bytes | Callable[[re.Match[bytes]], bytes]) -> Plant:
    """What the server sends on control connections, wherever `pattern` matches (with lines), is `instead`."""
    wanted = re.compile(pattern, re.MULTILINE)

    def plant(patch: pytest.MonkeyPatch) -> None:
        send = Channel._send

        async def mangled(self: Channel, data: bytes) -> None:
            await send(self, wanted.sub(instead, data))

        patch.setattr(Channel, "_send", mangled)

    return plant


def handles(verb: str, handler: Callable[[Call], Awaitable[Reply]]) -> Plant:
    """`verb` is answered by `handler`."""
    return lambda patch: patch.setitem(ROWS, verb, evolve(ROWS[verb], handler=handler, at_once=None))  # type: ignore[arg-type]


def wraps(verb: str, around: Callable[[Call, Callable[[Call], Awaitable[Reply]]], Awaitable[Reply]]) -> Plant:
    """`verb` is answered by ``around(call, right)``."""
    right = ROWS[verb].handler
    return handles(verb, lambda call: around(call, right))


def demands_nothing(*verbs: str) -> Plant:
    """`verbs` may come at any time."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        for verb in verbs:
            patch.setitem(states.DEMANDS, verb, ())  # type: ignore[arg-type]

    return plant


def sets(where: Any, name: str, value: Any) -> Plant:
    """The attribute `name` of `where` is `value`."""
    return lambda patch: patch.setattr(where, name, value)


def both(*plants: Plant) -> Plant:
    def plant(patch: pytest.MonkeyPatch) -> None:
        for each in plants:
            each(patch)

    return plant
