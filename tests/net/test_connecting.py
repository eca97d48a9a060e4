"""Dialling and listening: what works on loopback, and what each way of not working is called."""

from __future__ import annotations

import errno
import socket
import struct

import pytest
import trio

from ftlite.config.models import Endpoint
from ftlite.net import listen
from ftlite.net.active import dial
from ftlite.net.dial import connect_tcp, from_connecting
from ftlite.net.errors import Kind, NetError
from ftlite.net.listen import open_listeners
from tests.descriptors import no_descriptor_leaks
from tests.ports import HERE, free_ports


async def test_dial_comes_from_the_address_asked_for() -> None:
    with trio.fail_after(20), no_descriptor_leaks(), socket.create_server((HERE, 0)) as server:
        for target in (HERE, f"::ffff:{HERE}"):
            with await dial(target, server.getsockname()[1], "127.0.0.5") as sock:
                accepted, address = server.accept()
                accepted.close()
                assert address[0] == "127.0.0.5"
                assert sock.gettimeout() == 0.0


async def test_dial_without_a_source_or_with_one_of_the_other_family() -> None:
    with trio.fail_after(20), socket.create_server((HERE, 0)) as server:
        for source in (None, "::1"):
            (await dial(HERE, server.getsockname()[1], source)).close()


@pytest.mark.parametrize(
    ("host", "source", "kind"),
    [(HERE, None, Kind.REFUSED), (HERE, "192.0.2.7", Kind.UNREACHABLE), ("localhost", None, Kind.NAME)],
)
async def test_dial_that_fails(host: str, source: str | None, kind: Kind) -> None:
    with trio.fail_after(20), no_descriptor_leaks():
        with pytest.raises(NetError) as caught:
            await dial(host, free_ports(), source)
        assert caught.value.kind is kind


@pytest.mark.parametrize("number", [errno.ECONNREFUSED, errno.ECONNRESET])
def test_whether_the_listener_was_closed_before_or_meanwhile_is_the_same(number: int) -> None:
    assert from_connecting(OSError(number, "so it is"), "there").kind is Kind.REFUSED


async def test_a_data_connection_that_was_reset_before_we_came_to_look_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that waits for its turn may find it made, used and reset."""

    class Late:
        def __init__(self, sock: socket.socket) -> None:
            self.sock = sock

        async def connect(self, target: tuple[str, int]) -> None:
            self.sock.setblocking(True)
            self.sock.connect(target)
            accepted, _ = server.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
            self.sock.settimeout(20)
            with pytest.raises(ConnectionResetError) as caught:
                self.sock.recv(1)
            raise caught.value

    monkeypatch.setattr("trio.socket.from_stdlib_socket", Late)
    with trio.fail_after(20), no_descriptor_leaks(), socket.create_server((HERE, 0)) as server:
        with pytest.raises(NetError) as caught:
            await dial(HERE, server.getsockname()[1])
    assert caught.value.kind is Kind.LOST


async def test_connect_tcp() -> None:
    with trio.fail_after(20), socket.create_server((HERE, 0)) as server:
        stream = await connect_tcp(HERE, server.getsockname()[1], 10)
        await stream.aclose()


async def test_connect_tcp_that_fails() -> None:
    with trio.fail_after(60):
        with pytest.raises(NetError) as caught:
            await connect_tcp("localhost", free_ports(), 30)
        assert caught.value.kind is Kind.REFUSED
        for name in ("no-such-host.invalid", "a" * 70 + ".invalid", "..", "x\0y"):
            with pytest.raises(NetError) as caught:
                await connect_tcp(name, 21, 30)
            assert caught.value.kind is Kind.NAME, name


async def test_connect_tcp_timeout() -> None:
    """A full accept queue answers nothing."""
    with socket.socket() as server:
        server.bind((HERE, 0))
        server.listen(0)
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(server.getsockname())
            waiting.append(sock)
        with pytest.raises(NetError) as caught:
            await connect_tcp(HERE, server.getsockname()[1], 0.05)
        assert caught.value.kind is Kind.TIMEOUT
        for sock in waiting:
            sock.close()


async def test_listening_says_where() -> None:
    with trio.fail_after(20), no_descriptor_leaks():
        listeners = await open_listeners([Endpoint(HERE, 0), Endpoint(HERE, 0, implicit=True)])
        assert [listener.endpoint.implicit for listener in listeners] == [False, True]
        for listener in listeners:
            with socket.create_connection((listener.endpoint.host, listener.endpoint.port)):
                await (await listener.stream_listener.accept()).aclose()
            await listener.stream_listener.aclose()


async def test_any_serves_both_families() -> None:
    with trio.fail_after(20):
        (listener,) = await open_listeners([Endpoint("::", 0)])
        hosts = [HERE, "::1"] if listener.endpoint.host == "::" else [HERE]
        for host in hosts:
            with socket.create_connection((host, listener.endpoint.port)):
                await (await listener.stream_listener.accept()).aclose()
        await listener.stream_listener.aclose()


async def test_any_without_ipv6_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    bound = listen._bound

    def no_ipv6(family: socket.AddressFamily, host: str, port: int, *, dual: bool) -> socket.socket:
        if family is socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return bound(family, host, port, dual=dual)

    monkeypatch.setattr(listen, "_bound", no_ipv6)
    monkeypatch.setattr(listen, "_NO_IPV6", {97})
    (listener,) = await open_listeners([Endpoint("::", 0)])
    assert listener.endpoint.host == "0.0.0.0"
    await listener.stream_listener.aclose()


async def test_all_or_none() -> None:
    with no_descriptor_leaks(), socket.create_server((HERE, 0)) as other:
        with pytest.raises(NetError, match=f"port {other.getsockname()[1]}") as caught:
            await open_listeners([Endpoint(HERE, 0), Endpoint(HERE, other.getsockname()[1])])
        assert caught.value.kind is Kind.FAULT
        with pytest.raises(NetError) as caught:
            await open_listeners([Endpoint(HERE, 0), Endpoint("no-such-host.invalid", 0)])
        assert caught.value.kind is Kind.NAME


async def test_inherited_sockets_replace_the_configured() -> None:
    with trio.fail_after(20), no_descriptor_leaks():
        with socket.create_server((HERE, 0)) as server:
            port = server.getsockname()[1]
            fd = server.detach()
        (listener,) = await open_listeners([Endpoint(HERE, port, implicit=True), Endpoint(HERE, 0)], inherited=[fd])
        assert listener.endpoint == Endpoint(HERE, port, implicit=True)
        with socket.create_connection((HERE, port)):
            await (await listener.stream_listener.accept()).aclose()
        await listener.stream_listener.aclose()


async def test_inherited_that_is_no_listener() -> None:
    near, far = socket.socketpair()
    with pytest.raises(NetError) as caught:
        await open_listeners([], inherited=[near.detach()])
    assert caught.value.kind is Kind.FAULT
    far.close()
