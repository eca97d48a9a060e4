"""Where files of a person live (XDG Base Directory Specification). Reads the environment, touches no disk."""

from __future__ import annotations

import os
from pathlib import Path


def state_home() -> Path:
    """`$XDG_STATE_HOME/ftlite`, by default `~/.local/state/ftlite`; a relative path counts as none, as XDG asks."""
    value = os.environ.get("XDG_STATE_HOME", "")
    return (Path(value) if value.startswith("/") else Path.home() / ".local/state") / "ftlite"


def config_home() -> Path:
    """`$XDG_CONFIG_HOME/ftlite`, by default `~/.config/ftlite`; a relative path counts as none."""
    value = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(value) if value.startswith("/") else Path.home() / ".config") / "ftlite"


def config_file() -> Path:
    """What the client's flags default to."""
    return config_home() / "config.toml"


def sites_file() -> Path:
    """Servers with names."""
    return config_home() / "sites.toml"


def known_servers() -> Path:
    """The file that remembers the certificates of servers, as ssh does in known_hosts."""
    return state_home() / "known_servers"


def netrc_file() -> Path:
    """`$NETRC`, by default `~/.netrc`."""
    value = os.environ.get("NETRC", "")
    return Path(value) if value else Path.home() / ".netrc"


def server_state() -> Path:
    """Where a server keeps its certificate and accounts: `/var/lib/ftlite` for root, else `state_home()`.

    An XDG_STATE_HOME that is set counts for root too: somebody said where state belongs.
    """
    if os.geteuid() == 0 and not os.environ.get("XDG_STATE_HOME"):
        return Path("/var/lib/ftlite")
    return state_home()


def accounts_file(state_dir: Path) -> Path:
    """Where `ftlite user` keeps the accounts of the server with this state directory."""
    return state_dir / "accounts.json"


def pager() -> str:
    """The command that shows text page by page, `$PAGER`; "" where nobody chose one."""
    return os.environ.get("PAGER", "")


def editor() -> str:
    """The command that edits a file: `$VISUAL`, else `$EDITOR`, else vi."""
    return os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"


def history_file() -> Path:
    """What was typed in shells."""
    return state_home() / "history"


def directories_file() -> Path:
    """Where shells stood last, server by server."""
    return state_home() / "directories"


def colours() -> bool:
    """Whether a terminal is to be coloured: not with NO_COLOR (no-color.org), nor where TERM says that it cannot be."""
    return not os.environ.get("NO_COLOR") and not dumb_terminal()


def dumb_terminal() -> bool:
    """Whether the terminal can do nothing but write line by line."""
    return os.environ.get("TERM", "").lower() in ("", "dumb", "unknown")
