"""The Descript audio codec: the real architecture, small, by transformers' own loader; vectors are the library's."""

import numpy as np
import pytest
import torch

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families.dac import family, precise
from shared.checkpoints import checkpoint
from shared.encoders.families import Output
from shared.encoders.protocol import EncoderOptions
from tests.support import tiny_audio
from tests.support.refusals import assert_other_kinds_are_refused, assert_weights_are_missed, changed

CPU = EncoderOptions(device="cpu", dtype="float32")
LAYERS = ["encoder", "latent", "quantized", "codes"]
STRIDES = {16_000: (2, 4, 5, 8), 44_100: (2, 4, 8, 8)}


@pytest.fixture(params=STRIDES, scope="module")
def rate_hz(request):
    return request.param


@pytest.fixture(scope="module")
def folder(models, rate_hz):
    return tiny_audio.dac(models / f"dac-{rate_hz}", rate_hz, STRIDES[rate_hz])


@pytest.fixture(scope="module")
def loaded(folder):
    return family.load(checkpoint(str(folder)), CPU)


@pytest.fixture(scope="module")
def clips(bridge, rate_hz):
    return tiny_audio.spoken(bridge, rate_hz=rate_hz)


def by_the_library(folder, clip, rate_hz):
    """Frames of every layer of one clip."""
    library = tiny_audio.transformers()
    network = library.DacModel.from_pretrained(folder).eval()
    extractor = library.AutoFeatureExtractor.from_pretrained(folder)
    values = extractor(raw_audio=clip, sampling_rate=rate_hz, return_tensors="pt")["input_values"]
    with torch.inference_mode():
        made = network.encode(values)
        encoded = network.encoder(values)
    found = (encoded, made.projected_latents, made.quantized_representation, made.audio_codes)
    return {layer: one[0].T.float().numpy() for layer, one in zip(LAYERS, found, strict=True)}


def assert_the_librarys_own(folder, loaded, clips, rate_hz):
    outputs = tiny_audio.every_output(LAYERS)
    found = loaded.embed(clips, outputs)
    for row, clip in enumerate(clips):
        expected = by_the_library(folder, clip, rate_hz)
        assert len(np.unique(expected["codes"][:, 0])) > 1 + min(clip.size, 30_000) // 10_000
        for output, pooled in zip(outputs, found, strict=True):
            vector = tiny_audio.pooled_by_numpy(expected[output.layer], output.pooling)
            tiny_audio.assert_near(pooled.vectors[row], vector, f"{output} of clip {row}")
            if output.keeps_frames:
                tiny_audio.assert_near(pooled.frames[row], expected[output.layer])


def test_every_layer_and_pooling_equals_the_librarys_own(folder, loaded, clips, rate_hz):
    assert_the_librarys_own(folder, loaded, clips, rate_hz)


def test_long_clips_in_chunks_have_what_they_have_whole(folder, loaded, bridge, rate_hz):
    whole, n_samples = bridge.read(0, bridge.n_samples), round(20.3 * rate_hz)  # three chunks, the last one short
    assert_the_librarys_own(folder, loaded, [np.resize(whole[i:], n_samples) for i in (0, 7_000)], rate_hz)


def test_two_minutes_need_no_more_memory_than_ten_seconds(loaded, bridge, rate_hz, capsys):
    whole = bridge.read(0, bridge.n_samples)
    few, many = ([np.resize(whole, duration_s * rate_hz)] for duration_s in (10, 120))
    tiny_audio.assert_memory_stays(loaded, few, many, Output("latent", "mean"), capsys)


def test_a_clip_has_the_vectors_that_it_has_alone_in_any_company(loaded, clips):
    tiny_audio.assert_company_does_not_matter(loaded, clips, tiny_audio.every_output(LAYERS))


def test_the_card_says_rate_and_dimensions(folder, loaded, clips, rate_hz):
    card = family.card(checkpoint(str(folder)))
    assert card.sample_rate_hz == rate_hz
    found = loaded.embed(clips[:1], [Output(layer, "mean") for layer in LAYERS])
    assert [pooled.vectors.shape[1] for pooled in found] == list(card.layers.values())


def test_codes_come_through_half_precision_as_they_are(loaded, clips):
    [codes] = loaded.embed(clips[:1], [Output("codes", "none")])
    np.testing.assert_array_equal(codes.frames[0], codes.frames[0].astype(np.float16).astype(np.int64))


def test_one_sample_makes_one_frame(loaded):
    [pooled] = loaded.embed([np.full(1, 0.3, np.float32)], [Output("latent", "none")])
    assert pooled.frames[0].shape == (1, 12)


def test_one_pass_serves_every_layer_and_the_encoder_alone_needs_no_quantiser(loaded, clips):
    calls = []
    hooks = [getattr(loaded._network, name).register_forward_hook(lambda *_, name=name: calls.append(name))
             for name in ("encoder", "quantizer")]  # fmt: skip
    loaded.embed(clips[:1], tiny_audio.every_output(LAYERS))
    loaded.embed(clips[:1], [Output("encoder", "mean")])
    for hook in hooks:
        hook.remove()
    assert calls == ["encoder", "quantizer", "encoder"]


def test_numbers_are_single_unless_bfloat16_is_asked_for_by_name(folder):
    assert precise(EncoderOptions(device="cuda")).dtype == "float32"
    rough = family.load(checkpoint(str(folder)), EncoderOptions(device="cpu", dtype="bfloat16"))
    assert rough.made_with["dtype"] == "bfloat16"


def test_another_architecture_is_refused(folder, tmp_path):
    assert_other_kinds_are_refused(family, folder, tmp_path, "holds a gpt2, not a dac")


def test_a_folder_without_weights_is_refused(folder, tmp_path):
    assert_weights_are_missed(family, folder, tmp_path)


def test_weights_of_another_size_are_refused(folder, tmp_path):
    with pytest.raises(UnreadableCheckpoint, match="lacks"):
        family.load(checkpoint(str(changed(folder, tmp_path / "wider", n_codebooks=5))), CPU)


def test_many_passes_need_no_more_memory_than_one(loaded, clips, capsys):
    tiny_audio.check_memory(loaded, clips[1], Output("latent", "mean"), capsys)
