"""Writes what is made from tables: man pages, shell completions, docs/events.schema.json and the table in docs/json.md.

`make generated` runs it; a test fails while what is committed differs from what this would write.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from ftlite import __version__
from ftlite.cli import COMMANDS
from ftlite.cli.events import EVENTS, schema
from ftlite.shell.helping import EXAMPLES

ROOT = Path(__file__).parents[1]
EXIT_CODES = (
    (0, "done"), (1, "another failure"), (2, "wrong usage or configuration"), (3, "not found, there or here"),
    (4, "login or permission"), (5, "no connection: name, refusal, TLS, key"), (6, "timeout"),
    (7, "integrity: size or digest differ, or less was verified than --require asks"),
    (8, "some of it was done, some was not"), (9, "there already, with other content"),
    (10, "no room, or over quota"), (11, "the producer marked it failed"), (12, "nothing to do, with --exit-unchanged"),
    (130, "ended by SIGINT"), (143, "ended by SIGTERM"),
)  # fmt: skip


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command with its name, members of groups too: "user add"."""
    for name, (_, module, attribute) in COMMANDS.items():
        command: click.Command = getattr(importlib.import_module(module), attribute)
        yield name, command
        if isinstance(command, click.Group):
            for member in command.commands.values():
                yield f"{name} {member.name}", member


def options(command: click.Command) -> list[click.Option]:
    """Its flags, --help left out."""
    return [one for one in command.params if isinstance(one, click.Option) and not one.hidden]


# man pages


def _roff(text: str) -> str:
    """Text for roff: no line begins a request, no backslash or dash means another."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.M)


def _flag_names(option: click.Option) -> str:
    metavar = "" if option.is_flag or option.count else f" {_value(option)}"
    return ", ".join(f"\\fB{_roff(name)}\\fR" for name in option.opts) + (f" \\fI{_roff(metavar.strip())}\\fR" if metavar else "")  # noqa: E501


def _value(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "|".join(map(str, option.type.choices))
    return option.metavar or option.type.name.upper()


def man_page(name: str, command: click.Command) -> str:
    """A page of section 1 for one command, with those of a group's members in it."""
    title = f"ftlite-{name}".replace(" ", "-")
    lines = [f'.TH "{title.upper()}" 1 "" "ftlite {__version__}" "ftlite"', ".SH NAME"]
    lines.append(f"{_roff(title)} \\- {_roff(COMMANDS[name][0])}")
    members = list(command.commands.values()) if isinstance(command, click.Group) else []
    lines.append(".SH SYNOPSIS")
    for one in members or [command]:
        words = f"{name} {one.name}" if members else name
        usage = " ".join(one.collect_usage_pieces(click.Context(one)))
        lines += [f"\\fBftlite {_roff(words)}\\fR {_roff(usage)}", ".br"]
    for one in members or [command]:
        lines.append(f".SH {(one.name or '').upper()}" if members else ".SH DESCRIPTION")
        lines += _paragraphs(one)
        if options(one):
            lines.append(".SS Options" if members else ".SH OPTIONS")
        for option in options(one):
            lines += [".TP", _flag_names(option), _roff(option.help or "")]
            if isinstance(option.envvar, str):
                lines[-1] += f" Also \\fB{option.envvar}\\fR."
    if name in EXAMPLES:
        lines.append(".SH EXAMPLES")
        lines.append("In a shell:")
        lines += ["", ".nf", *(_roff(line) for line in EXAMPLES[name]), ".fi"]
    lines += [".SH EXIT STATUS", "See \\fBftlite\\fR(1).", ".SH SEE ALSO", "\\fBftlite\\fR(1)", ""]
    return "\n".join(lines)


def _paragraphs(command: click.Command) -> list[str]:
    text = inspect.cleandoc(command.help or "")
    lines = []
    for paragraph in text.split("\n\n"):
        lines += [".PP", _roff(paragraph)]
    return lines


def main_page() -> str:
    """ftlite(1)."""
    lines = [f'.TH "FTLITE" 1 "" "ftlite {__version__}" "ftlite"', ".SH NAME"]
    lines.append("ftlite \\- move files, verified, atomic and resumable, and speak FTP to everyone")
    lines += [".SH SYNOPSIS", "\\fBftlite\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] ...", ".br"]
    lines += ["\\fBftlite\\fR \\fIADDRESS\\fR", ".SH COMMANDS"]
    for name, (told, _, _) in COMMANDS.items():
        lines += [".TP", f"\\fBftlite\\-{_roff(name)}\\fR(1)", _roff(told) + "."]
    lines += [".SH ADDRESSES", ".TP", "\\fBftp://\\fR[\\fIuser\\fR@]\\fIhost\\fR[:\\fIport\\fR]/\\fIpath\\fR"]
    lines += [_roff("Explicit TLS, required unless --tls says otherwise; ftpes:// always requires it, ftps:// is TLS "
                    "from the first byte. The path is relative to the login directory, a second slash makes it "
                    "absolute.")]
    lines += [".TP", "[\\fIuser\\fR@]\\fIhost\\fR:\\fIpath\\fR", _roff("As ftp://; a leading slash makes it absolute.")]
    lines += [".TP", "\\fB\\-\\fR", "stdin or stdout."]
    lines += [".SH ENVIRONMENT"]
    lines += [_roff("Every flag of a client command is also FTLITE_ and its name in capitals, of serve FTLITE_SERVE_. "
                    "FTLITE_PASSWORD holds the password; ftp_proxy and all_proxy are honoured, and NO_COLOR.")]
    lines += [".SH FILES"]
    for place, meaning in (
        ("~/.config/ftlite/config.toml", "flags for every command"),
        ("~/.config/ftlite/sites.toml", "servers with names"),
        ("~/.local/state/ftlite/known_servers", "keys of servers that were met before"),
        ("~/.local/state/ftlite/history", "what was typed in shells"),
        ("~/.netrc", "users and passwords"),
    ):
        lines += [".TP", f"\\fI{_roff(place)}\\fR", meaning + "."]
    lines += [".SH EXIT STATUS"]
    for code, meaning in EXIT_CODES:
        lines += [".TP", f"\\fB{code}\\fR", _roff(meaning) + "."]
    lines += [""]
    return "\n".join(lines)


# completions


def _words(command: click.Command) -> list[str]:
    return [name for option in options(command) for name in option.opts if name.startswith("--")] + ["--help"]


def _choices() -> dict[str, list[str]]:
    """Flags that take one of a few words."""
    found: dict[str, list[str]] = {}
    for _, command in commands():
        for option in options(command):
            if isinstance(option.type, click.Choice):
                found[max(option.opts, key=len)] = [str(choice) for choice in option.type.choices]
    return dict(sorted(found.items()))


#: What prints the names of sites, as addresses.
_SITES = (
    r"sed -n 's/^\[\([A-Za-z0-9_.-]*\)\]$/\1:/p' "
    '"${XDG_CONFIG_HOME:-$HOME/.config}/ftlite/sites.toml" 2>/dev/null'
)


def bash() -> str:
    """The completion of bash: commands, flags, their words, sites and files."""
    cases = "\n".join(
        f'        "{name}") words="{" ".join(_words(command))}" ;;' for name, command in commands() if " " not in name
    )
    groups = "\n".join(
        f'        "{name}") subs="{" ".join(command.commands)}" ;;'
        for name, command in commands() if isinstance(command, click.Group)
    )  # fmt: skip
    members = "\n".join(
        f'        "{name}") words="{" ".join(_words(command))}" ;;' for name, command in commands() if " " in name
    )
    choices = "\n".join(
        f'        {flag}) COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$cur")); return ;;'
        for flag, words in _choices().items()
    )
    return f"""# bash completion for ftlite; made by scripts/generate.py
_ftlite() {{
    local cur prev command words subs member word
    cur="${{COMP_WORDS[COMP_CWORD]}}"
    prev="${{COMP_WORDS[COMP_CWORD-1]}}"
    command="${{COMP_WORDS[1]}}"
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{" ".join(COMMANDS)} --help --version $({_SITES})" -- "$cur"))
        return
    fi
    case "$prev" in
{choices}
    esac
    case "$command" in
{groups}
    esac
    case "$command" in
{cases}
    esac
    if [ -n "$subs" ]; then
        if [ "$COMP_CWORD" -eq 2 ]; then
            COMPREPLY=($(compgen -W "$subs" -- "$cur"))
            return
        fi
        member="$command ${{COMP_WORDS[2]}}"
        case "$member" in
{members}
        esac
    fi
    if [[ "$cur" == -* ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$cur"))
    else
        COMPREPLY=($(compgen -f -W "$({_SITES})" -- "$cur"))
    fi
}}
complete -o filenames -F _ftlite ftlite
"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _zsh_option(option: click.Option) -> list[str]:
    told = (option.help or "").split(". ")[0].rstrip(".").translate(str.maketrans("[]:", "();"))
    value = ""
    if not option.is_flag and not option.count:
        what = "->_files" if isinstance(option.type, click.Path) else ""
        if isinstance(option.type, click.Choice):
            value = f":value:({' '.join(map(str, option.type.choices))})"
        else:
            value = ":file:_files" if what else ":value:"
    star = "*" if option.multiple or option.count else ""
    return [_quoted(f"{star}{name}[{told}]{value}") for name in option.opts]


def zsh() -> str:
    """The completion of zsh."""
    rows = "\n".join(f"    {_quoted(f'{name}:{told}')}" for name, (told, _, _) in COMMANDS.items())
    cases = []
    for name, command in commands():
        if " " in name:
            continue
        if isinstance(command, click.Group):
            cases.append(f"      {name}) _values 'command' {' '.join(command.commands)} ;;")
            continue
        flags = " ".join(word for option in options(command) for word in _zsh_option(option))
        cases.append(f"      {name}) _arguments {flags} '*:address or file:_files' ;;")
    told = "\n".join(cases)
    return f"""#compdef ftlite
# made by scripts/generate.py
_ftlite() {{
  local -a commands
  commands=(
{rows}
  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  local command=${{words[2]}}
  shift words
  (( CURRENT-- ))
  case $command in
{told}
  esac
}}
_ftlite "$@"
"""


def fish() -> str:
    """The completion of fish."""
    lines = ["# fish completion for ftlite; made by scripts/generate.py"]
    for name, (told, _, _) in COMMANDS.items():
        lines.append(f"complete -c ftlite -n __fish_use_subcommand -a {name} -d {_quoted(told)}")
    for name, command in commands():
        seen = " ".join(f"__fish_seen_subcommand_from {word};" for word in name.split()).rstrip(";")
        condition = _quoted(seen.replace("; ", "; and "))
        if isinstance(command, click.Group):
            lines.append(f"complete -c ftlite -n {condition} -a {_quoted(' '.join(command.commands))}")
        for option in options(command):
            words = [f"-l {one[2:]}" if one.startswith("--") else f"-s {one[1:]}" for one in option.opts]
            if isinstance(option.type, click.Choice):
                words.append(f"-x -a {_quoted(' '.join(map(str, option.type.choices)))}")
            elif not option.is_flag and not option.count:
                words.append("-r")
            told = (option.help or "").split(". ")[0].rstrip(".")
            lines.append(f"complete -c ftlite -n {condition} {' '.join(words)} -d {_quoted(told)}")
    return "\n".join(lines) + "\n"


# events

_BEGIN, _END = "<!-- events: begin -->", "<!-- events: end -->"


def event_table() -> str:
    """The table of docs/json.md."""
    lines = ["| event | written when | fields | sometimes |", "|---|---|---|---|"]
    for name, (told, always, sometimes) in EVENTS.items():
        lines.append(
            f"| `{name}` | {told} | {', '.join(f'`{one}`' for one in always)} | "
            f"{', '.join(f'`{one}`' for one in sometimes)} |"
        )
    meanings: dict[str, list[str]] = {}
    for _, always, sometimes in EVENTS.values():
        for field, (kind, meaning) in {**always, **sometimes}.items():
            shown = "one of " + ", ".join(f"`{one}`" for one in kind["enum"]) if "enum" in kind else kind["type"]
            row = f"{shown}: {meaning}"
            if row not in meanings.setdefault(field, []):
                meanings[field].append(row)
    lines += ["", "| field | what it is |", "|---|---|"]
    lines += [f"| `{field}` | {'; or '.join(told)} |" for field, told in sorted(meanings.items())]
    return "\n".join(lines)


def files() -> dict[str, str]:
    """Everything: path -> content."""
    made = {"packaging/man/ftlite.1": main_page()}
    for name, command in commands():
        if " " not in name:
            made[f"packaging/man/ftlite-{name}.1"] = man_page(name, command)
    made["packaging/completions/ftlite.bash"] = bash()
    made["packaging/completions/_ftlite"] = zsh()
    made["packaging/completions/ftlite.fish"] = fish()
    made["docs/events.schema.json"] = json.dumps(schema(), indent=1) + "\n"
    page = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    before, _, rest = page.partition(_BEGIN)
    made["docs/json.md"] = f"{before}{_BEGIN}\n{event_table()}\n{_END}{rest.partition(_END)[2]}"
    return made


def main() -> int:
    for name, content in files().items():
        (ROOT / name).write_text(content, encoding="utf-8")
    stale = {f"packaging/man/{path.name}" for path in (ROOT / "packaging/man").glob("*.1")} - files().keys()
    for name in stale:
        (ROOT / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
