"""`anabranch schema`: what a chain takes, gives, and can be configured with."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from anabranch.engine.json_encoding import to_json
from anabranch.viz.asking import Commands, add_chain, add_command
from anabranch.viz.targets import load_chain

EXAMPLES = """\
examples:
  anabranch schema examples/report.py:chain
  anabranch schema my.module:chain --input > input.schema.json

JSON schemas, from the types of the chain's steps. With one of --input, --output and --config it is that schema
alone, otherwise an object of all three.
"""


def add_schema(commands: Commands) -> None:
    """Add the command."""
    schema = add_command(commands, "schema", "print what a chain takes and gives, as JSON schemas", EXAMPLES, _schema)
    add_chain(schema)
    which = schema.add_mutually_exclusive_group()
    for each, does in (("input", "what it takes"), ("output", "what it gives"), ("config", "how it is configured")):
        which.add_argument(f"--{each}", dest="which", action="store_const", const=each, help=f"only {does}")


def _schema(options: argparse.Namespace) -> int:
    chain = load_chain(options.chain)
    schemas: dict[str, Any] = {
        "input": chain.get_input_jsonschema,
        "output": chain.get_output_jsonschema,
        "config": chain.get_config_jsonschema,
    }
    shown = schemas[options.which]() if options.which else {each: make() for each, make in schemas.items()}
    json.dump(to_json(shown), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    return 0
