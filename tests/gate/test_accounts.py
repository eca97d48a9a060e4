"""Who is let in, after how much work, and how little the others learn. Time is trio's mock clock throughout."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Mapping

import pytest
import trio
import trio.testing

from ftlite.config.models import Limits, User
from ftlite.gate import accounts as module
from ftlite.gate.accounts import Keeper
from ftlite.gate.errors import LoginRefused, TooMany
from ftlite.gate.passwords import hash_password

ANN = User("ann", "hash of apple")
BOB = User("bob", "hash of banana")
USERS = {user.name: user for user in (ANN, BOB, User("closed"), User("guest", anonymous=True))}
HERE = "192.0.2.1"


class Verifier:
    """Stands in for argon2: knows "hash of X", notes each call, and can be made to wait."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.running = 0
        self.most_running = 0
        self.go = threading.Event()
        self.go.set()
        self._lock = threading.Lock()

    def __call__(self, hashed: str, password: str) -> bool:
        with self._lock:
            self.calls.append((hashed, password))
            self.running += 1
            self.most_running = max(self.running, self.most_running)
        assert self.go.wait(60)
        with self._lock:
            self.running -= 1
        return hashed == f"hash of {password}"


@pytest.fixture
def verifier() -> Verifier:
    return Verifier()


def keeper(verifier: Verifier, users: Mapping[str, User] = USERS, **limits: float) -> Keeper:
    return Keeper(Limits(**{"failure_delay": 0.0, **limits}), lambda: users, verify=verifier)


async def outcome(attempt: Awaitable[User]) -> User | type[Exception]:
    try:
        return await attempt
    except (LoginRefused, TooMany) as error:
        return type(error)


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(60):
        while not condition():
            await trio.lowlevel.checkpoint()


async def test_a_real_hash_end_to_end() -> None:
    users = {"ann": User("ann", hash_password("apple"))}
    real = Keeper(Limits(failure_delay=0), lambda: users)
    assert await real.admit("ann", "apple", HERE) == users["ann"]
    assert await outcome(real.admit("ann", "Apple", HERE)) is LoginRefused
    assert await outcome(real.admit("eve", "apple", HERE)) is LoginRefused


async def test_anonymous_takes_any_password_without_work(verifier: Verifier) -> None:
    assert await keeper(verifier).admit("guest", "whatever", HERE) == USERS["guest"]
    assert verifier.calls == []


class TestAlike:
    @pytest.mark.parametrize("name", ["ann", "nobody", "closed", ""])
    async def test_wrong_password_and_unknown_user(
        self, verifier: Verifier, name: str, autojump_clock: trio.testing.MockClock
    ) -> None:
        with pytest.raises(LoginRefused, match=r"^login incorrect$"):
            await keeper(verifier, failure_delay=3.0).admit(name, "wrong", HERE)
        assert len(verifier.calls) == 1
        assert 3.0 <= trio.current_time() <= 3.75

    async def test_a_closed_account_opens_for_nothing(self, verifier: Verifier) -> None:
        house = Keeper(Limits(failure_delay=0), lambda: USERS, verify=lambda hashed, password: True)
        assert await outcome(house.admit("closed", "x", HERE)) is LoginRefused
        assert await outcome(house.admit("nobody", "x", HERE)) is LoginRefused

    async def test_the_delay_differs(self, verifier: Verifier, autojump_clock: trio.testing.MockClock) -> None:
        house, delays = keeper(verifier, failure_delay=1.0), set()
        for _ in range(5):
            start = trio.current_time()
            await outcome(house.admit("ann", "wrong", HERE))
            delays.add(trio.current_time() - start)
        assert len(delays) > 1


class TestMemory:
    async def test_a_verified_password_is_not_verified_again_for_five_minutes(
        self, verifier: Verifier, mock_clock: trio.testing.MockClock
    ) -> None:
        house = keeper(verifier)
        for _ in range(3):
            assert await house.admit("ann", "apple", HERE) == ANN
        mock_clock.jump(299)
        await house.admit("ann", "apple", HERE)
        assert len(verifier.calls) == 1
        mock_clock.jump(1)
        await house.admit("ann", "apple", HERE)
        assert len(verifier.calls) == 2

    async def test_only_that_password_of_that_user(self, verifier: Verifier) -> None:
        house = keeper(verifier)
        await house.admit("ann", "apple", HERE)
        assert await outcome(house.admit("ann", "appl", HERE)) is LoginRefused
        assert await outcome(house.admit("bob", "apple", HERE)) is LoginRefused
        assert len(verifier.calls) == 3

    async def test_a_changed_password_and_a_removed_user_are_forgotten(self, verifier: Verifier) -> None:
        users = dict(USERS)
        house = keeper(verifier, users)
        await house.admit("ann", "apple", HERE)
        users["ann"] = User("ann", "hash of cherry")
        assert await outcome(house.admit("ann", "apple", HERE)) is LoginRefused
        assert await house.admit("ann", "cherry", HERE) == users["ann"]
        del users["ann"]
        assert await outcome(house.admit("ann", "cherry", HERE)) is LoginRefused

    async def test_logins_at_once_share_one_check(self, verifier: Verifier) -> None:
        house = keeper(verifier, password_checks=1)
        verifier.go.clear()
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(house.admit, "ann", "apple", HERE)
            await until(lambda: verifier.running == 1)
            verifier.go.set()
        assert len(verifier.calls) == 1

    async def test_it_is_bounded(self, verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_MOST_REMEMBERED", 1)
        house = keeper(verifier)
        for _ in range(2):
            await house.admit("ann", "apple", HERE)
            await house.admit("bob", "banana", HERE)
        assert len(verifier.calls) == 4


class TestQueue:
    async def test_few_at_once_some_waiting_and_no_more(self, verifier: Verifier) -> None:
        house = keeper(verifier, password_checks=2, password_queue=3)
        verifier.go.clear()
        outcomes: list[object] = []

        async def attempt(number: int) -> None:
            outcomes.append(await outcome(house.admit("ann", f"guess {number}", HERE)))

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(attempt, number)
            await until(lambda: verifier.running == 2 and house._slots.statistics().tasks_waiting == 3)
            with pytest.raises(TooMany, match="try again in a moment"):
                await house.admit("ann", "guess 5", HERE)
            assert outcomes == []
            verifier.go.set()
        assert outcomes == [LoginRefused] * 5
        assert verifier.most_running == 2

    async def test_the_loop_goes_on_meanwhile(self, verifier: Verifier) -> None:
        verifier.go.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper(verifier).admit, "ann", "apple", HERE)
            await until(lambda: verifier.running == 1)
            verifier.go.set()

    async def test_who_leaves_the_queue_gives_the_place_back(self, verifier: Verifier) -> None:
        house = keeper(verifier, password_checks=1, password_queue=1)
        verifier.go.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.admit, "ann", "apple", HERE)
            await until(lambda: verifier.running == 1)
            async with trio.open_nursery() as leaving:
                leaving.start_soon(house.admit, "bob", "banana", HERE)
                await until(lambda: house._slots.statistics().tasks_waiting == 1)
                leaving.cancel_scope.cancel()
            nursery.start_soon(house.admit, "bob", "banana", HERE)
            await until(lambda: house._slots.statistics().tasks_waiting == 1)
            verifier.go.set()
        assert len(verifier.calls) == 2

    async def test_who_hangs_up_during_the_check_is_counted(self, verifier: Verifier) -> None:
        house = keeper(verifier, address_failures=1)
        verifier.go.clear()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.admit, "ann", "wrong", HERE)
            await until(lambda: verifier.running == 1)
            nursery.cancel_scope.cancel()
            verifier.go.set()
        assert await outcome(house.admit("bob", "wrong", HERE)) is TooMany


class TestAddresses:
    async def fail(self, house: Keeper, address: str, times: int = 1) -> None:
        for _ in range(times):
            assert await outcome(house.admit("ann", "wrong", address)) is LoginRefused

    async def test_after_too_many_failures_nothing_is_looked_at(self, verifier: Verifier) -> None:
        house = keeper(verifier, address_failures=3)
        await self.fail(house, HERE, 3)
        with pytest.raises(TooMany, match="too many failed logins from this address"):
            await house.admit("ann", "apple", HERE)
        assert len(verifier.calls) == 3
        assert await house.admit("ann", "apple", "192.0.2.2") == ANN
        assert await outcome(house.admit("ann", "apple", HERE)) is TooMany

    async def test_success_wipes_nothing_out(self, verifier: Verifier) -> None:
        house = keeper(verifier, address_failures=3)
        await self.fail(house, HERE, 2)
        await house.admit("bob", "banana", HERE)
        await self.fail(house, HERE)
        assert await outcome(house.admit("bob", "banana", HERE)) is TooMany

    async def test_the_window_ends(self, verifier: Verifier, mock_clock: trio.testing.MockClock) -> None:
        house = keeper(verifier, address_failures=2, failure_window=100)
        await self.fail(house, HERE)
        mock_clock.jump(60)
        await self.fail(house, HERE)
        mock_clock.jump(39)
        assert await outcome(house.admit("ann", "apple", HERE)) is TooMany
        mock_clock.jump(1)
        await self.fail(house, HERE, 2)
        assert await outcome(house.admit("ann", "apple", HERE)) is TooMany

    async def test_waiting_guesses_end_with_the_address(self, verifier: Verifier) -> None:
        house = keeper(verifier, address_failures=1, password_checks=1)
        verifier.go.clear()
        outcomes: list[object] = []

        async def guess(number: int) -> None:
            outcomes.append(await outcome(house.admit("ann", f"guess {number}", HERE)))

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(guess, number)
            await until(lambda: verifier.running == 1)
            verifier.go.set()
        assert sorted(map(str, outcomes)) == sorted(map(str, [LoginRefused, *[TooMany] * 4]))
        assert len(verifier.calls) == 1

    @pytest.mark.parametrize(
        ("first", "second", "same"),
        [
            ("2001:db8::1", "2001:db8::ffff:1", True),
            ("2001:db8::1", "2001:db8:0:1::1", False),
            ("fe80::1%eth0", "fe80::2%eth0", True),
            ("::ffff:192.0.2.1", "192.0.2.1", True),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
            ("unix", "unix", True),
        ],
    )
    async def test_what_counts_as_one(self, verifier: Verifier, first: str, second: str, same: bool) -> None:
        house = keeper(verifier, address_failures=1)
        await self.fail(house, first)
        assert await outcome(house.admit("ann", "apple", second)) == (TooMany if same else ANN)

    async def test_the_table_is_bounded(
        self, verifier: Verifier, monkeypatch: pytest.MonkeyPatch, mock_clock: trio.testing.MockClock
    ) -> None:
        monkeypatch.setattr(module, "_MOST_ADDRESSES", 10)
        house = keeper(verifier, address_failures=1, failure_window=100)
        for number in range(30):
            await self.fail(house, f"192.0.2.{number}")
            assert len(house._failures._counts) <= 10
        assert await outcome(house.admit("ann", "apple", "192.0.2.29")) is TooMany
        mock_clock.jump(100)
        await self.fail(house, HERE)
        assert list(house._failures._counts) == [HERE]
