"""Runs a check. The processes that compare networks import this file; they do not know the program's own."""

import contextlib
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "2")
warnings.simplefilter("ignore")

# Each file puts its checks into the list.
import torchvision_networks  # noqa: E402, F401
import timm_networks  # noqa: E402, F401
import wrapped_networks  # noqa: E402, F401
import rewritten_files  # noqa: E402, F401
import quantised_files  # noqa: E402, F401
import transformers_networks  # noqa: E402, F401
import other_exporters  # noqa: E402, F401
import walks  # noqa: E402, F401
from checks import CHECKS, Failed, Skipped, Surroundings  # noqa: E402


def run(check, options, folder):
    """passed, failed or skipped, and what is to be said of it."""
    around = Surroundings(
        folder,
        pathlib.Path(options.program).resolve() if options.program else None,
        options.tensorflow,
    )
    try:
        return "passed", check.run(around)
    except Skipped as why:
        return "skipped", str(why)
    except Failed as why:
        return "failed", str(why)
    except Exception as error:
        if "torch.onnx" in traceback.format_exc() or "torch/onnx" in traceback.format_exc():
            return "skipped", f"PyTorch cannot export it: {str(error).strip().splitlines()[0][:200]}"
        return "failed", traceback.format_exc()


@contextlib.contextmanager
def talk_into(path):
    """What exporters, also those written in C++, print meanwhile goes into a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    with open(path, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])


def checked(name, options):
    """What `run` answers for the check of this name, and the seconds that it took."""
    began = time.monotonic()
    file_name = re.sub(r"[^A-Za-z0-9_.-]+", "+", name)
    folder = options.keep / file_name if options.keep else pathlib.Path(tempfile.mkdtemp(prefix="exported-"))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with talk_into(folder / "said.txt"):
        outcome, words = run(next(check for check in CHECKS if check.name == name), options, folder)
    if not options.keep:
        shutil.rmtree(folder, ignore_errors=True)
    return outcome, words, time.monotonic() - began
