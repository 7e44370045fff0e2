"""Between two sensors: what matching the flow of each run again does to its error on its own validation places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks._validation import validations
from components.inference.method import Method
from components.inference.tiled import predict
from components.tasks.coregistration.classical import MATCHERS, DenseMatching, classical
from components.tasks.coregistration.networks import FlowNetwork
from components.tasks.coregistration.options import MethodOptions, method_options
from components.tasks.coregistration.refinement import refined as again


def templates(options: MethodOptions) -> Method:
    """Template matching whose flow is matched again in the same way: what of a gain is owed to the network."""
    match = MATCHERS["templates"](options)[0]
    return DenseMatching(options, lambda one, two: again(one, two, *match(one, two)), None)


def evaluate(runs: Sequence[str]) -> Iterator[tuple[str, float | None, float | None]]:
    """Run, mean EPE in px as it is and refined; first template matching, as the first run sets it.

    Runs whose chips are not here are left out.
    """
    for at, (run, task, params, own, chips) in enumerate(validations(runs)):
        assert isinstance(own, FlowNetwork)
        pairs = {run: (own.refining(refine=False), own.refining(refine=True))}
        if at == 0:
            options = method_options(params)
            pairs = {f"templates, settings of {run}": (classical("templates", options), templates(options)), **pairs}
        for name, methods in pairs.items():
            plain, more = (
                task.summarise([row for chip in chips for row in task.measure(chip, predict(each, chip.inputs))])
                for each in methods
            )
            yield name, plain["epe"], more["epe"]


def table(rows: Iterator[tuple[str, float | None, float | None]]) -> str:
    """The rows as Markdown."""
    lines = ["| run | validation places, mean EPE in px | refined |", "| --- | ---: | ---: |"]
    lines += [
        f"| {run} | {own:.3f} | {again:.3f} |" for run, own, again in rows if own is not None and again is not None
    ]
    return "\n".join(lines)
