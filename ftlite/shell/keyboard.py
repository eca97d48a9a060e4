"""One line after the other from whoever sits at the terminal, by prompt_toolkit, which lives in a worker thread with a
loop of its own, and asks the shell's loop for what it completes with. Imported only where there is a terminal.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import trio

from ftlite.shell import completion
from ftlite.shell.above import Above
from ftlite.shell.completion import Name, Wanted
from ftlite.shell.memory import Lines
from ftlite.shell.names import Names
from ftlite.shell.prompt import Fragments
from ftlite.shell.settings import flags
from ftlite.shell.shell import Shell
from ftlite.shell.words import unfinished

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import CompleteEvent, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.key_binding import KeyBindings

_STYLE = {
    "host": "ansigreen",
    "directory": "bold ansiblue",
    "facts": "ansibrightblack",
    "clear": "bold ansired",
    "jobs": "ansiyellow",
    "auto-suggestion": "ansibrightblack",
}
_COLOURLESS = {"directory": "bold", "clear": "bold reverse", "auto-suggestion": "underline"}


class Interrupted(Exception):
    """Ctrl-C: the line is to be forgotten."""


class Keyboard:
    """Reads lines. `read` blocks, and belongs into a worker; everything else may be called from any thread.

    Args:
        message: gives the prompt for a width and a measure of text, each time that it is drawn.
        coloured: with colours.
    """

    def __init__(
        self,
        shell: Shell,
        names: Names,
        lines: Lines,
        above: Above,
        message: Callable[[int, Callable[[str], int]], Fragments],
        out: TextIO,
        *,
        coloured: bool,
    ) -> None:
        self._shell = shell
        self._names = names
        self._lines = lines
        self._above = above
        self._message = message
        self._out = out
        self._coloured = coloured
        self._token = trio.lowlevel.current_trio_token()
        self._session: PromptSession[str] | None = None
        self._changing = threading.Lock()
        self._left = False
        self._reading = False

    def read(self) -> str | None:
        """The next line; None at the end of input, or after `leave`.

        Raises:
            Interrupted: Ctrl-C.
        """
        session = self._made()
        with self._changing:
            if self._left:
                return None
            self._reading = True
        try:
            return session.prompt(pre_run=self._begin)
        except EOFError:
            return None
        except KeyboardInterrupt:
            raise Interrupted from None
        finally:
            with self._changing:
                self._reading = False
            self._above.end()

    def leave(self) -> None:
        """Whoever reads gets the end of input, now and from now on."""
        with self._changing:
            self._left = True
            if not self._reading or self._session is None:
                return
            app = self._session.app
            loop = app.loop
            if loop is not None:
                with suppress(RuntimeError):  # it has just ended
                    loop.call_soon_threadsafe(self._exit)

    def interrupt(self) -> None:
        """Ctrl-C is a key here, and no signal."""

    def close(self) -> None:
        """It is not read from any more."""

    def resized(self) -> None:
        """The terminal has another size. prompt_toolkit hears of signals in the main thread only, and looks rarely."""
        session = self._session
        loop = session.app.loop if session is not None else None
        if session is not None and loop is not None:
            with suppress(RuntimeError):  # it has just ended
                loop.call_soon_threadsafe(getattr(session.app, "_on_resize", session.app.invalidate))

    def redraw(self) -> None:
        """What the prompt tells has changed."""
        session = self._session
        if session is not None and self._reading:
            session.app.invalidate()

    def _exit(self) -> None:
        app = self._session.app if self._session is not None else None
        if app is not None and app.is_running and not app.is_done:
            app.exit(exception=EOFError())

    def _begin(self) -> None:
        """In the prompt's loop, when it begins."""
        if self._left:
            self._exit()
            return
        assert self._session is not None
        loop = self._session.app.loop
        assert loop is not None

        def soon() -> None:
            loop.call_soon_threadsafe(self._draw)

        self._above.begin(soon)

    def _draw(self) -> None:
        """In the prompt's loop: take the line away, write what waits, and bring it back."""
        from prompt_toolkit.application import run_in_terminal

        run_in_terminal(self._above.draw)

    def _made(self) -> PromptSession[str]:
        if self._session is None:
            self._session = self._make()
        return self._session

    def _make(self) -> PromptSession[str]:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
        from prompt_toolkit.filters import Condition
        from prompt_toolkit.output import ColorDepth, create_output
        from prompt_toolkit.shortcuts import CompleteStyle
        from prompt_toolkit.styles import Style

        output = create_output(stdout=self._out)
        session: PromptSession[str] = PromptSession(
            message=self._fragments,
            multiline=Condition(lambda: unfinished(session.default_buffer.text)),
            prompt_continuation=lambda width, _, soft: [("class:facts", "" if soft else "> ".rjust(width))],
            completer=_completer(self),
            complete_style=CompleteStyle.MULTI_COLUMN,
            complete_while_typing=False,
            reserve_space_for_menu=6,
            auto_suggest=AutoSuggestFromHistory(),
            enable_history_search=True,
            history=_history(self._lines),
            key_bindings=_keys(),
            style=Style.from_dict(_STYLE if self._coloured else _COLOURLESS),
            include_default_pygments_style=False,
            color_depth=None if self._coloured else ColorDepth.DEPTH_1_BIT,
            output=output,
        )
        return session

    def _fragments(self) -> Any:
        from prompt_toolkit.utils import get_cwidth

        assert self._session is not None
        return self._message(self._session.app.output.get_size().columns, get_cwidth)

    # completion

    async def insertions(self, text: str) -> list[completion.Insertion]:
        """In the prompt's loop: what `text` can go on with."""
        want = completion.wanted(text, self._shell.aliases, flags)
        if want is None:
            return []
        names = await self._asked(want)
        return completion.insertions(text, want, names)

    async def _asked(self, want: Wanted) -> list[Name]:
        """Ask the shell's loop, and let it go on with that when nobody waits any more."""
        assert self._session is not None
        loop = self._session.app.loop
        assert loop is not None
        answer = loop.create_future()

        def deliver(names: list[Name]) -> None:
            if not answer.done():
                answer.set_result(names)

        async def ask() -> None:
            names = await self._names.of(want)
            with suppress(RuntimeError):  # the prompt is gone
                loop.call_soon_threadsafe(deliver, names)

        try:
            self._token.run_sync_soon(self._names.begin, ask)
        except trio.RunFinishedError:
            return []
        return list(await answer)


def _completer(keyboard: Keyboard) -> Any:
    from prompt_toolkit.completion import Completer, Completion

    class Offers(Completer):
        def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
            return []

        async def get_completions_async(
            self, document: Document, complete_event: CompleteEvent
        ) -> AsyncGenerator[Completion, None]:
            for one in await keyboard.insertions(document.text_before_cursor):
                yield Completion(one.text, -one.length, display=one.shown, display_meta=one.told)

    return Offers()


def _history(lines: Lines) -> Any:
    from prompt_toolkit.history import History

    class Typed(History):
        """Faces `lines`, which decides what is worth keeping."""

        async def load(self) -> AsyncIterator[str]:  # type: ignore[override]
            for line in reversed(lines.all()):
                yield line

        def get_strings(self) -> list[str]:
            return lines.all()

        def load_history_strings(self) -> Iterable[str]:
            return reversed(lines.all())

        def append_string(self, string: str) -> None:
            lines.add(string)

        def store_string(self, string: str) -> None:
            lines.add(string)

    return Typed()


def _keys() -> KeyBindings:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    @keys.add("c-z")
    def _aside(event: KeyPressEvent) -> None:
        """Nothing runs that could be put aside."""

    return keys
