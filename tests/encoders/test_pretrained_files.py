"""What is read of a pretrained model, and what never is: no pickle, no code, nothing from afar that is here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from sensemble.encoders.backbone import register_backbone
from sensemble.encoders.base import create_modality
from sensemble.encoders.hf.bundle import find, read_folder
from sensemble.encoders.hf.load import load_backbone
from sensemble.errors import ConfigError

Tiny = Callable[..., Path]


@pytest.fixture
def folder(tiny: Tiny, tmp_path: Path) -> Path:
    """A tiny BERT to damage."""
    return Path(shutil.copytree(tiny("bert"), tmp_path / "bert"))


def change(path: Path, **settings: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


def load(folder: Path) -> Any:
    return load_backbone("text", str(folder), {}, where="inputs.words")


def test_code_beside_the_weights_never_runs(folder: Path) -> None:
    trap = folder / "ran"
    (folder / "trap.py").write_text(
        f"from pathlib import Path\nPath({str(trap)!r}).touch()\n"
        "from transformers import BertModel as Model, BertConfig as Config\n"
    )
    names = {"AutoConfig": "trap.Config", "AutoModel": "trap.Model", "AutoTokenizer": ["trap.Config", "trap.Config"]}
    change(folder / "config.json", auto_map=names)
    (folder / "tokenizer_config.json").write_text(json.dumps({"auto_map": names}))
    assert load(folder).dim == 16
    assert not trap.exists()
    change(folder / "config.json", model_type="trap")
    with pytest.raises(ConfigError, match=r"kind 'trap'.*code that comes with a model is never run"):
        load(folder)
    change(folder / "config.json", model_type="bert")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"holds no usable tokenizer\.json"):
        load(folder)
    assert not trap.exists()


def test_settings_that_name_code_or_other_weights_are_left_out(folder: Path) -> None:
    (folder / "other.safetensors").write_bytes(b"nonsense")
    change(
        folder / "config.json",
        attn_implementation="stranger/kernel",
        _attn_implementation="stranger/kernel",
        transformers_weights="other.safetensors",
        text_config={"auto_map": {"AutoModel": "trap.Model"}, "hidden_size": 16},
    )
    assert read_folder(folder).config["text_config"] == {"hidden_size": 16}
    body = load(folder)
    assert body.body.config._attn_implementation == "sdpa"


def test_pickled_weights_are_never_read(folder: Path) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match=r"only pickled weights, which are never read; give a folder with model\.saf"):
        load(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(ConfigError, match="holds no weights"):
        load(folder)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", None, r"holds no config\.json"),
        ("config.json", "{", r"config\.json is damaged"),
        ("config.json", "[]", r"config\.json is damaged \(not a mapping\)"),
        ("config.json", "{}", "is of the kind ''"),
        ("tokenizer.json", "{}", r"holds no usable tokenizer\.json"),
        ("model.safetensors", "no tensors", r"cannot be loaded as AutoModel"),
        ("adapter_config.json", "{}", "holds an adapter; merge it"),
        ("modules.json", '[{"path": "../..", "type": "x.Transformer"}]', r"modules\.json leads out of its folder"),
        ("modules.json", '[{"path": 3}]', r"modules\.json is damaged"),
    ],
)
def test_damaged_folders_are_clear_errors(folder: Path, file: str, text: str | None, message: str) -> None:
    if text is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(folder)


def test_weights_of_another_model_are_not_filled_up_with_chance(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    state = load_file(path)
    save_file({name: value for name, value in state.items() if "layer.1." not in name}, path, {"format": "pt"})
    with pytest.raises(ConfigError, match=r"not those of a BertModel: 16 are missing, such as encoder\.layer\.1"):
        load(folder)
    save_file({**state, "embeddings.word_embeddings.weight": torch.zeros(3, 16)}, path, {"format": "pt"})
    with pytest.raises(ConfigError, match="cannot be loaded as AutoModel"):
        load(folder)


def test_quantised_weights_are_refused(folder: Path) -> None:
    change(folder / "config.json", quantization_config={"quant_method": "bitsandbytes"})
    with pytest.raises(ConfigError, match="quantised"):
        load(folder)


def test_weights_in_parts_are_read_and_their_index_is_not_trusted(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    whole, digest = load(folder), load(folder).digest
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = {name: f"model-0000{1 + place % 2}-of-00002.safetensors" for place, name in enumerate(sorted(state))}
    for file in set(names.values()):
        save_file({name: state[name] for name in state if names[name] == file}, folder / file, {"format": "pt"})
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": names}))
    parts = load(folder)
    assert parts.digest != digest
    assert all(torch.equal(a, b) for a, b in zip(parts.parameters(), whole.parameters(), strict=True))
    parts.copy(folder.parent / "copy")
    assert load(folder.parent / "copy").digest == parts.digest
    index.write_text(json.dumps({"weight_map": {"x": "../outside.safetensors"}}))
    with pytest.raises(ConfigError, match="names files that are no safetensors beside it"):
        load(folder)
    index.write_text(json.dumps({"weight_map": {"x": "absent.safetensors"}}))
    with pytest.raises(ConfigError, match=r"lacks absent\.safetensors"):
        load(folder)


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_changed_files_are_another_model(folder: Path, file: str) -> None:
    from safetensors.torch import load_file, save_file

    spec = {"name": "pretrained", "model": str(folder)}
    before = create_modality("text", {}, spec, where="inputs.words").fingerprint()
    assert create_modality("text", {}, spec, where="inputs.words").fingerprint() == before
    if file == "model.safetensors":
        state = load_file(folder / file)
        save_file({name: value + 1 for name, value in state.items()}, folder / file, {"format": "pt"})
    else:
        change(
            folder / file, **{"hidden_act": "relu"} if file == "config.json" else {"truncation": None, "padding": None}
        )
    assert create_modality("text", {}, spec, where="inputs.words").fingerprint() != before


def test_what_is_kept_of_a_model_tells_pools_and_lengths_apart(folder: Path) -> None:
    prints = {
        create_modality(
            "text", options, {"name": "pretrained", "model": str(folder), "pool": pool}, where="x"
        ).fingerprint()
        for options in ({}, {"length": 9})
        for pool in ("mean", "cls")
    }
    assert len(prints) == 4


def test_loading_leaves_chance_alone(folder: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load(folder)
    assert torch.equal(torch.rand(1), expected)


def test_a_path_that_is_no_folder_is_never_looked_for_on_the_hub(tmp_path: Path, monkeypatch: Any) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *args, **options: pytest.fail("fetched"))
    for name in ("./nothing", str(tmp_path / "nothing"), "a/b/c", "~/nothing", ""):
        with pytest.raises(ConfigError, match=r"there is no folder|holds no config"):
            find(name, where="inputs.words")


def test_a_folder_that_holds_no_model_does_not_stand_in_a_names_way(folder: Path, monkeypatch: Any) -> None:
    import huggingface_hub

    monkeypatch.chdir(folder.parent)
    (folder.parent / "name").mkdir()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *args, **options: str(folder))
    assert find("name").folder == folder
    assert find("bert").folder == folder


def test_what_is_in_the_hubs_cache_is_not_fetched(folder: Path, monkeypatch: Any) -> None:
    import huggingface_hub

    asked: list[bool] = []

    def download(name: str, *, allow_patterns: list[str], local_files_only: bool) -> str:
        asked.append(local_files_only)
        assert not any("bin" in pattern or pattern.endswith(".py") for pattern in allow_patterns)
        if name == "org/far" and local_files_only:
            raise FileNotFoundError("not here")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert find("org/near").digest == read_folder(folder).digest and asked == [True]
    assert find("org/far").digest == read_folder(folder).digest and asked == [True, True, False]


def test_a_name_that_leads_nowhere_lists_the_alternatives(monkeypatch: Any) -> None:
    import huggingface_hub

    def download(name: str, **options: Any) -> str:
        raise ConnectionError("no network\nat all")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    register_backbone("sieve_lite", "text")(lambda: pytest.fail("made"))
    try:
        with pytest.raises(
            ConfigError,
            match=r"inputs\.words: unknown pretrained model 'sieve_light': did you mean 'sieve_lite'\?.*"
            r"fetched \(no network\)\. Or give a folder with config\.json and model\.safetensors",
        ):
            load_backbone("text", "sieve_light", {}, where="inputs.words")
    finally:
        from sensemble.encoders.backbone import BACKBONES

        del BACKBONES["text", "sieve_lite"]
