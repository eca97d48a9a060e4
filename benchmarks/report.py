"""The table, for people and for docs/performance.md."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from benchmarks.measures import Row
from benchmarks.stage import NAMES, Stage

_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_NATIVE_BEGIN, _NATIVE_END = "<!-- measured natively: begin -->", "<!-- measured natively: end -->"


def native_table(rows: list[Row]) -> str:
    """Markdown: a line each; every row names what it was compared with."""
    lines = ["| measured | unit | figures | goal | met |", "|---|---|---|---|---|"]
    for row in rows:
        figures = ", ".join(f"{name} {value:,.{row.digits}f}" for name, value in row.values.items())
        goal, met = row.goal or ("", True)
        verdict = ("yes" if met else "**no**") if goal else ""
        lines.append(f"| {row.what} | {row.unit} | {figures} | {goal} | {verdict} |")
    return "\n".join(lines)


def table(rows: list[Row]) -> str:
    """Markdown: a line each, with ftlite's ratio to each peer and its goal."""
    lines = [
        f"| measured | unit | {' | '.join(NAMES)} | ftlite / vsftpd | ftlite / pyftpdlib | goal | met |",
        f"|---|---|{'---:|' * (len(NAMES) + 2)}---|---|",
    ]
    for row in rows:
        cells = [row.what, row.unit]
        cells += [f"{row.values[name]:,.{row.digits}f}" if name in row.values else "" for name in NAMES]
        cells += [_ratio(row, peer) for peer in NAMES[:-1]]
        goal, met = row.goal or ("", True)
        cells += [goal, ("yes" if met else "**no**") if goal else ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(row: Row, peer: str) -> str:
    if not row.values.get(peer) or "ftlite" not in row.values:
        return ""
    return f"{row.values['ftlite'] / row.values[peer]:.2f}"


def circumstances(stage: Stage) -> str:
    """One sentence on where the figures come from."""
    return (
        f"{os.cpu_count()} processors, shared by server and client; Linux {platform.release()}, Python "
        f"{platform.python_version()}; files of {stage.size >> 20} MiB in {stage.directory.parent}"
        f"{', the quick way' if stage.quick else ''}."
    )


def write(page: Path, text: str, *, native: bool = False) -> None:
    """Puts `text` between the marks of `page`; ValueError when it has none."""
    begin, end = (_NATIVE_BEGIN, _NATIVE_END) if native else (_BEGIN, _END)
    old = page.read_text(encoding="utf-8")
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not between.search(old):
        raise ValueError(f"{page} has no {begin} and {end}")
    page.write_text(between.sub(lambda _: f"{begin}\n{text}\n{end}", old), encoding="utf-8")
