"""Passive ports: who gets one, who may come through it, and where it goes afterwards."""

from __future__ import annotations

import socket
import threading

import pytest
import trio
import trio.testing

from ftlite.config.models import PassiveConfig
from ftlite.net.addresses import comparable, socket_address
from ftlite.net.errors import Kind, NetError
from ftlite.net.passive import PassivePool
from tests.descriptors import no_descriptor_leaks
from tests.ports import HERE, free_ports


def call(port: int, source: str = HERE) -> socket.socket:
    return socket.create_connection((HERE, port), timeout=10, source_address=(source, 0))


async def test_the_right_peer_gets_through() -> None:
    with trio.fail_after(20), no_descriptor_leaks():
        pool = PassivePool(PassiveConfig())
        reservation = pool.reserve(HERE, HERE)
        with call(reservation.port) as client:
            with await reservation.accept() as server:
                assert server.getpeername() == client.getsockname()
                assert server.gettimeout() == 0.0
        reservation.close()
        pool.close()


async def test_strangers_are_closed_and_the_owner_still_served() -> None:
    with trio.fail_after(20), no_descriptor_leaks():
        pool = PassivePool(PassiveConfig())
        reservation = pool.reserve(HERE, HERE)
        thieves = [call(reservation.port, "127.0.0.2") for _ in range(3)]
        client = call(reservation.port)
        server = await reservation.accept()
        assert server.getpeername() == client.getsockname()
        for thief in thieves:
            assert thief.recv(1) == b""
        for sock in (client, server, *thieves):
            sock.close()
        reservation.close()
        pool.close()


async def test_thief_while_waiting() -> None:
    with trio.fail_after(20):
        pool = PassivePool(PassiveConfig())
        reservation = pool.reserve(HERE, HERE)
        accepted: list[socket.socket] = []

        async def accept() -> None:
            accepted.append(await reservation.accept())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await trio.testing.wait_all_tasks_blocked()
            thief = call(reservation.port, "127.0.0.3")
            assert await trio.to_thread.run_sync(thief.recv, 1) == b""
            assert not accepted
            client = call(reservation.port)
        assert accepted[0].getpeername() == client.getsockname()
        for sock in (thief, client, *accepted):
            sock.close()
        reservation.close()
        pool.close()


async def test_mapped_addresses_are_the_same_peer_and_the_same_port_owner() -> None:
    with trio.fail_after(20):
        pool = PassivePool(PassiveConfig())
        reservation = pool.reserve(f"::ffff:{HERE}", f"::ffff:{HERE}")
        with call(reservation.port), await reservation.accept() as server:
            assert server.family is socket.AF_INET
        reservation.close()
        pool.close()


async def test_connections_from_before_a_reservation_are_thrown_away() -> None:
    with trio.fail_after(20):
        first = free_ports(1)
        pool = PassivePool(PassiveConfig(first=first, last=first))
        old = pool.reserve(HERE, HERE)
        late = [call(old.port) for _ in range(3)]
        old.close()
        new = pool.reserve(HERE, HERE)
        assert new.port == old.port
        client = call(new.port)
        server = await new.accept()
        assert server.getpeername() == client.getsockname()
        for sock in (client, server, *late):
            sock.close()
        new.close()
        pool.close()


async def test_range_is_kept_and_full_is_said() -> None:
    with no_descriptor_leaks():
        first = free_ports(3)
        pool = PassivePool(PassiveConfig(first=first, last=first + 2))
        taken = [pool.reserve(HERE, HERE) for _ in range(3)]
        assert {reservation.port for reservation in taken} == {first, first + 1, first + 2}
        with pytest.raises(NetError) as caught:
            pool.reserve(HERE, HERE)
        assert caught.value.kind is Kind.NO_PORT
        taken[1].close()
        taken[1].close()
        again = pool.reserve(HERE, HERE)
        assert again.port == taken[1].port
        with pytest.raises(NetError):
            pool.reserve(HERE, HERE)
        for reservation in (taken[0], taken[2], again):
            reservation.close()
        pool.close()


async def test_port_of_another_program_is_passed_over_and_found_later() -> None:
    first = free_ports(2)
    with socket.socket() as other:
        other.bind((HERE, first))
        other.listen()
        pool = PassivePool(PassiveConfig(first=first, last=first + 1))
        mine = pool.reserve(HERE, HERE)
        assert mine.port == first + 1
        with pytest.raises(NetError) as caught:
            pool.reserve(HERE, HERE)
        assert caught.value.kind is Kind.NO_PORT
    second = pool.reserve(HERE, HERE)
    assert second.port == first
    mine.close()
    second.close()
    pool.close()


async def test_most_listeners_bite_without_a_range() -> None:
    pool = PassivePool(PassiveConfig(most=2))
    taken = [pool.reserve(HERE, HERE) for _ in range(2)]
    with pytest.raises(NetError) as caught:
        pool.reserve(HERE, HERE)
    assert caught.value.kind is Kind.NO_PORT
    for reservation in taken:
        reservation.close()
    pool.close()


async def test_listeners_are_reused_oldest_first() -> None:
    with no_descriptor_leaks():
        pool = PassivePool(PassiveConfig())
        seen = []
        for _ in range(40):
            reservation = pool.reserve(HERE, HERE)
            seen.append(reservation.port)
            reservation.close()
        assert 1 < len(set(seen)) < 20
        assert all(seen[number] != seen[number + 1] for number in range(39))
        pool.close()


async def test_close_wakes_accept() -> None:
    with trio.fail_after(20):
        pool = PassivePool(PassiveConfig())
        reservation = pool.reserve(HERE, HERE)

        async def accept() -> None:
            with pytest.raises(NetError) as caught:
                await reservation.accept()
            assert caught.value.kind is Kind.LOST

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            await trio.testing.wait_all_tasks_blocked()
            reservation.close()
        with pytest.raises(NetError):
            await reservation.accept()
        pool.close()


async def test_accept_cancelled_keeps_the_reservation() -> None:
    with trio.fail_after(20):
        pool = PassivePool(PassiveConfig())
        reservation = pool.reserve(HERE, HERE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reservation.accept)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        with call(reservation.port), await reservation.accept():
            pass
        reservation.close()
        pool.close()


async def test_reservation_outliving_the_pool_closes_its_listener() -> None:
    with no_descriptor_leaks():
        pool = PassivePool(PassiveConfig())
        reservation = pool.reserve(HERE, HERE)
        pool.close()
        reservation.close()


async def test_a_flood_of_strangers_does_not_hold_the_loop() -> None:
    with trio.fail_after(60):
        pool = PassivePool(PassiveConfig())
        reservation = pool.reserve(HERE, HERE)
        over = threading.Event()

        def flood() -> None:
            while not over.is_set():
                try:
                    call(reservation.port, "127.0.0.9").close()
                except OSError:
                    continue

        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, flood)
            nursery.start_soon(reservation.accept)
            for _ in range(200):
                await trio.lowlevel.checkpoint()
            over.set()
            client = await trio.to_thread.run_sync(call, reservation.port)  # the queue may be full of them still
        client.close()
        reservation.close()
        pool.close()


async def test_no_address_and_not_ours() -> None:
    pool = PassivePool(PassiveConfig())
    for local, peer in ((HERE, "example"), ("example", HERE)):
        with pytest.raises(NetError) as caught:
            pool.reserve(local, peer)
        assert caught.value.kind is Kind.NAME
    with pytest.raises(NetError) as caught:
        pool.reserve("192.0.2.77", HERE)  # TEST-NET-1, not of this machine
    assert caught.value.kind is Kind.FAULT


def test_comparable_addresses() -> None:
    assert comparable("::ffff:192.0.2.1") == comparable("192.0.2.1")
    assert comparable("fe80::1%eth0") == comparable("fe80:0::1")
    assert comparable("::1") != comparable("127.0.0.1")
    assert socket_address("::ffff:192.0.2.1", 5) == (socket.AF_INET, ("192.0.2.1", 5))
