"""Loaded models of one process, within a budget of memory: the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from shared.encoders.families import Model


@dataclass(frozen=True, slots=True)
class ModelKey:
    """Which weights; every layer and pooling of one checkpoint shares them."""

    family: str
    pinned: str
    identity: str


class ModelCache:
    """Models by their weights. One that is larger than the budget is kept alone."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._models: OrderedDict[ModelKey, Model] = OrderedDict()
        self._lock = Lock()

    def get(self, key: ModelKey, load: Callable[[], Model]) -> Model:
        """The model, loaded if it is not there; whoever holds another one keeps it alive until done."""
        with self._lock:
            if key not in self._models:
                self._models[key] = load()
            self._models.move_to_end(key)
            self._let_go()
            return self._models[key]

    def _let_go(self) -> None:
        while len(self._models) > 1 and self.size_bytes > self._budget_bytes:
            self._models.popitem(last=False)

    @property
    def size_bytes(self) -> int:
        """What the loaded models hold by being loaded."""
        return sum(model.size_bytes for model in self._models.values())
