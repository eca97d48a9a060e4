"""The tables of what a tag goes through, each step of them, and which tags are fresh."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftlite.protocol.errors import OutOfStep
from ftlite.protocol.native.requests import AbortRequest, DoneRequest, Request
from ftlite.protocol.native.tags import (
    CLIENT,
    MOVES,
    SERVER,
    WINDOW,
    ClientTag,
    Event,
    Moves,
    ServerTag,
    State,
    Table,
    Tags,
)

E, S = Event, State
events = st.sampled_from(Event)


def server(moves: Moves, *steps: Event, early: bool = False) -> ServerTag:
    tag = ServerTag()
    if early:
        tag.step(E.DATA)
    tag.command(moves)
    for step in steps:
        tag.step(step)
    return tag


def at(tag: ServerTag | ClientTag) -> State:
    """Where it is now, whatever a type checker remembers."""
    return tag.state


def client(moves: Moves, *steps: Event) -> ClientTag:
    tag = ClientTag(moves)
    for step in steps:
        tag.step(step)
    return tag


@pytest.mark.parametrize("table", [*SERVER.values(), *CLIENT.values()])
def test_a_table_leads_from_its_states_to_its_states(table: Table) -> None:
    for steps in table.values():
        assert set(steps.values()) <= set(table)
    # From everywhere there is a way to the end, and none back from it.
    for state in table:
        seen, todo = {state}, [state]
        while todo:
            for following in table[todo.pop()].values():
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        assert State.ENDED in seen
    assert set(table[State.ENDED].values()) <= {State.ENDED}


@pytest.mark.parametrize("moves", Moves)
def test_a_server_can_refuse_at_any_time_before_the_end(moves: Moves) -> None:
    for state, steps in SERVER[moves].items():
        assert (steps.get(E.REFUSAL) is S.ENDED) == (state is not S.ENDED)


def test_every_request_moves_some_way() -> None:
    assert set(MOVES) | {DoneRequest, AbortRequest} == set(Request.__args__)


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("first", [E.DONE, E.END])
def test_an_upload(early: bool, first: Event) -> None:
    tag = server(Moves.UP, early=early)
    assert at(tag) is (S.MOVING if early else S.OPEN)
    if not early:
        tag.step(E.DATA)
    tag.step(first)
    assert at(tag) is (S.STATED if first is E.DONE else S.ENDING)
    with pytest.raises(OutOfStep):
        tag.step(E.SUCCESS)
    tag.step(E.END if first is E.DONE else E.DONE)
    assert at(tag) is S.SEALING
    tag.step(E.SUCCESS)
    assert at(tag) is S.ENDED


def test_an_upload_that_is_stated_before_its_connection() -> None:
    tag = server(Moves.UP, E.DONE)
    assert at(tag) is S.AWAITED
    tag.step(E.DATA)
    assert at(tag) is S.STATED


def test_an_upload_that_moves_nothing() -> None:
    assert server(Moves.UP, E.SUCCESS).state is S.ENDED
    assert server(Moves.UP, E.SUCCESS, early=True).state is S.ENDED


@pytest.mark.parametrize("early", [False, True])
def test_an_upload_that_moves_nothing_may_have_been_stated(early: bool) -> None:
    tag = server(Moves.UP, E.DONE, E.SAME, early=early)
    assert at(tag) is S.SEALING
    tag.step(E.SUCCESS)
    assert at(tag) is S.ENDED
    assert server(Moves.UP, E.SAME, E.DONE, E.SUCCESS, early=early).state is S.ENDED


def test_a_download() -> None:
    tag = server(Moves.DOWN, E.DATA, E.END)
    assert at(tag) is S.SEALING
    with pytest.raises(OutOfStep):
        tag.step(E.DONE)
    tag.step(E.SUCCESS)
    with pytest.raises(OutOfStep):
        server(Moves.DOWN, E.DATA, E.SUCCESS)


@pytest.mark.parametrize("moves", [Moves.UP, Moves.DOWN])
def test_what_was_lost_does_not_succeed(moves: Moves) -> None:
    tag = server(moves, E.DATA, E.LOST)
    assert (tag.state, tag.lost) == (S.SEALING, True)
    with pytest.raises(OutOfStep):
        tag.step(E.SUCCESS)
    tag.step(E.REFUSAL)
    assert at(tag) is S.ENDED


def test_a_spare_that_was_given_up_has_used_its_tag_up() -> None:
    tag = ServerTag()
    tag.step(E.DATA)
    tag.step(E.LOST)
    assert at(tag) is S.ENDED
    with pytest.raises(OutOfStep):
        tag.command(Moves.DOWN)


def test_a_connection_that_nobody_asked_for() -> None:
    assert server(Moves.NOTHING, early=True).state is S.WORKING
    with pytest.raises(OutOfStep):
        server(Moves.NOTHING, E.DATA)


def test_each_connection_and_each_command_comes_once() -> None:
    tag = ServerTag()
    tag.step(E.DATA)
    with pytest.raises(OutOfStep):
        tag.step(E.DATA)
    tag.command(Moves.UP)
    with pytest.raises(OutOfStep):
        tag.step(E.DATA)
    with pytest.raises(OutOfStep):
        tag.command(Moves.UP)


@given(st.sampled_from(Moves), st.lists(events, max_size=12))
@settings(deadline=None)
def test_nothing_happens_to_what_has_ended(moves: Moves, steps: list[Event]) -> None:
    tag = server(moves)
    for step in steps:
        before = tag.state
        try:
            tag.step(step)
        except OutOfStep:
            assert tag.state is before
        else:
            assert before is not S.ENDED
    if tag.state is not S.ENDED:
        tag.step(E.REFUSAL)
    assert tag.late(E.DATA)
    assert tag.late(E.DONE)
    assert not tag.late(E.REFUSAL)


def test_what_is_in_time_is_not_late() -> None:
    assert not server(Moves.UP).late(E.DONE)


def test_a_client_downloads() -> None:
    tag = client(Moves.DOWN, E.STAGE, E.BEGUN, E.END)
    assert (tag.state, tag.answered) == (S.SEALING, False)
    tag.step(E.SUCCESS)
    assert (tag.state, tag.answered) == (S.ENDED, True)


def test_a_client_may_hear_of_the_end_before_it_sees_it() -> None:
    tag = client(Moves.DOWN, E.BEGUN, E.SUCCESS)
    assert (tag.state, tag.answered) == (S.STATED, True)
    with pytest.raises(OutOfStep):
        tag.step(E.SUCCESS)
    tag.step(E.END)
    assert at(tag) is S.ENDED


def test_a_client_uploads() -> None:
    assert client(Moves.UP, E.BEGUN, E.END, E.DONE).state is S.SEALING
    assert client(Moves.UP, E.BEGUN, E.DONE, E.STAGE, E.END, E.STAGE, E.SUCCESS).state is S.ENDED
    assert client(Moves.UP, E.SUCCESS).state is S.ENDED


@pytest.mark.parametrize(
    ("moves", "steps"),
    [
        (Moves.DOWN, (E.SUCCESS,)),
        (Moves.DOWN, (E.BEGUN, E.BEGUN)),
        (Moves.DOWN, (E.BEGUN, E.DONE)),
        (Moves.UP, (E.DONE,)),
        (Moves.UP, (E.BEGUN, E.SUCCESS)),
        (Moves.UP, (E.BEGUN, E.DONE, E.DONE)),
        (Moves.UP, (E.REFUSAL, E.REFUSAL)),
        (Moves.UP, (E.REFUSAL, E.STAGE)),
        (Moves.NOTHING, (E.BEGUN,)),
    ],
)
def test_what_a_client_never_sees(moves: Moves, steps: tuple[Event, ...]) -> None:
    with pytest.raises(OutOfStep):
        client(moves, *steps)


# --- which tags are fresh ---


def test_a_tag_is_for_one_command() -> None:
    tags = Tags()
    assert tags.fresh(1)
    assert tags.take(1)
    assert not tags.fresh(1)
    assert not tags.take(1)


def test_the_window() -> None:
    tags = Tags()
    assert tags.take(100)
    assert tags.take(100 - WINDOW)
    assert not tags.take(99 - WINDOW)
    assert tags.take(101)
    assert not tags.take(100 - WINDOW)
    assert tags.take(2**31 - 1)
    assert not tags.take(102)


@given(st.lists(st.one_of(st.integers(1, 200), st.integers(1, 2000)), max_size=400))
@settings(deadline=None)
def test_no_tag_is_taken_twice_and_the_window_is_exact(asked: list[int]) -> None:
    tags, taken = Tags(), set[int]()
    for tag in asked:
        fresh = tag not in taken and tag >= max(taken, default=0) - WINDOW
        assert tags.fresh(tag) is fresh
        assert tags.take(tag) is fresh
        if fresh:
            taken.add(tag)


def test_long_sessions_stay_small() -> None:
    tags = Tags()
    for tag in range(1, 5000):
        assert tags.take(tag)
    assert len(tags._used) <= 5 * WINDOW
