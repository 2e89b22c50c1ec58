"""Tiny pretrained models with random weights, saved as their makers would save them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

SMALL: dict[str, Any] = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
}  # fmt: skip
TEXTS = ["good tea, good day", "not bad at all, 很好的茶", "so so", "a longer text of many words, good and bad"]
MARKS = {
    "bert": ("[PAD]", "[CLS]", "[SEP]"),
    "roberta": ("<s>", "<pad>", "</s>"),
    "clip": ("<|pad|>", "<|unknown|>", "<|startoftext|>", "<|endoftext|>"),
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a tiny model by the kind's name; `seed` gives it other weights."""
    pytest.importorskip("transformers")
    root = tmp_path_factory.mktemp("models")

    def make(kind: str, seed: int = 0) -> Path:
        folder = root / f"{kind}-{seed}"
        if not folder.exists():
            torch.manual_seed(seed)
            MAKERS[kind](folder)
        return folder

    return make


def tokenizer(folder: Path, marks: tuple[str, ...] | None) -> int:
    """Writes a `tokenizer.json`; with marks, a text stands between the last two. Returns its size."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=list(marks or ()), initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(TEXTS, trainer)
    if marks:
        first, last = (marks[0], marks[2]) if marks[0] == "<s>" else marks[-2:]
        made.post_processor = processors.TemplateProcessing(
            single=f"{first} $A {last}", special_tokens=[(each, made.token_to_id(each)) for each in (first, last)]
        )
    made.enable_padding(length=64)  # as some folders come: it must do no harm
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return made.get_vocab_size()


def bert(folder: Path) -> None:
    from transformers import BertConfig, BertModel

    size = tokenizer(folder, MARKS["bert"])
    BertModel(BertConfig(vocab_size=size, max_position_embeddings=64, **SMALL)).save_pretrained(folder)


def roberta(folder: Path) -> None:
    from transformers import RobertaConfig, RobertaModel

    size = tokenizer(folder, MARKS["roberta"])
    config = RobertaConfig(
        vocab_size=size, max_position_embeddings=66, pad_token_id=1, bos_token_id=0, eos_token_id=2, **SMALL
    )
    RobertaModel(config, add_pooling_layer=False).save_pretrained(folder)


def distilbert(folder: Path) -> None:
    from transformers import DistilBertConfig, DistilBertModel

    size = tokenizer(folder, MARKS["bert"])
    config = DistilBertConfig(vocab_size=size, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=64)
    DistilBertModel(config).save_pretrained(folder)


def minilm(folder: Path) -> None:
    """As sentence-transformers write it, the Transformer in a folder of its own."""
    bert(folder / "0_Transformer")
    modules = [
        {"idx": 0, "name": "0", "path": "0_Transformer", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (folder / "0_Transformer" / "sentence_bert_config.json").write_text('{"max_seq_length": 32}')


def gpt2(folder: Path) -> None:
    from transformers import GPT2Config, GPT2Model

    size = tokenizer(folder, None)
    config = GPT2Config(vocab_size=size, n_embd=16, n_layer=2, n_head=2, n_positions=64, bos_token_id=3, eos_token_id=3)
    GPT2Model(config).save_pretrained(folder)


def qwen2(folder: Path) -> None:
    from transformers import Qwen2Config, Qwen2Model

    size = tokenizer(folder, None)
    Qwen2Model(Qwen2Config(vocab_size=size, num_key_value_heads=2, **SMALL)).save_pretrained(folder)


def clip(folder: Path) -> None:
    from transformers import CLIPConfig, CLIPModel

    size = tokenizer(folder, MARKS["clip"])
    text = {"vocab_size": size, "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, **SMALL}
    vision = {"image_size": 32, "patch_size": 16, **SMALL}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    preprocessor(folder, resample=3, size={"shortest_edge": 32}, do_center_crop=True, crop_size=32)


def preprocessor(folder: Path, **settings: Any) -> None:
    settings = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4], "do_normalize": True, **settings}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def vit(folder: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification

    ViTForImageClassification(ViTConfig(image_size=32, patch_size=16, **SMALL)).save_pretrained(folder)
    preprocessor(folder, resample=2, size={"height": 32, "width": 32})


def dinov2(folder: Path) -> None:
    from transformers import Dinov2Config, Dinov2Model

    config = Dinov2Config(image_size=64, patch_size=16, mlp_ratio=2, hidden_size=16, num_hidden_layers=2,
                          num_attention_heads=2)  # fmt: skip
    Dinov2Model(config).save_pretrained(folder)
    preprocessor(
        folder, resample=3, size={"shortest_edge": 36}, do_center_crop=True, crop_size={"height": 32, "width": 32}
    )


def siglip(folder: Path) -> None:
    from transformers import SiglipVisionConfig, SiglipVisionModel

    SiglipVisionModel(SiglipVisionConfig(image_size=32, patch_size=16, **SMALL)).save_pretrained(folder)
    preprocessor(folder, resample=3, size={"height": 32, "width": 32})


def resnet(folder: Path) -> None:
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetModel(config).save_pretrained(folder)
    preprocessor(folder, resample=3, size={"shortest_edge": 32}, crop_pct=0.875)


def whisper(folder: Path) -> None:
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    config = WhisperConfig(
        vocab_size=60, d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_mel_bins=16, max_source_positions=50,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.generation_config.suppress_tokens = model.generation_config.begin_suppress_tokens = None
    model.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=16, chunk_length=1).save_pretrained(folder)


def wav2vec2(folder: Path, kind: str = "Wav2Vec2", norm: str = "group") -> None:
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        conv_dim=(8, 8, 8), conv_kernel=(10, 3, 2), conv_stride=(5, 4, 4), num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2, feat_extract_norm=norm, mask_time_length=2, **SMALL,
    )  # fmt: skip
    getattr(transformers, f"{kind}Model")(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=norm == "group").save_pretrained(folder)


def hubert(folder: Path) -> None:
    wav2vec2(folder, "Hubert", "layer")


def clap(folder: Path) -> None:
    from transformers import ClapAudioConfig, ClapAudioModel, ClapFeatureExtractor

    config = ClapAudioConfig(
        patch_embeds_hidden_size=8, depths=[1, 1], num_attention_heads=[2, 2], hidden_size=16, projection_dim=16,
        spec_size=64, num_mel_bins=16, window_size=4,
    )  # fmt: skip
    ClapAudioModel(config).save_pretrained(folder)
    ClapFeatureExtractor(
        feature_size=16, sampling_rate=8000, max_length_s=1, hop_length=80, fft_window_size=256, frequency_max=4000,
        truncation="rand_trunc",
    ).save_pretrained(folder)  # fmt: skip


def videomae(folder: Path) -> None:
    from transformers import VideoMAEConfig, VideoMAEModel

    VideoMAEModel(VideoMAEConfig(image_size=32, patch_size=16, num_frames=4, **SMALL)).save_pretrained(folder)
    preprocessor(
        folder, resample=2, size={"shortest_edge": 32}, do_center_crop=True, crop_size={"height": 32, "width": 32}
    )


MAKERS: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (
        bert,
        roberta,
        distilbert,
        minilm,
        gpt2,
        qwen2,
        clip,
        vit,
        dinov2,
        siglip,
        resnet,
        whisper,
        wav2vec2,
        hubert,
        clap,
        videomae,
    )
}
