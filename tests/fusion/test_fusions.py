"""The battery over every registered fusion, and what each of them is."""

from __future__ import annotations

import pytest
import torch

from sensemble.errors import ConfigError
from sensemble.fusion.base import FUSIONS, Fusion
from sensemble.testing import check_fusion
from sensemble.tokens import Tokens


def make(name: str, inputs: tuple[str, ...] = ("a", "b", "c")) -> Fusion:
    torch.manual_seed(0)
    return FUSIONS.create(name, inputs, 8)


@pytest.mark.parametrize("name", list(FUSIONS))
@pytest.mark.parametrize("inputs", [("a", "b"), ("a", "b", "c")])
def test_battery(name: str, inputs: tuple[str, ...]) -> None:
    check_fusion(lambda: make(name, inputs))


@pytest.mark.parametrize("name", list(FUSIONS))
def test_one_input_alone_is_a_model_too(name: str) -> None:
    fused = make(name, ("a",))({"a": Tokens.full(torch.randn(2, 3, 8))})
    assert bool(fused.values.isfinite().all()) and bool(fused.present.all())


class Blind(Fusion):
    """Ignores masks."""

    def fuse(self, inputs: dict[str, Tokens], present: torch.Tensor) -> Tokens:
        return Tokens.full(torch.stack([tokens.values.mean(1) for tokens in inputs.values()]).sum(0).unsqueeze(1))


def test_the_battery_finds_a_fusion_that_ignores_masks() -> None:
    with pytest.raises(AssertionError, match=r"padding changes|absent slot"):
        check_fusion(lambda: Blind(("a", "b"), 8))


def pair() -> dict[str, Tokens]:
    generator = torch.Generator().manual_seed(1)
    return {name: Tokens.full(torch.randn(4, 1, 8, generator=generator)) for name in ("a", "b")}


def test_sum_is_the_weighted_sum() -> None:
    fusion, inputs = make("sum", ("a", "b")).eval(), pair()
    with torch.no_grad():
        fusion.alpha.copy_(torch.tensor([0.4, -0.2]))
        share = torch.sigmoid(torch.tensor(0.6))
        expected = share * inputs["a"].values + (1 - share) * inputs["b"].values
        assert torch.allclose(fusion(inputs).values, expected, atol=1e-6)
        assert torch.allclose(fusion({"a": inputs["a"]}).values, inputs["a"].values, atol=1e-6)


def test_gates_are_complementary() -> None:
    fusion, inputs = make("gate", ("a", "b")).eval(), pair()
    vectors = torch.cat([inputs["a"].values, inputs["b"].values], 1)
    present = torch.ones(4, 2, dtype=torch.bool)
    with torch.no_grad():
        shares = fusion.shares(fusion.gates(vectors.flatten(1)).view_as(vectors), present)
    assert torch.allclose(shares.sum(1), torch.ones(4, 8), atol=1e-6) and float(shares.std()) > 0.01


def test_late_votes_come_from_one_input_each() -> None:
    fusion, inputs = make("late", ("a", "b")).eval(), pair()
    other = {"a": inputs["a"], "b": Tokens.full(torch.zeros(4, 1, 8))}
    with torch.no_grad():
        assert torch.equal(fusion(inputs).values[:, 0], fusion(other).values[:, 0])
        assert fusion({"b": inputs["b"]}).mask.tolist() == [[False, True]] * 4


@pytest.mark.parametrize("name", [name for name in FUSIONS if name not in ("sum", "late")])
def test_joint_fusions_let_one_input_change_what_another_means(name: str) -> None:
    fusion, inputs = make(name, ("a", "b")).eval(), pair()

    def effect(b: torch.Tensor) -> torch.Tensor:
        """What changing `a` does, given `b`."""
        given = Tokens.full(b)
        with torch.no_grad():
            first = fusion({"a": inputs["a"], "b": given}).values.mean(1)
            return first - fusion({"a": Tokens.full(-inputs["a"].values), "b": given}).values.mean(1)

    assert not torch.allclose(effect(inputs["b"].values), effect(inputs["b"].values * -2), atol=1e-4)


def test_the_tensor_holds_every_product_once() -> None:
    fusion, inputs = FUSIONS.create("tensor", ("a", "b"), 8, dim=2).eval(), pair()
    seen: list[torch.Tensor] = []
    fusion.body.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with torch.no_grad():
        fusion(inputs)
        first, second = (fusion.factors[i](inputs[name].values[:, 0]) for i, name in enumerate(("a", "b")))
    expected = [
        a * b for a in (torch.ones(4), first[:, 0], first[:, 1]) for b in (torch.ones(4), second[:, 0], second[:, 1])
    ]
    assert torch.allclose(seen[0], torch.stack(expected, 1))


def test_too_many_products_are_refused_with_a_remedy() -> None:
    with pytest.raises(ConfigError, match=r"4 inputs of 16 features have 83,521 products.*low_rank"):
        FUSIONS.create("tensor", ("a", "b", "c", "d"), 16, dim=16)
    assert FUSIONS.create("tensor", tuple("abcdef"), 16).width == 16  # the default fits itself to the inputs


def test_low_rank_is_a_tensor_product_of_that_rank() -> None:
    fusion, inputs = FUSIONS.create("low_rank", ("a", "b"), 8, rank=3).eval(), pair()
    seen: list[torch.Tensor] = []
    fusion.norm.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with torch.no_grad():
        fusion(inputs)
        one = torch.ones(4, 1)
        first, second = (torch.cat([inputs[name].values[:, 0], one], 1) for name in ("a", "b"))
        maps = [torch.cat([each.weight, each.bias[:, None]], 1).view(3, 8, 9) for each in fusion.factors]
        whole = torch.einsum("r,rdi,rdj->dij", fusion.weights, *maps)  # the weight of the full tensor
        assert torch.allclose(seen[0], torch.einsum("dij,bi,bj->bd", whole, first, second), atol=1e-4)


def test_a_bottleneck_passes_on_through_its_shared_tokens_alone() -> None:
    torch.manual_seed(0)
    fusion, inputs = FUSIONS.create("bottleneck", ("a", "b"), 8, depth=1, shared=2).eval(), pair()
    other = {"a": inputs["a"], "b": Tokens.full(torch.zeros(4, 1, 8))}
    with torch.no_grad():
        first, second = fusion(inputs).values, fusion(other).values
    assert torch.equal(first[:, 2], second[:, 2])  # one layer: the stream of `a` has heard nothing of `b` yet
    assert not torch.allclose(first[:, :2], second[:, :2], atol=1e-3)


def test_a_perceiver_gives_as_many_tokens_as_it_has_latents() -> None:
    fusion = FUSIONS.create("perceiver", ("a", "b"), 8, latents=5)
    assert fusion({"a": Tokens.full(torch.randn(2, 40, 8))}).values.shape == (2, 5, 8)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("low_rank", {"rank": 0}, "fusion.rank"),
        ("conv", {"kernel": 2}, "fusion.kernel"),
        ("bottleneck", {"shared": 0}, "fusion.shared"),
        ("perceiver", {"latents": 0}, "fusion.latents"),
    ],
)
def test_senseless_options_are_refused(name: str, options: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FUSIONS.create(name, ("a", "b"), 8, **options)


@pytest.mark.parametrize("name", list(FUSIONS))
def test_every_fusion_says_its_cost_and_source(name: str) -> None:
    text = FUSIONS[name].__doc__ or ""
    assert len(text) > 100 and "Cost: " in text


def test_film_reads_the_first_input_unless_told_otherwise() -> None:
    grid, question = Tokens.full(torch.randn(2, 4, 8)), Tokens.full(torch.randn(2, 3, 8))
    inputs = {"a": grid, "b": question}
    assert make("film", ("a", "b"))(inputs).values.shape == (2, 1 + 4, 8)
    turned = FUSIONS.create("film", ("a", "b"), 8, by=("a",))
    assert turned(inputs).values.shape == (2, 1 + 3, 8)
    both = FUSIONS.create("film", ("a", "b", "c"), 8, by=("b",))
    assert both(inputs).mask.sum(1).tolist() == [1 + 4 + 1] * 2  # c is absent: its learned token


def test_what_a_question_means_may_stand_in_a_second_text() -> None:
    """Every question is the same; the history names the thing whose value it asks for."""
    torch.manual_seed(0)
    words, values = torch.randn(4, 16), torch.randn(4, 16)
    film = FUSIONS.create("film", ("grid", "question", "history"), 16, by=("question", "history"), depth=1)
    head = torch.nn.Linear(16, 4)
    optimizer = torch.optim.Adam([*film.parameters(), *head.parameters()], lr=1e-2)

    def batch() -> tuple[dict[str, Tokens], torch.Tensor]:
        named, what = torch.randint(0, 4, (64,)), torch.stack([torch.randperm(4) for _ in range(64)])  # (B,), (B, 4)
        grid = words + values[what]  # each thing's name and value, (B, 4, D)
        question, history = torch.ones(64, 1, 16), words[named].unsqueeze(1)
        inputs = {"grid": grid, "question": question, "history": history}
        return {name: Tokens.full(each) for name, each in inputs.items()}, what[torch.arange(64), named]

    for _ in range(150):
        inputs, right = batch()
        loss = torch.nn.functional.cross_entropy(head(film(inputs).values[:, 0]), right)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    film.eval()
    inputs, right = batch()
    assert (head(film(inputs).values[:, 0]).argmax(1) == right).float().mean() > 0.9
    without = inputs | {"history": inputs["history"].hide(torch.ones(64, dtype=torch.bool))}
    assert (head(film(without).values[:, 0]).argmax(1) == right).float().mean() < 0.5


def test_film_tells_places_apart() -> None:
    film = make("film", ("a", "b")).eval()
    one = Tokens.full(torch.ones(1, 2, 8))
    values = film({"a": one, "b": one}).values[0, 1:]
    assert not torch.allclose(values[0], values[1], atol=1e-3)


@pytest.mark.parametrize(("by", "message"), [(("d",), "'d'"), (("a", "b"), "leave out")])
def test_film_refuses_what_cannot_ask(by: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FUSIONS.create("film", ("a", "b"), 8, by=by)
