"""Dialogue scripts, as they are written and as odd as they may be."""

from __future__ import annotations

from sensemble.data.samples.lua import Line, dialogue, picture, turns, unescape


class TestDialogue:
    def test_texts_in_several_scripts(self) -> None:
        script = """
dialogId("let-m-divna", "font_small", "What kind of strange ship is that?")
dialogStr("Co je to za divnou loď?")


dialogId("let-v-vrak0","font_big","This is the “wreck”.")
dialogStr( "这是残骸。ここは残骸です。" )
dialogId("x", "", "")
"""
        assert dialogue(script) == {
            "let-m-divna": Line(
                speaker="small", english="What kind of strange ship is that?", text="Co je to za divnou loď?"
            ),
            "let-v-vrak0": Line(speaker="big", english="This is the “wreck”.", text="这是残骸。ここは残骸です。"),
            "x": Line(speaker="", english=""),
        }
        assert list(dialogue(script)) == ["let-m-divna", "let-v-vrak0", "x"]

    def test_escapes_and_what_looks_like_the_end_of_a_string(self) -> None:
        script = r"""dialogId("a", "font_red", "He said \"--no\"); dialogStr(\"x\")")
dialogStr("C:\\DOS\\ \/ a\
b (\"c\") -- d")"""
        assert dialogue(script) == {
            "a": Line(
                speaker="red", english='He said "--no"); dialogStr("x")', text='C:\\DOS\\ / a\nb ("c") -- d'
            )
        }  # fmt: skip

    def test_comments_are_no_calls(self) -> None:
        script = """-- dialogId("a", "font_small", "no")
--[[ dialogId("b", "font_small", "no")
dialogStr("no") ]] dialogId("c", "font_small", "yes") -- dialogStr("no")
dialogStr("ja") -- FIXME "spell
--- ???"""
        assert dialogue(script) == {"c": Line(speaker="small", english="yes", text="ja")}

    def test_calls_of_another_shape_are_passed_over(self) -> None:
        script = """for i = 0, 29 do dialogId("key"..i, "", "") end
dialogStr("of nobody")
dialogId("a", "font_big", "one")
dialogStr("a", "font_big", "three strings")
dialogId("b", font, "two")
dialogId("c", "font_big", "unfinished"""
        assert dialogue(script) == {"a": Line(speaker="big", english="one")}
        assert dialogue('mydialogId("a", "b", "c")') == {}

    def test_a_second_text_belongs_to_nobody(self) -> None:
        script = 'dialogId("a", "font_big", "one")\ndialogStr("eins")\ndialogStr("zwei")'
        assert dialogue(script)["a"].text == "eins"

    def test_a_long_hostile_script_ends_soon(self) -> None:
        assert dialogue('dialogId("' + "\\" * 200_000) == {}
        assert dialogue('dialogId("a", ' * 20_000) == {}


def test_escapes() -> None:
    assert unescape(r"a\"b\\n\'c\\") == "a\"b\\n'c\\"
    assert unescape(r"one\ntwo\tthree\065\10x") == "one\ntwo\tthreeAx"


class TestTurns:
    def test_lines_planned_one_right_after_the_other(self) -> None:
        script = """
            addm(6, "kuf-m-je")
            addv(random(4) + 1, "kuf-v-noco")
            addv(9, "kuf-v-hod")
        end,
            addv(9, "kuf-m-je")
            addm(9, "kuf-v-hod")"""
        assert turns(script) == {"kuf-v-noco": "kuf-m-je", "kuf-v-hod": "kuf-v-noco"}

    def test_what_is_put_together_or_conditional_breaks_the_run(self) -> None:
        assert turns('addm(1, "a")\naddv(2, "b"..i)\naddm(3, "c")') == {}
        assert turns('addm(1, "a")\nif x then addv(2, "b") end\naddm(3, "c")') == {}
        assert turns('addm(1, "a")\naddm(1, "a")') == {}


class TestPicture:
    def test_the_background_of_the_room(self) -> None:
        script = '-- createRoom(1, 1, "images/"..codename.."/old.png")\n'
        script += 'createRoom(45, 27, "images/" .. codename.."/w-p.png")'
        assert picture(script) == "w-p.png"

    def test_none(self) -> None:
        assert picture("createRoom(45, 27, name)") is None
        assert picture("") is None
