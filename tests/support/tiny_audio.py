"""Small untrained audio models of transformers, saved as the library saves them; what every family promises of them."""

import ctypes
from pathlib import Path

import numpy as np
import torch

from shared.encoders.families import Output
from tests.support import torchaudio_stub

RATE_HZ = 16_000
DURATIONS_S = (0.1, 0.3, 0.3, 0.75, 1.0, 1.7)


def transformers():
    """With a torchaudio that loads, which it looks for."""
    torchaudio_stub.install()
    import transformers

    return transformers


def wav2vec2(folder: Path, kind: str = "Wav2Vec2", seed: int = 0, **settings) -> Path:
    """Three blocks of 32 numbers; the convolutions are as far apart as the published ones."""
    library = transformers()
    small = {
        "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48,
        "conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
    }  # fmt: skip
    config = getattr(library, f"{kind}Config")(**{**small, **settings})
    norm = config.feat_extract_norm if hasattr(config, "feat_extract_norm") else "layer"
    torch.manual_seed(seed)
    network = getattr(library, f"{kind}Model")(config)
    louder(network)
    network.save_pretrained(folder)
    extractor = library.Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=norm == "layer")
    extractor.save_pretrained(folder)
    return folder


def dac(folder: Path, rate_hz: int = 16_000, ratios: tuple[int, ...] = (2, 4, 5, 8), seed: int = 0) -> Path:
    """Narrow, with strides as in the published models: of 16 and 24 kHz, or of 44.1 kHz."""
    library = transformers()
    config = library.DacConfig(
        encoder_hidden_size=4, decoder_hidden_size=32, downsampling_ratios=ratios, sampling_rate=rate_hz,
        n_codebooks=3, codebook_size=64, codebook_dim=4,
    )  # fmt: skip
    torch.manual_seed(seed)
    network = library.DacModel(config)
    with torch.no_grad():  # as an untrained one is, all sound is one code
        for weight in network.parameters():
            weight.mul_(8 if weight.ndim == 3 else 1)
    network.save_pretrained(folder)
    library.DacFeatureExtractor(sampling_rate=rate_hz, hop_length=config.hop_length).save_pretrained(folder)
    return folder


def ast(folder: Path, n_frames: int = 128, seed: int = 0, **settings) -> Path:
    """Three blocks of 32 numbers over windows of 1.3 s."""
    library = transformers()
    small = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
    torch.manual_seed(seed)
    network = library.ASTModel(library.ASTConfig(max_length=n_frames, **{**small, **settings}))
    louder(network)
    embeddings = network.embeddings
    with torch.no_grad():  # all zeros, as the library makes them
        for tokens in (embeddings.cls_token, embeddings.distillation_token, embeddings.position_embeddings):
            tokens.copy_(torch.randn(tokens.shape))
    network.save_pretrained(folder)
    library.ASTFeatureExtractor(max_length=n_frames).save_pretrained(folder)
    return folder


def louder(network) -> None:
    """An untrained network hardly moves with what it hears: larger weights, so that differences would show."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in network.named_parameters():
            if weight.ndim > 1 and not name.startswith("feature_extractor") and "parametrizations" not in name:
                weight.mul_(4)
            elif name.endswith("bias"):
                weight.add_(0.1 * torch.randn(weight.shape, generator=rng))


def spoken(bridge, durations_s=DURATIONS_S, rate_hz: int = RATE_HZ) -> list[np.ndarray]:
    """Clips of the demo's conversation, from different places in it; what is called another rate is merely read so."""
    starts = range(RATE_HZ, 40 * RATE_HZ, 3 * RATE_HZ)
    lengths = [max(1, round(duration_s * rate_hz)) for duration_s in durations_s]
    return [bridge.read(start, start + n) for start, n in zip(starts, lengths, strict=False)]


def every_output(layers) -> list[Output]:
    """Each layer pooled in each way."""
    return [Output(layer, pooling) for layer in layers for pooling in ("mean", "max", "first", "last", "stats", "none")]


def pooled_by_numpy(frames: np.ndarray, pooling: str) -> np.ndarray:
    """One row of frames (frames, dim), as the documents define it."""
    match pooling:
        case "mean" | "none":
            return frames.mean(axis=0)
        case "max":
            return frames.max(axis=0)
        case "first":
            return frames[0]
        case "last":
            return frames[-1]
        case _:
            return np.concatenate([frames.mean(axis=0), frames.std(axis=0)])


def assert_near(found: np.ndarray, expected: np.ndarray, name: str = "") -> None:
    """Within 1e-4, as the encoders promise of unit vectors: of the largest number, where that is more than 1."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * max(1.0, np.abs(expected).max()), err_msg=name)


def assert_company_does_not_matter(model, inputs, outputs) -> None:
    """Batched is single is shuffled."""
    together, shuffled = model.embed(inputs, outputs), model.embed(inputs[::-1], outputs)
    alone = [model.embed([one], outputs) for one in inputs]
    for n, output in enumerate(outputs):
        assert_near(shuffled[n].vectors[::-1], together[n].vectors, f"{output} shuffled")
        assert_near(np.concatenate([one[n].vectors for one in alone]), together[n].vectors, f"{output} alone")


def check_memory(model, clip, output: Output, capsys) -> None:
    """What many passes need at once is what one needs."""
    n_clips = model._passes.budget // len(clip)
    assert_memory_stays(model, [clip] * n_clips, [clip] * n_clips * 8, output, capsys)


def assert_memory_stays(model, few, many, output: Output, capsys) -> None:
    """By how much the process grew at most, of few inputs and of many: Linux tells."""
    model.embed(few, [output])  # warm
    of_few, of_many = (_peak_of(lambda inputs=inputs: model.embed(inputs, [output])) for inputs in (few, many))
    with capsys.disabled():
        print(f" [{type(model).__name__}: {of_few >> 20} MiB, {of_many >> 20} for many]", end="")  # noqa: T201
    assert of_many < 2 * of_few + 2**25


def _peak_of(action) -> int:
    ctypes.CDLL(None).malloc_trim(0)  # what is free goes back
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _status("VmRSS")
    action()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
