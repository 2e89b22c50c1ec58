"""Which encoder `quality` gives to inputs that name none, and that it says so. Nothing leaves the machine."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from sensemble import config as configs
from sensemble import files, presets
from sensemble.data.table import Table
from sensemble.errors import ConfigError
from sensemble.plan import complete
from sensemble.weights import WEIGHTS

TABLE = Table(
    pd.DataFrame(
        {
            "words": ["good tea", "bad tea, I say"] * 3,
            "wort": ["很好的茶", "今天的茶 not so"] * 3,
            "photo": ["a.png", "b.png"] * 3,
            "voice": ["a.wav", "b.wav"] * 3,
            "age": [1.5, 2.5, 3.5] * 2,
            "label": ["yes", "no"] * 3,
        }
    )
)
INPUTS = {"words": "text", "photo": "image", "age": "number"}


def plan(quality: str, inputs: dict[str, Any] | None = None, **settings: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """The encoder of each input, `None` for the default one, and the reasons."""
    given = {"inputs": inputs or INPUTS, "task": {"name": "classify", "target": "label"}, "quality": quality}
    config, reasons, _ = complete(configs.from_dict({**given, **settings}), TABLE)
    return {name: spec.get("encoder") for name, spec in config.inputs.items()}, reasons


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("the hub was asked")


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What the hub answers: nobody may ask, unless a test says what comes back."""

    def answer(kept: tuple[str, ...] = (), reached: Callable[..., Any] = refuse) -> None:
        def look(model: str, name: str) -> str | None:
            return f"/cache/{model}/{name}" if model in kept else None

        found = SimpleNamespace(try_to_load_from_cache=look, model_info=reached)
        monkeypatch.setitem(sys.modules, "huggingface_hub", found)

    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(try_to_load_from_cache=refuse))
    return answer


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Says which weights are here."""
    monkeypatch.setenv("SENSEMBLE_HOME", str(tmp_path))

    def put(*names: str) -> None:
        for name in names:
            with files.replace_folder(tmp_path / "weights" / name):
                pass

    return put


def test_fast_is_the_default_and_leaves_all_to_training_from_scratch(here: Callable[..., None]) -> None:
    here("minilm", "efficientnet_lite0")
    assert configs.from_dict({}).quality == "fast"
    encoders, reasons = plan("fast")
    assert set(encoders.values()) == {None}
    assert "scratch" not in reasons["words"] and "encoder" not in reasons["words"]


class TestOffline:
    def test_weights_that_are_here_are_used(self, here: Callable[..., None]) -> None:
        here("minilm", "efficientnet_lite0")
        encoders, reasons = plan("offline")
        assert encoders == {
            "words": {"name": "pretrained", "model": "minilm", "pool": "mean"},
            "photo": {"name": "pretrained", "model": "efficientnet_lite0", "pool": "mean"},
            "age": None,
        }
        assert reasons["photo"] == "named in the config; encoder efficientnet_lite0"
        assert reasons["words"].endswith("encoder minilm, for English")
        assert reasons["age"] == "named in the config"

    def test_weights_that_are_not_here_fall_back_and_the_reason_names_the_command(
        self, here: Callable[..., None]
    ) -> None:
        here("minilm")
        encoders, reasons = plan("offline")
        assert encoders["photo"] is None and encoders["words"] is not None
        assert "trained from scratch, as efficientnet_lite0 is not here (`sensemble weights get eff" in reasons["photo"]

    def test_inferred_inputs_get_them_too(self, here: Callable[..., None]) -> None:
        here("minilm")
        config = configs.from_dict({"task": {"target": "label"}, "quality": "offline"})
        frame = pd.DataFrame({"words": [f"a good cup of tea, number {n}" for n in range(40)], "label": ["a", "b"] * 20})
        completed, reasons, _ = complete(config, Table(frame))
        assert completed.inputs["words"]["encoder"]["model"] == "minilm"
        assert reasons["words"].startswith("inferred: ")

    def test_encoders_that_the_config_names_stay(self, here: Callable[..., None]) -> None:
        here("minilm", "efficientnet_lite0")
        inputs = {"words": {"name": "text", "encoder": "lstm"}, "photo": {"name": "image", "encoder": {"name": "cnn"}}}
        encoders, reasons = plan("offline", inputs)
        assert encoders == {"words": {"name": "lstm"}, "photo": {"name": "cnn"}}
        assert "scratch" not in reasons["words"] and "encoder" not in reasons["words"]

    def test_options_of_training_from_scratch_keep_it(self, here: Callable[..., None]) -> None:
        here("minilm", "efficientnet_lite0")
        inputs = {
            "words": {"name": "text", "vocab": 300},
            "photo": {"name": "image", "size": 96, "flip": True, "missing": "drop"},
        }
        encoders, reasons = plan("offline", inputs)
        assert encoders["words"] is None and encoders["photo"]["model"] == "efficientnet_lite0"
        assert "as `vocab` is not for pretrained encoders" in reasons["words"]

    def test_english_weights_do_not_read_chinese(self, here: Callable[..., None]) -> None:
        here("minilm")
        encoders, reasons = plan("offline", {"wort": "text", "words": "text"})
        assert encoders["wort"] is None and encoders["words"]["model"] == "minilm"
        assert "trained from scratch, as minilm reads English alone" in reasons["wort"]

    def test_what_is_not_installed_is_named(self, here: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
        here("minilm", "efficientnet_lite0")
        monkeypatch.setitem(sys.modules, "transformers", None)
        encoders, reasons = plan("offline")
        assert encoders["words"] is None and encoders["photo"] is not None
        assert "pip install 'sensemble[pretrained]'" in reasons["words"]

    @pytest.mark.parametrize(
        ("settings", "pool"),
        [({"fusion": "late"}, "mean"), ({"fusion": "concat"}, "mean"), ({"fusion": "transformer"}, "tokens")],
    )
    def test_one_token_will_do_where_nothing_attends(
        self, here: Callable[..., None], settings: dict[str, Any], pool: str
    ) -> None:
        here("efficientnet_lite0")
        encoders, _ = plan("offline", {"photo": "image"}, **settings)
        assert encoders["photo"]["pool"] == pool

    def test_an_unknown_column_is_left_to_who_checks_it(self, here: Callable[..., None]) -> None:
        here("minilm")
        plan("offline", {"words": {"name": "text", "column": "wrods"}})


class TestBest:
    def test_models_in_the_local_cache_are_used_and_nobody_is_asked(
        self, here: Callable[..., None], hub: Callable[..., None]
    ) -> None:
        here()
        hub(kept=[choice.model for choice in presets.BEST.values()])
        encoders, reasons = plan("best")
        assert encoders["photo"] == {"name": "pretrained", "model": presets.BEST["image"].model, "pool": "mean"}
        assert encoders["words"]["model"] == presets.BEST["text"].model
        assert "of the hub" in reasons["words"]

    def test_models_that_can_be_fetched_are_used(self, here: Callable[..., None], hub: Callable[..., None]) -> None:
        here()
        asked = []
        hub(reached=lambda model, **_: asked.append(model))
        encoders, _ = plan("best")
        assert encoders["photo"]["model"] == presets.BEST["image"].model
        assert asked == [presets.BEST["text"].model, presets.BEST["image"].model]

    def test_a_picture_size_is_not_for_a_model_that_decides_it(
        self, here: Callable[..., None], hub: Callable[..., None]
    ) -> None:
        here("efficientnet_lite0")
        hub(kept=[choice.model for choice in presets.BEST.values()])
        inputs = {"photo": {"name": "image", "size": 96, "flip": True}, "words": "text"}
        encoders, reasons = plan("best", inputs)
        assert encoders["photo"]["model"] == "efficientnet_lite0"
        assert f"{presets.BEST['image'].model} decides `size` itself" in reasons["photo"]
        assert encoders["words"]["model"] == presets.BEST["text"].model
        encoders, _ = plan("best", {"photo": {"name": "image", "flip": True}})
        assert encoders["photo"]["model"] == presets.BEST["image"].model

    def test_out_of_reach_it_falls_back_to_offline_and_then_to_scratch(
        self, here: Callable[..., None], hub: Callable[..., None]
    ) -> None:
        def unreachable(*_: Any, **__: Any) -> None:
            raise OSError("no route")

        here("efficientnet_lite0")
        hub(reached=unreachable)
        encoders, reasons = plan("best")
        assert encoders["photo"]["model"] == "efficientnet_lite0"
        assert (
            f"efficientnet_lite0; {presets.BEST['image'].model} is neither here nor can be fetched" in reasons["photo"]
        )
        assert encoders["words"] is None
        assert "trained from scratch, as intfloat/" in reasons["words"]
        assert "sensemble weights get minilm" in reasons["words"]


def test_another_quality_gets_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="'quality': unknown value 'offlin': did you mean 'offline'"):
        configs.from_dict({"quality": "offlin"})


def test_choices_have_weights_or_a_hub_name() -> None:

    assert {kind: WEIGHTS[choice.model].kind for kind, choice in presets.OFFLINE.items()} == {
        kind: kind for kind in presets.OFFLINE
    }
    assert all("/" in choice.model for choice in presets.BEST.values())
