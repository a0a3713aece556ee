"""Speak the three demo conversations with the voices of flite, festival and espeak-ng. Needs those three programs.

The four voices are four ways of making speech, not one voice at four pitches: to the encoder `ge2e` any two of them
have less in common (cosine 0.68 at most) than any two turns of one of them (0.85 at least).
"""

import argparse
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

SAMPLE_RATE_HZ = 16_000
PAUSE_S = 0.9  # long enough for any segmenter to end a turn
TURN_S = (2.5, 6.0)
LEVEL_RMS = 0.05
PEAK = 0.7


def _flite(voice: str) -> Callable[[str, Path], Sequence[str]]:
    return lambda text, out: ("flite", "-voice", voice, "-t", text, "-o", str(out))


def _festival(voice: str) -> Callable[[str, Path], Sequence[str]]:
    # text2wave reads its text from a file or from standard input only.
    return lambda text, out: ("sh", "-c", f'echo "{text}" | text2wave -eval "(voice_{voice})" -o "{out}"')


def _espeak(voice: str) -> Callable[[str, Path], Sequence[str]]:
    return lambda text, out: ("espeak-ng", "-v", voice, "-s", "165", "-w", str(out), text)


VOICES: Mapping[str, Callable[[str, Path], Sequence[str]]] = {
    "marta": _flite("slt"),  # statistical, of recordings of a woman from the United States
    "angus": _flite("awb"),  # statistical, of recordings of a man from Scotland
    "karl": _festival("kal_diphone"),  # joined from diphones of a man from the United States
    "anne": _espeak("en-us+Annie"),  # formants; nobody's voice
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One speaker's words until somebody else speaks."""

    voice: str
    text: str


CONVERSATIONS: Mapping[str, Sequence[Turn]] = {
    "bridge": (
        Turn("marta", "Good morning, Angus. Did anyone look at the old bridge after the storm last night?"),
        Turn("angus", "I walked over there at six. The river is high, but all of the stones are still standing."),
        Turn("marta", "That is a relief. The school bus crosses it twice a day, and there is no other road."),
        Turn("angus", "I would still like somebody to look underneath it before the bus goes over again."),
        Turn("marta", "Then I will call the county office and ask for an engineer this afternoon."),
        Turn("angus", "Tell them that the water left a branch as long as a boat against the middle arch."),
        Turn("marta", "I will. And please put the red lamps out tonight, on both sides of the river."),
        Turn("angus", "They are on my wagon already. I will set them out as soon as it gets dark."),
    ),
    "orchard": (
        Turn("karl", "Welcome to the orchard. We picked the first forty baskets of apples yesterday."),
        Turn("marta", "So many? Last year you had hardly twenty of them by the end of September."),
        Turn("karl", "The spring was warm, and the bees came early. That makes all of the difference."),
        Turn("marta", "I would like to buy six baskets for the village fair, if you can spare them."),
        Turn("karl", "You can have eight. The small yellow ones are the best for baking a cake."),
        Turn("marta", "Eight would be wonderful. Could you bring them to the market hall on Saturday?"),
        Turn("karl", "I will be there at seven, before the bakers open their doors to the public."),
    ),
    "choir": (
        Turn("anne", "Before we start to sing, does everybody have the new sheet with the second verse?"),
        Turn("marta", "Mine ends after the third line. I think that the printer ran out of paper."),
        Turn("angus", "You may look at mine. I have known that song since I was a boy of seven."),
        Turn("anne", "Thank you both. We begin softly, and we become louder when the bells come in."),
        Turn("marta", "Should the low voices wait for us, or do we all enter at the same moment?"),
        Turn("angus", "We always waited for two bars, but that was with the old conductor."),
        Turn("anne", "Wait for two bars, please. After that I will give everybody a sign with my hand."),
        Turn("marta", "Good. Then let us try it once from the beginning, and without the piano."),
    ),
}


def main() -> None:
    """Write one FLAC file a conversation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "audio")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, turns in CONVERSATIONS.items():
        samples = converse(turns)
        soundfile.write(folder / f"{name}.flac", samples, SAMPLE_RATE_HZ, subtype="PCM_16", compression_level=1.0)
        print(f"{name}.flac: {len(turns)} turns, {len(samples) / SAMPLE_RATE_HZ:.1f} s")


def converse(turns: Sequence[Turn]) -> np.ndarray:
    """The turns one after the other, with pauses around each."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE_HZ), dtype=np.float32)
    parts = [pause]
    for turn in turns:
        parts += [speak(turn), pause]
    return np.concatenate(parts)


def speak(turn: Turn) -> np.ndarray:
    """One turn as mono samples at 16 kHz and at the level of all others, without the silence around it."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "turn.wav"
        subprocess.run(VOICES[turn.voice](turn.text, out), check=True)
        samples, rate_hz = soundfile.read(out, dtype="float32")
    samples = _trimmed(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ))
    duration_s = len(samples) / SAMPLE_RATE_HZ
    if not TURN_S[0] <= duration_s <= TURN_S[1]:
        raise SystemExit(f"{turn.voice} takes {duration_s:.1f} s to say {turn.text!r}")
    samples *= LEVEL_RMS / np.sqrt(np.mean(samples**2))
    return np.clip(samples, -PEAK, PEAK)


def _trimmed(samples: np.ndarray) -> np.ndarray:
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


if __name__ == "__main__":
    main()
