"""Texts to windows of tokens, by the checkpoint's own tokenizer."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.embedder.encoders.checkpoint_shapes import UnreadableCheckpoint
from services.embedder.families.transformers_files import named
from services.embedder.families.transformers_library import transformers_library
from services.embedder.families.transformers_torch import pretrained
from shared.checkpoints import Checkpoint

_POSITIONS_FROM_ZERO: Final = "bert"  # the others count positions from the one after the padding token's number


@dataclass(frozen=True, slots=True)
class TextReader:
    """A tokenizer, and how many tokens its network takes at a time, special ones included."""

    tokenizer: Any
    max_tokens: int
    lower_case: bool = False

    def windows(self, texts: Sequence[str]) -> list[list[list[int]]]:
        """For each text its windows, for each window its tokens: one window, or as few as hold it, of like lengths.

        Blanks around a text are left out: whether a transcriber left one is no matter of what was said, but RoBERTa's
        tokenizer would tell the difference. Every window begins and ends with the tokens that a text does.
        """
        read = [text.strip().lower() if self.lower_case else text.strip() for text in texts]
        whole = self.tokenizer(read, verbose=False)["input_ids"]
        return [
            [tokens] if len(tokens) <= self.max_tokens else self._cut(text, len(tokens))
            for text, tokens in zip(read, whole, strict=True)
        ]

    def _cut(self, text: str, n_tokens: int) -> list[list[int]]:
        n_special = self.tokenizer.num_special_tokens_to_add()
        n_own = n_tokens - n_special
        n_windows = -(-n_own // (self.max_tokens - n_special))
        length = -(-n_own // n_windows) + n_special
        cut = self.tokenizer(text, truncation=True, max_length=length, return_overflowing_tokens=True, verbose=False)
        windows: list[list[int]] = cut["input_ids"]
        return windows


def text_reader(
    checkpoint: Checkpoint, config: Any, max_tokens: int | None = None, *, lower_case: bool = False
) -> TextReader:
    """The checkpoint's tokenizer. Raises MissingLibrary, MissingModel, UnreadableCheckpoint if it holds none."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its own threads, on cores that others work on
    with transformers_library():
        from transformers import AutoTokenizer
    tokenizer = pretrained(AutoTokenizer, checkpoint)
    if not tokenizer.is_fast or len(tokenizer) < config.vocab_size // 2:
        raise UnreadableCheckpoint(f"{named(checkpoint)} holds no tokenizer of its network's vocabulary.")
    before = 0 if config.model_type == _POSITIONS_FROM_ZERO else config.pad_token_id + 1
    most = min(config.max_position_embeddings - before, tokenizer.model_max_length)
    return TextReader(tokenizer, min(most, max_tokens or most), lower_case)
