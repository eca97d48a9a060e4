"""The keyring of the desktop (the extra ``ftlite[keyring]``), asked only where somebody says so: loading it is slow.

An entry is kept under the service ``ftp://HOST`` and the user's name, so ``keyring get ftp://HOST USER`` shows it too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ftlite.cli.exits import CliError

T = TypeVar("T")


def find(user: str, host: str) -> str | None:
    """The password of `user` at `host`, or None. CliError when there is no keyring to ask."""
    library = _library()
    found: str | None = _asked(library, lambda: library.get_password(_service(host), user))
    return found


def keep(user: str, host: str, password: str) -> None:
    """Write a password down. CliError when the keyring does not take it."""
    library = _library()
    _asked(library, lambda: library.set_password(_service(host), user, password))


def forget(user: str, host: str) -> None:
    """Remove a password. CliError NOT_FOUND when there is none."""
    library = _library()
    if find(user, host) is None:
        raise CliError("NOT_FOUND", f"the keyring holds no password for {user}@{host}")
    _asked(library, lambda: library.delete_password(_service(host), user))


def _service(host: str) -> str:
    return f"ftp://[{host}]" if ":" in host else f"ftp://{host.lower()}"


def _library() -> Any:
    try:
        import keyring
    except ImportError:
        raise CliError("USAGE", "there is no keyring library; install it: pip install 'ftlite[keyring]'") from None
    return keyring


def _asked(library: Any, question: Callable[[], T]) -> T:
    try:
        return question()
    except library.errors.KeyringError as error:
        why = str(error) or type(error).__name__
        raise CliError("LOGIN", f"the keyring did not answer: {why}; is it unlocked?") from None
