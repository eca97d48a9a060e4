"""The benchmarks' tables say what was measured; that they run is shown by running them (`make bench`)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.plots import draw
from benchmarks.report import others_table, table, write
from benchmarks.results import Results
from benchmarks.rows import Row, Samples, TookTooLong, limited, tolerated


def test_a_row_tells_values_ratio_and_goal() -> None:
    rates = {"vsftpd": 1000.0, "pyftpdlib": 500.0, "ftlite": 1500.0}
    line = table([Row("GET", "MiB/s", rates, (">= 1 x best peer", True))]).splitlines()[2]
    assert line == "| GET | MiB/s | 1,000 |  |  | 500 |  | 1,500 | 1.50 | >= 1 x best peer | yes |"


def test_where_less_is_better_the_best_peer_has_the_least() -> None:
    row = Row("CPU", "s/GiB", {"vsftpd": 2.0, "proftpd": 1.0, "ftlite": 1.5}, less=True)
    assert row.best_peer() == ("proftpd", 1.0)
    assert row.ratio() == 1.5


def test_a_row_of_others_names_them() -> None:
    line = others_table([Row("start", "ms", {"ftlite": 99.0, "curl": 5.0}, ("< 80", False))]).splitlines()[2]
    assert line == "| start | ms | ftlite 99, curl 5 | < 80 | **no** |"


def test_samples_make_medians_spreads_and_a_verdict() -> None:
    samples = Samples()
    for value in (1.0, 2.0, 3.0, 4.0, 50.0):
        samples.add("vsftpd", {"rate": value})
        samples.add("ftlite", {"rate": value - 1})
    row = samples.row("rate", "GET", "MiB/s", ("of", 1.0))
    assert row.values == {"vsftpd": 3.0, "ftlite": 2.0}
    assert row.spread == {"vsftpd": 1.0, "ftlite": 1.0}
    assert row.goal == (">= 1 x best peer", False)
    assert samples.row("rate", "GET", "ms", ("of", 1.2), less=True).goal == ("<= 1.2 x best peer", True)
    assert samples.row("rate", "GET", "ms", ("most", 2.0), less=True).goal == ("<= 2 ms", True)
    assert samples.row("rate", "GET", "MiB/s", ("pyftpdlib", 0.0)).goal == (">= 0 x pyftpdlib", False)
    samples.add("pyftpdlib", {"rate": 2.5})
    assert samples.row("rate", "GET", "MiB/s", ("pyftpdlib", 0.8)).goal == (">= 0.8 x pyftpdlib", True)
    assert samples.row("rate", "GET", "MiB/s", ("pyftpdlib", 1.0)).goal == (">= 1 x pyftpdlib", False)


def test_a_trouble_stands_in_its_row_and_below_the_table() -> None:
    samples = Samples()
    samples.add("ftlite", {"rate": 1.0})
    with tolerated(samples.troubles, "aioftp", 5.0):
        raise ConnectionError("no\nway")
    text = table([samples.row("rate", "GET", "MiB/s")])
    assert "| GET | MiB/s |  |  |  |  | failed (!) | 1 |  |  |  |" in text
    assert "(!) aioftp: ConnectionError: no way" in text


def test_what_takes_too_long_is_broken_off() -> None:
    troubles: dict[str, str] = {}
    began = time.monotonic()
    with tolerated(troubles, "slow", 0.05):
        time.sleep(30)
    assert time.monotonic() - began < 20
    assert troubles["slow"].startswith("TookTooLong")


def test_the_end_of_all_is_not_the_trouble_of_one() -> None:
    troubles: dict[str, str] = {}
    with pytest.raises(TookTooLong):
        with limited(0.05):
            for name in ("one", "another"):
                with tolerated(troubles, name, 30):
                    time.sleep(30)
    assert "another" not in troubles


def test_figures_are_kept_and_read_again(tmp_path: Path) -> None:
    row = Row("GET", "MiB/s", {"ftlite": 1.0}, ("x", True), spread={"ftlite": 0.5}, series="sizes", at=4)
    results = Results()
    results.keep("sizes", [row], quick=True, size=1 << 20, seconds=1.0)
    results.write(tmp_path / "kept.json")
    again = Results.read(tmp_path / "kept.json")
    assert again.rows(["sizes", "absent"]) == [row]
    again.machine["python"] = "2.7"
    again.write(tmp_path / "kept.json")
    assert Results.read(tmp_path / "kept.json").measured == {}, "figures of another machine"
    assert Results.read(tmp_path / "absent.json").measured == {}


def test_plots_are_drawn_and_shown(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the bench extra")
    rows = [Row("GET", "MiB/s", {"vsftpd": 2.0, "ftlite": 4.0})]
    rows += [Row("GET", "MiB/s", {"vsftpd": at * 2.0, "ftlite": at * 3.0}, series="sizes", at=at) for at in (1, 10)]
    shown = draw(rows, tmp_path / "plots")
    assert sorted(path.name for path in (tmp_path / "plots").iterdir()) == ["ratios.svg", "sizes.svg"]
    assert "plots/sizes.svg" in shown
    before = (tmp_path / "plots" / "sizes.svg").read_bytes()
    draw(rows, tmp_path / "plots")
    assert (tmp_path / "plots" / "sizes.svg").read_bytes() == before


def test_the_table_goes_between_the_marks_and_nowhere_else(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    write(page, r"new \1")
    assert page.read_text() == "before\n<!-- measured: begin -->\nnew \\1\n<!-- measured: end -->\nafter\n"
    page.write_text("no marks\n")
    with pytest.raises(ValueError, match="has no"):
        write(page, "new")


def test_an_unknown_measurement_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["smal"])
    assert "small" in capsys.readouterr().err
