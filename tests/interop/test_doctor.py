"""The doctor finds real servers well, and leaves nothing behind."""

from __future__ import annotations

import pytest

from ftlite.client import parse_address
from ftlite.client.doctor import Verdict, examine
from tests.interop.conftest import Serve
from tests.peers.servers import SERVERS, Tls

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("server", SERVERS)
async def test_a_sound_server(server: str, serve: Serve) -> None:
    place = serve(server, Tls.EXPLICIT)
    running = place.server
    assert running.certificate is not None
    findings = await examine(
        parse_address(f"ftp://{running.host}:{running.port}/{place.remote('')}"),
        write=True,
        user=running.user,
        password=running.password,
        cacert=running.certificate.authority,
        connect_timeout=15.0,
    )
    report = {finding.step: finding for finding in findings}
    for step in ("tls", "certificate", "login", "epsv", "pasv", "nat", "active", "listing", "transfer"):
        assert report[step].verdict is Verdict.OK, report[step]
    if server in ("vsftpd", "proftpd"):  # they demand it
        assert report["tls-resumption"].verdict is Verdict.OK
    assert report["dialect"].facts["dialect"] == ("native" if server == "ftlite" else "stock")
    assert running.password not in repr(findings)
    assert list((running.root / place.remote("").strip("/")).iterdir()) == []
