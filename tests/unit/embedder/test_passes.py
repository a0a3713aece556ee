"""How inputs of many lengths go through a network in passes, each loaded while another one is computed."""

import numpy as np
import pytest
import torch

from services.embedder.encoders.passes_torch import DeviceOutOfMemory, Passes
from services.embedder.encoders.staging_torch import Staging

CPU = torch.device("cpu")


class Device:
    """Doubles numbers; writes down what it is told, and has room for so many inputs."""

    def __init__(self, inputs, room=99):
        self.inputs = inputs
        self.room = room
        self.seen = []

    def load(self, positions):
        self.seen.append(("load", *positions))
        return (torch.tensor([self.inputs[i] for i in positions]), torch.tensor(positions))

    def compute(self, positions, batch):
        numbers, loaded = batch
        assert loaded.tolist() == positions
        self.seen.append(("compute", *positions))
        if len(positions) > self.room:
            raise torch.OutOfMemoryError
        doubled = numbers * 2

        def wait():
            self.seen.append(("wait", *positions))
            return doubled.tolist()

        return wait


def passes(budget=4):
    return Passes(budget, Staging(CPU))


def run(device, own, sizes, kinds=None):
    done = own.run(sizes, kinds or [0] * len(sizes), device.load, device.compute)
    return {i: number for positions, numbers in done for i, number in zip(positions, numbers, strict=True)}


def test_every_input_has_its_own_result(rng):
    inputs = rng.integers(0, 1_000, 40).tolist()
    sizes = rng.integers(1, 5, 40).tolist()
    kinds = rng.integers(0, 3, 40).tolist()
    assert run(Device(inputs), passes(), sizes, kinds) == {i: 2 * number for i, number in enumerate(inputs)}


def test_the_next_pass_is_loaded_while_one_is_computed():
    device = Device([1, 2, 3])
    run(device, passes(budget=1), [1, 1, 1])
    order = ["load 0", "compute 0", "load 1", "wait 0", "compute 1", "load 2", "wait 1", "compute 2", "wait 2"]
    assert [f"{step} {position}" for step, position in device.seen] == order


def test_passes_are_halved_when_memory_runs_out_and_stay_so():
    device, own = Device(list(range(8)), room=2), passes(budget=8)
    assert run(device, own, [1] * 8) == {i: 2 * i for i in range(8)}
    assert [len(positions) for step, *positions in device.seen if step == "compute"] == [8, 4, 4, 2, 2, 2, 2]
    assert own.budget == 2


def test_what_was_loaded_ahead_of_a_pass_that_failed_is_loaded_anew():
    device = Device(list(range(6)))
    roomy = device.compute

    def compute(positions, batch):
        device.room = 2 if 4 in positions else 99  # memory runs out between one pass and the next
        return roomy(positions, batch)

    own = passes(budget=3)
    done = own.run([1] * 6, [0] * 6, device.load, compute)
    assert [positions for positions, _ in done] == [[0, 1, 2], [3], [4], [5]]
    assert device.seen.count(("load", 3, 4, 5)) == 1
    assert ("load", 3) in device.seen


def test_where_two_passes_have_no_room_at_once_one_comes_after_the_other():
    device, calls = Device(list(range(4))), []

    def load(positions):
        calls.append(positions)
        if len(calls) == 2:
            raise torch.OutOfMemoryError
        return device.load(positions)

    done = passes(budget=2).run([1] * 4, [0] * 4, load, device.compute)
    assert [positions for positions, _ in done] == [[0, 1], [2, 3]]
    assert calls == [[0, 1], [2, 3], [0, 1], [2, 3]]


def test_a_device_without_room_for_one_input_is_worth_another_try():
    with pytest.raises(DeviceOutOfMemory):
        run(Device([1, 2], room=0), passes(), [1, 1])


def test_on_a_cpu_a_batch_stays_where_it_is():
    staging, batch = Staging(CPU), (torch.from_numpy(np.arange(3)),)
    assert staging.received(staging.sent(batch))[0] is batch[0]
