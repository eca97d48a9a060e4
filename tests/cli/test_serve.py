"""`ftlite serve` as a process: what it makes, says, refuses, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from ftlite.cli.announce import Welcome, announce
from ftlite.cli.serve import parse_endpoint, parse_ports, random_password
from ftlite.config.accounts import Accounts
from ftlite.config.models import Endpoint, ServerConfig
from tests.cli.conftest import Ftlite, Served, clean_environment, start

Start = Callable[..., Served]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Start]:
    """Starts servers in one home directory, and sees to it that none stays."""
    started: list[Served] = []

    def one(*arguments: str, **settings: object) -> Served:
        started.append(start(tmp_path, *arguments, **settings))  # type: ignore[arg-type]
        return started[-1]

    yield one
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait()
        assert server.process.stdout is not None
        server.process.stdout.close()


def greeting(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        return connection.recv(100)


def refused(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ftlite", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=clean_environment(home), timeout=60)


def wait_for(condition: Callable[[], bool]) -> None:
    """Until `condition` holds; the time limit of the test is the deadline."""
    while not condition():
        time.sleep(0.02)


def test_the_first_start_makes_what_is_missing_and_the_second_keeps_it(run: Start, home: Path) -> None:
    first = run()
    assert greeting(first.port).startswith(b"220 ")
    password, pin = first.fact("password"), first.fact("pin")
    assert first.fact("account") == "ftlite"
    assert password
    assert pin
    assert any("--pinnedpubkey" in line and pin in line for line in first.lines)
    accounts = first.state / "accounts.json"
    assert accounts.stat().st_mode & 0o777 == 0o600
    assert "$argon2id$" in accounts.read_text()
    assert first.stop() == 0
    second = run()
    assert second.fact("password") is None
    assert second.fact("pin") == pin
    assert second.stop(signal.SIGINT) == 0
    assert password not in accounts.read_text() + first.log.read_text() + second.log.read_text()


def test_json_logs(run: Start) -> None:
    server = run("--log-format", "json")
    listening = json.loads(server.lines[0])
    assert listening["event"] == "listening"
    assert greeting(listening["port"]).startswith(b"220 ")
    assert server.process.stdout is not None
    account = json.loads(server.process.stdout.readline())
    assert (account["event"], account["user"]) == ("account", "ftlite")
    assert server.stop() == 0
    logged = [json.loads(line)["event"] for line in server.log.read_text().splitlines()]
    assert logged[0] == "server.ready"
    assert account["password"] not in server.log.read_text()


def test_an_account_for_this_run_alone(
    run: Start, tmp_path: Path, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pw").write_text("open sesame\n")
    server = run("--user", "eve", "--password-file", str(tmp_path / "pw"))
    assert server.fact("account") == "eve"
    assert server.fact("password") is None
    assert not (server.state / "accounts.json").exists()
    monkeypatch.setenv("FTLITE_PASSWORD", "open sesame")
    assert ftlite("ls", "--pin", server.fact("pin") or "", f"ftp://eve@127.0.0.1:{server.port}/").code == 0


def test_anonymous_reads_and_does_not_write(run: Start, ftlite: Ftlite) -> None:
    server = run("--anonymous", "--tls", "off")
    (server.root / "x").write_text("x")
    assert not (server.state / "accounts.json").exists()
    url = f"ftp://127.0.0.1:{server.port}"
    assert ftlite("cat", "--tls", "off", f"{url}/x").out == "x"
    Path("y").touch()
    assert ftlite("put", "--tls", "off", "y", f"{url}/y").code == 4
    assert ftlite("rm", "--tls", "off", f"{url}/x").code == 4
    assert [path.name for path in server.root.iterdir()] == ["x"]
    assert ftlite("ls", url).code == 5  # encryption is wanted unless one says otherwise


def test_implicit_tls(run: Start, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch) -> None:
    server = run("--implicit", "127.0.0.1:0")
    line = next(line for line in server.lines if line.endswith("(implicit TLS)"))
    port = int(line.split()[2].rpartition(":")[2])
    monkeypatch.setenv("FTLITE_PASSWORD", server.fact("password") or "")
    assert ftlite("ls", "--pin", server.fact("pin") or "", f"ftps://ftlite@127.0.0.1:{port}/").code == 0


def test_sighup_takes_new_accounts(run: Start, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch) -> None:
    server = run()
    monkeypatch.setenv("FTLITE_PASSWORD", "new password")
    assert ftlite("user", "add", "bob", "--state-dir", str(server.state)).code == 0
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "server.reload" in server.log.read_text())
    url = f"ftp://bob@127.0.0.1:{server.port}/"
    assert ftlite("ls", "--pin", server.fact("pin") or "", url).code == 0
    (server.state / "accounts.json").write_text("{")
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "server.reload-failed" in server.log.read_text())
    assert ftlite("ls", "--pin", server.fact("pin") or "", url).code == 0
    assert server.stop() == 0


def test_a_second_signal_does_not_wait_for_transfers(run: Start) -> None:
    server = run("--anonymous", "--tls", "off", "--drain", "1h")
    with (server.root / "big").open("wb") as big:
        big.truncate(1_000_000_000)
    command = [sys.executable, "-m", "ftlite", "cat", "--tls", "off", "--limit-rate", "1M"]
    client = subprocess.Popen([*command, f"ftp://127.0.0.1:{server.port}/big"], stdout=subprocess.PIPE)
    try:
        assert client.stdout is not None
        assert client.stdout.read(1) == b"\0"
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: "server.drain" in server.log.read_text())
        assert server.process.poll() is None
        assert server.stop() == 143
    finally:
        client.kill()
        client.communicate()


def test_settings_from_environment_and_file_and_flags(run: Start, tmp_path: Path) -> None:
    config = tmp_path / "ftlite.toml"
    config.write_text('banner = "from the file"\nstate_dir = "elsewhere"\n[tls]\nmode = "off"\n')
    server = run(env={"FTLITE_SERVE_CONFIG": str(config), "FTLITE_SERVE_TLS": "optional"})
    assert b"from the file" in greeting(server.port)
    assert (tmp_path / "elsewhere" / "accounts.json").exists()
    assert any("TLS optional" in line for line in server.lines)


def test_systemd_hears_that_it_is_ready_and_gives_the_socket(run: Start, tmp_path: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified,
        socket.create_server(("127.0.0.1", 0)) as listening,
    ):
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(60)
        os.set_inheritable(listening.fileno(), True)
        # The pid that LISTEN_PID must name is known after the fork only, so a shell sets it and becomes the server.
        script = 'exec 3<&"$1"; shift; export LISTEN_PID=$$; exec "$@"'
        command = ["/bin/bash", "-c", script, "sh", str(listening.fileno()), sys.executable, "-m", "ftlite", "serve"]
        arguments = [str(tmp_path / "root"), "--allow-root", "--listen", "127.0.0.1:1"]
        (tmp_path / "root").mkdir()
        environment = {
            **clean_environment(tmp_path), "LISTEN_FDS": "1", "NOTIFY_SOCKET": str(tmp_path / "notify"),
        }  # fmt: skip
        process = subprocess.Popen(
            [*command, *arguments], env=environment, pass_fds=[listening.fileno()], stdout=subprocess.DEVNULL
        )
        try:
            assert notified.recv(100) == b"READY=1"
            assert greeting(listening.getsockname()[1]).startswith(b"220 ")
            process.terminate()
            assert notified.recv(100) == b"STOPPING=1"
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nix"], 3, "is not there"),
        (["file"], 2, "is no directory"),
        (["root", "--state-dir", "root/state"], 2, "lies in what is served"),
        (["root", "--state-dir", "root"], 2, "lies in what is served"),
        (["root", "--listen", "nonsense"], 2, "HOST:PORT"),
        (["root", "--listen", "127.0.0.1:99999"], 2, "HOST:PORT"),
        (["root", "--passive-ports", "9-8"], 2, "FIRST-LAST"),
        (["root", "--passive-address", "ftp.example.org"], 2, "must be an IPv4 address"),
        (["root", "--tls", "off", "--implicit", "127.0.0.1:0"], 2, "must not be 'off' beside --implicit"),
        (["root", "--cert", "c.pem"], 2, "tls.key: is missing"),
        (["root", "--cert", "nix.pem", "--key", "nix.key"], 1, "nix.pem cannot be read"),
        (["root", "--config", "broken.toml"], 2, "did you mean 'banner'?"),
        (["root", "--user", "eve"], 2, "--user eve needs a password"),
        (["root", "--drain", "long"], 2, "'long' is no duration"),
    ],
)
def test_what_cannot_work_is_refused_in_a_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, words: str
) -> None:
    Path("root").mkdir()
    Path("file").touch()
    Path("broken.toml").write_text('baner = "x"\n')
    done = refused(home, *arguments, "--allow-root", "--listen", "127.0.0.1:0")
    assert words in done.stderr
    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named(home: Path) -> None:
    Path("root").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = refused(home, "root", "--allow-root", "--listen", f"127.0.0.1:{taken.getsockname()[1]}")
        assert done.returncode == 1
        assert f"port {taken.getsockname()[1]}" in done.stderr


def test_root_must_say_that_it_means_it(ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    said = ftlite("serve", ".", "--listen", "127.0.0.1:0")
    assert said.code == 2
    assert "--allow-root" in said.err


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("127.0.0.1:21", Endpoint("127.0.0.1", 21)),
        ("[::1]:0", Endpoint("::1", 0)),
        (":21", Endpoint("::", 21)),
        ("21", Endpoint("::", 21)),
        ("localhost:65535", Endpoint("localhost", 65535)),
    ],
)
def test_endpoints(text: str, endpoint: Endpoint) -> None:
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text", ["", ":", "host", "host:", "::1:21", "[::1]", "host:65536", "host:-1", "a:b:1", "host:١"]
)
def test_no_endpoints(text: str) -> None:
    with pytest.raises(click.UsageError):
        parse_endpoint(text)


def test_port_ranges() -> None:
    assert parse_ports("50000-50999") == (50000, 50999)
    assert parse_ports("50000") == (50000, 50000)
    for text in ("", "a", "0-5", "5-4", "1-65536", "1-2-3"):
        with pytest.raises(click.UsageError):
            parse_ports(text)


def test_random_passwords_differ() -> None:
    made = {random_password() for _ in range(100)}
    assert len(made) == 100
    assert all(len(password) == 23 for password in made)


def test_accounts_are_kept_listed_changed_and_removed(
    home: Path, ftlite: Ftlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTLITE_SERVE_STATE_DIR", "state")
    accounts = Accounts(Path("state/accounts.json"))
    made = ftlite("user", "add", "bob", "--generate", "--root", "in", "--allow", "/=read", "--allow", "/up/=list put")
    assert made.code == 0
    assert len(made.out.strip()) == 23
    before = accounts.load()["bob"]
    assert made.out.strip() not in accounts.path.read_text()
    assert ftlite("user", "ls").out == "bob  root=in  home=/  /=read, /up=list put\n"
    assert json.loads(ftlite("user", "ls", "--json").out.splitlines()[0])["rules"] == {"/": "read", "/up": "list put"}
    assert ftlite("user", "add", "bob", "--generate").code == 9
    Path("pw").write_text("x\n")
    assert ftlite("user", "passwd", "bob", "--password-file", "pw").code == 0
    assert accounts.load()["bob"].password != before.password
    assert ftlite("user", "rm", "bob").code == 0
    assert accounts.load() == {}
    for command in (["rm", "bob"], ["passwd", "bob", "--generate"]):
        assert ftlite("user", *command).code == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bob", "--allow", "read"], "PATH=RIGHTS"),
        (["bob", "--allow", "/=fly"], "unknown right 'fly'"),
        (["bob", "--home", "x"], "home must be a path"),
        ([" "], "no account name"),
        (["a\nb"], "no account name"),
        (["bob"], "no password was given"),
    ],
)
def test_accounts_that_cannot_be(home: Path, ftlite: Ftlite, arguments: list[str], words: str) -> None:
    said = ftlite("user", "add", "--state-dir", "state", *arguments)
    assert said.code == 2
    assert words in said.err


def test_without_a_stdout_the_server_serves_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path("/srv")
    with os.fdopen(os.open(os.devnull, os.O_RDONLY), "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        announce(ServerConfig(root, root), [Endpoint("127.0.0.1", 2121)], Welcome(None), as_json=True)
