"""Targets for what comes in files and trees: tar streams, journals, configuration, addresses, units."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ftlite.client.address import parse_address
from ftlite.client.errors import ClientError
from ftlite.config.accounts import Accounts
from ftlite.config.errors import ConfigError
from ftlite.config.load import load_server
from ftlite.config.units import parse_duration, parse_rate, parse_size
from ftlite.net.proxy import parse_proxy
from ftlite.protocol.text import decode
from ftlite.storage import journal
from ftlite.trees import COMPRESSIONS, TreeError, TreeLimits, Unpacker
from ftlite.trees.compress import compressor
from tests.fuzz.target import Target

_LIMITS = TreeLimits(entries=200, size=1 << 20, free=1 << 20)


def _tar(data: bytes) -> None:
    """A hostile tree, in clear or compressed, into a directory: nothing of it comes to lie beside it."""
    compressed = data[:1] == b"!" and bool(COMPRESSIONS)
    with tempfile.TemporaryDirectory(dir=_memory()) as place:
        root = Path(place, "in")
        root.mkdir()
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            unpacker = Unpacker(fd, limits=_LIMITS, comp=COMPRESSIONS[0] if compressed else None)
            try:
                for at in range(int(compressed), len(data), 700):
                    unpacker.write(data[at : at + 700])
                unpacker.finish()
            finally:
                unpacker.close()
        except (TreeError, OSError):
            pass  # OSError: a name that the file system refuses
        finally:
            os.close(fd)
        assert os.listdir(place) == ["in"]
        for path in root.rglob("*"):
            assert path.is_symlink() or path.is_dir() or path.is_file(), f"{path} is none of what may travel"
            os.chmod(path, 0o700, follow_symlinks=False) if path.is_dir() and not path.is_symlink() else None


def _upload_journal(data: bytes) -> None:
    """It vouches for no more than what it says, and never for what is not there."""
    for size in (0, 10, 1 << 40):
        reached = journal.read(data, "SHA-256", size)
        assert 0 <= reached.offset <= size
        assert reached.length <= len(data)
        assert journal.read(data[: reached.length], "SHA-256", size) == reached


def _settings(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_memory()) as place:
        file = Path(place, "ftlite.toml")
        file.write_bytes(data)
        with contextlib.suppress(ConfigError):
            load_server(file, root=Path(place), state_dir=Path(place))


def _accounts(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_memory()) as place:
        file = Path(place, "accounts.json")
        file.write_bytes(data)
        file.chmod(0o600)
        with contextlib.suppress(ConfigError):
            Accounts(file).load()


def _words(data: bytes) -> None:
    """What people type: addresses, proxies, times, sizes, rates."""
    text = decode(data)
    parsers: tuple[tuple[Callable[[str], Any], type[Exception]], ...] = (
        (parse_proxy, ValueError),
        (parse_duration, ValueError),
        (parse_size, ValueError),
        (parse_rate, ValueError),
    )
    for parse, refusal in parsers:
        with contextlib.suppress(refusal):
            parse(text)
    with contextlib.suppress(ClientError):
        address = parse_address(text)
        assert parse_address(str(address)) == address


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _some_tar(form: int) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=form) as archive:
        for name, kind, target in (
            ("d", tarfile.DIRTYPE, ""),
            ("d/file", tarfile.REGTYPE, ""),
            ("d/" + "l" * 120, tarfile.REGTYPE, ""),
            ("d/link", tarfile.SYMTYPE, "file"),
            ("d/same", tarfile.LNKTYPE, "d/file"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mtime = kind, target, 1_700_000_000.5
            member.size = 5 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"hello"))
    return whole.getvalue()[: 12 * 512]


def _compressed(data: bytes) -> bytes:
    if not COMPRESSIONS:
        return data
    made = compressor(COMPRESSIONS[0])
    return b"!" + made.compress(data) + made.flush()


#: Everything that is read from a disk or another machine's tree, and what people type.
TARGETS: Final[Mapping[str, Target]] = {
    "tar": Target(
        _tar,
        (_some_tar(tarfile.PAX_FORMAT), _some_tar(tarfile.GNU_FORMAT), _compressed(_some_tar(tarfile.PAX_FORMAT))),
    ),
    "upload-journal": Target(
        _upload_journal, (journal.header("SHA-256") + journal.line(5, "0f" * 32) + journal.line(9, "1f" * 32),)
    ),
    "settings": Target(
        _settings,
        (
            b'root = "/srv"\nlisten = ["[::]:2121"]\n[limits]\nidle = "5m"\nsessions_per_address = 10\n'
            b'[tls]\nmode = "off"\n[[users]]\nname = "ann"\npassword = "$argon2id$v=19$m=8,t=1,p=1$YQ$YQ"\n',
            b'[storage]\nhash = "all"\n[passive]\nfirst = 1\nlast = 2\n[[users]]\nname = "b"\nrules = []\n',
        ),
    ),
    "accounts": Target(_accounts, (b'{"version": 1, "users": [{"name": "ann", "password": "x", "home": "/"}]}',)),
    "words": Target(
        _words,
        (
            b"ftpes://ann@host.example:21/a%20b//c",
            b"ann@[::1]:/abs",
            b"socks5h://u:p@[::1]:1080",
            b"http://proxy:3128",
            b"1h30m",
            b"10MiB",
            b"2.5M/s",
        ),
    ),
}
