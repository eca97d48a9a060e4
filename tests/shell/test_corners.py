"""Where lines go wrong in ways that a script must hear of: redirected, queued, matched twice, set in between."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ftlite.shell.errors import BadLine
from ftlite.shell.words import Word, parse, spelled, split
from tests.cli.conftest import Ftlite, Served, clean_environment
from tests.shell.conftest import Script


@pytest.fixture(autouse=True)
def contents(request: pytest.FixtureRequest) -> None:
    """Two directories with a file of one name, and some files beside them."""
    if "script" not in request.fixturenames:
        return
    at: Served = request.getfixturevalue("at")
    place = at.root / request.getfixturevalue("spot")
    for name in ("a", "b"):
        (place / name).mkdir()
        (place / name / "x").write_text(name)
    for name in ("f", "g1", "g2"):
        (place / name).write_text(name)


def test_what_is_set_holds_for_the_shells_own_commands(script: Script, spot: str) -> None:
    said = script("set stall-timeout 5s; cd a; pwd; status; unset stall-timeout; cd ..; pwd")
    assert said.code == 0
    assert said.out.startswith(f"/{spot}/a\n")
    assert said.out.endswith(f"/{spot}\n")


def test_what_was_typed_at_the_start_can_be_unset_for_the_shells_own_commands(
    script: Script, spot: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = script("pwd; unset json; pwd; quote NOOP", "--json")
    shown, plain, answer, summary = said.out.splitlines()
    assert json.loads(shown)["text"] == plain == f"/{spot}"
    assert answer.startswith("200 ")
    assert json.loads(summary)["event"] == "summary"  # whoever started it asked for events
    monkeypatch.setenv("FTLITE_JSON", "1")
    shown, _ = script("unset json; pwd", "--json").out.splitlines()
    assert json.loads(shown)["text"] == f"/{spot}"


def test_what_is_unset_is_what_the_configuration_says(
    at: Served, ftlite: Ftlite, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = os.environ["FTLITE_PIN"]
    monkeypatch.delenv("FTLITE_PIN")
    config = home / ".config/ftlite"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(f'pin = "sha256//{"A" * 43}="\n')
    assert ftlite(at.url(), "-c", "cd /; unset retries; cd /", "--pin", pin, "--retries", "0").code == 0
    said = ftlite(at.url(), "-c", "unset pin; cd /", "--pin", pin)
    assert said.code == 5, said.err  # of the configuration, and not the one that was typed


def test_and_or_as_in_sh(script: Script) -> None:
    said = script("ls nosuch && pwd || !echo rescued")
    assert (said.code, said.out) == (0, "rescued\n")
    said = script("ls nosuch && pwd && pwd; !echo on")
    assert (said.code, said.out) == (3, "")


@pytest.mark.parametrize("line", ["wait &", "queue wait", "fg &"])
def test_a_job_cannot_wait_for_itself(script: Script, line: str) -> None:
    assert script(line).code == 2


def test_the_signal_that_ended_a_program(script: Script) -> None:
    said = script("ls | (kill -9 $$)", "--json")
    assert said.code == 137
    assert json.loads(said.out.splitlines()[-1])["exit"] == 137


def test_what_is_queued_is_not_redirected_to_nowhere(script: Script) -> None:
    assert script("queue cat f > q").code == 2
    assert script("queue cat f | cat").code == 2
    assert not Path("q").exists()


def test_what_is_queued_belongs_where_it_was_queued(script: Script) -> None:
    Path("elsewhere").mkdir()
    before = Path.cwd()
    try:
        assert script("queue get f one; queue get f two; cd b; lcd elsewhere; wait").code == 0
    finally:
        os.chdir(before)
    assert {"one", "two"} <= set(os.listdir())


def test_an_alias_keeps_patterns(script: Script, spot: str) -> None:
    assert script("alias each ls g*; each").out.splitlines() == [f"/{spot}/g1", f"/{spot}/g2"]
    assert script("alias each ls 'g*'; each").code == 3


@pytest.mark.parametrize("text", ["*.whl", "'*'*", "a' 'b?", "[ab]c", "'[*'*", "\\[x*", "plain", "'it'\"'\"'s'*"])
def test_a_word_is_spelled_as_it_was_meant(text: str) -> None:
    (word,) = split(text)
    (again,) = split(spelled(word))
    assert (again, again.pattern) == (word, word.pattern)
    assert isinstance(word, Word)


@pytest.mark.parametrize("text", ["ls nosuch 2>/dev/null", "2> x", "get a\0b", "cat 0<x"])
def test_lines_that_sh_would_read_otherwise_are_refused(text: str) -> None:
    with pytest.raises(BadLine):
        parse(text)
    assert parse("cat a2>x")[0].target == "x"


def test_json_is_all_that_is_on_stdout(script: Script) -> None:
    said = script("pwd; set; alias l ls; alias; status; help get; jobs; get f & wait; quote NOOP", "--json")
    assert said.code == 0
    assert all(json.loads(line)["event"] for line in said.out.splitlines())
    assert script("more f", "--json").code == 2


def test_a_failure_is_counted_once(script: Script) -> None:
    said = script("get nosuch &\nwait", "--json")
    assert said.code == 3
    assert json.loads(said.out.splitlines()[-1])["failed"] == 1


def test_two_of_one_name_do_not_replace_each_other(script: Script) -> None:
    said = script("mget a/x b/x")
    assert said.code == 8
    assert "same name" in said.err
    assert Path("x").read_text() == "a"
    assert script("get */x again").code == 2
    Path("into").mkdir()
    assert script("get */x into").code == 8
    assert Path("into/x").read_text() == "a"
    for name in ("one", "two"):
        Path(name).mkdir()
        (Path(name) / "y").write_text(name)
    assert script("mput one/y two/y").code == 2
    assert script("mput one/y ./one/y").code == 0


def test_several_matches_need_a_directory(script: Script) -> None:
    said = script("get g* out")
    assert said.code == 2
    assert not Path("out").exists()
    assert script("get g* -").out == "g1g2"
    assert script("get f1* || get g1* out").code == 0
    assert Path("out").read_text() == "g1"


def test_a_pattern_for_a_local_name_is_one_name(script: Script) -> None:
    assert script("get f *.txt").code == 3
    assert os.listdir() == []
    Path("one.txt").touch()
    assert script("get f *.txt; !cat one.txt").out == "f"
    Path("two.txt").touch()
    assert script("get f *.txt").code == 2


def test_a_pattern_with_a_slash_behind_it_matches_directories(script: Script, at: Served, spot: str) -> None:
    assert script("rm -r */").code == 0
    assert sorted(os.listdir(at.root / spot)) == ["f", "g1", "g2"]


def test_modes_below_a_directory(script: Script, at: Served, spot: str) -> None:
    place = at.root / spot
    (place / "a" / "dangling").symlink_to("nowhere")
    (place / "a" / "link").symlink_to("../g1")
    before = (place / "g1").stat().st_mode
    assert script("chmod -r 750 f a").code == 0
    assert [(place / name).stat().st_mode & 0o777 for name in ("f", "a", "a/x")] == [0o750] * 3
    assert (place / "g1").stat().st_mode == before
    assert script("chmod -rw f").code == 2
    assert script("chmod 755 --recursiv a").code == 2
    assert script("chmod -r u+x nosuch").code == 3


def test_more_counts_what_it_shows(script: Script) -> None:
    said = script("more f nosuch")
    assert (said.code, said.out) == (8, "f")


def test_what_would_change_the_session_is_not_quoted(script: Script) -> None:
    for line in ("quote TYPE A", "quote MODE S", "quote ALLO 10"):
        assert script(line).code == 2


def test_commands_on_stdin_are_for_nobody_else(at: Served, spot: str, home: Path) -> None:
    environment = clean_environment(home) | {name: os.environ[name] for name in ("FTLITE_PASSWORD", "FTLITE_PIN")}
    environment["PYTHONIOENCODING"] = "utf-8:strict"

    def run(text: bytes) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "ftlite", at.url(spot)]
        return subprocess.run(command, input=text, capture_output=True, check=False, env=environment)

    done = run(b"!cat\nmkdir odd\xff\npwd\n")
    assert (done.returncode, done.stdout) == (0, f"/{spot}\n".encode())
    assert os.listdir(os.fsencode(at.root / spot)) == [b"odd\xff"]
    done = run(b"put - name\nthis is no content\n")
    assert done.returncode == 2
    assert not (at.root / spot / "name").exists()


def test_a_reader_of_everything_that_is_gone_is_a_failure(at: Served, spot: str, home: Path) -> None:
    (at.root / spot / "big").write_bytes(b"x\n" * 2_000_000)
    environment = clean_environment(home) | {name: os.environ[name] for name in ("FTLITE_PASSWORD", "FTLITE_PIN")}
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "ftlite", at.url(spot), "-c", "cat big; mkdir made"], stdout=writing, env=environment
    )
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    assert process.wait(timeout=60) == 1
    assert not (at.root / spot / "made").exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_told_once_with_its_name(script: Script, at: Served, spot: str) -> None:
    (at.root / spot / "big").write_bytes(bytes(8_000_000))
    for line in ("cat big > /dev/full", "cat f > /dev/full", "cat big >> /dev/full"):
        said = script(line)
        assert said.code == 10
        assert said.err.count("no space left") == 1
        assert "/dev/full: no space left" in said.err


def test_files_among_the_directories_that_are_looked_at(script: Script) -> None:
    said = script("du -s *; find a f; find f --name 'g*'")
    assert said.code == 0
    sizes = [f"{size}\t{name}" for name, size in (("a", 1), ("b", 1), ("f", 1), ("g1", 2), ("g2", 2))]
    assert said.out.splitlines() == [*sizes, "a/x", "f"]
    assert script("du nosuch").code == 3
    assert script("find nosuch").code == 3


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("find a", ["a/x"]),
        ("find a/", ["a/x"]),
        ("find a -0", ["a/x\0"]),
        ("find ./b f", ["./b/x", "f"]),
        ("find [ab]", ["a/x", "b/x"]),
        ("find", ["./a", "./a/x", "./b", "./b/x", "./f", "./g1", "./g2"]),
        ("cd a; find ../b . ../g*", ["../b/x", "./x", "../g1", "../g2"]),
        ("cd a; find /SPOT/a /SPOT/b* ~/SPOT/f", ["/SPOT/a/x", "/SPOT/b/x", "/SPOT/f"]),
        ("find URL/a", ["/SPOT/a/x"]),
        ("du a b*", ["1\ta", "1\tb"]),
        ("cd a; du; du -s ..; du /SPOT/b", ["1\t.", "7\t..", "1\t/SPOT/b"]),
    ],
)
def test_trees_are_shown_as_they_are_seen_from_where_one_stands(
    script: Script, at: Served, spot: str, line: str, shown: list[str]
) -> None:
    """As find(1) and du(1) do: relative where the argument was."""
    said = script(line.replace("URL", at.url("/" + spot)).replace("SPOT", spot))
    assert (said.code, sorted(said.out.splitlines())) == (0, sorted(row.replace("SPOT", spot) for row in shown))


def test_what_is_shown_can_be_given_to_the_next_command(script: Script, spot: str) -> None:
    assert script("cd b; find .. --name 'g*' | head -n 1 > seen; !cat seen; rm ../g1").out == "../g1\n"
    event, _ = (json.loads(row) for row in script("find b", "--json").out.splitlines())
    assert event["path"] == f"/{spot}/b/x"  # what reads events need not know where somebody stood


def test_the_time_of_a_directory_where_a_server_sets_none(
    ftlite: Ftlite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyftpdlib")
    root = tmp_path / "peer"
    (root / "a").mkdir(parents=True)
    monkeypatch.setenv("FTLITE_PASSWORD", "word")
    command = [sys.executable, "-m", "tests.peers.pyftpd", str(root), "ann", "word"]
    top = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=top) as peer:
        try:
            assert peer.stdout is not None
            port = peer.stdout.readline().split()[1]
            address = f"ftp://ann@127.0.0.1:{port}/"
            said = ftlite(address, "--tls", "off", "-c", "touch new; touch -t 2020-01-02T03:04:05 new; touch a")
        finally:
            peer.kill()
    assert said.code == 3
    assert "there already" not in said.err
    assert "/a: " in said.err
    assert (root / "new").stat().st_mtime == 1577934245
