"""`tlsocket bench`: the comparison with `ssl` and what else is installed, as a table, as JSON, as a picture.

What is measured, and which figures are musts, is `tlsocket.bench`'s business.
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tlsocket.bench.comparison import OURS, THEIRS, WORKS, Figure, Measured, compare, machine, selected
from tlsocket.cli.output import DONE, REFUSED, USAGE, CommandError, common, console, examples

__all__ = ["bench"]

PICTURES = (".svg", ".png")
UNEQUAL = {
    "pyOpenSSL": "its client checks no host name here, and its server sends tickets",
    "rtls": "its server sends tickets, and its client resumes by itself where it can",
}
"""Where a rival's work is not quite the same."""


class WrongUse(CommandError):
    """An option that cannot be meant."""

    exit_code = USAGE


@click.command(
    epilog=examples("tlsocket bench --only handshake --rounds 1", "tlsocket bench --only resume --rounds 1 --json")
)
@click.option("--full", is_flag=True, help="Longer runs and more of them; takes many minutes.")
@click.option("--only", metavar="LIST", help=f"Some of: {', '.join(work.key for work in WORKS)}.")
@click.option("--rounds", type=click.IntRange(1, 100), help="How many times each is run (3; 7 with --full).")
@click.option("--json", "as_json", is_flag=True, help="One object on standard output, every run's figure in it.")
@click.option("--plot", metavar="FILE", help="Draw the ratios into an .svg or .png file (needs tlsocket[plot]).")
@click.option("--check", is_flag=True, help="Exit 1 when a must is missed.")
@common
def bench(full: bool, only: str | None, rounds: int | None, as_json: bool, plot: str | None, check: bool) -> int:
    """Measure tlsocket beside `ssl` on this machine, in turn, and say where it is slower.

    Takes two minutes at most, unless --full. Let nothing else run meanwhile: figures are medians of runs that take
    turns, with half of the distance between the best and the worst run as their spread.
    """
    try:
        works = selected([key.strip() for key in only.split(",") if key.strip()] if only else [])
    except KeyError as error:
        raise WrongUse(f"--only: there is no {error}; there are {', '.join(work.key for work in WORKS)}") from None
    drawing = None if plot is None else load_drawing(plot)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        results = compare(
            works,
            full=full,
            rounds=rounds,
            progress=lambda done, planned, what: progress.update(task, completed=done, total=planned, description=what),
        )
    if as_json:
        click.echo(json.dumps(as_object(results), indent=2))
    else:
        show(console(), results)
    if drawing is not None and plot is not None:
        draw(drawing, results, plot)
    missed = any(
        not figure.reached(ratio)
        for result in results
        for figure in result.work.figures
        if (ratio := result.ratio(figure)) is not None
    )
    return REFUSED if check and missed else DONE


def verdict(figure: Figure, ratio: float) -> str:
    """In a word or two, the losses said as losses."""
    if figure.reached(ratio):
        return "met"
    return "missed" if figure.ahead(ratio) else "missed: slower than ssl" if _is_speed(figure) else "missed: more"


def _is_speed(figure: Figure) -> bool:
    return not figure.name.startswith("bytes")


def show(out: Console, results: list[Measured]) -> None:
    """The table, the versions, and the losses in words."""
    table = Table("work", "figure", "ssl", "tlsocket", "ratio", "must", "")
    for column in table.columns[2:6]:
        column.justify = "right"
    others = Table("work", "figure", "rival", "its figure", "tlsocket", "tlsocket to it")
    losses: list[str] = []
    for result in results:
        for figure in result.work.figures:
            ratio = result.ratio(figure)
            if ratio is None:
                continue
            sign = ">=" if figure.more_is_better else "<="
            table.add_row(
                result.work.title, figure.name, _cell(result, figure, THEIRS), _cell(result, figure, OURS),
                f"{ratio:.2f}", f"{sign} {figure.threshold():.2f}", verdict(figure, ratio),
            )  # fmt: skip
            if not figure.ahead(ratio):
                losses.append(f"{result.work.title} ({figure.name}): {ratio:.2f} of ssl's")
            losses += _rivals(others, result, figure)
    for name, value in machine().items():
        out.print(f"{name:>12}: {value}")
    out.print(table)
    if others.row_count:
        out.print(others)
    for result in results:
        for library, error in result.errors.items():
            out.print(f"{library} did not take part in {result.work.title}: {error}")
    for name in sorted({name for result in results for name in result.rivals()} & UNEQUAL.keys()):
        out.print(f"{name}: {UNEQUAL[name]}.")
    if losses:
        out.print("Where tlsocket loses:")
        for loss in losses:
            out.print(f"  {loss}")
    else:
        out.print("tlsocket is behind in none of these.")


def _rivals(table: Table, result: Measured, figure: Figure) -> list[str]:
    """Rows for the others that took part; what is lost to them, in words."""
    losses = []
    ours = result.median(figure, OURS)
    for library in result.rivals():
        theirs = result.median(figure, library)
        if theirs and ours is not None:
            ratio = ours / theirs
            table.add_row(
                result.work.title, figure.name, library, _cell(result, figure, library), f"{ours:.4g}", f"{ratio:.2f}"
            )
            if not figure.ahead(ratio) and not library.startswith(OURS):
                losses.append(f"{result.work.title} ({figure.name}): {ratio:.2f} of {library}'s")
    return losses


def _cell(result: Measured, figure: Figure, library: str) -> str:
    return f"{result.median(figure, library):.4g} ±{result.spread(figure, library):.0%}"


def as_object(results: list[Measured]) -> dict[str, Any]:
    """The object of `--json`."""
    items = []
    for result in results:
        for figure in result.work.figures:
            ratio = result.ratio(figure)
            items.append(
                {
                    "work": result.work.key,
                    "title": result.work.title,
                    "figure": figure.name,
                    "more_is_better": figure.more_is_better,
                    "runs": result.values.get(figure.name, {}),
                    "ratio": ratio,
                    "must": figure.threshold(),
                    "reached": None if ratio is None else figure.reached(ratio),
                }
            )
    return {"schema": "tlsocket/1", "kind": "bench", "machine": machine(), "items": items}


def load_drawing(plot: str) -> Any:
    """matplotlib, before anything is measured in vain."""
    if Path(plot).suffix.lower() not in PICTURES:
        raise WrongUse(f"--plot {plot}: the name must end in .svg or .png")
    try:
        matplotlib: Any = importlib.import_module("matplotlib")
    except ImportError:
        raise WrongUse("--plot needs matplotlib: pip install 'tlsocket[plot]'") from None
    matplotlib.use("Agg")
    return importlib.import_module("matplotlib.pyplot")


def draw(pyplot: Any, results: list[Measured], file: str) -> None:
    """One bar for each figure: how many times better than `ssl`, and a mark where the must is."""
    names, gains, musts = [], [], []
    for result in results:
        for figure in result.work.figures:
            ratio = result.ratio(figure)
            if ratio:
                names.append(f"{result.work.title} ({figure.name})")
                gains.append(ratio if figure.more_is_better else 1 / ratio)
                threshold = figure.threshold()
                musts.append(threshold if figure.more_is_better else 1 / threshold)
    picture, axes = pyplot.subplots(figsize=(9, 0.42 * len(names) + 1.6))
    places = range(len(names))
    colours = ["#1a7f5a" if gain >= must else "#c9a227" if gain >= 1 else "#b3362b"
               for gain, must in zip(gains, musts, strict=True)]  # fmt: skip
    axes.barh(places, gains, color=colours, height=0.62)
    axes.scatter(musts, places, marker="|", s=220, color="black", label="must", zorder=3)
    axes.axvline(1, color="grey", linewidth=1)
    for place, gain in zip(places, gains, strict=True):
        axes.text(gain - 0.04, place, f"{gain:.2f}x", va="center", ha="right", color="white", fontsize=8)
    axes.set_yticks(places, names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("times better than ssl (longer is better; green: must met, red: behind ssl)")
    about = machine()
    axes.set_title(f"tlsocket {about['tlsocket']}, {about['ssl']}\n{about['processor']}", fontsize=9)
    axes.legend(loc="lower right", frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    picture.tight_layout()
    try:
        picture.savefig(file)
    finally:
        pyplot.close(picture)
