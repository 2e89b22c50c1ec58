"""Many senses, one model: multimodal learning on tables, with evidence that fusion helped."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .config import Config as Config
    from .data import generate as generate
    from .data.read import read as read
    from .errors import UserError as UserError
    from .learner import Learner as Learner
    from .tokens import Batch as Batch
    from .tokens import Tokens as Tokens

_PUBLIC = {
    "Batch": "tokens",
    "Config": "config",
    "Learner": "learner",
    "Tokens": "tokens",
    "UserError": "errors",
    "generate": "data.generate",
    "read": "data.read",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    """Imports the public names when they are first used, so that `import sensemble` is instant."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'sensemble' has no attribute {name!r}")
    module = importlib.import_module(f".{_PUBLIC[name]}", __name__)
    return module if _PUBLIC[name].endswith(f".{name}") and name == "generate" else getattr(module, name)


def __dir__() -> list[str]:
    return __all__
