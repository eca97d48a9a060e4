"""Plots of what was measured, as SVG files, by matplotlib, which nothing else wants (`pip install -e '.[bench]'`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.rows import OURS, Row

_COLOURS = {
    "vsftpd": "#7f7f7f",
    "proftpd": "#9467bd",
    "pureftpd": "#2ca02c",
    "pyftpdlib": "#1f77b4",
    "aioftp": "#17becf",
    OURS: "#d62728",
}


@frozen
class _Curve:
    title: str
    along: str


#: A plot for each series of rows.
CURVES = {
    "logins": _Curve("Logins per second, while so many sessions stand", "sessions"),
    "session-memory": _Curve("Memory for each idle session, clear (KiB)", "sessions"),
    "session-memory-tls": _Curve("Memory for each idle session, TLS (KiB)", "sessions"),
    "poke": _Curve("A small command, while so many sessions stand (ms, median)", "sessions"),
    "sizes": _Curve("GET in clear by size (MiB/s, whole command)", "MiB"),
    "up-files": _Curve("A tree of 4 KiB files, up (s)", "files"),
    "down-files": _Curve("A tree of 4 KiB files, down (s)", "files"),
    "far-first": _Curve("First byte of a GET, session standing (ms)", "ms of round trip"),
    "far-rate": _Curve("A file of 32 MiB, session standing (MiB/s)", "ms of round trip"),
    "far-small": _Curve("Small files (files/s)", "ms of round trip"),
}


def draw(rows: list[Row], directory: Path) -> str:
    """Draws all plots that `rows` have figures for. Returns the Markdown that shows them."""
    try:
        import matplotlib as mpl
    except ImportError:
        return "(No plots: matplotlib is not installed. `pip install -e '.[bench]'`)"
    mpl.use("svg")
    # Words stay words, and the same figures give the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "ftlite", "font.size": 9, "axes.grid": True,
                         "grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})  # fmt: skip
    directory.mkdir(parents=True, exist_ok=True)
    shown = []
    if _draw(directory / "ratios.svg", lambda axes: _ratios(axes, rows), height=5.0):
        shown.append("![ftlite beside the best peer](plots/ratios.svg)")
    for name, curve in CURVES.items():
        points = [row for row in rows if row.series == name and row.at is not None]
        if _draw(directory / f"{name}.svg", lambda axes, curve=curve, points=points: _curve(axes, curve, points)):
            shown.append(f"![{curve.title}](plots/{name}.svg)")
    return "\n".join(shown)


def _draw(path: Path, paint: Callable[[Any], bool], height: float = 3.2) -> bool:
    """One SVG; nothing, when there is nothing to paint."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, height), layout="constrained")
    painted = paint(figure.add_subplot())
    if painted:
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    return painted


def _curve(axes: Any, curve: _Curve, points: list[Row]) -> bool:
    names = list(dict.fromkeys(name for row in points for name in row.values))
    if not names:
        return False
    for name in names:
        line = [(row.at, row.values[name]) for row in points if name in row.values]
        axes.plot(*zip(*line, strict=True), marker="o", markersize=3, label=name, color=_COLOURS.get(name),
                  linewidth=2 if name.startswith(OURS) else 1)  # fmt: skip
    axes.set_xscale("log")
    if not curve.title.startswith("Logins"):
        axes.set_yscale("log")
    axes.set_title(curve.title)
    axes.set_xlabel(curve.along)
    axes.legend(fontsize=7)
    return True


def _ratios(axes: Any, rows: list[Row]) -> bool:
    """How many times as good as the best peer; where less is better, upside down."""
    shown = []
    for row in rows:
        ratio = row.ratio()
        if ratio and row.at is None:
            shown.append((row.what, 1 / ratio if row.less else ratio, (row.best_peer() or ("", 0))[0]))
    if not shown:
        return False
    shown.reverse()
    labels = [f"{what} (best peer: {peer})" for what, _, peer in shown]
    values = [value for _, value, _ in shown]
    axes.barh(labels, values, color=["#d62728" if value >= 1 else "#c7c7c7" for value in values])
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_title("ftlite beside the best peer of each row (right of 1 is better)")
    axes.tick_params(axis="y", labelsize=7)
    return True
