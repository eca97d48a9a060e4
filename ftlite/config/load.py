"""The server's configuration, from its TOML file and what the command line says (`structure` has the grammar)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftlite.config.errors import ConfigError
from ftlite.config.models import ServerConfig, TlsMode, User
from ftlite.config.structure import read_toml, structure


def load_server(path: Path | None, **overrides: Any) -> ServerConfig:
    """The server's configuration from the TOML file `path`, or from `overrides` alone when it is None.

    Args:
        path: the file; None for none.
        overrides: values that beat the file's, by field name; a mapping reaches into a table
            (``tls={"mode": TlsMode.OFF}``). None means "not given", in a mapping too. Values are as in the file or
            already of the model's type; a relative `Path` stays relative to the working directory.

    Raises:
        ConfigError: the file cannot be read or is no TOML; a key is unknown, missing, of the wrong type or value.
    """
    data = _merge(read_toml(path) if path else {}, overrides)
    for name in ("root", "state_dir"):
        if name not in data:
            raise ConfigError(path, name, "is missing: say which directory, in the file or on the command line")
    config = structure(ServerConfig, data, path)
    _check_whole(config, path)
    return config


def _merge(data: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(data)
    for name, value in overrides.items():
        if isinstance(value, Mapping):
            below = merged.get(name, {})
            merged[name] = _merge(below, value) if isinstance(below, Mapping) else below
        elif value is not None:
            merged[name] = value
    return merged


def _check_whole(config: ServerConfig, file: Path | None) -> None:
    """What no single field can see."""
    ports = {f"listen[{index}].port": endpoint.port for index, endpoint in enumerate(config.listen)}
    ports |= {"passive.first": config.passive.first, "passive.last": config.passive.last}
    for key, port in ports.items():
        if port > 65535:
            raise ConfigError(file, key, f"must be a port up to 65535, not {port}")
    if config.passive.last and not config.passive.first:
        raise ConfigError(file, "passive.first", "is missing: a range has a first and a last port")
    if config.tls.mode is TlsMode.OFF and any(endpoint.implicit for endpoint in config.listen):
        raise ConfigError(file, "tls.mode", "must not be 'off' where an address listens with implicit TLS")
    if (config.tls.certificate is None) != (config.tls.key is None):
        missing = "key" if config.tls.key is None else "certificate"
        raise ConfigError(file, f"tls.{missing}", "is missing: a certificate and its key are given together")
    seen: set[str] = set()
    for index, user in enumerate(config.users):
        check_user(user, file, f"users[{index}]")
        if user.name in seen:
            raise ConfigError(file, f"users[{index}].name", f"{user.name!r} is there twice")
        seen.add(user.name)


def check_user(user: User, file: Path | None, key: str) -> None:
    """Refuse what an account must not hold although each field is well formed.

    Raises:
        ConfigError: a password that is not hashed (the message does not repeat it), or two rules for one path.
    """
    if user.password is not None and not user.password.startswith("$argon2id$"):
        raise ConfigError(
            file, f"{key}.password", "must be an argon2id hash ('$argon2id$...'): 'ftlite user add' makes one"
        )
    paths = [rule.path.rstrip("/") for rule in user.rules]
    for index, path in enumerate(paths):
        if path in paths[:index]:
            raise ConfigError(file, f"{key}.rules[{index}].path", f"{path or '/'!r} has a rule already")
