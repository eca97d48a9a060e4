"""Accounts at rest: private, whole whatever happens, and safe from two editors at once."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.config.accounts import Accounts
from ftlite.config.errors import ConfigError
from ftlite.config.models import Rule, User
from ftlite.config.rights import ALL, READ, Right

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaA"
OTHER = HASH + "b3RoZXI"


@pytest.fixture
def accounts(tmp_path: Path) -> Accounts:
    return Accounts(tmp_path / "state" / "accounts.json")


def test_none_before_the_first(accounts: Accounts) -> None:
    assert accounts.load() == {}
    assert accounts.list() == []


def test_what_is_added_is_there(accounts: Accounts) -> None:
    ann = User("ann", HASH, "homes/ann", "/in", (Rule("/", READ), Rule("/in", READ | Right.PUT)), rate_up=5)
    accounts.add(User("zoe", HASH))
    accounts.add(ann)
    assert accounts.load() == {"ann": ann, "zoe": User("zoe", HASH)}
    assert [user.name for user in accounts.list()] == ["ann", "zoe"]


names = st.text(st.characters(codec=None), min_size=1, max_size=8)
rules = st.lists(
    st.builds(Rule, st.sampled_from(["/", "/a", "/a/b"]), st.integers(0, ALL.value).map(Right)), max_size=3
)


@given(st.builds(User, names, st.none() | st.just(HASH), names, rules=rules.map(tuple), anonymous=st.booleans()))
@settings(deadline=None, max_examples=50)
def test_every_account_survives_the_file(tmp_path_factory: pytest.TempPathFactory, user: User) -> None:
    accounts = Accounts(tmp_path_factory.mktemp("state") / "accounts.json")
    paths = [rule.path.rstrip("/") for rule in user.rules]
    if len(set(paths)) < len(paths):
        with pytest.raises(ConfigError, match="has a rule already"):
            accounts.add(user)
    else:
        accounts.add(user)
        assert accounts.load() == {user.name: user}


def test_the_file_is_private_whatever_the_umask(accounts: Accounts) -> None:
    umask = os.umask(0)
    try:
        accounts.add(User("ann", HASH))
    finally:
        os.umask(umask)
    for path in (accounts.path, Path(f"{accounts.path}.lock")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(accounts.path.parent.stat().st_mode) == 0o700


def test_an_edit_by_root_leaves_the_file_to_the_servers_account(accounts: Accounts) -> None:
    if os.geteuid() == 0:
        accounts.path.parent.mkdir()
        os.chown(accounts.path.parent, 4321, 4322)
    accounts.add(User("ann", HASH))
    parent, file = accounts.path.parent.stat(), accounts.path.stat()
    assert (file.st_uid, file.st_gid) == (parent.st_uid, parent.st_gid)


def test_password_and_removal(accounts: Accounts) -> None:
    accounts.add(User("ann", HASH, rate_down=7))
    accounts.set_password("ann", OTHER)
    assert accounts.load() == {"ann": User("ann", OTHER, rate_down=7)}
    accounts.remove("ann")
    assert accounts.load() == {}


def test_replacing_must_be_meant(accounts: Accounts) -> None:
    accounts.add(User("ann", HASH))
    with pytest.raises(ConfigError, match="account 'ann': is there already: remove it first"):
        accounts.add(User("ann", OTHER))
    assert accounts.load()["ann"].password == HASH
    accounts.add(User("ann", OTHER), replace=True)
    assert accounts.load()["ann"].password == OTHER


def test_an_unknown_account_is_named_with_those_there_are(accounts: Accounts) -> None:
    accounts.add(User("ann", HASH))
    for edit in (lambda: accounts.remove("bob"), lambda: accounts.set_password("bob", OTHER)):
        with pytest.raises(ConfigError, match="account 'bob': does not exist: there are ann"):
            edit()


def test_a_password_in_clear_never_gets_there(accounts: Accounts) -> None:
    accounts.add(User("ann", HASH))
    with pytest.raises(ConfigError) as caught:
        accounts.set_password("ann", "hunter2")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError):
        accounts.add(User("bob", "hunter2"))
    assert "hunter2" not in accounts.path.read_text()


@pytest.mark.parametrize(
    ("content", "key", "message"),
    [
        ("{", "", "is no JSON"),
        ("[]", "users", "must be an array of accounts"),
        ('{"users": {}}', "users", "must be an array of accounts"),
        ('{"users": [{"nam": "a"}]}', "users[0].nam", "did you mean 'name'?"),
        ('{"users": [{"name": "a"}, {"name": "a"}]}', "users[1].name", "is there twice"),
        ('{"users": [{"name": "a", "password": "x"}]}', "users[0].password", "must be an argon2id hash"),
    ],
)
def test_a_broken_file_is_named_and_left_as_it_is(accounts: Accounts, content: str, key: str, message: str) -> None:
    accounts.path.parent.mkdir()
    accounts.path.write_text(content)
    for call in (accounts.load, lambda: accounts.add(User("bob", HASH))):
        with pytest.raises(ConfigError) as caught:
            call()
        assert (caught.value.file, caught.value.key) == (accounts.path, key)
        assert message in caught.value.message
    assert accounts.path.read_text() == content


def test_a_failed_write_leaves_the_old_accounts(accounts: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts.add(User("ann", HASH))

    def full(_fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="cannot be written: No space left on device"):
        accounts.add(User("bob", HASH))
    assert list(accounts.load()) == ["ann"]
    assert sorted(path.name for path in accounts.path.parent.iterdir()) == ["accounts.json", "accounts.json.lock"]


def test_editors_at_once_lose_nothing(accounts: Accounts) -> None:
    def add(first: int) -> None:
        for number in range(first, first + 10):
            Accounts(accounts.path).add(User(f"user{number}", HASH))

    threads = [threading.Thread(target=add, args=(first,)) for first in range(0, 40, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accounts.load()) == 40
    assert json.loads(accounts.path.read_text())["users"]
