"""Accounts that `ftlite user` keeps, as JSON in the server's state directory.

The file is 0600 and replaced whole: written beside, synced, renamed. A reader needs no lock; editors take one on a
file of its own, since the accounts' own file is another inode after each edit. Only hashes come here, never a password.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from ftlite.config.errors import ConfigError
from ftlite.config.files import locked, write_whole
from ftlite.config.load import check_user
from ftlite.config.models import Rule, ServerConfig, User
from ftlite.config.rights import format_rights
from ftlite.config.structure import structure


class Accounts:
    """The accounts in the file `path`; none when it does not exist.

    Every method raises ConfigError (file, key, message) when the file cannot be read, written or understood.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, User]:
        """All accounts by name, read afresh."""
        try:
            data = json.loads(self.path.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ConfigError(self.path, "", f"cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise ConfigError(self.path, "", f"is no JSON: {error}") from error
        if not isinstance(data, dict) or not isinstance(data.get("users"), list):
            raise ConfigError(self.path, "users", "must be an array of accounts")
        users: dict[str, User] = {}
        for index, item in enumerate(data["users"]):
            key = f"users[{index}]"
            user = structure(User, item, self.path, key, ServerConfig)
            check_user(user, self.path, key)
            if user.name in users:
                raise ConfigError(self.path, f"{key}.name", f"{user.name!r} is there twice")
            users[user.name] = user
        return users

    def list(self) -> list[User]:
        """All accounts, by name."""
        return [user for _, user in sorted(self.load().items())]

    def add(self, user: User, *, replace: bool = False) -> None:
        """Keep `user`. Its name must be free unless `replace`."""
        check_user(user, self.path, f"account {user.name!r}")
        with self._edit() as users:
            if user.name in users and not replace:
                raise ConfigError(self.path, f"account {user.name!r}", "is there already: remove it first")
            users[user.name] = user

    def remove(self, name: str) -> None:
        """Forget the account `name`, which must exist."""
        with self._edit() as users:
            del users[self._known(users, name)]

    def set_password(self, name: str, hashed: str) -> None:
        """Give the account `name` another password, as an argon2id hash in PHC form."""
        with self._edit() as users:
            user = attrs.evolve(users[self._known(users, name)], password=hashed)
            check_user(user, self.path, f"account {name!r}")
            users[name] = user

    def _known(self, users: dict[str, User], name: str) -> str:
        if name not in users:
            known = ", ".join(sorted(users)) or "none yet"
            raise ConfigError(self.path, f"account {name!r}", f"does not exist: there are {known}")
        return name

    @contextlib.contextmanager
    def _edit(self) -> Iterator[dict[str, User]]:
        """The accounts to change in place; written when the block ends well, with other editors kept out."""
        try:
            with locked(self.path, self._give_away):
                users = self.load()
                yield users
                text = json.dumps({"users": [_plain(user) for _, user in sorted(users.items())]}, indent=2) + "\n"
                write_whole(self.path, text, self._give_away)
        except OSError as error:
            raise ConfigError(self.path, "", f"cannot be written: {error.strerror}") from error

    def _give_away(self, fd: int) -> None:
        """Root may edit the accounts of a server that runs as somebody else, who must still be able to read them."""
        if os.geteuid() == 0:
            directory = self.path.parent.stat()
            os.fchown(fd, directory.st_uid, directory.st_gid)


def _plain(user: User) -> dict[str, Any]:
    """What `structure` makes `user` of again, without what is as by default."""
    fields = attrs.fields(User)
    values = {field.name: getattr(user, field.name) for field in fields}
    plain = {field.name: values[field.name] for field in fields if values[field.name] != field.default}
    if "rules" in plain:
        plain["rules"] = [_plain_rule(rule) for rule in user.rules]
    return plain


def _plain_rule(rule: Rule) -> dict[str, str]:
    return {"path": rule.path, "allow": format_rights(rule.allow)}
