"""One context manager a server: (root, tls) -> Running. TLS here means required, with session reuse demanded if it can.

The root directory is handed to the server's account, so that a server which drops root can write there.
"""

from __future__ import annotations

import contextlib
import enum
import importlib.util
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from attrs import frozen

from tests.peers.certificate import Certificate
from tests.peers.process import (
    ACCOUNT,
    PeerMissing,
    await_greeting,
    await_words,
    crypted,
    environment_for,
    local_account,
    need_root,
    running,
    unpacked,
)
from tests.ports import free_ports

REPOSITORY = Path(__file__).parents[2]


class Tls(enum.Enum):
    OFF = "off"
    EXPLICIT = "explicit"  #: required after AUTH TLS on control and data connections
    IMPLICIT = "implicit"


@frozen
class Running:
    """A server that greets. `pid` is its first process; `log` holds what it wrote.

    `dialect` is what our client is to speak with it; None: whatever it chooses. `configuration` is what it was told, as
    a person would write it.
    """

    name: str
    port: int
    root: Path
    user: str
    password: str
    tls: Tls
    pid: int
    log: Path
    certificate: Certificate | None = None
    host: str = "127.0.0.1"
    dialect: str | None = None
    configuration: str = ""

    @property
    def url(self) -> str:
        """With user and password, in the scheme that curl gives to both clear FTP and explicit TLS."""
        scheme = "ftps" if self.tls is Tls.IMPLICIT else "ftp"
        return f"{scheme}://{self.user}:{self.password}@{self.host}:{self.port}"


Starter = Callable[..., AbstractContextManager[Running]]


@contextlib.contextmanager
def _work() -> Iterator[Path]:
    # Not pytest's tmp_path: that is closed to other accounts, and ProFTPD wants its password file out of sight anyway.
    with tempfile.TemporaryDirectory(prefix="ftlite-peer-") as name:
        yield Path(name)


def _give(root: Path, uid: int, gid: int) -> None:
    if os.geteuid() == 0:
        for path in (root, *root.rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)


def _other_ids() -> tuple[int, int]:
    """Who a server with accounts of its own becomes: nobody, where it may."""
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _await(process: subprocess.Popen[bytes], port: int, log: Path, tls: Tls) -> None:
    await_greeting(process, port, log, implicit=tls is Tls.IMPLICIT)


@contextlib.contextmanager
def vsftpd(root: Path, certificate: Certificate | None = None, tls: Tls = Tls.OFF) -> Iterator[Running]:
    """vsftpd with a local account through PAM's service `other`; with TLS, require_ssl_reuse."""
    directory = unpacked("vsftpd")
    account, password = local_account()
    _give(root, account.pw_uid, account.pw_gid)
    port = free_ports()
    with _work() as work:
        (work / "empty").mkdir()
        options = {
            "listen": "YES", "listen_ipv6": "NO", "listen_address": "127.0.0.1", "listen_port": port,
            "background": "NO", "anonymous_enable": "NO", "local_enable": "YES", "write_enable": "YES",
            "local_root": root, "chroot_local_user": "YES", "allow_writeable_chroot": "YES", "local_umask": "022",
            "pam_service_name": "other", "seccomp_sandbox": "NO", "secure_chroot_dir": work / "empty",
            "max_per_ip": 0, "max_clients": 0, "xferlog_enable": "NO", "dual_log_enable": "NO",
            "vsftpd_log_file": work / "vsftpd.log", "mdtm_write": "YES", "idle_session_timeout": 300,
            "ascii_download_enable": "YES", "ascii_upload_enable": "YES",
        }  # fmt: skip
        if tls is not Tls.OFF:
            assert certificate is not None
            options |= {
                "ssl_enable": "YES", "rsa_cert_file": certificate.chain, "rsa_private_key_file": certificate.key,
                "force_local_logins_ssl": "YES", "force_local_data_ssl": "YES", "require_ssl_reuse": "YES",
                "ssl_ciphers": "HIGH", "implicit_ssl": "YES" if tls is Tls.IMPLICIT else "NO",
            }  # fmt: skip
        configuration = work / "vsftpd.conf"
        configuration.write_text("".join(f"{key}={value}\n" for key, value in options.items()))
        log = work / "log"
        command: list[str | Path] = [directory / "usr/sbin/vsftpd", configuration]
        with running(command, log, environment=environment_for(directory)) as process:
            _await(process, port, log, tls)
            words = configuration.read_text()
            yield Running(
                "vsftpd", port, root, ACCOUNT, password, tls, process.pid, log, certificate, configuration=words
            )


@contextlib.contextmanager
def proftpd(root: Path, certificate: Certificate | None = None, tls: Tls = Tls.OFF) -> Iterator[Running]:
    """ProFTPD with a password file; with TLS its default options, which demand session reuse."""
    directory = unpacked("proftpd")
    uid, gid = _other_ids()
    _give(root, uid, gid)
    port, password = free_ports(), "pröf-word"
    with _work() as work:
        passwords = work / "passwords"
        passwords.write_text(f"{ACCOUNT}:{crypted(password)}:{uid}:{gid}::{root}:/bin/false\n")
        passwords.chmod(0o600)
        who = ("User nobody", "Group nogroup") if os.geteuid() == 0 else ()
        lines = [
            "ServerType standalone", f"Port {port}", "DefaultAddress 127.0.0.1", "SocketBindTight on", "UseIPv6 off",
            f"ModulePath {directory}/usr/lib/proftpd", *who, "Umask 022",
            f"AuthUserFile {passwords}", "AuthOrder mod_auth_file.c", "RequireValidShell off", "WtmpLog off",
            f"PidFile {work}/pid", "ScoreboardFile none", f"SystemLog {work}/system.log", "TransferLog none",
            "AllowOverwrite on", "AllowStoreRestart on", "AllowRetrieveRestart on", "DelayEngine off",
            "UseReverseDNS off", "MaxInstances none", "TimeoutIdle 300", "DefaultRoot ~" if os.geteuid() == 0 else "",
        ]  # fmt: skip
        if tls is not Tls.OFF:
            assert certificate is not None
            options = "TLSOptions UseImplicitSSL" if tls is Tls.IMPLICIT else ""
            lines += [
                "LoadModule mod_tls.c", "TLSEngine on", "TLSRequired on", "TLSProtocol TLSv1.2 TLSv1.3",
                f"TLSECCertificateFile {certificate.chain}", f"TLSECCertificateKeyFile {certificate.key}",
                f"TLSLog {work}/tls.log", options,
            ]  # fmt: skip
        configuration = work / "proftpd.conf"
        configuration.write_text("\n".join(lines) + "\n")
        log = work / "log"
        command: list[str | Path] = [directory / "usr/sbin/proftpd", "--nodaemon", "--config", configuration]
        with running(command, log, environment=environment_for(directory)) as process:
            _await(process, port, log, tls)
            words = configuration.read_text()
            yield Running(
                "proftpd", port, root, ACCOUNT, password, tls, process.pid, log, certificate, configuration=words
            )


@contextlib.contextmanager
def pureftpd(root: Path, certificate: Certificate | None = None, tls: Tls = Tls.OFF) -> Iterator[Running]:
    """Pure-FTPd with one virtual user; with TLS `--tls=3`: control and data connections must be encrypted."""
    directory = unpacked("pureftpd")
    need_root("Pure-FTPd")
    uid, gid = _other_ids()
    _give(root, uid, gid)
    port, password = free_ports(), "pure-word"
    with _work() as work:
        passwords, database = work / "passwords", work / "passwords.pdb"
        passwords.write_text(f"{ACCOUNT}:{crypted(password)}:{uid}:{gid}::{root}/./::::::::::::\n")
        passwords.chmod(0o600)
        environment = environment_for(directory)
        pure_pw: list[str | Path] = [directory / "usr/bin/pure-pw", "mkdb", database, "-f", passwords]
        with running(pure_pw, work / "pure-pw.log", environment=environment) as making:
            making.wait(20)
        command: list[str | Path] = [
            directory / "usr/sbin/pure-ftpd", "--bind", f"127.0.0.1,{port}", "--login", f"puredb:{database}",
            "--noanonymous", "--dontresolve", "--chrooteveryone", "--minuid", "1", "--umask", "133:022",
            "--maxclientsnumber", "10000", "--maxclientsperip", "10000", "--maxidletime", "5",
            "--pidfile", work / "pid",
        ]  # fmt: skip
        if tls is not Tls.OFF:
            assert certificate is not None
            assert tls is Tls.EXPLICIT, "Pure-FTPd 1.0.50 has no implicit TLS"
            command += ["--tls", "3", f"--certfile={certificate.both}"]
        log = work / "log"
        with running(command, log, environment=environment) as process:
            _await(process, port, log, tls)
            words = " ".join(map(str, command))
            yield Running(
                "pureftpd", port, root, ACCOUNT, password, tls, process.pid, log, certificate, configuration=words
            )


@contextlib.contextmanager
def pyftpdlib(root: Path, certificate: Certificate | None = None, tls: Tls = Tls.OFF) -> Iterator[Running]:
    """pyftpdlib in a process of its own; it cannot demand session reuse."""
    password = "py-word"
    with _work() as work:
        log = work / "log"
        command = [sys.executable, "-m", "tests.peers.pyftpd", str(root), ACCOUNT, password]
        if tls is not Tls.OFF:
            assert certificate is not None
            assert tls is Tls.EXPLICIT, "pyftpdlib has no implicit TLS"
            command.append(str(certificate.both))
        with running(command, log, cwd=REPOSITORY) as process:
            port = int(await_words(process, r"(?m)^port (\d+)$", log)[1])
            words = " ".join(map(str, command))
            yield Running(
                "pyftpdlib", port, root, ACCOUNT, password, tls, process.pid, log, certificate, configuration=words
            )


@contextlib.contextmanager
def aioftp(root: Path, certificate: Certificate | None = None, tls: Tls = Tls.OFF) -> Iterator[Running]:
    """aioftp in a process of its own; its TLS is implicit, for it has no AUTH."""
    if importlib.util.find_spec("aioftp") is None:
        raise PeerMissing("aioftp is not installed: pip install -e '.[test]'")
    password = "aio-word"
    with _work() as work:
        log = work / "log"
        command = [sys.executable, "-m", "tests.peers.aio", str(root), ACCOUNT, password]
        if tls is not Tls.OFF:
            assert certificate is not None
            assert tls is Tls.IMPLICIT, "aioftp has no explicit TLS"
            command.append(str(certificate.both))
        with running(command, log, cwd=REPOSITORY) as process:
            port = int(await_words(process, r"(?m)^port (\d+)$", log)[1])
            words = " ".join(map(str, command))
            yield Running(
                "aioftp", port, root, ACCOUNT, password, tls, process.pid, log, certificate, configuration=words
            )


@contextlib.contextmanager
def ftlite_server(
    root: Path,
    certificate: Certificate | None = None,
    tls: Tls = Tls.OFF,
    *,
    extra: Sequence[str] = (),
    program: Sequence[str] = ("ftlite",),
) -> Iterator[Running]:
    """`ftlite serve` in a process of its own; `extra` are further arguments, `program` a module that is run instead."""
    password = "öurs-word"
    with _work() as work:
        secret, log = work / "secret", work / "log"
        secret.write_text(password + "\n")
        secret.chmod(0o600)
        command = [
            sys.executable, "-m", *program, "serve", str(root), "--listen", "127.0.0.1:0", "--user", ACCOUNT,
            "--password-file", str(secret), "--state-dir", str(work / "state"), "--allow-root",
            "--tls", "off" if tls is Tls.OFF else "required", *extra,
        ]  # fmt: skip
        if tls is not Tls.OFF:
            assert certificate is not None
            command += ["--implicit", "127.0.0.1:0"] if tls is Tls.IMPLICIT else []
            command += ["--cert", str(certificate.chain), "--key", str(certificate.key)]
        with running(command, log, cwd=REPOSITORY) as process:
            kind = r" \(implicit TLS\)" if tls is Tls.IMPLICIT else ""
            port = int(await_words(process, rf"(?m)^listening on \S*:(\d+){kind}$", log)[1])
            words = " ".join(map(str, command))
            yield Running(
                "ftlite", port, root, ACCOUNT, password, tls, process.pid, log, certificate, configuration=words
            )


#: Name -> starter, in the order of tables.
SERVERS: dict[str, Starter] = {
    "vsftpd": vsftpd,
    "proftpd": proftpd,
    "pureftpd": pureftpd,
    "pyftpdlib": pyftpdlib,
    "ftlite": ftlite_server,
}

#: Those that conformance and speed are measured against besides; tests of our client do without.
CONFORMANCE: dict[str, Starter] = {**SERVERS, "aioftp": aioftp}
