"""Commands by -c, from stdin and from files, on a real server: where one stands, what fails, what it comes to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Ftlite, Served, clean_environment
from tests.shell.conftest import Script


@pytest.fixture(params=["stock", "native"], autouse=True)
def dialect(request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What every command of the test speaks."""
    monkeypatch.setenv("FTLITE_DIALECT", request.param)
    return str(request.param)


def files(at: Served, spot: str, **contents: str) -> None:
    for name, text in contents.items():
        (at.root / spot / name).write_text(text)


def test_where_one_stands(script: Script, at: Served, spot: str) -> None:
    (at.root / spot / "sub").mkdir()
    said = script("pwd; cd sub; pwd; cdup; pwd; cd -; cd; pwd; cd nosuch || pwd")
    assert said.code == 0
    assert said.out.splitlines() == [f"/{spot}", f"/{spot}/sub", f"/{spot}", f"/{spot}/sub", "/", "/"]
    assert "/nosuch" in said.err


def test_files_and_patterns(script: Script, at: Served, spot: str) -> None:
    files(at, spot, **{"a.whl": "a", "b c.whl": "b", "star*.txt": "*", "start.txt": "t", ".hidden.whl": "h"})
    said = script("get *.whl; ls 'star*.txt'; ls star*; mget -O sub 'star*.txt'")
    assert said.code == 2  # no such local directory
    assert sorted(os.listdir()) == ["a.whl", "b c.whl"]
    assert said.out.splitlines()[:1] == [f"/{spot}/star*.txt"]
    assert said.out.splitlines()[1:] == [f"/{spot}/star*.txt", f"/{spot}/start.txt"]
    assert script("get nothing*").code == 3
    assert script("rm 'star*'").code == 3
    assert (at.root / spot / "start.txt").exists()
    assert script("rm star*").code == 0
    assert not (at.root / spot / "start.txt").exists()


def test_put_needs_no_address_where_one_stands(script: Script, at: Served, spot: str) -> None:
    Path("one").write_text("1")
    Path("two").write_text("2")
    (Path("tree") / "in").mkdir(parents=True)
    assert script("put one; put one other; mput one two; put -r tree; put - three < two").code == 0
    found = sorted(str(path.relative_to(at.root / spot)) for path in (at.root / spot).rglob("*"))
    assert found == ["one", "other", "three", "tree", "tree/in", "two"]


def test_the_new_name_is_where_one_stands_too(script: Script, at: Served, spot: str) -> None:
    files(at, spot, a="a", b="b")
    (at.root / spot / "sub").mkdir()
    assert script("mv a c; mv b sub; cd sub; mv b ../e; mv ../c d/ || mv ../c .").code == 0
    assert (sorted(os.listdir(at.root / spot)), os.listdir(at.root / spot / "sub")) == (["e", "sub"], ["c"])
    assert script(f"mv e /{spot}/f; mv f g; mv g {at.url(f'{spot}/h')}").code == 0
    assert (at.root / spot / "h").read_text() == "b"


def test_globs_of_local_names(script: Script, at: Served, spot: str) -> None:
    for name in ("a.whl", "b.whl", "c.txt"):
        Path(name).touch()
    assert script("mput *.whl").code == 0
    assert sorted(os.listdir(at.root / spot)) == ["a.whl", "b.whl"]
    assert script("mput *.zip").code == 3


def test_output_goes_through_programs_and_into_files(script: Script, at: Served, spot: str) -> None:
    files(at, spot, a="1\n2\n3\n", b="4\n")
    said = script("cat a | wc -l; ls | grep b; cat a > 'the copy'; cat b >> 'the copy'; lls | head -1")
    assert said.code == 0
    assert said.out.split() == ["3", "b", "the", "copy"]
    assert Path("the copy").read_text() == "1\n2\n3\n4\n"


def test_a_file_that_takes_output_keeps_what_it_has_when_the_command_fails(script: Script) -> None:
    Path("kept").write_text("old")
    assert script("cat nosuch > kept").code == 3
    assert Path("kept").read_text() == "old"
    assert os.listdir() == ["kept"]
    said = script("ls > no/such/file")
    assert said.code == 3
    assert "no/such/file: no such file" in said.err


def test_a_reader_that_has_enough_is_no_failure(script: Script, at: Served, spot: str) -> None:
    (at.root / spot / "big").write_bytes(b"x\n" * 2_000_000)
    said = script("cat big | head -1")
    assert (said.code, said.out) == (0, "x\n")


def test_the_code_of_a_program_counts_where_the_command_went_well(script: Script) -> None:
    assert script("ls | (cat; exit 7)").code == 7
    assert script("ls nosuch | (cat; exit 7)").code == 3
    assert script("!exit 9").code == 9


def test_the_first_failure_ends_it_with_its_code(script: Script, at: Served, spot: str) -> None:
    files(at, spot, a="a")
    said = script("get nosuch; get a")
    assert said.code == 3
    assert not Path("a").exists()
    assert script("-get nosuch; get a").code == 0
    assert Path("a").exists()
    assert script("get nosuch || get a b; !test -f b").code == 0
    assert script("get nosuch && get a c").code == 3
    assert not Path("c").exists()


def test_what_is_silenced_says_errors_only(script: Script, at: Served, spot: str) -> None:
    files(at, spot, a="a")
    said = script("@get a")
    assert (said.code, said.err) == (0, "")
    assert "nosuch" in script("@get nosuch").err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gte a", "did you mean 'get'?"),
        ("get", "Missing argument 'ADDRESS'"),
        ("get 'a", "does not end"),
        ("ls >", "behind '>'"),
        ("get --frob a", "--frob"),
        ("mv a* b", "one name is wanted"),
        ("kill %3", "no job %3"),
        ("set frobnicate 3", "no setting 'frobnicate'"),
        ("set limit-rate fast", "no size"),
        ("unalias x", "no alias 'x'"),
        ("quote RETR x", "not sent by quote"),
    ],
)
def test_wrong_lines_say_what_is_wrong(script: Script, line: str, said: str) -> None:
    told = script(line)
    assert told.code in (2, 3)
    assert said in told.err
    assert told.err.count("\n") == 1


def test_jobs_beside_others(script: Script, at: Served, spot: str) -> None:
    files(at, spot, a="a", b="b")
    said = script("get a &\nqueue get b\nwait\njobs")
    assert said.code == 0
    assert [line.split()[1] for line in said.out.splitlines()] == ["done", "done"]
    assert sorted(os.listdir()) == ["a", "b"]


def test_the_failure_of_a_job_that_nobody_waited_for_counts(script: Script, at: Served, spot: str) -> None:
    files(at, spot, a="a")
    assert script("get nosuch &\n get a").code == 3
    assert script("get nosuch &\n wait || get a again").code == 0
    assert Path("again").exists()


def test_jobs_can_be_ended(script: Script, at: Served, spot: str) -> None:
    (at.root / spot / "big").write_bytes(bytes(2_000_000))
    began = time.monotonic()
    said = script("get big --limit-rate 20k &\n kill %1 && jobs")
    assert said.code == 130
    assert "interrupted" in said.out
    assert time.monotonic() - began < 30
    assert not Path("big").exists()


def test_lcd_does_not_lead_astray_what_was_begun(script: Script, at: Served, spot: str) -> None:
    (at.root / spot / "big").write_bytes(bytes(300_000))
    Path("elsewhere").mkdir()
    before = Path.cwd()
    try:
        said = script("get big --limit-rate 300k &\n lcd elsewhere\n lpwd\n wait\n lcd -")
    finally:
        os.chdir(before)
    assert said.code == 0
    assert (before / "big").stat().st_size == 300_000
    assert said.out.splitlines() == [str(before / "elsewhere"), str(before)]


def test_settings_hold_for_what_follows_and_what_is_typed_wins(script: Script, at: Served, spot: str) -> None:
    files(at, spot, a="a")
    said = script("set json on; set; stat a; set json off; unset json; pwd")
    (shown, entry, plain) = (line for line in said.out.splitlines() if not line.startswith('{"event": "summary"'))
    assert json.loads(shown)["text"] == "json on"
    assert json.loads(entry)["path"] == f"/{spot}/a"
    assert plain == f"/{spot}"


def test_aliases(script: Script, at: Served, spot: str) -> None:
    files(at, spot, a="a")
    said = script("alias l ls -l; l a; alias ll 'l' ; ll a; dir a; unalias l; l a")
    assert said.code == 2
    assert [line.split()[-1] for line in said.out.splitlines()] == [f"/{spot}/a"] * 3
    assert "'l' is not a command" in said.err


def test_one_summary_for_all(script: Script, at: Served, spot: str) -> None:
    files(at, spot, a="abc", b="de")
    said = script("get a; get b; -get nosuch", "--json")
    events = [json.loads(line) for line in said.out.splitlines()]
    assert [event["event"] for event in events] == ["file", "file", "error", "summary"]
    assert {key: events[-1][key] for key in ("ok", "exit", "done", "failed", "bytes")} == {
        "ok": True, "exit": 0, "done": 2, "failed": 1, "bytes": 5,
    }  # fmt: skip
    told = script("get a x; get b y; -get nosuch")
    assert "2 files, 5 Bytes in" in told.err
    assert f"1 failed: /{spot}/nosuch" in told.err


def test_a_summary_ends_a_script_that_asks_for_events_itself(
    script: Script, at: Served, spot: str, ftlite: Ftlite, home: Path, dialect: str
) -> None:
    files(at, spot, a="abc")
    (home / "lines").write_text("set json on\nget a\n")
    environment = clean_environment(home) | {
        name: os.environ[name] for name in ("FTLITE_PASSWORD", "FTLITE_PIN", "FTLITE_DIALECT")
    }
    stdin = subprocess.run(
        [sys.executable, "-m", "ftlite", "shell", at.url(spot)],
        input="set json on\nget a\n", capture_output=True, text=True, check=True, env=environment,
    ).stdout  # fmt: skip
    for out, command in (
        (script("set json on; get a").out, "shell"),
        (ftlite("batch", str(home / "lines"), at.url(spot)).out, "batch"),
        (stdin, "shell"),
    ):
        moved, summary = (json.loads(line) for line in out.splitlines())
        assert moved["event"] == "file"
        assert (summary["event"], summary["command"], summary["done"]) == ("summary", command, 1)
    failed, summary = (json.loads(line) for line in script("set json on; get nosuch").out.splitlines())
    assert (failed["event"], summary["event"], summary["exit"]) == ("error", "summary", 3)
    assert "summary" not in script("set json on; set json off; get a").out  # the end is for people


def test_a_batch_file(at: Served, spot: str, ftlite: Ftlite) -> None:
    files(at, spot, a="a", b="b")
    Path("script").write_text("# fetch\n\nget a\n-rm nosuch\n@get \\\n  b\nrm nosuch\nrm a\n")
    said = ftlite("batch", "script", at.url(spot))
    assert said.code == 3
    assert sorted(os.listdir()) == ["a", "b", "script"]
    assert (at.root / spot / "a").exists()
    assert "script, line 7: stopped there, exit code 3" in said.err
    assert ftlite("batch", "nosuch", at.url(spot)).code == 3


@pytest.mark.parametrize("arguments", [("shell",), ("batch", "-")])
def test_commands_on_stdin(at: Served, spot: str, home: Path, dialect: str, arguments: tuple[str, ...]) -> None:
    files(at, spot, a="a")
    environment = clean_environment(home) | {
        name: os.environ[name] for name in ("FTLITE_PASSWORD", "FTLITE_PIN", "FTLITE_DIALECT")
    }
    done = subprocess.run(
        [sys.executable, "-m", "ftlite", *arguments, at.url(spot)],
        input="pwd\nget a\nexit 5\npwd\n", capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (5, f"/{spot}\n")
    assert Path("a").exists()


def test_no_server_no_script(ftlite: Ftlite, unused_port: int) -> None:
    said = ftlite(f"ftp://127.0.0.1:{unused_port}/", "-c", "!touch ran", "--retries", "0")
    assert said.code == 5
    assert not Path("ran").exists()


def test_other_servers_by_their_addresses(at: Served, spot: str, ftlite: Ftlite) -> None:
    files(at, spot, a="a")
    said = ftlite("shell", "-c", f"ls; open {at.url(spot)}; get {at.url(spot)}/a")
    assert said.code == 2
    assert "no server is open" in said.err or "Missing argument" in said.err
    assert ftlite("shell", "-c", f"get {at.url(spot)}/a; open {at.url(spot)}; close; pwd").code == 2
    assert Path("a").exists()


def test_max_time_is_for_everything(script: Script, at: Served, spot: str) -> None:
    (at.root / spot / "big").write_bytes(bytes(2_000_000))
    said = script("get big --limit-rate 20k", "--max-time", "1s")
    assert said.code == 6
    assert not Path("big").exists()


def test_more_and_status_and_quote(script: Script, at: Served, spot: str, dialect: str) -> None:
    files(at, spot, a="content\n")
    said = script("more a; status; quote NOOP; site HELP; help get; help")
    assert said.code == 0
    assert said.out.startswith("content\n")
    assert f"dialect:     {dialect}" in said.out
    assert "\n200 " in said.out
    assert "get -r rel/1.4 dist" in said.out
    assert script("quote DELE /nosuch").code == 3
