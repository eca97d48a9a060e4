"""``help``: the table, and the help of each row with examples."""

from __future__ import annotations

import click

from ftlite.cli.session import Done
from ftlite.cli.voice import Voice
from ftlite.shell import table
from ftlite.shell.inside import action
from ftlite.shell.shell import Shell

#: Lines to type, for commands where a line says more than a sentence.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "get": ("get *.whl", "get -r rel/1.4 dist", "get big.iso &", "get log.txt - | grep error"),
    "put": ("put report.pdf", "put -r --replace dist rel/1.4", "put - notes.txt < local.txt"),
    "ls": ("ls -lh", "ls | grep tar", "ls rel/*/"),
    "cat": ("cat README | head", "cat a b > both"),
    "rm": ("rm *.tmp", "rm -r old/"),
    "mirror": ("mirror dist rel", "mirror -n --delete ftp://build7/rel /backup/rel"),
    "hash": ("hash -r rel > SHA256SUMS",),
    "wait": ("wait rel/1.5 --timeout 10m && get -r rel/1.5", "wait %1", "wait"),
    "set": ("set limit-rate 2M", "set json on", "set"),
    "alias": ("alias ll ls -l", "alias wheels get *.whl"),
    "queue": ("queue get one.iso", "queue get two.iso", "queue -P 2"),
    "quote": ("quote STAT", "quote MDTM /rel/1.4"),
    "open": ("open ftp://ann@build7/rel", "open build7:rel --tls optional"),
    "cd": ("cd rel", "cd ..", "cd -"),
    "find": ("find rel --name '*.whl'",),
    "edit": ("edit notes.txt",),
}

SYNTAX = """
  a b 'c d' c\\ d   words; quotes and backslash as in sh
  *.whl  **/*.log   names that match; quote them to mean the characters
  one; two          one after the other       one && two   two if one went well
  one &             in the background         one || two   two if one did not
  ls | less         through a program         cat f > g    into a local file
  !make             a program of sh           # ...        nothing
"""


@click.command("help")
@click.argument("command", nargs=-1)
def help_(command: tuple[str, ...]) -> Done:
    """Explain COMMAND with its flags and examples; without one, list them all."""

    async def work(shell: Shell, voice: Voice) -> None:
        for name in command:
            for line in explain(table.ALIASES.get(name, name).split()[0]).splitlines():
                voice.line(line)
        if not command:
            for line in overview().splitlines():
                voice.line(line)

    return action("help", work)


def overview() -> str:
    """Every command in a line, and how lines are written."""
    rows = {name: line for name, (line, _, _) in sorted(table.rows().items())}
    width = max(map(len, rows))
    told = "\n".join(f"  {name:<{width}}  {line}" for name, line in rows.items())
    others = ", ".join(f"{short} ({long})" for short, long in sorted(table.ALIASES.items()))
    return f"{told}\n\nOther names: {others}\n{SYNTAX}\n'help COMMAND' and 'COMMAND --help' tell all about one."


def explain(name: str) -> str:
    """The help of one command. CliError USAGE when there is none of that name."""
    command = table.find(name)
    text = command.get_help(click.Context(command, info_name=name))
    examples = EXAMPLES.get(name)
    return text + ("\n\nExamples:\n" + "\n".join(f"  {line}" for line in examples) if examples else "")
