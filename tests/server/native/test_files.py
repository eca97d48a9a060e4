"""GET and PUT of files with tags, in clear and over TLS."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.server.native.support import native_server, sha256


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("size", [0, 5, 4096, 65_536, 65_537, 3_000_000])
async def test_there_and_back(root: Path, tls: bool, size: int) -> None:
    data = os.urandom(size)
    async with native_server(root, tls=tls) as (_box, client):
        put = await client.put("a file", data, "modify=20240102030405.25;mode=0640;")
        assert (put.code, put.facts["bytes"], put.facts["sha256"]) == (226, str(size), sha256(data))
        assert (root / "a file").read_bytes() == data
        begun, got, done = await client.get("a file")
        assert (begun.code, begun.facts["offset"], begun.facts["size"]) == (150, "0", str(size))
        assert (begun.facts["modify"], begun.facts["mode"]) == ("20240102030405.25", "0640")
        assert begun.facts["version"] == put.facts["version"]
        assert got == data
        assert (done.code, done.facts["bytes"], done.facts["sha256"]) == (226, str(size), sha256(data))
