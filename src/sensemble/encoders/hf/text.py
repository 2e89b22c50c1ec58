"""Text bodies: BERT and its kin, sentence-transformers, decoders such as GPT-2, the text half of CLIP.

Legend: B batch, T tokens, b rows with a text, t tokens of the longest, D width.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from ...errors import ConfigError
from ...modalities.text import Text
from ...tokens import Tokens
from .bundle import POOLING, Bundle, need
from .model import HubBody, build, layers, make_config, quiet, to_left, to_places

LENGTH = 256
"""Tokens of a text, unless told otherwise or fewer are possible."""
HALVES = {"clip": "CLIPTextModel", "clip_text_model": "CLIPTextModel"}
"""Models of text and pictures, and the class that is their text half."""


class Pieces(Text):
    """Text as the ids of a pretrained model's own tokenizer, with its marks of beginning and end.

    Args:
        tokenizer: the model's.
        length: most tokens of one text, marks included.
        truncate: which end of too long a text is cut.
        blank: the id that stands for a text of no tokens.
    """

    def __init__(
        self, tokenizer: Tokenizer, *, length: int, truncate: Literal["end", "start"] = "end", blank: int = 0
    ) -> None:
        super().__init__(length=length, truncate=truncate)
        tokenizer.no_padding()
        tokenizer.enable_truncation(length, direction="right" if truncate == "end" else "left")
        self.tokenizer_ = tokenizer
        self.blank = blank
        self._digest = hashlib.blake2b(tokenizer.to_str().encode(), digest_size=20).hexdigest()

    @property
    def num_tokens(self) -> int:
        return int(self.tokenizer_.get_vocab_size(with_added_tokens=True))

    def fit(self, values: Sequence[Any]) -> Pieces:
        return self

    def describe(self, raw: Any) -> list[str]:
        """The text of every token, or the name of a mark."""
        text = self._clean(raw)
        found = self.tokenizer_.encode(text)
        pieces = [text[start:end] or token for (start, end), token in zip(found.offsets, found.tokens, strict=True)]
        return pieces or ["(blank)"]

    def decode(self, ids: Iterable[int] | Tensor) -> str:
        return str(self.tokenizer_.decode([int(each) for each in ids], skip_special_tokens=True))

    def fingerprint(self) -> str:
        return f"pieces 1 {self._digest}"  # which holds length and direction

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> Pieces:
        return self

    def _ids(self, ids: list[int]) -> Tensor:
        return torch.tensor(ids or [self.blank], dtype=torch.int64)


class TextBody(HubBody):
    """A Transformer over text. Its summary is what it was trained to give: the first token's, the last's, or the mean.

    Args:
        bundle: the model's files.
        options: of the modality: `length` and `truncate`.
        where: the config key, for messages.
    """

    source: Pieces

    def __init__(self, bundle: Bundle, options: Mapping[str, Any], *, where: str = "") -> None:
        super().__init__(bundle)
        for key in options:
            if key not in ("length", "truncate"):
                raise ConfigError(f"{where}: the pretrained model brings its own tokenizer; leave {key!r} out")
        tokenizer = _tokenizer(bundle, where)
        self.files = {**bundle.files, "tokenizer.json": tokenizer.to_str()}
        config = make_config(bundle, {}, part="text_config" if bundle.kind in HALVES else "", where=where)
        if hasattr(config, "vision_config"):
            raise ConfigError(f"{where}: {bundle.kind!r} is no model of text alone; known halves: {', '.join(HALVES)}")
        body = build(bundle, HALVES.get(bundle.kind, "AutoModel"), config, where=where)
        if body.main_input_name != "input_ids":
            raise ConfigError(f"{where}: {bundle.folder} is a model of the kind {bundle.kind!r}, which reads no text")
        if tokenizer.get_vocab_size(with_added_tokens=False) > config.vocab_size:
            raise ConfigError(f"{where}: {bundle.folder}: its tokenizer is another model's: it knows too many pieces")
        self.body: nn.Module = body.get_encoder() if config.is_encoder_decoder else body
        self.dim = int(config.hidden_size)
        self.pad = max(0, getattr(config, "pad_token_id", None) or 0)
        self.reads = _summary(bundle)
        limit = _positions(self.body, config)
        usual = bundle.json("sentence_bert_config.json").get("max_seq_length") or LENGTH
        length = options.get("length", min(usual, limit))
        least = tokenizer.num_special_tokens_to_add(is_pair=False) + 1
        if not least <= length <= limit:
            raise ConfigError(f"{where}: length must be from {least} to {limit} for this model, not {length}")
        marks = (getattr(config, name, None) for name in ("bos_token_id", "eos_token_id"))
        blank = next((mark for mark in marks if isinstance(mark, int)), self.pad)
        self.source = Pieces(tokenizer, length=length, truncate=options.get("truncate", "end"), blank=blank)

    def forward(self, tokens: Tokens) -> Tokens:
        """`(B, T)` ids -> `(B, T, D)`. Rows are brought to the left and masked slots hold the model's padding."""
        if not bool(tokens.mask.any()):
            return Tokens(torch.zeros(*tokens.mask.shape, self.dim, device=tokens.mask.device), tokens.mask)
        found, order = to_left(tokens)
        ids = found.values.masked_fill(~found.mask, self.pad)
        hidden = self.body(input_ids=ids, attention_mask=found.mask.long()).last_hidden_state  # (b, t, D)
        return to_places(hidden, order, tokens)

    def summary(self, encoded: Tokens) -> Tensor:
        if self.reads == "mean":
            return encoded.mean()
        mask = encoded.mask.long()
        last = mask.shape[1] - 1 - mask.flip(1).argmax(1)
        place = mask.argmax(1) if self.reads == "first" else last  # (B,)
        return encoded.values[torch.arange(len(place), device=place.device), place]

    def blocks(self) -> Sequence[nn.Module]:
        return layers(self.body)


def _tokenizer(bundle: Bundle, where: str) -> Tokenizer:
    """The model's tokenizer, made from its vocabulary where it is not in one file."""
    try:
        if "tokenizer.json" in bundle.files:
            return Tokenizer.from_str(bundle.files["tokenizer.json"])
        if bundle.folder is None or not any((bundle.folder / name).exists() for name in ("vocab.txt", "vocab.json")):
            raise FileNotFoundError  # where the library would make one that knows nothing
        with quiet():
            auto = need("transformers").AutoTokenizer
            slow = auto.from_pretrained(bundle.folder, local_files_only=True, trust_remote_code=False)
        return Tokenizer.from_str(slow.backend_tokenizer.to_str())
    except ConfigError:
        raise
    except Exception as error:  # both libraries raise whatever they like
        raise ConfigError(f"{where}: {bundle.folder} holds no usable tokenizer.json, nor what makes one") from error


def _summary(bundle: Bundle) -> Literal["first", "last", "mean"]:
    """Which token stands for a text: where sentence-transformers say so, theirs; else by how the model was trained."""
    if POOLING in bundle.files:
        pooling = bundle.json(POOLING)
        if pooling.get("pooling_mode_cls_token") or pooling.get("pooling_mode") == "cls":
            return "first"
        return "last" if pooling.get("pooling_mode_lasttoken") or pooling.get("pooling_mode") == "lasttoken" else "mean"
    need("transformers")
    from transformers.models.auto import modeling_auto as auto

    if bundle.kind in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "first"
    if bundle.kind in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES or bundle.kind in HALVES:
        return "last"
    return "mean"


def _positions(body: nn.Module, config: Any) -> int:
    """Most tokens that a body has places for."""
    for name, module in body.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.num_embeddings - module.padding_idx - 1  # RoBERTa's kin count on from the padding
    return int(getattr(config, "max_position_embeddings", None) or 10**6)
