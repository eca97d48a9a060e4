"""The harness itself: a peer greets, lets its account in, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.tools import plain_session
from tests.peers.certificate import make_certificate
from tests.peers.process import PeerMissing, family
from tests.peers.servers import SERVERS, Running, Tls

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("name", SERVERS)
def test_a_peer_is_gone_after_its_block_with_all_its_sessions(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="ftlite-interop-") as directory, contextlib.ExitStack() as clients:
        home = Path(directory)
        home.chmod(0o755)
        (home / "root").mkdir()
        try:
            with SERVERS[name](home / "root", make_certificate(home / "certificate"), Tls.EXPLICIT) as server:
                for _ in range(3):
                    ftp = clients.enter_context(contextlib.closing(_Held(plain_session(server))))
                    assert ftp.says_it_is_well()
                held = family(server.pid)
                assert server.pid in held
        except PeerMissing as missing:
            pytest.skip(str(missing))
        assert [number for number in held if _lives(number)] == []
        with pytest.raises(OSError), socket.create_connection((server.host, server.port), timeout=5):
            pass


@contextlib.contextmanager
def _absent(*_: object) -> Iterator[Running]:
    raise PeerMissing("absent is not unpacked here")
    yield


def test_a_peer_that_is_missing_is_a_skip_each_time_it_is_asked_for(
    servers: Callable[[str, Tls], Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SERVERS, "absent", _absent)
    for _ in range(2):
        with pytest.raises(pytest.skip.Exception, match="absent is not unpacked"):
            servers("absent", Tls.OFF)


def _lives(number: int) -> bool:
    """Whether it is more than a zombie that waits for init."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class _Held:
    """A session that stays open while its server dies."""

    def __init__(self, session: contextlib.AbstractContextManager[object]):
        self._session = session
        self._ftp = session.__enter__()

    def says_it_is_well(self) -> bool:
        return bool(self._ftp.voidcmd("NOOP").startswith("200"))  # type: ignore[attr-defined]

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._session.__exit__(None, None, None)
