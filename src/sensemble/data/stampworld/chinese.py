"""Chinese words and templates. The places of templates are explained in `words.py`."""

from __future__ import annotations

_PLACES = {
    "top left": "左上",
    "top middle": "中上",
    "top right": "右上",
    "middle left": "左中",
    "centre": "正中",
    "middle right": "右中",
    "bottom left": "左下",
    "bottom middle": "中下",
    "bottom right": "右下",
}
NAMES: dict[str, str] = {
    "red": "红色",
    "orange": "橙色",
    "yellow": "黄色",
    "green": "绿色",
    "cyan": "青色",
    "blue": "蓝色",
    "purple": "紫色",
    "grey": "灰色",
    "circle": "圆形",
    "square": "正方形",
    "triangle": "三角形",
    "diamond": "菱形",
    "star": "星形",
    "cross": "十字形",
    "heart": "心形",
    "bar": "长条",
    "thing": "物体",
    "yes": "是",
    "no": "否",
    "more": "更多",
    "fewer": "更少",
    "equal": "一样多",
    "small": "小",
    "large": "大",
    "left": "左",
    "right": "右",
    "up": "上",
    "down": "下",
    "is left": "左边",
    "is right": "右边",
    "is above": "上面",
    "is below": "下面",
    **_PLACES,
    **{f"at {place}": f"图的{word}" for place, word in _PLACES.items()},
}
NUMBERS = ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九")

TEMPLATES: dict[str, tuple[str, ...]] = {
    "exists": ("有{0:the}吗？", "能看到{0:the}吗？", "{0:the}出现了吗？"),
    "count": ("有几个{0:the}？", "一共有多少个{0:the}？", "{0:the}的数量是多少？"),
    "colour": ("{0:tint}是什么颜色？", "{0:tint}是哪种颜色的？"),
    "colours": ("这些{0:tint}是什么颜色？", "这些{0:tint}是哪种颜色的？"),
    "relation": ("{0:the}在{1:the}的{2}吗？", "{0:the}是不是在{1:the}的{2}？"),
    "compare": ("{0:the}比{1:the}更多、更少，还是一样多？", "和{1:the}相比，{0:the}更多、更少还是一样多？"),
    "same": ("{0:tint}和{1:tint}颜色相同吗？", "{0:tint}与{1:tint}是同一种颜色吗？"),
    "describe": ("各处都是什么？", "每个位置上有什么？"),
    "nothing": ("空",),
    "thing": ("描述一下{0:the}。",),
    "it": ("描述一下它。",),
    "tell": ("发生了什么？", "每样东西做了什么？"),
    "stays": ("不动",),
    "sounds": ("发声",),
    "kind_at": ("{0}是什么？", "{0}有什么？"),
    "colour_at": ("{0}的物体是什么颜色？", "{0}的物体是哪种颜色的？"),
    "say exists": ("有一个{0:the}。", "图中能看到一个{0:the}。"),
    "say relation": ("{0:the}在{1:the}的{2}。", "{0:the}位于{1:the}的{2}。"),
    "say where": ("在{3}、{1:the}的{2}，是{0:the}。", "在{3}、{1:the}的{2}，有{0:the}。"),
    "say same": ("{0:tint}和{1:tint}颜色相同。", "{0:tint}与{1:tint}是同一种颜色。"),
    "moved": ("{0:the}移动了吗？", "{0:the}有没有移动？"),
    "direction": ("{0:the}向哪个方向移动？", "{0:the}往哪边走？"),
    "kind": ("{0:the}是什么？", "{0:the}是哪种东西？"),
    "order": ("{0:the}和{1:the}，哪个先移动？", "先移动的是{0:the}还是{1:the}？"),
    "before": ("{0:the}比{1:the}先移动吗？", "是不是{0:the}先移动，然后{1:the}才移动？"),
    "moves": ("有几个物体移动了？", "移动的物体有多少个？"),
    "sound": ("是什么发出了声音？", "听到的是哪个物体的声音？"),
    "sound_colour": ("发出声音的物体是什么颜色？", "听到的那个物体是哪种颜色的？"),
    "sound_order": ("{0:the}在声音响起之前移动吗？", "声音是在{0:the}开始移动之后响起的吗？"),
    "size": ("{0:the}是小的还是大的？", "{0:the}有多大？"),
    "where": ("{0:the}在哪里？", "{0:the}在图的什么位置？"),
    "it colour": ("它是什么颜色？", "那它的颜色呢？"),
    "it size": ("它是小的还是大的？", "它有多大？"),
    "it where": ("它在哪里？", "它在图的什么位置？"),
    "it relation": ("它在{0:the}的{1}吗？", "它是不是在{0:the}的{1}？"),
    "they colour": ("它们是什么颜色？", "那它们的颜色呢？"),
    "and": ("那{0:the}呢？", "{0:the}呢？"),
    "other": ("那另一个呢？", "另一个呢？"),
    "left colour": ("左边的{0:tint}是什么颜色？",),
    "right colour": ("右边的{0:tint}是什么颜色？",),
    "left size": ("左边的{0:the}是小的还是大的？",),
    "right size": ("右边的{0:the}是小的还是大的？",),
    "picture with": ("一张有{0}个物体的图。",),
    "caption": ("图中有{1}。", "这张图里有{1}。", "可以看到{1}。"),
    "clip moves": ("{0:the}向{1}移动", "{0:the}往{1}走"),
    "clip then": ("，然后", "，接着"),
    "clip stays": ("{0:the}没有移动。", "{0:the}停在原处。"),
    "clip sounds": ("{0:the}发出声音。", "{0:the}发出了响声。"),
}


NAME_PATTERN = (
    r"(?:(?P<{place}_colour>{colours})的(?P<{place}_shape>{shapes})"
    r"|(?P<{place}_card>{colours})卡片上的(?P<{place}_cutout>{cutouts}))"
)
_PLACED = r"在(?P<place>{places})、{b}的(?P<side>{sides})，[是有]{a}"
PATTERNS: dict[str, tuple[str, ...]] = {
    "count": (r"(?P<number>{numbers})个{a}",),
    "at": (_PLACED, r"{a}(?:在|位于)(?P<place>{places})"),
    "relation": (_PLACED, r"{a}(?:在|位于)(?:(?:{places})，在)?{b}的(?P<side>{sides})"),
    "moves": (r"{a}[向往](?P<way>左|右|上|下)(?:移动|走)",),
    "stays": (r"{a}(?:没有移动|停在原处)",),
    "sounds": (r"{a}(?:发出声音|发出了响声)",),
}
"""How captions are read, by kind of fact in several ways; `a` and `b` are things' names."""


def noun(word: str, colour: str, form: str, card: bool) -> str:
    """A noun phrase; arguments as in English. Only a number changes its form."""
    if form in ("tint", "tints") and card:
        return f"{word}下面的卡片"
    middle = ("卡片上的" if card else "的") if colour else ""
    return (f"{NUMBERS[int(form)]}个" if form.isdigit() else "") + colour + middle + word
