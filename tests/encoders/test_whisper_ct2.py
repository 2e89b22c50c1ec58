"""Whisper through CTranslate2: its spectrogram is Whisper's, its features are those of the transformers form."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sensemble import files
from sensemble.encoders.backbone import BACKBONES, encode
from sensemble.encoders.base import encoders
from sensemble.encoders.frozen import Frozen
from sensemble.encoders.whisper_ct2 import BANDS, RATE, WhisperCT2, log_mel, mel_filters
from sensemble.errors import ConfigError, DataError
from sensemble.testing import check_modality
from sensemble.tokens import Tokens


def chirp(seconds: float, *, pitch: float = 300, loud: float = 0.5) -> dict[str, Any]:
    """A rising tone, as an array with its rate."""
    time = np.arange(round(seconds * RATE)) / RATE
    return {"array": (np.sin(2 * np.pi * pitch * time * (1 + time)) * loud).astype(np.float32), "sampling_rate": RATE}


class TestLogMel:
    @pytest.mark.parametrize(
        "wave",
        [
            chirp(2.5)["array"],
            chirp(30)["array"],
            np.random.default_rng(0).normal(size=RATE).astype(np.float32) * 1e-3,
            np.zeros(1600, np.float32),
            np.ones(7, np.float32),
        ],
        ids=["chirp", "30 s", "soft noise", "silence", "short"],
    )
    def test_it_is_what_whisper_was_trained_on(self, wave: np.ndarray) -> None:
        extractor = pytest.importorskip("transformers").WhisperFeatureExtractor()
        expected = extractor(wave, sampling_rate=RATE, return_tensors="np").input_features[0]
        found = log_mel(torch.from_numpy(wave)[None])[0].numpy()
        assert found.shape == expected.shape == (80, 3000)
        assert np.abs(found - expected).max() < 1e-4

    def test_filters_have_one_area_and_their_peaks_rise(self) -> None:
        filters = mel_filters()
        assert filters.shape == (BANDS, 201)
        areas = filters.sum(1) * RATE / 400
        assert np.allclose(areas[60:], 1, atol=0.02)  # low bands are narrower than a frequency step
        assert (np.diff(filters.argmax(1)) >= 0).all()


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A tiny random Whisper of transformers, and the folder of its CTranslate2 form."""
    transformers = pytest.importorskip("transformers")
    converters = pytest.importorskip("ctranslate2.converters")
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("whisper")
    torch.manual_seed(0)
    config = transformers.WhisperConfig(
        vocab_size=64, d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_mel_bins=BANDS, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=3,
    )  # fmt: skip
    model = transformers.WhisperForConditionalGeneration(config).eval()
    model.save_pretrained(folder / "hf")
    special = ["<|endoftext|>", "<|startoftranscript|>", "<|nospeech|>", "<|notimestamps|>"]
    vocabulary = {name: place for place, name in enumerate([*map(chr, range(33, 93)), *special])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=special[0], eos_token=special[0], bos_token=special[0]
    ).save_pretrained(folder / "hf")
    converters.TransformersConverter(str(folder / "hf")).convert(str(folder / "ct2"))
    return model.model.encoder, folder / "ct2"


@pytest.fixture(scope="module")
def body(whisper: tuple[Any, Path]) -> WhisperCT2:
    return WhisperCT2(whisper[1])


class TestWhisper:
    def test_features_equal_those_of_transformers(self, whisper: tuple[Any, Path], body: WhisperCT2) -> None:
        sounds = [chirp(1), chirp(2.005, pitch=900)]
        encoded = encode(body, body.source.collate([body.source.load(each) for each in sounds]), "tokens")
        assert encoded.mask.sum(1).tolist() == [50, 101]  # 20 ms each, rounded up
        for row, sound in enumerate(sounds):
            with torch.no_grad():
                expected = whisper[0](log_mel(torch.from_numpy(sound["array"])[None])).last_hidden_state[0]
            count = int(encoded.mask[row].sum())
            assert float((encoded.values[row, :count] - expected[:count]).abs().max()) < 1e-3
        assert body.dim == 16

    def test_padding_other_rows_and_absent_ones_change_nothing(self, body: WhisperCT2) -> None:
        loaded = [body.source.load(chirp(seconds)) for seconds in (0.5, 1.25)]
        tokens = body.source.collate([*loaded, None])
        together = body(tokens)
        assert together.present.tolist() == [True, True, False]
        assert bool((together.values[~together.mask] == 0).all())
        soiled = Tokens(tokens.values.masked_fill(~tokens.mask.unsqueeze(-1), 9.0), tokens.mask)
        assert torch.equal(body(soiled).values, together.values)
        for row, value in enumerate(loaded):
            alone = body(body.source.collate([value]))
            count = alone.mask.sum()
            assert torch.allclose(alone.values[0], together.values[row, :count], atol=1e-6)
        assert not bool(body(body.source.collate([None])).mask.any())

    def test_fewer_seconds_cost_less_and_no_more_is_heard(self, whisper: tuple[Any, Path], body: WhisperCT2) -> None:
        short = WhisperCT2(whisper[1], seconds=2)
        sounds = [chirp(1), chirp(2.5, pitch=900)]
        encoded = encode(short, short.source.collate([short.source.load(each) for each in sounds]), "tokens")
        assert encoded.mask.sum(1).tolist() == [50, 100]
        encoder, gelu = whisper[0], torch.nn.functional.gelu
        for row, sound in enumerate(sounds):
            mel = log_mel(torch.from_numpy(sound["array"])[None, : 2 * RATE], 2 * RATE)
            with torch.no_grad():  # the layers one by one: as a whole, those of transformers take 30 seconds only
                hidden = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).transpose(1, 2)
                hidden = hidden + encoder.embed_positions.weight[:100]
                for layer in encoder.layers:
                    hidden = layer(hidden, attention_mask=None)
                    hidden = hidden[0] if isinstance(hidden, tuple) else hidden
                expected = encoder.layer_norm(hidden)[0]
            count = int(encoded.mask[row].sum())
            assert float((encoded.values[row, :count] - expected[:count]).abs().max()) < 1e-3
        assert short.digest != body.digest == WhisperCT2(whisper[1], seconds=30).digest

    def test_frozen_it_is_a_modality_of_features(self, body: WhisperCT2) -> None:
        frozen = Frozen(body, pool="mean")
        check_modality(frozen, [chirp(0.2), chirp(0.5), chirp(0.9)])
        assert frozen.load(chirp(0.5)).shape == (1, 16)
        assert torch.allclose(frozen.load(chirp(0.5)), Frozen(body, pool="cls").load(chirp(0.5)))
        assert body.digest in frozen.fingerprint()

    def test_frozen_tokens_are_told_by_their_time(self, body: WhisperCT2) -> None:
        assert Frozen(body).describe(chirp(0.05)) == ["0.00-0.02 s", "0.02-0.04 s", "0.04-0.06 s"]

    @pytest.mark.parametrize(("seconds", "tokens"), [(30, 1500), (31, 1500), (29.99, 1500)])
    def test_at_most_30_seconds_are_heard(self, body: WhisperCT2, seconds: float, tokens: int) -> None:
        assert len(body.source.load(chirp(seconds))) == tokens

    def test_more_than_30_seconds_cannot_be_asked_for(self, whisper: tuple[Any, Path]) -> None:
        assert len(WhisperCT2(whisper[1], seconds=0.5).source.load(chirp(2))) == 25
        with pytest.raises(ConfigError, match="at most 30 seconds; seconds cannot be 60"):
            WhisperCT2(whisper[1], seconds=60)

    def test_it_has_nothing_to_tune(self, body: WhisperCT2) -> None:
        assert not list(body.parameters())
        assert not body.blocks()

    def test_registered_names_ask_for_their_weights(
        self, whisper: tuple[Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SENSEMBLE_HOME", str(tmp_path))
        assert "whisper_base" not in encoders("audio")  # a body, not an encoder; the look-up imports it
        for name in ("whisper_tiny_en", "whisper_base"):
            with pytest.raises(ConfigError, match=f"sensemble weights get {name}"):
                BACKBONES["audio", name]()
            place = tmp_path / "weights" / name
            with files.replace_folder(place) as new:
                for file in whisper[1].iterdir():
                    (new / file.name).write_bytes(file.read_bytes())
            assert BACKBONES["audio", name](crop="middle").digest == WhisperCT2(whisper[1]).digest
            with pytest.raises(ConfigError, match=f"key in {name} 'sceonds': did you mean 'seconds'"):
                BACKBONES["audio", name](sceonds=3)

    def test_a_folder_that_holds_something_else_is_refused(self, whisper: tuple[Any, Path], tmp_path: Path) -> None:
        with pytest.raises(DataError, match="holds no Whisper in CTranslate2's form"):
            WhisperCT2(tmp_path)
        for file in whisper[1].iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / "model.bin").write_bytes(b"\6\0\0\0 cut off")
        with pytest.raises(DataError, match="holds no Whisper"):
            WhisperCT2(tmp_path)

    def test_without_the_package_the_error_names_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ctranslate2", None)
        with pytest.raises(ConfigError, match=r"pip install 'sensemble\[whisper\]'"):
            WhisperCT2(tmp_path)
