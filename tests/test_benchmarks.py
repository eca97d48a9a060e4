"""The benchmarks' table says what was measured; that they run is shown by running them (`make bench`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.measures import Row
from benchmarks.report import table, write


def test_a_row_tells_values_ratios_and_goal() -> None:
    rates = {"vsftpd": 1000.0, "pyftpdlib": 500.0, "ftlite": 1500.0}
    rows = [
        Row("GET", "MiB/s", rates, (">= 0.9 x vsftpd", True)),
        Row("start", "ms", {"ftlite": 99.0}, ("< 80", False)),
    ]
    get, start = table(rows).splitlines()[2:]
    assert get == "| GET | MiB/s | 1,000 | 500 | 1,500 | 1.50 | 3.00 | >= 0.9 x vsftpd | yes |"
    assert start == "| start | ms |  |  | 99 |  |  | < 80 | **no** |"


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
