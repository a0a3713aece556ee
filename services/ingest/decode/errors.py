"""Why a file is refused as a recording: one class a reason, its docstring the remedy, its code for ever."""

from typing import Final

from shared.errors import EarmarkError, RejectedInput, TransientError


class EmptyFile(RejectedInput):
    """The file has no bytes; upload it again."""

    code = "empty_file"


class NotAudio(RejectedInput):
    """The file is not audio, whatever its name says; upload a WAV, FLAC, MP3, Ogg or M4A file."""

    code = "not_audio"


class UnsupportedContainer(RejectedInput):
    """Earmark does not read this container; convert the file to WAV, FLAC, MP3, Ogg or M4A."""

    code = "unsupported_container"


class UnsupportedCodec(RejectedInput):
    """Earmark does not read this codec; convert the file to FLAC or 16-bit WAV."""

    code = "unsupported_codec"


class NoAudioStream(RejectedInput):
    """The container holds no audio stream; export the sound itself as WAV or FLAC."""

    code = "no_audio_stream"


class Truncated(RejectedInput):
    """The file ends before the audio that its header promises; upload the whole file again.

    If nothing more exists, rewrite the header: `ffmpeg -i broken.wav whole.flac`.
    """

    code = "truncated"


class ZeroLength(RejectedInput):
    """The container is in order but holds no audio samples; there is nothing to label in it."""

    code = "zero_length"


class Corrupt(RejectedInput):
    """The audio cannot be decoded as its header describes it; export it again from the source."""

    code = "corrupt"


class FormatChanges(RejectedInput):
    """The sample rate or the number of channels changes within the stream; re-encode it at one rate."""

    code = "format_changes"


class BadSampleRate(RejectedInput):
    """The header names a sample rate outside 1 to 768 kHz; correct the header or export the file again."""

    code = "bad_sample_rate"


class TooManyChannels(RejectedInput):
    """The file has more than 64 channels; split it into files of fewer."""

    code = "too_many_channels"


class NonFiniteSamples(RejectedInput):
    """The file holds samples that are NaN or infinite; clean it where it was made, as zeroing would alter it."""

    code = "non_finite_samples"


class SamplesOutOfRange(RejectedInput):
    """The file holds samples a thousand times full scale; scale it to [-1, 1] where it was made."""

    code = "samples_out_of_range"


class TooLong(RejectedInput):
    """The recording is longer than EARMARK_INGEST__MAX_DECODED_S; cut it, or raise that setting."""

    code = "too_long"


class TooLarge(RejectedInput):
    """The file is larger than EARMARK_INGEST__MAX_FILE_BYTES; cut it, or raise that setting."""

    code = "too_large"


class Expansion(RejectedInput):
    """The file unpacks to far more audio than its size allows; raise EARMARK_INGEST__MAX_EXPANSION if it is meant."""

    code = "expansion"


class DecodeTimeout(RejectedInput):
    """Decoding took longer than a file of this size may take; convert it to FLAC or WAV."""

    code = "decode_timeout"


class DecodeMemory(RejectedInput):
    """Decoding needed more than EARMARK_INGEST__DECODER_MEMORY_BYTES; convert it to FLAC or WAV."""

    code = "decode_memory"


class DecoderCrashed(RejectedInput):
    """The decoder crashed on this file twice, each time in a fresh process; convert it to FLAC or WAV."""

    code = "decoder_crashed"


class DecoderUnavailable(TransientError):
    """The decoder could not do its work for a reason outside the file: disk, processes or an incomplete install."""

    code = "decoder_unavailable"


_BY_CODE: Final[dict[str, type[EarmarkError]]] = {
    error.code: error
    for error in (
        EmptyFile, NotAudio, UnsupportedContainer, UnsupportedCodec, NoAudioStream, Truncated, ZeroLength, Corrupt,
        FormatChanges, BadSampleRate, TooManyChannels, NonFiniteSamples, SamplesOutOfRange, TooLong, TooLarge,
        Expansion, DecodeTimeout, DecodeMemory, DecoderCrashed, DecoderUnavailable,
    )
}  # fmt: skip  # a list of names reads better in lines than in a column


def error_of(code: str, detail: str) -> EarmarkError:
    """The error that a child process named; an unknown name counts as a crash."""
    return _BY_CODE.get(code, DecoderCrashed)(detail)
