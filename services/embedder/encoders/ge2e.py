"""The GE2E speaker encoder with the weights that the `resemblyzer` package carries; torch loads when it is built."""

from typing import Final

from services.embedder.encoders.ge2e_weights import WEIGHTS_SHA256
from shared.encoders.protocol import Encoder, EncoderOptions, EncoderPlugin, EncoderSpec
from shared.units import SAMPLE_RATE_HZ

SPEC: Final = EncoderSpec(
    name="ge2e",
    # "level30": quiet clips are raised to -30 dBFS; "half": windows overlap by half. Both change vectors.
    revision=f"resemblyzer-{WEIGHTS_SHA256[:12]}-level30-half",
    layer="linear-relu",
    pooling="mean-of-1.6s-windows",
    sample_rate_hz=SAMPLE_RATE_HZ,
    dimension=256,
    # equal error rate of development utterances cut to so many seconds, against whole ones:
    # 0.25: 31 %, 0.5: 21 %, 0.6: 16 %, 0.8: 12 %, 1.0: 9 %, 1.6: 2.7 %, whole: 1.5 %
    min_duration_s=0.8,
    metric="cosine",
    # Measured on 278 development utterances of 68 speakers: a voice that is not enrolled reaches this cosine to the
    # nearest of 67 or so enrolled centroids in 0.65 % of its utterances (1 utterance enrolled) or none (2 enrolled), an
    # enrolled voice reaches its own in 80 or 91 %. At 0.80 it is 3.7 and 7.3 % against 94 and 97 %; at 0.85, none
    # against 72 and 89 %. Noise, music and silence stay below 0.75. So a wrong name is rare, and a voice that is not
    # named here can still be by its cluster.
    assign_threshold=0.84,
)


def _build(options: EncoderOptions) -> Encoder:
    from services.embedder.encoders.ge2e_torch import build_ge2e

    return build_ge2e(SPEC, options)


plugin: Final = EncoderPlugin(SPEC, _build, requires=("torch",))
