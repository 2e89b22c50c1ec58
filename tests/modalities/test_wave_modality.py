"""Sounds as raw samples: cut into tokens and put together again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sensemble.errors import ConfigError
from sensemble.modalities.base import MODALITIES
from sensemble.modalities.wave import Wave, waveform
from sensemble.testing import check_modality

RATE = 16_000
NOISE = (np.random.default_rng(0).normal(size=5000) * 0.1).astype(np.float32)


def raw(array: Any = NOISE, rate: int = RATE) -> dict[str, Any]:
    return {"array": array, "sampling_rate": rate}


@pytest.mark.parametrize("options", [{}, {"normalise": True, "hop": 160}, {"crop": "middle", "seconds": 0.1}])
def test_battery(options: dict[str, Any], tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "a.wav", NOISE, RATE)
    check_modality(Wave(**options), [raw(), raw([0.5]), raw(NOISE[:320]), str(tmp_path / "a.wav")])


def test_the_wave_comes_back() -> None:
    modality = Wave()
    tokens = modality.collate([modality.load(raw()), modality.load(raw(NOISE[:700])), None])
    assert tokens.values.shape == (3, 16, 320)
    heard = waveform(tokens)
    assert heard.values.shape == heard.mask.shape == (3, 5120)
    assert heard.mask.sum(1).tolist() == [5120, 960, 0]
    assert np.array_equal(heard.values[0, :5000], NOISE) and not heard.values[0, 5000:].any()
    assert np.array_equal(heard.values[1, :700], NOISE[:700]) and not heard.values[1, 700:].any()


def test_other_rates_are_resampled_and_long_sounds_are_cut() -> None:
    assert Wave().load(raw(rate=8_000)).shape == (32, 320)
    assert torch.equal(Wave(seconds=0.1).load(raw()), Wave().load(raw(NOISE[:1600])))
    middle = Wave(seconds=0.1, crop="middle")
    assert torch.equal(middle.load(raw()), Wave().load(raw(NOISE[1700:3300])))
    assert middle.describe(raw())[0] == "0.11-0.13 s"
    assert Wave().describe(raw([0.1])) == ["0.00-0.02 s"]


def test_normalised_sounds_have_mean_0_and_variance_1() -> None:
    values = Wave(normalise=True).load(raw(NOISE + 0.5)).flatten()[:5000]
    assert abs(float(values.mean())) < 1e-5 and float(values.var(correction=0)) == pytest.approx(1, abs=1e-3)
    assert not Wave(normalise=True).load(raw(np.full(400, 0.5, np.float32))).any()


def test_its_options_are_checked_and_decide_its_fingerprint() -> None:
    assert "wave" not in MODALITIES
    changed: list[dict[str, Any]] = [
        {}, {"rate": 8000}, {"hop": 160}, {"seconds": 5.0}, {"crop": "middle"}, {"normalise": True}
    ]  # fmt: skip
    assert len({Wave(**options).fingerprint() for options in changed}) == len(changed)
    for options in ({"rate": 1}, {"hop": 0}, {"seconds": 0.0}, {"seconds": 1e6}):
        with pytest.raises(ConfigError, match=next(iter(options))):
            Wave(**options)


def test_a_report_plays_what_is_heard() -> None:
    shown = Wave().show({**raw(), "path": "/a/b.wav"})
    assert (shown["kind"], shown["text"]) == ("audio", "b.wav")
    assert shown["data"].startswith("data:audio/wav;base64,")
    later = np.concatenate([np.zeros(RATE, np.float32), NOISE])
    middle = Wave(crop="middle", seconds=0.1)
    start = (len(later) / RATE - 0.1) / 2
    assert middle.show(raw(later))["data"] == Wave().show(raw(later[round(start * RATE) :]))["data"]
