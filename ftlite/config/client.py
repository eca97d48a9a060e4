"""What a person may write down for the client: sites.toml and config.toml, as frozen values. No password is among it.

``sites.toml`` holds a table for each site; ``config.toml`` holds what flags default to. A value that is None was not
given, and what the command line says by itself goes on to hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import Attribute, field, fields, frozen, validators

from ftlite.config.errors import ConfigError
from ftlite.config.structure import structure

Check = Callable[[Any, Any, Any], None]

#: What somebody may call a password who looks for a place to write one.
_SECRETS = frozenset({"password", "passwd", "pass", "secret", "account"})
#: Keys of a site that are no flags.
_NO_FLAGS = frozenset({"address", "local"})
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_PROXY_LOGIN = re.compile(r"//[^/]*:[^/]*@|^[^/]*:[^/]*@")


def _one_of(*words: str) -> Check:
    def check(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None and value not in words:
            raise ValueError(f"{attribute.name} must be one of {', '.join(map(repr, words))}, not {value!r}")

    return check


def _between(low: float, high: float, what: str = "a number") -> Check:
    def check(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None and not low <= value <= high:
            reach = f"from {low:g} to {high:g}" if high < 1e9 else f"of at least {low:g}"
            raise ValueError(f"{attribute.name} must be {what} {reach}, not {value!r}")

    return check


def _above_zero(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is not None and not value > 0:
        raise ValueError(f"{attribute.name} must be more than 0 seconds, not {value!r}")


def _without_password(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    if value is not None and _PROXY_LOGIN.search(value):
        raise ValueError(f"{attribute.name} holds a password, which this file must not: set FTLITE_PROXY or ftp_proxy")


@frozen(kw_only=True)
class Flags:
    """Flags of one connection and what moves over it, by the names of the command line; None: not given."""

    port: int | None = field(default=None, validator=_between(1, 65535, "a port"))
    tls: str | None = field(default=None, validator=_one_of("off", "optional", "required"))
    cacert: Path | None = None
    pin: str | None = None
    accept_new: bool | None = None
    password_file: Path | None = None
    password_command: str | None = None
    netrc_file: Path | None = None
    keyring: bool | None = None
    proxy: str | None = field(default=None, validator=_without_password)
    connect_timeout: float | None = field(default=None, validator=_above_zero)
    stall_timeout: float | None = field(default=None, validator=_above_zero)
    dialect: str | None = field(default=None, validator=_one_of("stock", "native"))
    retries: int | None = field(default=None, validator=_between(0, float("inf")))
    parallel: int | None = field(default=None, validator=_between(1, 64))
    limit_rate: int | None = field(default=None, validator=_between(0, float("inf"), "a rate"))
    digest: str | None = field(default=None, validator=_one_of("sha256", "blake3"))
    require: str | None = field(default=None, validator=_one_of("digest", "size", "none"))

    def given(self) -> dict[str, Any]:
        """The flags that have a value, by name."""
        names = [each.name for each in fields(type(self)) if each.name not in _NO_FLAGS]
        return {name: value for name in names if (value := getattr(self, name)) is not None}


@frozen(kw_only=True)
class Defaults(Flags):
    """What flags default to, everywhere: ``config.toml``."""

    max_time: float | None = field(default=None, validator=_above_zero)
    quiet: bool | None = None
    verbose: int | None = field(default=None, validator=_between(0, 2))
    json: bool | None = None
    resume: bool | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None


@frozen(kw_only=True)
class Site(Flags):
    """A server with a name.

    Attributes:
        address: as an address is typed; its path is the directory that relative paths start from.
        local: the directory here that goes with it; None: the one that a command runs in.
    """

    address: str = field(validator=validators.min_len(1))
    local: Path | None = None


def site_from(name: str, table: object, file: Path | None) -> Site:
    """The site that a table describes.

    Raises:
        ConfigError: its name cannot stand before the colon of an address; a key or value is wrong; it holds a password
            (which is not repeated).
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(file, repr(name), "is no name of a site: use letters, digits and '_.-' between them")
    _refuse_secrets(table, file, f"{name}.")
    return structure(Site, table, file, name)


def defaults_from(tables: Mapping[str, Any], file: Path | None) -> Defaults:
    """What config.toml says. Raises ConfigError as `site_from` does."""
    _refuse_secrets(tables, file, "")
    return structure(Defaults, tables, file)


def _refuse_secrets(table: object, file: Path | None, before: str) -> None:
    for key in table if isinstance(table, Mapping) else ():
        if key.lower() in _SECRETS:
            raise ConfigError(
                file,
                f"{before}{key}",
                "does not belong here, where every backup and every look at the file would show it: say where it "
                "comes from by password_command, password_file, netrc_file or keyring = true",
            )
