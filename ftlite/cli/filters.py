"""What of a tree is meant: --include, --exclude and --files-from as the filter that it is walked with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import field, frozen

from ftlite.cli.exits import CliError
from ftlite.cli.options import Options
from ftlite.protocol.native.patterns import Filter, Pattern

Wanted = Callable[[str, bool], bool]


def wanted(include: Sequence[str], exclude: Sequence[str]) -> Wanted | None:
    """The filter ``(relative path, is_directory) -> bool``; None when everything is wanted.

    A glob that begins with '!' takes back what globs of its kind before it said, as in .gitignore; one that means a
    name with '!' begins with a backslash. Where none takes anything back it is a `Filter`, which a native server can be
    told; it knows no '!'.
    """
    if not any(glob.startswith("!") for glob in (*include, *exclude)):
        return Filter(*([glob.removeprefix("\\") for glob in globs] for globs in (include, exclude))) or None
    included, excluded = _Rules(include), _Rules(exclude)

    def wants(path: str, directory: bool) -> bool:
        if excluded.say(path, directory, False):
            return False
        return directory or included.say(path, False, not included)

    return wants


class _Rules:
    """Globs of which the last that matches decides."""

    def __init__(self, globs: Sequence[str]) -> None:
        self._rules = [
            (not glob.startswith("!"), Pattern(glob.removeprefix("\\") if glob[:1] == "\\" else glob.removeprefix("!")))
            for glob in globs
        ]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def say(self, path: str, directory: bool, otherwise: bool) -> bool:
        return next((yes for yes, glob in reversed(self._rules) if glob.matches(path, directory)), otherwise)


@frozen
class Chosen:
    """The paths of --files-from: files, and directories with all below them. Relative, without '.' and '..'."""

    paths: frozenset[str]
    above: frozenset[str]  #: directories that lead to them
    seen: set[str] = field(factory=set, eq=False, repr=False)  #: those of `paths` that `wants` was asked about

    @classmethod
    def read(cls, file: Path, *, nul: bool) -> Chosen:
        """Read them, one a line, or each ended by NUL.

        Raises:
            CliError: USAGE for a path that is absolute or leads out, or when there is none.
            OSError: the file cannot be read.
        """
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        paths = {_checked(file, line) for line in text.split("\0" if nul else "\n") if line.strip("\r\n")}
        if not paths:
            raise CliError("USAGE", f"{file} names nothing; write one path a line, relative to the tree")
        above = {"/".join(parts[:n]) for parts in (path.split("/") for path in paths) for n in range(1, len(parts))}
        return cls(frozenset(paths), frozenset(above))

    def wants(self, path: str, directory: bool) -> bool:
        """Whether it is one of them, below one, or leads to one."""
        if path in self.paths:
            self.seen.add(path)
            return True
        return (directory and path in self.above) or self._is_below(path)

    def missing(self) -> list[str]:
        """Those of them that no walk has met."""
        return sorted(self.paths - self.seen)

    def only_leads(self, path: str) -> bool:
        """Whether it is a directory that leads to them and not one of them."""
        return path in self.above and path not in self.paths and not self._is_below(path)

    def _is_below(self, path: str) -> bool:
        while "/" in path:
            path = path.rpartition("/")[0]
            if path in self.paths:
                return True
        return False


def _checked(file: Path, line: str) -> str:
    path = line.rstrip("\r")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or not parts:
        raise CliError("USAGE", f"{file}: {path!r} is no path below the tree; write it relative to it, without '..'")
    return "/".join(parts)


def meant(options: Options) -> tuple[Wanted | None, Chosen | None]:
    """What of a tree `options` mean, and the paths of --files-from where they were given. Blocks.

    Raises:
        CliError, OSError: as `Chosen.read`.
    """
    keep = wanted(options.include, options.exclude)
    if options.files_from is None:
        return keep, None
    chosen = Chosen.read(options.files_from, nul=options.from0)
    return both(keep, chosen.wants), chosen


def both(first: Wanted | None, second: Wanted | None) -> Wanted | None:
    """What both want."""
    if first is None or second is None:
        return first or second
    return lambda path, directory: first(path, directory) and second(path, directory)
