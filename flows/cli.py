"""`swath`: every command with an example, honest exit codes, errors in one sentence."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from components.errors import SwathError
from flows.commands import demo, models, predict, stack, tokens, work
from flows.commands.review import review

app = typer.Typer(
    help="Earth-observation models from raw scenes to a running service.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for command in (
    *(stack.up, stack.down, stack.status, stack.doctor, demo.demo),
    *(models.runs, work.ingest, work.qa, work.train, work.evaluate, work.deploy, work.lifecycle),
    *(models.merge, predict.predict, models.promote, models.rollback, tokens.token),
):
    app.command()(command)
app.add_typer(review, name="review")


@app.callback()
def _settings(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    os.environ["SWATH_DEBUG"] = "1" if debug else ""
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=Console(stderr=True), show_path=False, show_time=False)],
    )


def main() -> None:
    """The entry point: an error of ours is one sentence and exit code 1, Ctrl-C is 130."""
    try:
        app()
    except SwathError as error:
        if os.environ.get("SWATH_DEBUG"):
            raise
        Console(stderr=True).print(f"[red]error[/]: {error}", highlight=False)
        sys.exit(1)
    except KeyboardInterrupt:
        Console(stderr=True).print("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
