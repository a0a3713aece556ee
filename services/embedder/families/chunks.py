"""Long clips through a convolutional network chunk by chunk, each with as much beside it as its frames see."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames `begin` to `end` of a clip are made of it; `seen_begin` to `seen_end` are shown to the network."""

    begin: int
    end: int
    seen_begin: int
    seen_end: int

    @property
    def n_before(self) -> int:
        """Frames that are seen but belong to the chunk before."""
        return self.begin - self.seen_begin


def chunked(n_frames: int, chunk_frames: int, margin_frames: int) -> list[Chunk]:
    """All frames of a clip, each in one chunk; beyond the clip's own ends there is no margin."""
    return [
        Chunk(
            begin,
            end := min(begin + chunk_frames, n_frames),
            max(0, begin - margin_frames),
            min(end + margin_frames, n_frames),
        )
        for begin in range(0, n_frames, chunk_frames)
    ]
