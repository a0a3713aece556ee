"""How many bytes of bodies are held at a time."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack

import pytest

from services.console import room
from services.console.errors import Overloaded
from services.console.room import Room


def run(test: Coroutine[None, None, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 10))


def test_one_token_fills_half_of_it_and_two_fill_it() -> None:
    async def test() -> None:
        bodies = Room(10, patience_s=0.01)
        async with bodies.held("a", 6), bodies.held("b", 10), bodies.held("a", 4):
            for actor in ("a", "b", "c"):
                with pytest.raises(Overloaded) as refused:
                    await bodies.held(actor, 1).__aenter__()
                assert refused.value.retry_after_s > 0
        async with bodies.held("c", 10):
            pass

    run(test())


def test_who_waits_gets_the_room_that_another_leaves() -> None:
    async def test() -> None:
        bodies, order = Room(10), []

        async def second() -> None:
            async with bodies.held("a", 7):
                order.append("second in")

        async with bodies.held("a", 7):
            waiting = asyncio.create_task(second())
            async with bodies.held("b", 7):  # which is too little
                await asyncio.sleep(0)
            await asyncio.sleep(0.01)
            order.append("first out")
        await waiting
        assert order == ["first out", "second in"]

    run(test())


def test_room_of_a_call_that_broke_off_is_free_again() -> None:
    async def test() -> None:
        bodies = Room(10, patience_s=0.01)
        for _ in range(3):
            with pytest.raises(RuntimeError):
                async with bodies.held("a", 10):
                    raise RuntimeError
        assert not bodies._held

    run(test())


def test_beyond_a_few_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MOST_WAITING", 2)

    async def test() -> None:
        bodies = Room(10)
        async with AsyncExitStack() as left, bodies.held("a", 10):
            waiting = [asyncio.create_task(left.enter_async_context(bodies.held("a", 1))) for _ in range(2)]
            await asyncio.sleep(0.01)
            with pytest.raises(Overloaded):
                await bodies.held("a", 1).__aenter__()
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            assert not bodies._waiting

    run(test())
