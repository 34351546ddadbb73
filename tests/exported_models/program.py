"""Calls dvm and reads its output."""

import json
import subprocess

from checks import Failed

SECONDS = 300


def call(program, *arguments, cwd=None):
    """Runs dvm; answers with the code, what it printed and what it said."""
    command = [str(program), *map(str, arguments)]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd=cwd)
    except subprocess.TimeoutExpired:
        raise Failed(f"no answer after {SECONDS} s: {' '.join(command)}") from None
    return run.returncode, run.stdout, run.stderr


def succeed(program, *arguments, cwd=None):
    """Runs dvm, which must succeed; answers with what it printed."""
    code, printed, said = call(program, *arguments, cwd=cwd)
    if code != 0:
        raise Failed(f"dvm {arguments[0]} ended with {code}: {said.strip()}")
    return printed


def network_options(exported):
    """The options that name a network and its preprocessing."""
    return ["--model", exported.path, "--preprocess", exported.preprocess]


def classify(program, exported):
    """Logits and probabilities [classes] of its picture."""
    printed = succeed(
        program, "classify", exported.picture, "--json", "--top", 100000, *network_options(exported)
    )
    answer = json.loads(printed)[0]
    probabilities = [0.0] * len(answer["logits"])
    for ranked in answer["top"]:
        probabilities[ranked["index"]] = ranked["probability"]
    return answer["logits"], probabilities
