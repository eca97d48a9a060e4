"""The configuration of a server, as frozen values.

Every field has a default that is safe on the open internet; a field with a unit says so in its name or its comment.
Nothing here reads a file or the environment: `ftlite.config.load` builds these from TOML, the command line fills the
rest. Durations are seconds (float), sizes and rates are bytes and bytes per second (int), 0 means "no limit" where the
comment says so.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import Attribute, field, frozen, validators

from ftlite.config.rights import ALL, READ, Right
from ftlite.config.tlsmode import TlsMode as TlsMode


def _at_least(low: float) -> Callable[[Any, Attribute[Any], Any], None]:
    def check(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
        if not isinstance(value, (int, float)) or isinstance(value, bool) or value < low:
            raise ValueError(f"{attribute.name} must be a number of at least {low:g}, not {value!r}")

    return check


def _absolute(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError(f"{attribute.name} must be a path that starts with '/', not {value!r}")


def _ipv4(_instance: Any, attribute: Attribute[Any], value: Any) -> None:
    try:
        ipaddress.IPv4Address(value)
    except ValueError:
        raise ValueError(f"{attribute.name} must be an IPv4 address as in '192.0.2.1', not {value!r}") from None


class Durability(enum.Enum):
    """What a final reply to an upload promises (DESIGN 4)."""

    RENAME = "rename"  #: survives kill -9 of the server
    FSYNC = "fsync"  #: survives loss of power: file and directory are synced first


class TreeReplace(enum.Enum):
    """How a tree takes the place of another (DESIGN 4)."""

    EXCHANGE = "exchange"  #: in one step; where the file system cannot, it is refused
    TWO_STEP = "two-step"  #: where the file system cannot, by two renames: for a moment nothing has the name


class HashPolicy(enum.Enum):
    """Which uploads get a digest without being asked for one; the others get it at their first HASH."""

    NATIVE = "native"  #: those whose client states one
    ALL = "all"  #: every upload, in idle time a moment after it was published


@frozen
class Endpoint:
    """Where to listen. `implicit` means TLS from the first byte (port 990; in no RFC)."""

    host: str = "::"
    port: int = field(default=2121, validator=_at_least(0))
    implicit: bool = False


@frozen
class PassiveConfig:
    """Ports for passive data connections. With no range the system chooses, and listeners are kept and reused."""

    first: int = field(default=0, validator=_at_least(0))
    last: int = field(default=0, validator=_at_least(0))
    #: the IPv4 address that PASV names, when a NAT stands before the server
    address: str | None = field(default=None, validator=validators.optional(_ipv4))
    most: int = field(default=1024, validator=_at_least(1))  #: listeners kept open when no range is given

    def __attrs_post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"passive ports must be FIRST-LAST with FIRST <= LAST, not {self.first}-{self.last}")


@frozen
class TlsConfig:
    """TLS of control and data connections."""

    mode: TlsMode = TlsMode.REQUIRED
    certificate: Path | None = None  #: PEM; None: a self-signed one is made and kept in the state directory
    key: Path | None = None
    minimum: str = field(default="1.2", validator=validators.in_(("1.2", "1.3")))
    require_reuse: bool = False  #: data connections must resume the control connection's TLS session
    require_close_notify: bool = True  #: an upload that ends without close_notify is cut, not complete


@frozen
class Limits:
    """What one client, or all together, may take. All bite, and each has a test that shows it."""

    sessions: int = field(default=4096, validator=_at_least(1))
    sessions_per_address: int = field(default=128, validator=_at_least(1))
    sessions_per_user: int = field(default=512, validator=_at_least(1))
    line: int = field(default=4096, validator=_at_least(128))  #: bytes in a command line, CRLF included
    overlong_lines: int = field(default=3, validator=_at_least(1))  #: then the session ends
    pipelined: int = field(default=64, validator=_at_least(1))  #: commands read ahead of their turn
    strangers: int = field(default=1024, validator=_at_least(1))  #: connections that have not said what they are
    stranger: float = field(default=5.0, validator=_at_least(0.01))  #: seconds that one of them has to say so
    transfers: int = field(default=16, validator=_at_least(1))  #: native transfers at once in a session
    spares: int = field(default=2, validator=_at_least(0))  #: native data connections beyond those, dialled ahead
    spare: float = field(default=60.0, validator=_at_least(0.01))  #: a data connection without its command
    prove: float = field(default=10.0, validator=_at_least(0.01))  #: TLS and proof of a native data connection
    waits: int = field(default=64, validator=_at_least(1))  #: WAIT and HASH with tags at once in a session
    idle: float = field(default=300.0, validator=_at_least(0.01))
    login: float = field(default=60.0, validator=_at_least(0.01))  #: from accept to a successful login
    accept: float = field(default=30.0, validator=_at_least(0.01))  #: for a data connection to arrive or be dialled
    stall: float = field(default=60.0, validator=_at_least(0.01))  #: no byte moved on a data connection
    reply: float = field(default=30.0, validator=_at_least(0.01))  #: for a client to take a reply
    login_failures: int = field(default=3, validator=_at_least(1))  #: per session, then 421 and the end
    address_failures: int = field(default=20, validator=_at_least(1))  #: per address within failure_window
    failure_window: float = field(default=300.0, validator=_at_least(0.01))
    failure_delay: float = field(default=1.0, validator=_at_least(0))  #: before a refused login is answered
    password_checks: int = field(default=2, validator=_at_least(1))  #: argon2 runs at once
    password_queue: int = field(default=32, validator=_at_least(1))  #: logins waiting for one of those
    workers: int = field(default=16, validator=_at_least(1))  #: threads for disk and TLS; a user gets half
    hashes: int = field(default=2, validator=_at_least(1))  #: HASH and its kin at once; a user gets half
    listing: int = field(default=1_000_000, validator=_at_least(1))  #: entries in one listing
    tree_entries: int = field(default=1_000_000, validator=_at_least(1))  #: entries of one tree that comes
    tree_size: int = field(default=256 << 30, validator=_at_least(1))  #: bytes of content in one
    tree_path: int = field(default=4096, validator=_at_least(1))  #: bytes of one path in it
    tree_depth: int = field(default=128, validator=_at_least(1))  #: components of one path
    tree_ratio: int = field(default=1000, validator=_at_least(1))  #: bytes unpacked for one that came, after tree_free
    tree_free: int = field(default=64 << 20, validator=_at_least(0))
    rate_down: int = field(default=0, validator=_at_least(0))  #: bytes per second per session; 0: no limit
    rate_up: int = field(default=0, validator=_at_least(0))


@frozen
class Rule:
    """Rights below `path`, a resolved virtual path. The rule with the longest matching path decides alone."""

    path: str = field(default="/", validator=_absolute)
    allow: Right = ALL


@frozen
class User:
    """An account. `password` is an argon2id hash in PHC form; None lets nobody in (or anybody, when `anonymous`)."""

    name: str = field(validator=validators.min_len(1))
    password: str | None = field(default=None, repr=False)
    root: str = "."  #: directory below the served root that is this user's "/"
    home: str = field(default="/", validator=_absolute)  #: where the session starts, within the user's root
    rules: tuple[Rule, ...] = (Rule(),)
    anonymous: bool = False
    rate_down: int = field(default=0, validator=_at_least(0))  #: over all sessions of the user; 0: no limit
    rate_up: int = field(default=0, validator=_at_least(0))
    require_close_notify: bool | None = None  #: None: as the server says

    @staticmethod
    def for_anonymous() -> User:
        """The account behind ``--anonymous``: anybody, read only."""
        return User(name="anonymous", rules=(Rule("/", READ),), anonymous=True)


@frozen
class StorageConfig:
    """How uploads live (DESIGN 4)."""

    durability: Durability = Durability.RENAME
    native_durability: Durability = Durability.FSYNC  #: of native uploads
    hash: HashPolicy = HashPolicy.NATIVE
    umask: int = field(default=0o022, validator=_at_least(0))
    tree_replace: TreeReplace = TreeReplace.EXCHANGE
    part_age: float = field(default=86400.0, validator=_at_least(1))  #: idle parts older than this are swept
    stock_resume: float = field(default=3600.0, validator=_at_least(0))  #: SIZE shows a part this long; 0: never


@frozen
class ServerConfig:
    """Everything `ftlite serve` needs to know, whole."""

    root: Path
    state_dir: Path
    listen: tuple[Endpoint, ...] = (Endpoint(),)
    users: tuple[User, ...] = ()
    tls: TlsConfig = TlsConfig()
    passive: PassiveConfig = PassiveConfig()
    active: bool = True  #: PORT and EPRT are allowed
    limits: Limits = Limits()
    storage: StorageConfig = StorageConfig()
    banner: str = "ftlite ready"
    drain: float = field(default=30.0, validator=_at_least(0))  #: seconds that transfers get after SIGTERM
