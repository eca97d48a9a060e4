"""One driver a client tool: the same few deeds, each said in the tool's own words.

A deed raises ToolFailed when the tool says that it failed; what it really did is for the test to look at.
"""

from __future__ import annotations

import contextlib
import ftplib
import html
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from tests.peers.servers import Running, Tls

#: Longest that one run of a tool may take, in seconds: generous, since a machine may be slow; a hang is a failure.
PATIENCE = 60


class ToolFailed(Exception):
    """The tool ended with an error; the text holds its words."""


def run(*command: str | Path, words: str = "", cwd: Path | None = None, **environment: str) -> str:
    """Runs a tool away from this machine's configuration; what it printed, or ToolFailed."""
    variables = {**os.environ, "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **environment}
    done = subprocess.run(
        command, input=words, env=variables, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode:
        raise ToolFailed(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


class Tool:
    """What tests ask of a tool. `can` names what not all can: put, tls (explicit), implicit, get_resumed, put_resumed,
    get_tree, put_tree."""

    program: ClassVar[str]
    can: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, scratch: Path):
        self.scratch = scratch

    def missing(self) -> str | None:
        return None if shutil.which(self.program) else f"{self.program} is not installed"

    def get(self, server: Running, remote: str, local: Path, *, resume: bool = False) -> None:
        raise NotImplementedError

    def put(self, server: Running, local: Path, remote: str, *, resume: bool = False) -> None:
        raise NotImplementedError

    def names(self, server: Running, directory: str) -> set[str]:
        raise NotImplementedError

    def get_tree(self, server: Running, remote: str, local: Path) -> None:
        """Makes `local`, which is not there yet, a copy of the directory `remote`."""
        raise NotImplementedError

    def put_tree(self, server: Running, local: Path, remote: str) -> None:
        """Makes `remote`, which is not there yet, a copy of the directory `local`."""
        raise NotImplementedError


def _authority(server: Running) -> Path:
    assert server.certificate is not None
    return server.certificate.authority


class Curl(Tool):
    program = "curl"
    can = frozenset({"put", "tls", "implicit", "get_resumed", "put_resumed"})

    def get(self, server: Running, remote: str, local: Path, *, resume: bool = False) -> None:
        self._curl(server, remote, "-o", local, *["-C", "-"] * resume)

    def put(self, server: Running, local: Path, remote: str, *, resume: bool = False) -> None:
        self._curl(server, remote, "-T", local, *["-C", "-"] * resume)

    def names(self, server: Running, directory: str) -> set[str]:
        return set(self._curl(server, directory + "/", "--list-only").splitlines())

    def _curl(self, server: Running, remote: str, *more: str | Path) -> str:
        trust = ["--ssl-reqd", "--cacert", _authority(server)] if server.tls is not Tls.OFF else []
        scheme = "ftps" if server.tls is Tls.IMPLICIT else "ftp"
        url = f"{scheme}://{server.host}:{server.port}/{quote(remote)}"
        return run("curl", "-sS", "--user", f"{server.user}:{server.password}", *trust, *more, url)


class Lftp(Tool):
    program = "lftp"
    can = frozenset({"put", "tls", "implicit", "get_resumed", "put_resumed", "get_tree", "put_tree"})

    def get(self, server: Running, remote: str, local: Path, *, resume: bool = False) -> None:
        self._lftp(server, f'get {"-c " * resume}"{remote}" -o "{local}"')

    def put(self, server: Running, local: Path, remote: str, *, resume: bool = False) -> None:
        self._lftp(server, f'put {"-c " * resume}"{local}" -o "{remote}"')

    def names(self, server: Running, directory: str) -> set[str]:
        return {Path(line).name for line in self._lftp(server, f'cls -1 "{directory}"').splitlines()}

    def get_tree(self, server: Running, remote: str, local: Path) -> None:
        self._lftp(server, f'mirror --parallel=2 "{remote}" "{local}"')

    def put_tree(self, server: Running, local: Path, remote: str) -> None:
        self._lftp(server, f'mirror -R --parallel=2 "{local}" "{remote}"')

    def _lftp(self, server: Running, deed: str) -> str:
        settings = ["cmd:fail-exit true", "net:max-retries 2", "net:timeout 20", "ftp:ssl-allow false"]
        if server.tls is not Tls.OFF:
            settings[-1:] = ["ftp:ssl-force true", "ftp:ssl-protect-data true", f"ssl:ca-file {_authority(server)}"]
        script = "".join(f"set {setting}; " for setting in settings)
        scheme = "ftps://" if server.tls is Tls.IMPLICIT else ""
        login = f'open -u "{server.user}","{server.password}" {scheme}{server.host}:{server.port}; '
        return run("lftp", "--norc", "-c", script + login + deed)


class Ncftp(Tool):
    """The batch programs of ncftp, which resume by equal names on both sides.

    ncftpput 3.2.6 cannot resume: after REST n it sends the whole file, whatever the server is.
    """

    program = "ncftpput"
    can = frozenset({"put", "get_resumed", "get_tree", "put_tree"})

    def get(self, server: Running, remote: str, local: Path, *, resume: bool = False) -> None:
        if resume:
            run("ncftpget", *self._login(server), "-z", server.host, local.parent, remote)
        else:
            run("ncftpget", *self._login(server), "-C", server.host, remote, local)

    def put(self, server: Running, local: Path, remote: str, *, resume: bool = False) -> None:
        run("ncftpput", *self._login(server), "-C", server.host, local, remote)

    def names(self, server: Running, directory: str) -> set[str]:
        url = f"ftp://{server.host}/{quote(directory)}/"
        return set(run("ncftpls", *self._login(server), "-1", url).splitlines())

    def get_tree(self, server: Running, remote: str, local: Path) -> None:
        fetched = self.scratch / "ncftp"
        fetched.mkdir()
        run("ncftpget", *self._login(server), "-R", server.host, fetched, remote)
        (fetched / Path(remote).name).rename(local)

    def put_tree(self, server: Running, local: Path, remote: str) -> None:
        parent, _, name = remote.rpartition("/")
        named = self.scratch / name
        shutil.copytree(local, named, symlinks=True)
        run("ncftpput", *self._login(server), "-R", server.host, parent, named)

    def _login(self, server: Running) -> list[str | Path]:
        return ["-P", str(server.port), "-u", server.user, "-p", server.password, "-t", "20", "-r", "1"]


class Tnftp(Tool):
    """Spoken to as by a person at its prompt. It ends with 0 whatever happens, so its words are looked at."""

    program = "tnftp"
    can = frozenset({"put", "get_resumed"})

    def get(self, server: Running, remote: str, local: Path, *, resume: bool = False) -> None:
        self._say(server, f'{"reget" if resume else "get"} "{remote}" "{local}"')

    def put(self, server: Running, local: Path, remote: str, *, resume: bool = False) -> None:
        self._say(server, f'put "{local}" "{remote}"')

    def names(self, server: Running, directory: str) -> set[str]:
        listed = self.scratch / "tnftp.list"
        self._say(server, f'nlist "{directory}" "{listed}"')
        return {Path(line).name for line in listed.read_text().splitlines()}

    def _say(self, server: Running, deed: str) -> None:
        words = f'user "{server.user}" "{server.password}"\nbinary\n{deed}\nbye\n'
        said = run("tnftp", "-n", "-i", "-v", server.host, str(server.port), words=words)
        if re.search(r"^[45]\d\d ", said, re.MULTILINE) or "226" not in said:
            raise ToolFailed(said)


class Wget(Tool):
    program = "wget"
    can = frozenset({"tls", "implicit", "get_resumed", "get_tree"})

    def get(self, server: Running, remote: str, local: Path, *, resume: bool = False) -> None:
        how = ["-c", "-P", local.parent] if resume else ["-O", local]
        self._wget(server, remote, *how)

    def names(self, server: Running, directory: str) -> set[str]:
        index = self.scratch / "index.html"
        self._wget(server, directory + "/", "-O", index)
        return {html.unescape(name) for name in re.findall(r'<a href="[^"]*">([^<]*)</a>', index.read_text())}

    def get_tree(self, server: Running, remote: str, local: Path) -> None:
        cut = len(Path(remote).parts)
        self._wget(server, remote + "/", "-r", "-l", "9", "-nH", f"--cut-dirs={cut}", "-P", local)

    def _wget(self, server: Running, remote: str, *more: str | Path) -> None:
        scheme, trust = "ftp", []
        if server.tls is not Tls.OFF:
            scheme, trust = "ftps", [f"--ca-certificate={_authority(server)}"]
        if server.tls is Tls.IMPLICIT:
            trust.append("--ftps-implicit")
        login = [f"--user={server.user}", f"--password={server.password}"]
        url = f"{scheme}://{server.host}:{server.port}/{quote(remote)}"
        run("wget", "-nv", "--no-config", "--tries=1", "--local-encoding=UTF-8", *login, *trust, *more, url)


class Rclone(Tool):
    program = "rclone"
    can = frozenset({"put", "tls", "implicit", "get_tree", "put_tree"})

    def get(self, server: Running, remote: str, local: Path, *, resume: bool = False) -> None:
        self._rclone(server, "copyto", f":ftp:{remote}", local)

    def put(self, server: Running, local: Path, remote: str, *, resume: bool = False) -> None:
        self._rclone(server, "copyto", local, f":ftp:{remote}")

    def names(self, server: Running, directory: str) -> set[str]:
        return {line.rstrip("/") for line in self._rclone(server, "lsf", f":ftp:{directory}").splitlines()}

    def get_tree(self, server: Running, remote: str, local: Path) -> None:
        self._rclone(server, "copy", "--create-empty-src-dirs", f":ftp:{remote}", local)

    def put_tree(self, server: Running, local: Path, remote: str) -> None:
        self._rclone(server, "copy", "--create-empty-src-dirs", local, f":ftp:{remote}")

    def _rclone(self, server: Running, verb: str, *more: str | Path) -> str:
        hidden = run("rclone", "obscure", "-", words=server.password).strip()
        variables = {
            "RCLONE_CONFIG": str(self.scratch / "rclone.conf"),
            "RCLONE_FTP_HOST": server.host,
            "RCLONE_FTP_PORT": str(server.port),
            "RCLONE_FTP_USER": server.user,
            "RCLONE_FTP_PASS": hidden,
            "RCLONE_RETRIES": "1",
            "RCLONE_LOW_LEVEL_RETRIES": "1",
        }
        if server.tls is not Tls.OFF:
            kind = "RCLONE_FTP_TLS" if server.tls is Tls.IMPLICIT else "RCLONE_FTP_EXPLICIT_TLS"
            variables |= {kind: "true", "SSL_CERT_FILE": str(_authority(server))}
        return run("rclone", verb, *more, **variables)


class Ftplib(Tool):
    """Python's own, which neither resumes TLS sessions nor knows trees."""

    program = "python3"
    can = frozenset({"put", "tls", "get_resumed", "put_resumed"})

    def get(self, server: Running, remote: str, local: Path, *, resume: bool = False) -> None:
        with self.session(server) as ftp, local.open("ab" if resume else "wb") as sink:
            ftp.retrbinary(f"RETR {remote}", sink.write, 1 << 20, sink.tell() or None)

    def put(self, server: Running, local: Path, remote: str, *, resume: bool = False) -> None:
        with self.session(server) as ftp, local.open("rb") as source:
            there = ftp.size(remote) if resume else None
            source.seek(there or 0)
            ftp.storbinary(f"STOR {remote}", source, 1 << 20, rest=there)

    def names(self, server: Running, directory: str) -> set[str]:
        with self.session(server) as ftp:
            return {name for name, facts in ftp.mlsd(directory) if facts["type"] in ("file", "dir")}

    @contextlib.contextmanager
    def session(self, server: Running) -> Iterator[ftplib.FTP]:
        with plain_session(server) as ftp:
            yield ftp


@contextlib.contextmanager
def plain_session(server: Running) -> Iterator[ftplib.FTP]:
    """An ftplib session that is logged in, its data connections protected where the server runs TLS."""
    ftp: Any = ftplib.FTP(timeout=20, encoding="utf-8")
    if server.tls is not Tls.OFF:
        context = ssl.create_default_context(cafile=_authority(server))
        ftp = _Resuming(context=context, timeout=20, encoding="utf-8")
    try:
        ftp.connect(server.host, server.port)
        ftp.login(server.user, server.password)
        if server.tls is not Tls.OFF:
            ftp.prot_p()
        yield ftp
        ftp.quit()
    except ftplib.Error as error:
        raise ToolFailed(str(error)) from error
    finally:
        ftp.close()


class _Resuming(ftplib.FTP_TLS):
    """FTP_TLS whose data connections take up the control connection's session."""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)
        held: Any = self
        secured = self.context.wrap_socket(connection, server_hostname=self.host, session=held.sock.session)
        return secured, size


TOOLS: Mapping[str, type[Tool]] = {
    "curl": Curl,
    "lftp": Lftp,
    "ncftp": Ncftp,
    "tnftp": Tnftp,
    "wget": Wget,
    "rclone": Rclone,
    "ftplib": Ftplib,
}
