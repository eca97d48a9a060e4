"""The tables, for people and for docs/performance.md."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.results import Results
from benchmarks.rows import Row
from benchmarks.stage import NAMES

BEGIN, END = "<!-- measured{}: begin -->", "<!-- measured{}: end -->"
_TITLES = {"vsftpd": "vsftpd", "proftpd": "ProFTPD", "pureftpd": "Pure-FTPd"}


def table(rows: list[Row]) -> str:
    """Markdown: a line each, a column for each server, and ftlite's ratio to the best of the others."""
    titles = " | ".join(_TITLES.get(name, name) for name in NAMES)
    lines = [
        f"| measured | unit | {titles} | ftlite / best peer | goal | met |",
        f"|---|---|{'---:|' * (len(NAMES) + 1)}---|---|",
    ]
    notes: list[str] = []
    for row in rows:
        cells = [row.what, row.unit]
        cells += [_cell(row, name, notes) for name in NAMES]
        ratio = row.ratio()
        cells += [f"{ratio:.2f}" if ratio is not None else "", *_verdict(row)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, *notes])


def others_table(rows: list[Row]) -> str:
    """Markdown: a line each; every row names what it was compared with."""
    lines = ["| measured | unit | figures | goal | met |", "|---|---|---|---|---|"]
    notes: list[str] = []
    for row in rows:
        names = [*row.values, *(name for name in row.troubles if name not in row.values)]
        figures = ", ".join(f"{name} {_cell(row, name, notes)}" for name in names)
        lines.append(f"| {row.what} | {row.unit} | {figures} | {' | '.join(_verdict(row))} |")
    return "\n".join([*lines, *notes])


def _cell(row: Row, name: str, notes: list[str]) -> str:
    if name in row.values:
        value, spread = row.values[name], row.spread.get(name, 0.0)
        about = f" ±{spread / abs(value):.0%}" if value and spread / abs(value) >= 0.01 else ""
        text = f"{value:,.{row.digits}f}{about}"
    else:
        text = "failed" if name in row.troubles else ""
    if name in row.troubles:
        note = f"{name}: {row.troubles[name]}"
        text += " (!)"
        line = f"\n(!) {note}"
        if line not in notes:
            notes.append(line)
    return text


def _verdict(row: Row) -> list[str]:
    goal, met = row.goal or ("", True)
    return [goal, ("yes" if met else "**no**") if goal else ""]


def circumstances(results: Results, *names: str) -> str:
    """Where the figures come from."""
    here = results.machine
    measured = [results.measured[name] for name in names or results.measured if name in results.measured]
    sizes = ", ".join(f"{size >> 20}" for size in sorted({each["size"] for each in measured}))
    days = sorted({each["at"] for each in measured})
    quick = ", some of it the quick way" if any(each["quick"] for each in measured) else ""
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}" if days else "never"
    return (
        f"{here['processors']} processors ({here['model']}), shared by server and client; {here['memory']} of memory; "
        f"{here['system']}, Python {here['python']}; the large file has {sizes} MiB; measured {when}{quick}. "
        f"{versions}."
    )


def configurations(results: Results) -> str:
    """What each server was told, word for word."""
    blocks = [f"{name}:\n\n```\n{text.strip()}\n```" for name, text in results.configurations.items()]
    return "\n\n".join(blocks)


def write(page: Path, text: str, part: str = "") -> None:
    """Puts `text` between the marks of `page` that are named `part`; ValueError when it has none."""
    begin, end = (mark.format(f" {part}" if part else "") for mark in (BEGIN, END))
    old = page.read_text(encoding="utf-8")
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not between.search(old):
        raise ValueError(f"{page} has no {begin} and {end}")
    page.write_text(between.sub(lambda _: f"{begin}\n{text}\n{end}", old), encoding="utf-8")
