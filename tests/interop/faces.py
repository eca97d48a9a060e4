"""Our client behind the drivers' interface: once as the library, once as the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import trio

from ftlite import connect
from tests.interop.tools import PATIENCE, Tool, ToolFailed
from tests.peers.servers import REPOSITORY, Running, Tls

_EVERYTHING = frozenset({"put", "tls", "get_resumed", "put_resumed", "get_tree", "put_tree"})


class Library(Tool):
    """`ftlite.connect`. Whatever it moves is asked to be verified by size at least."""

    program = sys.executable
    can = _EVERYTHING

    def get(self, server: Running, remote: str, local: Path, *, resume: bool = False) -> None:
        self._with(server, lambda client: client.get(remote, local, resume=resume))

    def put(self, server: Running, local: Path, remote: str, *, resume: bool = False) -> None:
        self._with(server, lambda client: client.put(local, remote, resume=resume))

    def names(self, server: Running, directory: str) -> set[str]:
        listed = self._with(server, lambda client: client.list(directory))
        return {entry.name for entry in listed}

    def get_tree(self, server: Running, remote: str, local: Path) -> None:
        self._with(server, lambda client: client.get_tree(remote, local), connections=2)

    def put_tree(self, server: Running, local: Path, remote: str) -> None:
        self._with(server, lambda client: client.put_tree(local, remote), connections=2)

    def _with(self, server: Running, deed: Callable[[Any], Awaitable[Any]], connections: int = 1) -> Any:
        trust: dict[str, Any] = {"tls": "off", "dialect": server.dialect}
        if server.tls is not Tls.OFF:
            assert server.certificate is not None
            trust |= {"tls": "required", "cacert": server.certificate.authority}
        scheme = "ftps" if server.tls is Tls.IMPLICIT else "ftp"
        address = f"{scheme}://{server.user}@{server.host}:{server.port}"

        async def main() -> Any:
            with trio.fail_after(PATIENCE):
                async with connect(
                    address, password=server.password, retries=0, connections=connections, require="size", **trust
                ) as client:
                    return await deed(client)

        return trio.run(main)


class Command(Tool):
    """`python -m ftlite`, its password in the environment."""

    program = sys.executable
    can = _EVERYTHING

    def get(self, server: Running, remote: str, local: Path, *, resume: bool = False) -> None:
        self.run(server, "get", *["-c"] * resume, "--require", "size", self.address(server, remote), str(local))

    def put(self, server: Running, local: Path, remote: str, *, resume: bool = False) -> None:
        self.run(server, "put", *["-c"] * resume, "--require", "size", str(local), self.address(server, remote))

    def names(self, server: Running, directory: str) -> set[str]:
        told = self.run(server, "ls", "--json", self.address(server, directory))
        events = [json.loads(line) for line in told.splitlines()]
        return {Path(event["path"]).name for event in events if event["event"] == "entry"}

    def get_tree(self, server: Running, remote: str, local: Path) -> None:
        self.run(server, "get", "-r", "-P", "2", self.address(server, remote), str(local))

    def put_tree(self, server: Running, local: Path, remote: str) -> None:
        self.run(server, "put", "-r", "-P", "2", str(local), self.address(server, remote))

    def run(self, server: Running, *words: str) -> str:
        done = self.start(server, *words)
        try:
            told, said = done.communicate(timeout=PATIENCE)
        finally:
            done.kill()
        if done.returncode:
            raise ToolFailed(f"ftlite {' '.join(words)} ended with {done.returncode}: {told}{said}")
        return told

    def start(self, server: Running, *words: str) -> subprocess.Popen[str]:
        """Starts the command; for who wants to kill it."""
        trust = ["--tls", "off"]
        if server.tls is not Tls.OFF:
            assert server.certificate is not None
            trust = ["--cacert", str(server.certificate.authority)]
        dialect = ["--dialect", server.dialect] if server.dialect else []
        verb, *rest = words
        command = [sys.executable, "-m", "ftlite", verb, "--retries", "0", *trust, *dialect, *rest]
        home = {"HOME": str(self.scratch), "XDG_CONFIG_HOME": str(self.scratch), "XDG_STATE_HOME": str(self.scratch)}
        return subprocess.Popen(
            command,
            env={**os.environ, **home, "FTLITE_PASSWORD": server.password, "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    @staticmethod
    def address(server: Running, remote: str) -> str:
        scheme = "ftps" if server.tls is Tls.IMPLICIT else "ftp"
        return f"{scheme}://{server.user}@{server.host}:{server.port}/{quote(remote)}"


FACES: dict[str, type[Tool]] = {"library": Library, "command": Command}
