"""What completion has to offer, and for how long a key waits for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import trio
import trio.testing

from ftlite.cli.flags import Options
from ftlite.client.address import parse_address
from ftlite.client.errors import ClientError, Outcome
from ftlite.protocol.entries import Entry, Kind
from ftlite.shell.completion import Name, Wanted, wanted
from ftlite.shell.names import PATIENCE, Names
from ftlite.shell.place import Site
from ftlite.shell.settings import flags
from ftlite.shell.shell import Shell


class Server:
    """Lists what `holds` says, `slow` seconds later."""

    def __init__(self) -> None:
        self.slow = 0.0
        self.asked: list[str] = []
        self.holds = ["first"]
        self.error: ClientError | None = None

    async def list(self, path: str) -> list[Entry]:
        self.asked.append(path)
        await trio.sleep(self.slow)
        if self.error is not None:
            raise self.error
        return [Entry(".", Kind.CDIR), Entry("inner", Kind.DIR), *(Entry(name, Kind.FILE) for name in self.holds)]


@asynccontextmanager
async def names_at(server: Server) -> AsyncIterator[Names]:
    site = Site(parse_address("ftp://host/"), "/home", "/rel", "/", True, True)
    servers = SimpleNamespace(standing=lambda *_: server)
    shell = SimpleNamespace(site=site, servers=servers, options=Options(), is_site=lambda _: False, aliases={})
    async with trio.open_nursery() as nursery:
        yield Names(cast(Shell, shell), nursery)
        nursery.cancel_scope.cancel()


def want(text: str) -> Wanted:
    found = wanted(text, {}, flags)
    assert found is not None
    return found


def texts(names: list[Name]) -> list[str]:
    return [name.text for name in names]


async def test_a_directory_is_listed_once_for_some_seconds(autojump_clock: Any) -> None:
    server = Server()
    async with names_at(server) as names:
        assert await names.of(want("get f")) == [Name("inner", directory=True), Name("first")]
        assert texts(await names.of(want("get x "))) != ["inner", "first"]  # that one is here
        await names.of(want("cat ~/a"))
        await names.of(want("get "))
        await trio.sleep(9)
        await names.of(want("get sub/../f"))
        await names.of(want("get fi"))
        assert server.asked == ["/rel", "/home"]
        await trio.sleep(2)
        await names.of(want("get fi"))
        assert server.asked == ["/rel", "/home", "/rel"]


async def test_a_key_waits_a_moment_and_the_listing_goes_on(autojump_clock: Any) -> None:
    server = Server()
    server.slow = 5
    async with names_at(server) as names:
        began = trio.current_time()
        assert await names.of(want("get ")) == []
        assert trio.current_time() - began <= PATIENCE + 0.01
        assert await names.of(want("get f")) == []
        await trio.sleep(5)
        assert texts(await names.of(want("get f"))) == ["inner", "first"]
        assert server.asked == ["/rel"]


async def test_after_a_command_names_are_looked_up_anew_and_old_ones_serve_meanwhile(autojump_clock: Any) -> None:
    server = Server()
    async with names_at(server) as names:
        await names.of(want("get "))
        server.holds, server.slow = ["second"], 3
        names.changed()
        assert texts(await names.of(want("get "))) == ["inner", "first"]
        await trio.sleep(3)
        assert texts(await names.of(want("get "))) == ["inner", "second"]


async def test_what_cannot_be_listed_offers_nothing(autojump_clock: Any) -> None:
    server = Server()
    server.error = ClientError(Outcome.DENIED, "no")
    async with names_at(server) as names:
        assert await names.of(want("get ")) == []
        assert await names.of(want("get ")) == []
        assert server.asked == ["/rel"]
