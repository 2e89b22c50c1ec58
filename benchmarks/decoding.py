"""Speed of writing texts: our cached search against `generate` of Hugging Face transformers, same sizes.

    python benchmarks/decoding.py [--beam 4]

The decoders have random weights of one shape. Ours, BART's and GPT-2's with cross-attention attend to the same given
vectors: equal work. Plain GPT-2 attends to its own text alone and so has less to do: 12 products of width by width a
layer where the others have 14, and no keys and values of the vectors to read. Each writes texts of exactly the same
length, in turns; what counts is processor time, which other programs hardly change. The ratio is theirs over ours:
above 1, ours is faster. Needs `pip install 'sensemble[pretrained]'`; nothing is downloaded.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import torch

from sensemble.decoders.search import Search, write
from sensemble.decoders.transformer import TransformerDecoder
from sensemble.tokens import Tokens


def ours(options: argparse.Namespace, fused: torch.Tensor) -> Callable[[], int]:
    decoder = TransformerDecoder(options.width, options.vocab, depth=options.depth, heads=options.heads).eval()
    search = Search(beam=options.beam, min_length=options.length)
    tokens = Tokens.full(fused)

    def run() -> int:
        return sum(len(each.ids) for each in write(decoder, tokens, length=options.length, search=search))

    return run


def bart(options: argparse.Namespace, fused: torch.Tensor) -> Callable[[], int]:
    from transformers import BartConfig, BartForConditionalGeneration
    from transformers.modeling_outputs import BaseModelOutput

    config = BartConfig(
        vocab_size=options.vocab, d_model=options.width, encoder_layers=1, decoder_layers=options.depth,
        encoder_attention_heads=options.heads, decoder_attention_heads=options.heads,
        encoder_ffn_dim=options.width, decoder_ffn_dim=4 * options.width, max_position_embeddings=options.length + 8,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, forced_eos_token_id=None,
    )  # fmt: skip
    model = BartForConditionalGeneration(config).eval()

    def run() -> int:
        texts = model.generate(
            encoder_outputs=BaseModelOutput(last_hidden_state=fused),
            max_new_tokens=options.length, min_new_tokens=options.length, num_beams=options.beam, do_sample=False,
        )  # fmt: skip
        return int(texts[:, 1:].numel())

    return run


def gpt2(options: argparse.Namespace, fused: torch.Tensor, *, cross: bool = False) -> Callable[[], int]:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=options.vocab, n_embd=options.width, n_layer=options.depth, n_head=options.heads,
        n_positions=options.length + 8, bos_token_id=1, eos_token_id=2, pad_token_id=0, add_cross_attention=cross,
    )  # fmt: skip
    model = GPT2LMHeadModel(config).eval()
    first = torch.ones(len(fused), 1, dtype=torch.long)

    def run() -> int:
        texts = model.generate(
            first, attention_mask=torch.ones_like(first), **({"encoder_hidden_states": fused} if cross else {}),
            max_new_tokens=options.length, min_new_tokens=options.length, num_beams=options.beam, do_sample=False,
        )  # fmt: skip
        return int(texts[:, 1:].numel())

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {
        "rows": 32, "length": 48, "context": 32, "width": 256, "depth": 4, "heads": 4, "vocab": 8000, "beam": 1,
        "threads": 1, "repeats": 5,
    }.items():  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    warnings.filterwarnings("ignore")
    fused = torch.randn(options.rows, options.context, options.width)
    runs = {
        "ours": ours(options, fused), "BART": bart(options, fused),
        "GPT-2 + cross": gpt2(options, fused, cross=True), "GPT-2": gpt2(options, fused),
    }  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    written = {name: run() for name, run in runs.items()}  # warm up
    for _ in range(options.repeats):
        for name, run in runs.items():
            started = time.process_time()
            run()
            seconds[name].append(time.process_time() - started)
    assert len(set(written.values())) == 1, f"texts of different lengths: {written}"
    sizes = ("rows", "length", "context", "width", "depth", "vocab", "beam", "threads")
    print(", ".join(f"{name} {getattr(options, name)}" for name in sizes))
    for name, spent in seconds.items():
        print(f"{name:<13} {written[name] / statistics.median(spent):>9,.0f} tokens/s")
    for name in list(runs)[1:]:
        ratios = [theirs / own for theirs, own in zip(seconds[name], seconds["ours"], strict=True)]
        middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
        print(f"time of {name} / ours: median {middle:.2f} (min {low:.2f}, max {high:.2f}, {len(ratios)} repeats)")


if __name__ == "__main__":
    main()
