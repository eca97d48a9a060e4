"""TLS for the fake server, and pyftpdlib as the first real one."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from attrs import define
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def authority_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def server_context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@define
class Peer:
    """A real server on loopback, serving `root` to ann with the password p."""

    port: int
    root: Path


def _serve(root: Path, handler_class: type[FTPHandler]) -> Iterator[Peer]:
    authorizer = DummyAuthorizer()
    authorizer.add_user("ann", "p", str(root), perm="elradfmwMT")
    loop = IOLoop()
    handler = type("Handler", (handler_class,), {"authorizer": authorizer, "timeout": 60, "auth_failed_timeout": 0})
    server = FTPServer(("127.0.0.1", 0), handler, ioloop=loop)
    stop = threading.Event()

    def run() -> None:
        while not stop.is_set():
            server.serve_forever(timeout=0.01, blocking=False)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield Peer(server.address[1], root)
    finally:
        stop.set()
        thread.join()
        server.close_all()
        loop.close()


@pytest.fixture
def clear_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    yield from _serve(tmp_path_factory.mktemp("clear"), FTPHandler)


@pytest.fixture
def tls_peer(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Peer]:
    pem = tmp_path_factory.mktemp("cert") / "server.pem"
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(pem))
    root = tmp_path_factory.mktemp("tls")
    handler = type(
        "Handler",
        (TLS_FTPHandler,),
        {"certfile": str(pem), "ssl_context": None, "tls_control_required": True, "tls_data_required": True},
    )
    yield from _serve(root, handler)
