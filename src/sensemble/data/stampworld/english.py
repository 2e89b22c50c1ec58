"""English words and templates. The places of templates are explained in `words.py`."""

from __future__ import annotations

NAMES: dict[str, str] = {
    **{colour: colour for colour in ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "grey")},
    "left": "left",
    "right": "right",
    "is left": "left of",
    "is right": "right of",
    "is above": "above",
    "is below": "below",
    "equal": "as many",
    **{
        f"at {row} {side}": f"at the {row} {side}"
        for row, side in (
            *(("top", side) for side in ("left", "middle", "right")),
            *(("middle", side) for side in ("left", "right")),
            *(("bottom", side) for side in ("left", "middle", "right")),
        )
    },
    "at centre": "in the centre",
}
"""Words by key, where they differ from the key, and all colours."""
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_ODD = {"fish": "fish", "sheep": "sheep", "deer": "deer", "mouse": "mice", "goose": "geese", "child": "children"}

TEMPLATES: dict[str, tuple[str, ...]] = {
    "exists": ("Is there {0:a}?", "Can you see {0:a}?", "Does {0:a} appear?"),
    "count": ("How many {0:many} are there?", "How many {0:many} can you see?", "What is the number of {0:many}?"),
    "colour": ("What colour is {0:tint}?", "Which colour does {0:tint} have?"),
    "colours": ("What colour are {0:tints}?", "Which colour do {0:tints} have?"),
    "relation": ("Is {0:the} {2} {1:the}?", "Does {0:the} stand {2} {1:the}?"),
    "compare": (
        "Are there more {0:many} than {1:many}, fewer, or as many?",
        "Next to the {1:many}, are the {0:many} more, fewer or as many?",
    ),
    "describe": ("What stands where?", "What is in each place?"),
    "nothing": ("nothing",),
    "thing": ("Describe {0:the}.",),
    "it": ("Describe it.",),
    "tell": ("What happens?", "What does each thing do?"),
    "stays": ("stays",),
    "sounds": ("heard",),
    "kind_at": ("What stands {0}?", "What kind of thing is {0}?"),
    "colour_at": ("What colour is the thing {0}?", "Which colour has the thing {0}?"),
    "same": ("Do {0:tint} and {1:tint} have the same colour?", "Are {0:tint} and {1:tint} alike in colour?"),
    "say exists": ("There is {0:a}.", "The picture shows {0:a}."),
    "say relation": ("{0:the} is {2} {1:the}.", "{0:the} stands {2} {1:the}."),
    "say where": ("{3}, {2} {1:the}, is {0:the}.", "{3}, {2} {1:the}, stands {0:the}."),
    "say same": ("{0:tint} and {1:tint} have the same colour.", "{0:tint} is like {1:tint} in colour."),
    "moved": ("Does {0:the} move?", "Is {0:the} ever moving?"),
    "direction": ("Which way does {0:the} move?", "In which direction does {0:the} go?"),
    "kind": ("What is {0:the}?", "What kind of thing is {0:the}?"),
    "order": ("Which moves first, {0:the} or {1:the}?", "Of {0:the} and {1:the}, which is the first to move?"),
    "before": ("Does {0:the} move before {1:the}?", "Is it {0:the} that moves first, and then {1:the}?"),
    "moves": ("How many things move?", "What is the number of things that move?"),
    "sound": ("What made the sound?", "Which thing is heard?"),
    "sound_colour": ("What colour is the thing that made the sound?", "Which colour has the thing that is heard?"),
    "sound_order": ("Does {0:the} move before the sound?", "Is the sound heard after {0:the} began to move?"),
    "size": ("Is {0:the} small or large?", "How big is {0:the}?"),
    "where": ("Where is {0:the}?", "In which part of the picture is {0:the}?"),
    "it colour": ("What colour is it?", "And its colour?"),
    "it size": ("Is it small or large?", "How big is it?"),
    "it where": ("Where is it?", "In which part of the picture is it?"),
    "it relation": ("Is it {1} {0:the}?", "Does it stand {1} {0:the}?"),
    "they colour": ("What colour are they?", "And their colour?"),
    "and": ("And {0:the}?", "What about {0:the}?"),
    "other": ("And the other one?", "What about the other?"),
    "left colour": ("What colour is {0:tint} on the left?",),
    "right colour": ("What colour is {0:tint} on the right?",),
    "left size": ("Is {0:the} on the left small or large?",),
    "right size": ("Is {0:the} on the right small or large?",),
    "picture with": ("A picture with {0} things.",),
    "caption": ("There {0} {1}.", "The picture shows {1}.", "One can see {1}."),
    "clip moves": ("{0:the} moves {1}", "{0:the} goes {1}"),
    "clip then": (", then ", ", and after that "),
    "clip stays": ("{0:the} stays in its place.", "{0:the} does not move."),
    "clip sounds": ("{0:the} makes a sound.", "A sound comes from {0:the}."),
}


NAME_PATTERN = (
    r"(?:(?P<{place}_colour>{colours}) (?P<{place}_shape>{shapes})(?![a-z])"
    r"|(?P<{place}_cutout>{cutouts}) on (?:the |an? )?(?P<{place}_card>{colours}) cards?(?![a-z]))"
)
_PLACED = r"\b(?P<place>{places}), (?:to the )?(?P<side>{sides}) the {b}, (?:is|stands|lies) the {a}"
PATTERNS: dict[str, tuple[str, ...]] = {
    "count": (r"\b(?P<number>{numbers}) {a}",),
    "at": (_PLACED, r"\bthe {a} (?:is|stands|lies) (?P<place>{places})(?![a-z])"),
    "relation": (_PLACED, r"\bthe {a} (?:is|stands|lies) (?:(?:{places}), )?(?:to the )?(?P<side>{sides}) the {b}"),
    "moves": (r"\bthe {a} (?:moves|goes) (?P<way>left|right|up|down)\b",),
    "stays": (r"\bthe {a} (?:stays in its place|does not move)",),
    "sounds": (r"\bthe {a} makes a sound", r"\ba sound comes from the {a}"),
}
"""How captions are read, by kind of fact in several ways; `a` and `b` are things' names."""


def noun(word: str, colour: str, form: str, card: bool) -> str:
    """A noun phrase.

    Args:
        word: the kind.
        colour: empty for none.
        form: see `Noun`.
        card: whether it is a cut-out on a card of that colour.
    """
    if form == "tint":
        return f"the card under the {word}" if card else f"the {colour} {word}".replace("  ", " ")
    if form == "tints":
        return f"the cards under the {plural(word)}" if card else f"the {colour} {plural(word)}".replace("  ", " ")
    if form == "bare":
        return f"{word} on {colour}" if card else f"{colour} {word}"
    start = {"a": "a", "the": "the", "many": "", "1": "a"}.get(form)
    start = NUMBERS[int(form)] if start is None else start
    if start in ("a", "the"):
        if card and colour:
            return f"{_article(word, start)} on {_article(colour, start)} card"
        return _article(f"{colour} {word}".strip(), start)
    if card and colour:
        return f"{start} {plural(word)} on {colour} cards".strip()
    return " ".join(part for part in (start, colour, plural(word)) if part)


def plural(word: str) -> str:
    """More than one of them: "stars", "boxes"; of several words the last one changes."""
    start, space, last = word.rpartition(" ")
    if last in _ODD:
        last = _ODD[last]
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        last += "es"
    elif last.endswith("y") and last[-2:-1] not in tuple("aeiou"):
        last = last[:-1] + "ies"
    else:
        last += "s"
    return start + space + last


def _article(word: str, article: str) -> str:
    return f"an {word}" if article == "a" and word[:1] in "aeiou" else f"{article} {word}"
