"""Loading: a whole file becomes the values it says, and every mistake is named with its key and its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from ftlite.config.errors import ConfigError
from ftlite.config.load import load_server
from ftlite.config.models import (
    Durability,
    Endpoint,
    Limits,
    PassiveConfig,
    Rule,
    ServerConfig,
    StorageConfig,
    TlsConfig,
    TlsMode,
    User,
)
from ftlite.config.rights import ALL, READ, Right
from ftlite.config.structure import keys

HASH = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHRzYWx0$aGFzaA"
NEEDED = 'root = "/srv"\nstate_dir = "/state"\n'

WHOLE = f"""
root = "files"
state_dir = "/var/lib/ftlite"
active = false
banner = "hello"
drain = "1m"

[[listen]]
host = "127.0.0.1"
port = 2121

[[listen]]
port = 990
implicit = true

[[users]]
name = "ann"
password = "{HASH}"
root = "homes/ann"
home = "/in"
rate_up = "10MiB/s"
require_close_notify = false
rules = [{{ path = "/", allow = "read" }}, {{ path = "/in", allow = "read put, mkdir" }}]

[tls]
mode = "optional"
certificate = "tls/cert.pem"
key = "/etc/key.pem"
minimum = "1.3"

[passive]
first = 50000
last = 50100
address = "192.0.2.1"

[limits]
idle = "5m"
stall = 10
line = "8KiB"
failure_delay = 0.5

[storage]
durability = "fsync"
native_durability = "rename"
umask = "027"
part_age = "2d"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "server.toml"
    path.write_text(text)
    return path


def mistake(tmp_path: Path, text: str, **overrides: Any) -> ConfigError:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_server(path, **overrides)
    assert caught.value.file == path
    assert str(caught.value).startswith(f"{path}: {caught.value.key}")
    return caught.value


def test_a_whole_file(tmp_path: Path) -> None:
    assert load_server(write(tmp_path, WHOLE)) == ServerConfig(
        root=tmp_path / "files",
        state_dir=Path("/var/lib/ftlite"),
        active=False,
        banner="hello",
        drain=60.0,
        listen=(Endpoint("127.0.0.1", 2121), Endpoint(port=990, implicit=True)),
        users=(
            User(
                "ann",
                HASH,
                root="homes/ann",
                home="/in",
                rate_up=10 * 2**20,
                require_close_notify=False,
                rules=(Rule("/", READ), Rule("/in", READ | Right.PUT | Right.MKDIR)),
            ),
        ),
        tls=TlsConfig(TlsMode.OPTIONAL, tmp_path / "tls/cert.pem", Path("/etc/key.pem"), "1.3"),
        passive=PassiveConfig(50000, 50100, "192.0.2.1"),
        limits=Limits(idle=300.0, stall=10.0, line=8192, failure_delay=0.5),
        storage=StorageConfig(Durability.FSYNC, Durability.RENAME, umask=0o027, part_age=172800.0),
    )


def test_numbers_become_the_type_of_the_model(tmp_path: Path) -> None:
    assert isinstance(load_server(write(tmp_path, NEEDED + "drain = 5")).drain, float)


def test_the_rest_is_as_by_default(tmp_path: Path) -> None:
    assert load_server(write(tmp_path, NEEDED)) == ServerConfig(root=Path("/srv"), state_dir=Path("/state"))


class TestOverrides:
    def test_they_beat_the_file_and_reach_into_tables(self, tmp_path: Path) -> None:
        config = load_server(
            write(tmp_path, WHOLE),
            root=Path("here"),
            banner=None,
            listen=(Endpoint(port=1),),
            tls={"mode": TlsMode.OFF, "minimum": None},
            limits={"idle": 7},
        )
        assert config.root == Path("here")
        assert config.banner == "hello"
        assert config.listen == (Endpoint(port=1),)
        assert (config.tls.mode, config.tls.minimum) == (TlsMode.OFF, "1.3")
        assert (config.limits.idle, config.limits.stall) == (7.0, 10.0)

    def test_they_are_enough_alone(self) -> None:
        config = load_server(None, root=Path("r"), state_dir=Path("s"), users=(User("ann"),), rules=None)
        assert config == ServerConfig(Path("r"), Path("s"), users=(User("ann"),))

    def test_both_directories_must_come_from_somewhere(self, tmp_path: Path) -> None:
        assert mistake(tmp_path, 'root = "/srv"').key == "state_dir"
        assert mistake(tmp_path, "", state_dir=Path("s")).key == "root"


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("baner = 'x'", "baner", "is not known: did you mean 'banner'?"),
        ("[limits]\nidel = 3", "limits.idel", "is not known: did you mean 'idle'?"),
        ("idle = 3", "idle", "is not known here: did you mean 'limits.idle'?"),
        ("certificate = 'c'", "certificate", "is not known here: did you mean 'tls.certificate'?"),
        ("[tls]\nqqqq = 3", "tls.qqqq", "is not known: the nearest key there is"),
        ("[[users]]\nname = 'a'\n[[users]]\nnam = 'b'", "users[1].nam", "did you mean 'name'?"),
        ("users = [{name = 'a', rules = [{paht = '/'}]}]", "users[0].rules[0].paht", "did you mean 'path'?"),
    ],
)
def test_an_unknown_key_names_its_near_miss(tmp_path: Path, text: str, key: str, message: str) -> None:
    needed = "" if text.startswith("[") else NEEDED
    error = mistake(tmp_path, needed + text, root=Path("r"), state_dir=Path("s"))
    assert error.key == key
    assert message in error.message


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("root = 3", "root", "must be a path in quotes, not 3"),
        ("active = 1", "active", "must be true or false, not 1"),
        ("banner = true", "banner", "must be text in quotes, not True"),
        ("drain = 'soon'", "drain", "'soon' is no duration: write seconds, or a number with"),
        ("drain = -1", "drain", "drain must be a number of at least 0, not -1.0"),
        ("drain = true", "drain", "must be a number of seconds, or text as in '90s' or '5m', not True"),
        ("drain = inf", "drain", "must be a number of seconds"),
        ("drain = nan", "drain", "must be a number of seconds"),
        ("listen = 2121", "listen", "must be an array, not 2121"),
        ("listen = [2121]", "listen[0]", "must be a table, not 2121"),
        ("listen = [{port = '21'}]", "listen[0].port", "must be a whole number, not '21'"),
        ("listen = [{port = 1.5}]", "listen[0].port", "must be a whole number, not 1.5"),
        ("listen = [{port = true}]", "listen[0].port", "must be a whole number, not True"),
        ("listen = [{port = 65536}]", "listen[0].port", "must be a port up to 65535, not 65536"),
        ("tls = 'off'", "tls", "must be a table, not 'off'"),
        ("tls = {mode = 'on'}", "tls.mode", "must be one of 'off', 'optional', 'required', not 'on'"),
        ("tls = {minimum = '1.1'}", "tls.minimum", "must be in ('1.2', '1.3')"),
        ("tls = {certificate = 'c'}", "tls.key", "is missing: a certificate and its key are given together"),
        ("tls = {key = 'c'}", "tls.certificate", "is missing"),
        ("passive = {first = 9, last = 8}", "passive", "passive ports must be FIRST-LAST with FIRST <= LAST, not 9-8"),
        ("passive = {last = 70000}", "passive.last", "must be a port up to 65535, not 70000"),
        ("passive = {last = 9}", "passive.first", "is missing: a range has a first and a last port"),
        ("passive = {address = 'ftp.example.org'}", "passive.address", "must be an IPv4 address as in '192.0.2.1'"),
        ("passive = {address = '::1'}", "passive.address", "must be an IPv4 address as in '192.0.2.1', not '::1'"),
        (
            "tls = {mode = 'off'}\nlisten = [{implicit = true}]",
            "tls.mode",
            "must not be 'off' where an address listens with implicit TLS",
        ),
        ("limits = {line = '10'}", "limits.line", "line must be a number of at least 128, not 10"),
        (
            "limits = {rate_up = 'fast'}",
            "limits.rate_up",
            "must be a number of bytes, or text as in '10MiB', not 'fast'",
        ),
        ("limits = {sessions = '10k'}", "limits.sessions", "must be a whole number, not '10k'"),
        ("storage = {umask = '9'}", "storage.umask", "must be an octal number as in 0o022 or '022', not '9'"),
        ("users = [{}]", "users[0].name", "is missing"),
        ("users = [{name = ''}]", "users[0].name", "Length of 'name' must be >= 1"),
        ("users = [{name = 'a', home = 'x'}]", "users[0].home", "must be a path that starts with '/', not 'x'"),
        ("users = [{name = 'a'}, {name = 'a'}]", "users[1].name", "'a' is there twice"),
        (
            "users = [{name = 'a', rules = [{allow = 'raed'}]}]",
            "users[0].rules[0].allow",
            "unknown right 'raed': choose from",
        ),
        (
            "users = [{name = 'a', rules = [{path = '/a'}, {path = '/a/'}]}]",
            "users[0].rules[1].path",
            "'/a' has a rule already",
        ),
        ("users = [{name = 'a', rules = [{allow = 3}]}]", "users[0].rules[0].allow", "must be rights in words"),
    ],
)
def test_a_wrong_value_names_key_and_expectation(tmp_path: Path, text: str, key: str, message: str) -> None:
    error = mistake(tmp_path, text, **({} if text.startswith("root") else {"root": "r"}), state_dir="s")
    assert error.key == key
    assert message in error.message


@pytest.mark.parametrize("value", ["'hunter2'", "72"])
def test_a_password_in_clear_is_refused_and_not_repeated(tmp_path: Path, value: str) -> None:
    error = mistake(tmp_path, NEEDED + f"users = [{{name = 'a', password = {value}}}]")
    assert error.key == "users[0].password"
    assert value.strip("'") not in str(error)


@pytest.mark.parametrize(("content", "message"), [(b"root = ", "is no TOML"), (b"a = '\xff'", "is no TOML")])
def test_no_toml(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "server.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        load_server(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load_server(tmp_path / "none.toml")


def test_keys_reach_every_field() -> None:
    found = [key for key, _ in keys(ServerConfig)]
    assert {"root", "listen[].port", "users[].rules[].allow", "tls.mode", "limits.idle"} <= set(found)
    assert len(found) == len(set(found))
    models = (ServerConfig, Endpoint, User, Rule, TlsConfig, PassiveConfig, Limits, StorageConfig)
    tables = 7  # fields that are themselves models
    assert len(found) == sum(len(attrs.fields(model)) for model in models) - tables


def test_all_rights_by_default(tmp_path: Path) -> None:
    config = load_server(write(tmp_path, NEEDED + "users = [{name = 'a'}]"))
    assert config.users[0].rules == (Rule("/", ALL),)
