"""What a tag goes through, at both ends (s.6). The tables are the rule; `ServerTag` and `ClientTag` only walk them.

An event that the table does not have for a state is out of step. What a peer sends too late (`late`) is passed over.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final

from ftlite.protocol.errors import OutOfStep
from ftlite.protocol.native import requests

WINDOW: Final = 64  #: a fresh tag may lie so far below the highest that was seen


class State(enum.Enum):
    """Where a tag is."""

    NEW = "is not in use"
    EARLY = "has a data connection and no command"
    OPEN = "waits for its data connection, or the reply that begins it"
    AWAITED = "was stated, and its data connection is not here yet"
    MOVING = "moves content"
    ENDING = "has moved its content; DONE is due"
    STATED = "was stated, and still moves content"
    SEALING = "moves nothing and is being finished"
    WORKING = "works without a data connection"
    ENDED = "has ended"


class Moves(enum.Enum):
    """Which way the content of a command goes."""

    DOWN = "from the server"
    UP = "to the server"
    NOTHING = "not at all"


#: Request -> which way its content goes. DONE and ABOR are about the tag of another.
MOVES: Final[Mapping[type[Any], Moves]] = {
    requests.GetRequest: Moves.DOWN,
    requests.GetTreeRequest: Moves.DOWN,
    requests.ListRequest: Moves.DOWN,
    requests.PutRequest: Moves.UP,
    requests.PutTreeRequest: Moves.UP,
    requests.FailRequest: Moves.NOTHING,
    requests.HashRequest: Moves.NOTHING,
    requests.WaitRequest: Moves.NOTHING,
}


class Event(enum.Enum):
    """What happens to a tag."""

    DATA = "a proven data connection"
    BEGUN = "the 150 that begins a transfer"  #: the client hears it
    STAGE = "a 150 that says that work goes on"  #: the client hears it
    END = "the end of the content"
    LOST = "the loss of the data connection"
    DONE = "DONE"
    SAME = "the finding that its content stands already"  #: `same=1`: nothing is to be moved
    SUCCESS = "a final reply that says yes"
    REFUSAL = "a final reply that says no"


S, E = State, Event
_OVER: Final = {E.SUCCESS: S.ENDED, E.REFUSAL: S.ENDED}
Table = Mapping[State, Mapping[Event, State]]

#: The server's side: (which way, state, event) -> state. An upload succeeds only when it was stated and has ended, or
#: before anything moved (same=1, also where DONE was faster); a download only when all went out. A refusal (425, 426,
#: ABOR among them) may come at any time. A spare that is lost or given up has used its tag up: the client has to take
#: another.
SERVER: Final[Mapping[Moves, Table]] = {
    Moves.DOWN: {
        S.OPEN: {E.DATA: S.MOVING, E.REFUSAL: S.ENDED},
        S.MOVING: {E.END: S.SEALING, E.LOST: S.SEALING, E.REFUSAL: S.ENDED},
        S.SEALING: _OVER,
        S.ENDED: {},
    },
    Moves.UP: {
        S.OPEN: {E.DATA: S.MOVING, E.DONE: S.AWAITED, E.SAME: S.SEALING, **_OVER},
        S.AWAITED: {E.DATA: S.STATED, E.SAME: S.SEALING, E.REFUSAL: S.ENDED},
        S.MOVING: {E.END: S.ENDING, E.DONE: S.STATED, E.LOST: S.SEALING, E.SAME: S.SEALING, **_OVER},
        S.ENDING: {E.DONE: S.SEALING, E.REFUSAL: S.ENDED},
        S.STATED: {E.END: S.SEALING, E.LOST: S.SEALING, E.SAME: S.SEALING, E.REFUSAL: S.ENDED},
        S.SEALING: {E.DONE: S.SEALING, **_OVER},
        S.ENDED: {},
    },
    Moves.NOTHING: {S.WORKING: _OVER, S.ENDED: {}},
}

#: The client's side: (which way, state, event) -> state. Replies and content travel on two connections, so the final
#: reply may be here before the end of the content is.
CLIENT: Final[Mapping[Moves, Table]] = {
    Moves.DOWN: {
        S.OPEN: {E.BEGUN: S.MOVING, E.STAGE: S.OPEN, E.LOST: S.OPEN, E.REFUSAL: S.ENDED},
        S.MOVING: {E.STAGE: S.MOVING, E.END: S.SEALING, E.LOST: S.SEALING, E.SUCCESS: S.STATED, E.REFUSAL: S.ENDED},
        S.STATED: {E.END: S.ENDED, E.LOST: S.ENDED},
        S.SEALING: {E.STAGE: S.SEALING, **_OVER},
        S.ENDED: {E.END: S.ENDED, E.LOST: S.ENDED},
    },
    Moves.UP: {
        S.OPEN: {E.BEGUN: S.MOVING, E.STAGE: S.OPEN, E.LOST: S.OPEN, **_OVER},
        S.MOVING: {E.STAGE: S.MOVING, E.END: S.ENDING, E.DONE: S.STATED, E.LOST: S.SEALING, E.REFUSAL: S.ENDED},
        S.ENDING: {E.STAGE: S.ENDING, E.DONE: S.SEALING, E.LOST: S.SEALING, E.REFUSAL: S.ENDED},
        S.STATED: {E.STAGE: S.STATED, E.END: S.SEALING, E.LOST: S.SEALING, **_OVER},
        S.SEALING: {E.STAGE: S.SEALING, E.LOST: S.SEALING, **_OVER},
        S.ENDED: {E.END: S.ENDED, E.LOST: S.ENDED},
    },
    Moves.NOTHING: {S.WORKING: {E.STAGE: S.WORKING, **_OVER}, S.ENDED: {}},
}


def _walk(tables: Mapping[Moves, Table], moves: Moves, state: State, event: Event) -> State:
    following = tables[moves][state].get(event)
    if following is None:
        raise OutOfStep(f"a tag that {state.value} gets {event.value}")
    return following


class ServerTag:
    """A tag as the server sees it. It may begin with its command or with its data connection.

    Attributes:
        state: where it is.
        moves: which way its content goes; None until the command is here.
        lost: the data connection broke: it cannot succeed any more.
    """

    def __init__(self) -> None:
        self.state = State.NEW
        self.moves: Moves | None = None
        self.lost = False

    def command(self, moves: Moves) -> None:
        """The command came. Raises OutOfStep when one came before, or its spare was given up."""
        if self.state not in (State.NEW, State.EARLY):
            raise OutOfStep(f"a tag that {self.state.value} gets a command")
        self.moves = moves
        if moves is Moves.NOTHING:
            self.state = State.WORKING  # a data connection that is there is closed
        else:
            self.state = State.OPEN if self.state is State.NEW else State.MOVING

    def step(self, event: Event) -> None:
        """Something happened. Raises OutOfStep when it must not, with nothing changed."""
        if self.moves is None:
            self.state = self._before_command(event)
            return
        if self.lost and event is Event.SUCCESS:
            raise OutOfStep("a tag that lost its data connection does not succeed")
        self.state = _walk(SERVER, self.moves, self.state, event)
        self.lost = self.lost or event is Event.LOST

    def late(self, event: Event) -> bool:
        """Whether `event`, the client's, comes too late and is passed over in silence."""
        return self.state is State.ENDED and event in (Event.DATA, Event.DONE)

    def _before_command(self, event: Event) -> State:
        if (self.state, event) == (State.NEW, Event.DATA):
            return State.EARLY
        if (self.state, event) == (State.EARLY, Event.LOST):
            return State.ENDED
        raise OutOfStep(f"a tag that {self.state.value} gets {event.value}")


class ClientTag:
    """A tag as the client sees it, from the moment that its command is sent.

    Attributes:
        state: where it is.
        moves: which way its content goes.
        answered: the final reply is here; content of a download may still be on its way.
    """

    def __init__(self, moves: Moves) -> None:
        self.moves: Final = moves
        self.state = State.WORKING if moves is Moves.NOTHING else State.OPEN
        self.answered = False

    def step(self, event: Event) -> None:
        """Something happened. Raises OutOfStep when it must not, with nothing changed."""
        self.state = _walk(CLIENT, self.moves, self.state, event)
        self.answered = self.answered or event in (Event.SUCCESS, Event.REFUSAL)


class Tags:
    """Which tags of one native session were used."""

    def __init__(self) -> None:
        self._highest = 0
        self._used: set[int] = set()  # all within the window, and some below it

    def fresh(self, tag: int) -> bool:
        """Whether a command may still take `tag` (s.4): never used, and at most `WINDOW` below the highest."""
        return tag > self._highest or (tag >= self._highest - WINDOW and tag not in self._used)

    def take(self, tag: int) -> bool:
        """A command takes `tag`; False, with nothing changed, when it may not."""
        if not self.fresh(tag):
            return False
        if tag > self._highest:
            self._highest = tag
            if len(self._used) > 4 * WINDOW:  # not each time: it costs more than the rest
                self._used = {used for used in self._used if used >= tag - WINDOW}
        self._used.add(tag)
        return True
