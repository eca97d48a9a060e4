"""What the client flags come to, as a value that commands are given."""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen

PASSWORD = "FTLITE_PASSWORD"  # noqa: S105  the name of a variable


@frozen
class Options:
    """What the client flags said. A command that does not declare a flag sees its default."""

    quiet: bool = False
    verbose: int = 0
    json: bool = False
    port: int | None = None
    tls: str = "required"
    cacert: Path | None = None
    pin: str | None = None
    accept_new: bool = False
    password_file: Path | None = None
    password_command: str | None = None
    netrc_file: Path | None = None
    keyring: bool = False
    proxy: str | None = field(default=None, repr=False)  # it may hold a password
    connect_timeout: float = 15.0
    stall_timeout: float = 60.0
    max_time: float | None = None
    retries: int = 3
    recursive: bool = False
    dry_run: bool = False
    resume: bool = False
    parallel: int = 1
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    files_from: Path | None = None
    from0: bool = False
    limit_rate: int = 0
    require: str | None = None
    dialect: str | None = None
    digest: str = "sha256"
    #: the fields that argv or the environment gave
    settled: frozenset[str] = field(default=frozenset(), repr=False, eq=False)

    @property
    def connecting(self) -> tuple[object, ...]:
        """What is settled when a connection is made, and cannot change for a command on it."""
        return (self.port, self.tls, self.cacert, self.pin, self.accept_new, self.password_file, self.password_command,
                self.netrc_file, self.keyring, self.proxy, self.connect_timeout, self.stall_timeout, self.dialect)
