"""A rich made-up run: eight inputs, 255 subsets, 13 classes, 20 warnings, English and Chinese."""

from __future__ import annotations

import base64
import io
import itertools
import math
import random
from typing import Any

import pytest
from PIL import Image

INPUTS = {
    "text": "text",
    "photo": "image",
    "age": "number",
    "voice": "audio",
    "clip": "video",
    "city": "category",
    "标题": "text",
    "price": "number",
}
CLASSES = ["joy", "anger", "fear", "trust", "surprise", "sadness", "disgust", "喜悦", "愤怒", "calm", "hope", "envy"]
CLASSES += ["none of these"]
STRENGTH = dict(zip(INPUTS, (0.36, 0.28, 0.05, 0.22, 0.2, 0.03, 0.25, 0.04), strict=True))
WARNINGS = {
    "leak": ("refund", "`refund` predicts the label almost perfectly; is it known before the answer is?"),
    "duplicate": ("标题", "`标题` holds the same value in many rows of train and test."),
    "group": ("user", "`user` has rows on both sides of the split."),
    "imbalance": ("label", "is rare: the trivial answer is nearly always right."),
    "constant": ("country", "holds one value in every row."),
    "id": ("order_id", "differs in every row."),
    "missing_informative": ("photo", "is missing far more often where the label is anger."),
}
REVIEW = (
    "I bought this for my mother and she has used it every day since. The handle came loose after a week, the seller "
    "sent another one, and that one came loose as well. Still, she likes the colour, and the coffee it makes is far "
    "better than what the old machine made.\n\nWould I buy it again? Perhaps, at half the price."
)
CHINESE = "这台机器我已经用了三个星期，咖啡的味道很好，但是把手总是松动，客服回复也很慢。总的来说值得购买。"
CONFIG = """data: {train: train.csv, group: user}
inputs:
  text: {name: text, length: 256}
  photo: {name: image, size: 128}
  age: {name: number}
  voice: audio
  clip: {name: video, frames: 8}
  city: category
  标题: {name: text, column: 标题}
  price: number
task: {name: classify, target: label}
fusion: {name: transformer, depth: 2}
width: 64
seed: 7
"""


def picture(seed: int) -> str:
    draw = random.Random(seed)
    image = Image.new("RGB", (96, 64), tuple(draw.randrange(90, 220) for _ in range(3)))
    for _ in range(6):
        left, top = draw.randrange(80), draw.randrange(50)
        image.paste(tuple(draw.randrange(256) for _ in range(3)), (left, top, left + 24, top + 18))
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def estimate(value: float, width: float, rows: int, **more: Any) -> dict[str, Any]:
    return {
        "value": round(value, 4),
        "low": round(value - width, 4),
        "high": round(value + width, 4),
        "rows": rows,
        **more,
    }


def metrics(draw: random.Random) -> dict[str, Any]:
    subsets = {}
    for size in range(1, 9):
        for names in itertools.combinations(INPUTS, size):
            left = 0.5 * math.prod(1 - STRENGTH[name] for name in names)
            subsets["+".join(names)] = {"roc_auc": estimate(1 - left + draw.gauss(0, 0.004), 0.006 + 0.02 * left, 1200)}
    test = {
        "accuracy": estimate(0.861, 0.02, 1200, trivial=0.2583),
        "roc_auc": {**subsets["+".join(INPUTS)]["roc_auc"], "trivial": 0.5},
        "macro_f1": estimate(0.842, 0.022, 1200, trivial=0.0316),
        "log_loss": estimate(1.4127, 0.04, 1200, trivial=2.4411),
        "ece": {"value": 0.0214, "low": None, "high": float("nan"), "rows": 1200, "trivial": None},
    }
    return {"format": 1, "metric": "roc_auc", "higher": True, "test": test, "subsets": subsets}


def verdict(subsets: dict[str, Any]) -> dict[str, Any]:
    own = {name: subsets[name]["roc_auc"] for name in INPUTS} | {"fused": subsets["+".join(INPUTS)]["roc_auc"]}
    intervals = {name: [each["low"], each["high"]] for name, each in own.items()}
    return {
        "format": 1,
        "metric": "roc_auc",
        "rows": 1200,
        "fused": own["fused"]["value"],
        "singles": {name: own[name]["value"] for name in INPUTS},
        "best_single": "text",
        "trivial": 0.5,
        "stacking": 0.8812,
        "gain": {"value": 0.2291, "low": 0.2113, "high": 0.2467},
        "gain_over_stacking": {"value": 0.0244, "low": 0.0141, "high": 0.0337},
        "intervals": {**intervals, "stacking": [0.8731, 0.8904], "trivial": [0.5, 0.5]},
        "verdict": "fusion_helps",
        "synergy": True,
        "sentence": "Fusion helps: +0.229 ROC-AUC [+0.211, +0.247] over the best single input (text).",
        "controls": {
            "blind": control("all hidden", 0.5, 0.0),
            **{f"shuffled:{name}": control(f"shuffled {name}", 0.91 - STRENGTH[name], 0.012) for name in INPUTS},
        },
        "notes": ["Time ran out before the models of voice, clip had finished."],
    }


def control(what: str, value: float, width: float) -> dict[str, Any]:
    score, gain = estimate(value, width, 1200), estimate(0.9056 - value, 1.2 * width, 1200)
    return {"what": what, **score, "gain": gain, "changed": 0.98}


def audit(draw: random.Random) -> dict[str, Any]:
    inputs: dict[str, Any] = {
        name: {
            "type": kind,
            "column": name,
            "reason": f"the config says {kind}",
            "missing": draw.choice([0, 12, 340, 2210]),
            "unreadable": [],
        }
        for name, kind in INPUTS.items()
    }
    inputs["photo"]["unreadable"] = [
        {"row": 3, "value": "photos/a.jpg", "reason": "file is empty"},
        {"row": 815, "value": "照片/猫.jpg", "reason": "no such file"},
    ]
    kinds = list(WARNINGS) * 3
    return {
        "format": 1,
        "rows": 12000,
        "splits": {"train": 9600, "valid": 1200, "test": 1200},
        "inputs": inputs,
        "target": {"column": "label", "balance": {label: 3100 - 230 * at for at, label in enumerate(CLASSES)}},
        "further_targets": [{"column": "stars", "missing": 7, "mean": 3.412, "min": 1.0, "max": 5.0}],
        "warnings": [
            {"kind": kind, "columns": [WARNINGS[kind][0]], "message": WARNINGS[kind][1]} for kind in kinds[:20]
        ],
    }


def mistake(place: int) -> dict[str, Any]:
    return {
        "row": 12 + 31 * place,
        "truth": CLASSES[place % 13],
        "prediction": CLASSES[(place + 7) % 13],
        "score": 3.97 - 0.01 * place,
        "inputs": {
            "text": {"kind": "text", "text": [REVIEW, CHINESE, "great.", CHINESE * 6][place % 4]},
            "photo": None if place % 4 == 3 else {"kind": "image", "text": "a.png", "data": picture(place)},
            "age": {"kind": "number", "text": str(20 + place)},
            "标题": None if place % 3 else {"kind": "text", "text": "咖啡机 — 使用三周后的感受"},
        },
    }


def details(draw: random.Random) -> dict[str, Any]:
    counts = [
        [draw.randrange(40, 90) if row == column else draw.choice([0, 0, 0, 1, 2, 3, 7, 14]) for column in range(13)]
        for row in range(13)
    ]
    truth = [round(draw.gauss(50, 15), 2) for _ in range(900)]
    return {
        "confusion": {"labels": CLASSES, "counts": counts},
        "per_class": [
            {
                "label": label,
                "rows": sum(counts[at]),
                "precision": 0.81 + 0.01 * at,
                "recall": 0.93 - 0.012 * at,
                "f1": 0.86 - 0.003 * at,
                "intervals": {"recall": [0.9 - 0.012 * at, 0.95 - 0.012 * at], "f1": [0.8, None]},
            }
            for at, label in enumerate(CLASSES)
        ],
        "calibration": [
            {
                "low": at / 10,
                "high": (at + 1) / 10,
                "confidence": at / 10 + 0.055,
                "accuracy": round(0.09 * at + 0.05, 3),
                "rows": 9 + 6 * at * at,
            }
            for at in range(1, 10)
        ],
        "residuals": {"price": {"truth": truth, "predicted": [0.85 * each + 7 + draw.gauss(0, 5) for each in truth]}},
        "mistakes": [mistake(place) for place in range(8)],
        "versions": {"sensemble": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "numpy": "2.3.1"},
        "seed": 7,
        "train_rows": 9588,
        "dropped": 12,
        "seconds": {"load": 8.25, "fit": 17.5, "verdict": 21.75, "evaluate": 2.5},
        "parameters": 1234567,
    }


def record(epoch: int) -> dict[str, Any]:
    score = round(0.965 - 0.4 * 0.6**epoch - 0.0011 * max(0, epoch - 8) ** 1.5, 4)
    return {
        "epoch": epoch,
        "step": 150 * epoch,
        "rows": 9600 * epoch,
        "loss": round(0.2 + 2.2 * 0.72**epoch, 4),
        "valid": {"roc_auc": score, "accuracy": 0.8},
        "seconds": 4.1 * epoch,
        "rows_per_second": 2341.5,
    }


def make() -> dict[str, Any]:
    draw = random.Random(0)
    measured = metrics(draw)
    return {
        "name": "mood",
        "config": CONFIG,
        "history": [record(epoch) for epoch in range(1, 15)],
        "audit": audit(draw),
        "metrics": measured,
        "verdict": verdict(measured["subsets"]),
        "details": details(draw),
    }


@pytest.fixture
def rich() -> dict[str, Any]:
    return make()


@pytest.fixture
def minimal() -> dict[str, Any]:
    return {"config": "task: {name: classify, target: label}\ninputs: {text: text}\n"}
