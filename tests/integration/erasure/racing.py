"""What happens while, or after, something is erased."""

from collections.abc import Callable

from tests.integration.erasure.world import KEYS, World


class Meanwhile:
    """A tool that lets something happen once when it has done its part."""

    def __init__(self, inner: object, method: str, happens: Callable[[], object]) -> None:
        self._inner, self._method, self._happens = inner, method, happens

    def __getattr__(self, name: str) -> object:
        real = getattr(self._inner, name)
        return self._then(real) if name == self._method else real

    def _then(self, real: Callable[..., object]) -> Callable[..., object]:
        def called(*arguments: object) -> object:
            done = real(*arguments)
            happens, self._happens = self._happens, lambda: None
            happens()
            return done

        return called


def put_again(world: World, key: str, of: str = "staying") -> None:
    """The bytes of one of the two, under another key."""
    world.put(key, KEYS[of][0])


def let_time_pass(world: World) -> None:
    """What is put from now on is put after the erasures of before, even by a clock that knows whole seconds."""
    world.rows("UPDATE tombstone SET erased_at = erased_at - interval '2 seconds' RETURNING 1")


def rejected(world: World, key: str) -> list[tuple[object, ...]]:
    return world.rows("SELECT state, code, recording_id FROM stored_object WHERE key = :key", key=key)


REFUSED = [("rejected", "erased", None)]
