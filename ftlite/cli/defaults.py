"""What flags are where nobody typed them: the environment, else the site, else config.toml, else what we do ourselves.

Click reads the environment; here is what the files of a person add to that.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Any

from attrs import evolve, fields

from ftlite.cli import places
from ftlite.cli.options import PASSWORD, Options

#: Flags that answer the same question: whoever answers it last, answers it alone.
_QUESTIONS = (
    frozenset({"password_file", "password_command", "netrc_file", "keyring"}),
    frozenset({"pin", "cacert"}),
)


def with_config(options: Options, declared: Collection[str]) -> Options:
    """`options` with what config.toml says of the flags that a command has. One look where there is no such file.

    Raises:
        ConfigError: the file cannot be used.
    """
    file = places.config_file()
    if not file.exists():
        return options
    from ftlite.config.client import defaults_from
    from ftlite.config.structure import read_toml

    values = defaults_from(read_toml(file), file).given()
    return laid_over(options, {name: value for name, value in values.items() if name in declared})


def laid_over(options: Options, values: dict[str, Any]) -> Options:
    """`options` with `values` for the flags that neither argv nor the environment settled."""
    settled = options.settled | ({"password_file"} if os.environ.get(PASSWORD) is not None else set())
    for question in _QUESTIONS:
        if question & settled:
            values = {name: value for name, value in values.items() if name not in question}
        elif question & values.keys():
            ours = {each.name: each.default for each in fields(Options) if each.name in question}
            values = {**ours, **values}
    return evolve(options, **{name: value for name, value in values.items() if name not in options.settled})
