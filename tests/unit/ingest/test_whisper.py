"""How the segmenter `whisper` runs a transcriber; the transcribers themselves are in tests/models."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from services.ingest.segmenters import whisper
from services.ingest.segmenters.protocol import Hints, Segmenter, SegmenterSpec, Span
from services.ingest.segmenters.voices.finder import TurnFinder
from services.ingest.segmenters.whisper import UNKNOWN, WhisperSegmenter
from services.ingest.segmenters.whisper_words import HeardWord
from services.ingest.unread import UnreadAudio
from shared.checkpoints import UnknownModel
from shared.encoders import registry
from shared.encoders.protocol import EncoderOptions

RATE = 16_000
SPEECH = [Span(RATE, 20 * RATE), Span(40 * RATE, 50 * RATE)]
SPEC = SegmenterSpec("whisper", "test", needs_audio=True, description="")


class OneWordASecond:
    """Hears a word in each second; an utterance is three of them."""

    def __init__(self):
        self.windows_s = []
        self.languages = []

    def language(self, samples):
        return f"language of {len(samples) // RATE} s"

    def transcribe(self, samples, language):
        self.windows_s.append(len(samples) / RATE)
        self.languages.append(language)
        words = [HeardWord(second, second + 0.9, f" {second}") for second in range(len(samples) // RATE)]
        return [tuple(words[i : i + 3]) for i in range(0, len(words), 3)]


class Silent(UnreadAudio):
    """A minute that can be read."""

    def __init__(self):
        super().__init__(60 * RATE, 0.5)

    def read(self, start_sample, end_sample):
        return np.zeros(end_sample - start_sample, np.float32)


def unsplit(_audio, spans, _hints, _cut_text):
    return spans


@pytest.fixture
def transcriber():
    return OneWordASecond()


@pytest.fixture
def segmenter(transcriber):
    return WhisperSegmenter(SPEC, lambda _: SPEECH, transcriber, unsplit)


def test_it_is_a_segmenter(segmenter):
    assert isinstance(segmenter, Segmenter)


def test_only_speech_is_transcribed_window_by_window(segmenter, transcriber):
    segmenter.segments(Silent())
    assert transcriber.windows_s == [19.0, 10.0]


def test_one_language_is_told_from_the_fullest_window(segmenter, transcriber):
    segmenter.segments(Silent())
    assert transcriber.languages == ["language of 19 s"] * 2


def test_each_utterance_is_a_span_with_text_words_and_no_speaker(segmenter):
    first = segmenter.segments(Silent())[0]
    assert (first.start_sample, first.end_sample, first.text) == (RATE, round(3.9 * RATE), "0 1 2")
    assert (first.speaker_label, len(first.words)) == (UNKNOWN, 3)


def test_digital_silence_is_not_even_looked_at(transcriber):
    segmenter = WhisperSegmenter(SPEC, lambda _: pytest.fail("it was looked at"), transcriber, unsplit)
    assert segmenter.segments(UnreadAudio(RATE, 0.0)) == []


def test_where_nobody_speaks_nothing_is_transcribed(transcriber):
    assert WhisperSegmenter(SPEC, lambda _: [], transcriber, unsplit).segments(Silent()) == []
    assert transcriber.windows_s == []


def at_five_seconds(_audio, spans, _hints, cut_text):
    """As TurnFinder.split_at_turns, where another speaker begins at 5 s: what it leaves whole loses its words."""
    for span in spans:
        if span.start_sample < 5 * RATE < span.end_sample:
            turns = [Span(span.start_sample, 5 * RATE), Span(5 * RATE, span.end_sample)]
            yield from cut_text(span, [replace(turns[0], speaker_label="A"), replace(turns[1], speaker_label="B")])
        else:
            yield Span(span.start_sample, span.end_sample, span.text, "A")


def test_an_utterance_of_two_speakers_is_cut_between_words(transcriber):
    spans = WhisperSegmenter(SPEC, lambda _: SPEECH, transcriber, at_five_seconds).segments(Silent())
    assert [span.text for span in spans[:4]] == ["0 1 2", "3", "4 5", "6 7 8"]
    assert all("".join(word.text for word in span.words).strip() == span.text for span in spans)
    assert {span.speaker_label for span in spans} == {UNKNOWN}


def test_the_turn_finder_of_vad_fits(transcriber):
    turns = TurnFinder(registry.build("spectral", EncoderOptions()))
    one_voice = WhisperSegmenter(SPEC, lambda _: SPEECH, transcriber, turns.split_at_turns)
    uncut = WhisperSegmenter(SPEC, lambda _: SPEECH, transcriber, unsplit)
    assert one_voice.segments(Silent(), Hints(1, 1)) == uncut.segments(Silent())


@pytest.mark.parametrize("model", ["tiny.en", "base", "small", "medium.en", "large-v2", "large-v3-turbo"])
def test_what_openai_publishes_goes_by_its_name(model):
    assert whisper.plugin_of(model).spec.revision == f"openai-{model}-1"


def test_names_whose_weights_change_stand_for_those_of_today():
    assert whisper.plugin_of("large").spec == whisper.plugin_of("large-v3").spec
    assert whisper.plugin_of("turbo").spec == whisper.plugin_of("large-v3-turbo").spec


def test_files_run_in_openais_library_and_folders_of_ctranslate2_in_faster_whisper(tmp_path):
    (tmp_path / "tiny.pt").write_bytes(b"a")
    (tmp_path / "ct2").mkdir()
    (tmp_path / "ct2" / "model.bin").write_bytes(b"a")
    assert whisper.plugin_of(str(tmp_path / "tiny.pt")).spec.revision.startswith("openai-sha256-")
    assert whisper.plugin_of(str(tmp_path / "ct2")).spec.revision.startswith("faster-sha256-")
    hub = whisper.plugin_of("Systran/faster-whisper-tiny@" + "0" * 40)
    assert hub.spec.revision == "faster-Systran/faster-whisper-tiny@000000000000-1"


@pytest.mark.parametrize("model", ["huge", "openai/whisper-tiny"])
def test_unknown_models_are_refused(model):
    with pytest.raises(UnknownModel):
        whisper.plugin_of(model)


def test_a_folder_of_another_form_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(UnknownModel, match="ct2-transformers-converter"):
        whisper.plugin_of(str(tmp_path))


def test_the_setting_decides_and_is_read_when_asked(monkeypatch):
    monkeypatch.setenv("EARMARK_INGEST__WHISPER_MODEL", "tiny")
    assert whisper.plugin.spec.revision == "openai-tiny-1"
    monkeypatch.delenv("EARMARK_INGEST__WHISPER_MODEL")
    assert whisper.plugin.spec.revision == "openai-small-1"


@pytest.mark.parametrize("name", ["whisper", "pyannote"])
def test_reading_a_plugin_loads_nothing_heavy(name):
    script = (
        f"import sys, json; from services.ingest.segmenters import {name} as module; module.plugin.spec;"
        "heavy = ('torch', 'whisper', 'faster_whisper', 'pyannote', 'onnxruntime', 'soundfile', 'huggingface_hub');"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert json.loads(printed) == []
