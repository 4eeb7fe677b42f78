"""What the commands share: the arguments that several take, and how they refuse what they can't use."""

from __future__ import annotations

import argparse
import json
import os
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, NoReturn, cast

from anabranch.engine.config import RunnableConfig
from anabranch.engine.config_checks import check_config
from anabranch.engine.errors import AnabranchError, ConfigError

FAILED, ASKED_WRONGLY, SOME_FAILED, INTERRUPTED = 1, 2, 3, 130
"""Exit codes: it failed on the way; nothing was run, for it can't be; of a batch, some lines failed; Ctrl-C."""

Commands = Any
"""Where the commands are added: what `ArgumentParser.add_subparsers` gives."""

CHAIN_HELP = "the chain: module:name or path/to/file.py:name; a function without arguments that makes one is called"


class AskedWrongly(AnabranchError):
    """Raised when a command can't be carried out as it was asked for, before anything is run."""


class Parser(argparse.ArgumentParser):
    """Says in a sentence what was wrong, without the usage around it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False, **kwargs)

    def error(self, message: str) -> NoReturn:
        self.exit(ASKED_WRONGLY, f"{self.prog}: {message}; '{self.prog} --help' shows how to ask\n")


def add_command(commands: Commands, name: str, does: str, more: str, run: Any) -> argparse.ArgumentParser:
    """Add a command, which `run` carries out.

    Args:
        commands: where.
        name: of it.
        does: what it does, in a few words without a capital.
        more: what follows the arguments in its help: examples first.
        run: gets the options, answers the exit code.
    """
    sentence = does[0].upper() + does[1:] + "."
    made: argparse.ArgumentParser = commands.add_parser(name, help=does, description=sentence, epilog=more)
    made.add_argument("--debug", action="store_true", help="show the traceback of an error")
    made.set_defaults(run=run, prog=made.prog)
    return made


def add_chain(command: argparse.ArgumentParser) -> None:
    """The chain, as the first argument."""
    command.add_argument("chain", metavar="module:chain", help=CHAIN_HELP)


def add_input(command: argparse.ArgumentParser) -> None:
    """The input of a run."""
    given = command.add_mutually_exclusive_group()
    given.add_argument(
        "--input", metavar="JSON", help="the input: JSON; @file for a file of JSON; - for standard input"
    )
    given.add_argument("--text", metavar="TEXT", help="the input, when it is a text: without quotes around it")


def add_config(command: argparse.ArgumentParser) -> None:
    """The config of a run."""
    command.add_argument(
        "--config", metavar="JSON", help='such as \'{"max_concurrency": 4, "timeout": 60, "tags": ["cli"]}\', or @file'
    )


def input_of(options: argparse.Namespace) -> Any:
    """The input that was asked for; None without any.

    Raises:
        AskedWrongly: when it is no JSON, or can't be read.
    """
    if options.text is not None:
        return options.text
    return None if options.input is None else json_of(options.input, "--input")


def config_of(options: argparse.Namespace) -> RunnableConfig:
    """The config that was asked for.

    Raises:
        AskedWrongly: when it is none.
    """
    if options.config is None:
        return {}
    config = json_of(options.config, "--config")
    if not isinstance(config, dict):
        raise AskedWrongly(f"--config: expected a JSON object, got {options.config!r:.80}")
    if isinstance(config.get("run_id"), str):
        try:
            config["run_id"] = uuid.UUID(config["run_id"])
        except ValueError:
            raise AskedWrongly(f"--config: the run_id {config['run_id']!r:.80} is no UUID") from None
    try:
        check_config(config)
    except ConfigError as error:
        raise AskedWrongly(f"--config: {error}") from error
    return cast(RunnableConfig, config)


def json_of(text: str, option: str) -> Any:
    """The value of an option that takes JSON, `@file` or `-`.

    Raises:
        AskedWrongly: when it is no JSON, or can't be read.
    """
    where = option
    if text == "-":
        text, where = sys.stdin.read(), f"{option} -: the standard input"
    elif text.startswith("@"):
        where = f"{option}: {text[1:]}"
        text = read_text(text[1:], option)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        hint = "; a text is given with --text, or in quotes: '\"...\"'" if option == "--input" else ""
        shown = f" {text!r:.60}" if where == option else ""
        raise AskedWrongly(f"{where}{shown} is no JSON ({error}){hint}") from error


def read_text(path: str, option: str) -> str:
    """The text of a file.

    Raises:
        AskedWrongly: when it can't be read.
    """
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise AskedWrongly(f"{option}: {os.fspath(path)} can't be read ({reason(error)})") from error


def reason(error: BaseException) -> str:
    """Why something went wrong, in a few words."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text or type(error).__name__


@contextmanager
def writing(output: str | None) -> Generator[None, None, None]:
    """Where a picture is made: what makes it wrong is told as a wrong command.

    Raises:
        AskedWrongly: when its form is unknown, or its file can't be written.
    """
    try:
        yield
    except ConfigError as error:
        raise AskedWrongly(str(error)) from error
    except OSError as error:
        raise AskedWrongly(f"{output} can't be written ({reason(error)})") from error


def count(text: str) -> int:
    """An argument that is a number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least 1")
    return int(text)


def write_out(made: str | bytes) -> None:
    """Write a picture to standard output."""
    if isinstance(made, bytes):
        sys.stdout.buffer.write(made)
    else:
        sys.stdout.write(made if made.endswith("\n") else f"{made}\n")
