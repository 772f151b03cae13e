# SPDX-License-Identifier: GPL-2.0-only
"""Checks the JSON that irqlu has printed in the guest against its schema."""

import functools
import json
import os

import jsonschema

from judge.checks import all_of

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools",
                      "irq_liveupdate", "irqlu.schema.json")
COMMAND = "irqlu --json "


@functools.cache
def _validator():
    with open(SCHEMA, encoding="utf-8") as f:
        return jsonschema.Draft202012Validator(json.load(f))


def _json_of(output):
    """The text from the first brace to the last: messages may come before and after."""
    return json.loads(output[output.index("{"):output.rindex("}") + 1])


def _faults(extra):
    try:
        printed = _json_of(extra["output"])
    except ValueError as error:
        return [f"{extra['command']}: {error}"]
    return [f"{extra['command']}: {error.json_path}: {error.message}"
            for error in _validator().iter_errors(printed)]


def check(extras):
    """A Check, if any command was one of irqlu that prints JSON."""
    printed = [extra for extra in extras if COMMAND in extra["command"]]
    if not printed:
        return []
    return [all_of("irqlu: JSON matches its schema",
                   [fault for extra in printed for fault in _faults(extra)])]
