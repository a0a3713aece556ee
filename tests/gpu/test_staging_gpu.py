"""Batches that cross to a GPU while it computes arrive as they were sent."""

import numpy as np
import pytest

pytestmark = pytest.mark.gpu


def test_what_is_sent_ahead_of_its_pass_is_what_the_pass_sees():
    import torch

    from services.embedder.encoders.passes_torch import Passes
    from services.embedder.encoders.staging_torch import Staging

    device = torch.device("cuda:0")
    rng = np.random.default_rng(5)
    clips = [rng.normal(size=1_000_000).astype(np.float32) for _ in range(40)]
    busy = torch.randn(4096, 4096, device=device)

    def compute(_positions, batch):
        for _ in range(20):  # the host is far ahead of the device
            busy @ busy
        sums = batch[0].double().sum(dim=1)
        return lambda: sums.cpu().numpy()

    own = Passes(2, Staging(device))
    done = own.run([1] * 40, [0] * 40, lambda i: (torch.from_numpy(np.stack([clips[n] for n in i])),), compute)
    found = np.concatenate([sums for _, sums in done])
    np.testing.assert_allclose(found, [clip.sum(dtype=np.float64) for clip in clips], rtol=1e-9, atol=1e-6)
