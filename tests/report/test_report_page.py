"""The page as a whole: whole HTML, nothing fetched, nothing unescaped, no number that was not given."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sensemble.errors import UserError
from sensemble.report import render, write_report

VOID = {"meta", "img", "br", "hr", "input", "link", "base"}
DRAWN = {"line", "circle", "rect", "polyline"}
HOSTILE = """<script>alert('x')</script>"><img src=http://evil.example/x onerror=alert(1)>{{ 7 * 7 }}</style></title>"""


class Page(HTMLParser):
    """Checks that tags are balanced, and keeps what is shown, ticks of axes aside."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        hidden = tag in ("style", "title") or "tick" in attributes.get("class", "").split()
        if tag not in VOID:
            self.open.append((tag, hidden))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in DRAWN, f"<{tag}/> closes itself only in SVG"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1][0] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(hidden for _, hidden in self.open):
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def shown(self) -> str:
        return " ".join(" ".join(self.text).split())


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value  # names are shown as well
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def replaced(value: Any, text: str) -> Any:
    """The same content with every string, and every name of the user's, turned into `text`."""
    if isinstance(value, dict):
        return {key: replaced(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [replaced(item, text) for item in value]
    return text if isinstance(value, str) else value


def hostile(run: dict[str, Any]) -> dict[str, Any]:
    run = replaced(run, HOSTILE)
    for section in (run["audit"]["inputs"], run["details"]["residuals"], run["verdict"]["singles"]):
        section[HOSTILE] = next(iter(section.values()))
    run["audit"]["target"]["balance"] = {HOSTILE: 5}
    run["metrics"]["test"][HOSTILE] = run["metrics"]["test"]["accuracy"]
    given = run["metrics"]["subsets"]
    six = {key: given[key] for key in given if not {"city", "price"} & set(key.split("+"))}
    run["metrics"]["subsets"] = {
        "+".join(name + HOSTILE for name in key.split("+")): entry for key, entry in six.items()
    }
    run["history"][0]["valid"] = {HOSTILE: 0.5}
    run["problems"] = [HOSTILE]
    for mistake in run["details"]["mistakes"]:
        mistake["inputs"][HOSTILE] = {"kind": "image", "data": HOSTILE}
    return run


def test_rich_page_is_whole_and_shows_every_section(rich: dict[str, Any]) -> None:
    page = Page(render(rich))
    ids = [each["id"] for _, each in page.tags if "id" in each]
    assert len(ids) == len(set(ids))
    wanted = ["verdict", "scores", "subsets", "audit", "learning", "classes", "residuals", "calibration"]
    wanted += ["mistakes", "setting"]
    assert [each["id"] for each in page.all("section")] == wanted
    assert [each["href"] for each in page.all("a")] == [f"#{name}" for name in wanted]
    for text in (
        rich["verdict"]["sentence"],
        "20 warnings",
        "标题",
        "喜悦",
        "best: epoch 9, 0.960",
        "The other 233 subsets",
    ):
        assert text in page.shown
    assert page.all("html")[0]["lang"] == "en"
    assert "width=device-width" in render(rich)


def test_controls_show_their_score_and_the_gain_over_them(rich: dict[str, Any]) -> None:
    shown = Page(render(rich)).shown
    each = rich["verdict"]["controls"]["shuffled:photo"]
    assert "Blind controls" in shown and "shuffled photo" in shown
    assert f"{each['value']:.3f}" in shown and f"{each['gain']['value']:+.3f}" in shown
    del rich["verdict"]["controls"]
    assert "Blind controls" not in Page(render(rich)).shown


def test_a_verdict_of_one_input_has_no_gain_by_fusion(rich: dict[str, Any]) -> None:
    one = {"verdict": "single_input", "singles": {"text": 0.9}, "best_single": "text", "stacking": None}
    one |= {"gain": {"value": 0.0, "low": 0.0, "high": 0.0}, "gain_over_stacking": None, "sentence": "Text is used."}
    one["gain_over_trivial"] = {"value": 0.4, "low": 0.3, "high": 0.5}
    shown = Page(render({**rich, "verdict": {**rich["verdict"], **one}})).shown
    assert "One input" in shown and "gain over the trivial answer" in shown
    assert "best single input" not in shown and "synergy" not in shown


def test_minimal_page_leaves_sections_out_and_says_so(minimal: dict[str, Any]) -> None:
    page = Page(render(minimal))
    assert [each["id"] for each in page.all("section")] == ["setting"]
    assert "Left out, because the run has none: audit, metrics, verdict, details and history." in page.shown
    assert "Classify label from text" in page.shown
    assert Page(render({}))


@pytest.mark.parametrize("part", ["audit", "metrics", "verdict", "details", "history"])
def test_any_part_may_be_absent_empty_or_null(rich: dict[str, Any], part: str) -> None:
    sizes = [len(render({**rich, part: value})) for value in (None, {} if part != "history" else [])]
    sizes.append(len(render({name: value for name, value in rich.items() if name != part})))
    assert max(sizes) < len(render(rich))


def test_keys_may_be_absent_or_null(rich: dict[str, Any]) -> None:
    given = rich["metrics"]["subsets"]
    rich["metrics"]["subsets"] = {name: given[name] for name in ("text", "photo", "text+photo")}
    rich["details"]["residuals"]["price"]["truth"] = [1.0, 2.0]
    for part in ("audit", "metrics", "verdict", "details"):
        for key in rich[part]:
            without = {name: value for name, value in rich[part].items() if name != key}
            assert Page(render({**rich, part: without}))
            assert Page(render({**rich, part: {**without, key: None}}))


def test_hostile_text_stays_text(rich: dict[str, Any]) -> None:
    html = render(hostile(rich))
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag in ("script", "iframe", "object", "embed", "link", "base", "form")]
    assert not [name for _, each in page.tags for name in each if name.startswith("on")]
    assert not page.all("img"), "no picture was embedded data"
    assert "<script" not in html.lower() and "<img" not in html
    assert html.count("<title>") == html.count("</title>") == html.count("</style>") == 1
    assert page.shown.count("alert('x')") == page.shown.count("{{ 7 * 7 }}") > 100


@pytest.mark.parametrize("name", ["rich", "minimal", "hostile"])
def test_nothing_is_fetched(name: str, rich: dict[str, Any], minimal: dict[str, Any]) -> None:
    html = render({"rich": rich, "minimal": minimal, "hostile": hostile(rich)}[name])
    page = Page(html)
    for _, attributes in page.tags:
        for key in ("src", "href", "srcset", "poster", "action", "xlink:href", "data"):
            assert attributes.get(key, "#").startswith(("data:image/", "#"))
        assert "url(" not in attributes.get("style", "")
    style = html[html.index("<style>") : html.index("</style>")]
    assert not re.search(r"url\(|@import|http", style)
    policy = next(each["content"] for each in page.all("meta") if "http-equiv" in each)
    assert policy.startswith("default-src 'none'") and "script-src" not in policy
    if name != "hostile":
        assert "http://" not in html and "https://" not in html


@pytest.mark.parametrize(
    "data",
    [
        "http://evil.example/x.png",
        "data:image/svg+xml;base64,PHN2Zz4=",
        "data:text/html;base64,PHN2Zz4=",
        'data:image/png;base64,AAAA" onerror="alert(1)',
        "javascript:alert(1)",
        "//evil.example/x.png",
    ],
)
def test_only_embedded_pictures_are_shown(data: str) -> None:
    photo = {"kind": "image", "data": data}
    run = {"details": {"mistakes": [{"row": 1, "inputs": {"photo": photo}}]}}
    page = Page(render(run))
    assert not page.all("img") and "not shown" in page.shown
    photo["data"] = "data:image/png;base64,AAAA"
    assert [each["alt"] for each in Page(render(run)).all("img")] == ["photo of row 1"]


def test_every_number_shown_was_given(rich: dict[str, Any]) -> None:
    shown = Page(render(rich)).shown
    texts = [each for each in leaves(rich) if isinstance(each, str)]
    for text in sorted(texts, key=len, reverse=True):
        if re.search(r"\d", text) and not text.isdigit():
            shown = shown.replace(" ".join(text.split()), " ")
    numbers = [float(each.replace(",", "").replace("−", "-")) for each in re.findall(r"−?\d[\d,]*\.?\d*", shown)]
    given = [float(each) for each in leaves(rich) if type(each) in (int, float) or str(each).isdigit()]
    counts = {95, 1, 0, 20, 2, 233, 600, 900, *range(2, 8)}  # the interval, the scale 0 to 1, and lengths of lists
    known = {f"{each:.{digits}f}" for each in given for digits in range(4)}
    others = [each for each in numbers if each not in counts]
    wrong = [each for each in others if not {f"{each:.{digits}f}" for digits in range(4)} & known]
    assert len(numbers) > 500
    assert not wrong


def test_null_and_nan_are_dashes(rich: dict[str, Any]) -> None:
    rich["verdict"] |= {"fused": float("nan"), "gain": {"value": None, "low": float("nan"), "high": float("inf")}}
    nothing = {"value": None, "low": None, "high": None, "rows": None, "trivial": float("nan")}
    rich["metrics"]["test"] = {"accuracy": nothing}
    rich["metrics"]["subsets"]["text"]["roc_auc"] = {"value": None, "low": None, "high": None, "rows": 3}
    rich["history"][3]["loss"] = float("nan")
    rich["history"][4]["valid"] = {"roc_auc": None}
    rich["details"]["confusion"]["counts"][0][0] = None
    page = Page(render(rich))
    assert not re.search(r"\b(nan|inf|None|null|undefined)\b", page.shown.replace("none of these", ""), re.IGNORECASE)
    assert "– [–, –]" in page.shown
    for tag, attributes in page.tags:
        if tag in DRAWN:
            assert "nan" not in " ".join(attributes.values()) and "None" not in " ".join(attributes.values())


def test_texts_stand_beside_those_wanted_and_long_lists_of_lengths_are_binned() -> None:
    examples = [
        {"truth": "a <b> cat", "prediction": "一只猫", "score": -0.25},
        {"truth": None, "prediction": "", "score": None},
    ]
    lengths = [{"tokens": size, "written": size % 3, "wanted": 1} for size in range(2, 41)]
    page = Page(render({"details": {"examples": examples, "lengths": lengths}}))
    assert [each["id"] for each in page.all("section")] == ["texts", "setting"]
    assert "a <b> cat 一只猫 −0.250" in page.shown
    assert "0 to 2 wanted 1 0 to 2 written 2 3 to 5 wanted 3 3 to 5 written 3" in page.shown
    assert "39 to 41 wanted 2" in page.shown
    bars = [float(each["width"].rstrip("%")) for each in page.all("rect") if each.get("class") == "part"]
    assert len(bars) == 28 and max(bars) == 100.0
    few = Page(render({"details": {"lengths": [{"tokens": 1, "written": 4, "wanted": 2}]}}))
    assert "1 wanted 2 1 written 4" in few.shown and "Test rows taken evenly" not in few.shown


def test_missing_inputs_are_called_missing() -> None:
    mistake = {"row": 5, "truth": None, "prediction": "no", "inputs": {"voice": None}}
    shown = Page(render({"details": {"mistakes": [mistake]}})).shown
    assert "voice missing" in shown and "truth – answer no" in shown


def test_unreadable_inputs_are_called_so_and_named() -> None:
    mistake = {
        "row": 5,
        "truth": "yes",
        "prediction": "no",
        "inputs": {"face": {"unreadable": "5.mp4"}},
    }
    page = Page(render({"details": {"mistakes": [mistake]}}))
    assert "face unreadable, so missing to the model 5.mp4" in page.shown and not page.all("img")


def test_sounds_can_be_played_and_say_how_long_they_are() -> None:
    sound = {"kind": "audio", "text": "5.wav", "data": "data:audio/wav;base64,UklGRg=="}
    mistake = {"row": 5, "truth": "yes", "prediction": "no", "inputs": {"voice": sound}}
    page = Page(render({"details": {"mistakes": [mistake]}}))
    (player,) = page.all("audio")
    assert (player["src"], player["preload"]) == (sound["data"], "metadata") and "controls" in player
    assert player["aria-label"] == "voice of row 5" and "5.wav" in page.shown


def test_long_texts_are_folded_but_whole() -> None:
    long = "咖啡 " * 400
    html = render({"details": {"mistakes": [{"row": 5, "inputs": {"text": {"kind": "text", "text": long}}}]}})
    assert '<details class="long">' in html and long in html


def test_tables_have_headers_and_pictures_have_words(rich: dict[str, Any]) -> None:
    page = Page(render(rich))
    assert all(each.get("scope") in ("row", "col", "colgroup") for each in page.all("th"))
    assert all(each.get("alt") for each in page.all("img"))
    assert all(each.get("aria-hidden") or each.get("aria-label") or "viewbox" in each for each in page.all("svg"))
    assert all(each.get("aria-label") or each.get("aria-labelledby") for _, each in page.tags if each.get("role"))


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1])
def test_text_stands_out_in_both_themes(minimal: dict[str, Any], theme: int) -> None:
    block = re.findall(r":root \{(.*?)\}", render(minimal), re.DOTALL)[theme]
    colours = dict(re.findall(r"--(\w+): (#\w{6})", block))
    for ink in ("ink", "soft", "accent", "good", "warn", "bad", "plain"):
        for ground in ("paper", "card"):
            light, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)  # WCAG 2, level AA


def write_run(folder: Path, run: dict[str, Any]) -> None:
    folder.mkdir()
    (folder / "config.yaml").write_text(run["config"], encoding="utf-8")
    for part in ("audit", "metrics", "verdict", "details"):
        (folder / f"{part}.json").write_text(json.dumps(run[part], ensure_ascii=False), encoding="utf-8")
    lines = "".join(json.dumps(record) + "\n" for record in run["history"])
    (folder / "history.jsonl").write_text(lines, encoding="utf-8")


def test_write_report_reads_the_run_folder(tmp_path: Path, rich: dict[str, Any]) -> None:
    folder = tmp_path / "mood"
    write_run(folder, rich)
    before = {path.name for path in folder.iterdir()}
    path = write_report(folder)
    assert path == folder / "report.html"
    assert path.read_text(encoding="utf-8") == render(rich)
    assert {each.name for each in folder.iterdir()} == before | {"report.html"}
    assert write_report(folder) == path, "a second report takes the first one's place"


def test_write_report_names_files_it_cannot_read(tmp_path: Path, rich: dict[str, Any]) -> None:
    folder = tmp_path / "run"
    write_run(folder, rich)
    (folder / "audit.json").write_text('{"rows": 12', encoding="utf-8")
    (folder / "metrics.json").write_text("[]", encoding="utf-8")
    with (folder / "history.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"epoch": 15, "step"')
    shown = Page(write_report(folder).read_text(encoding="utf-8")).shown
    for text in ("audit.json cannot be read", "metrics.json cannot be read", "history.jsonl: 1 line cannot be read"):
        assert text in shown
    assert "best: epoch 9" not in shown, "without metrics.json nothing says which end of the score is best"
    assert "Learning curves" in shown and "Data audit" not in shown


def test_write_report_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no run: it holds no config.yaml"):
        write_report(tmp_path)


def test_lone_surrogates_can_be_written(tmp_path: Path, rich: dict[str, Any]) -> None:
    folder = tmp_path / "run"
    write_run(folder, {**rich, "verdict": {"sentence": "x"}})
    (folder / "verdict.json").write_text('{"sentence": "half \\ud83d a smile"}', encoding="utf-8")
    assert "half ? a smile" in write_report(folder).read_text(encoding="utf-8")


@pytest.mark.parametrize("config", ["a: [", "- 1", "2020-13-45", "task: 3\ninputs: [a]", "inputs: {a: {}}", ""])
def test_any_config_text_can_be_shown(config: str) -> None:
    assert Page(render({"config": config})).all("h1")
