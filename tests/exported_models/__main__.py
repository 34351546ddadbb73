"""Compares networks exported by PyTorch, timm, Keras and others with ONNX Runtime and the originals.

    python tests/exported_models target/release/dvm [--only WORD] [--all] [--jobs N] [--keep FOLDER] [--tensorflow PYTHON]

Needs torch, torchvision, timm, onnx, onnxruntime, onnxscript, onnxconverter-common, numpy and pillow. Checks that
need more (keras, skl2onnx and scikit-learn, onnxsim) are skipped if it is not installed. TensorFlow conflicts with
the others: `--tensorflow` names the Python of an environment with tensorflow and tf2onnx. Prints 'N passed, N
failed, N skipped'; the exit status is 1 if any failed.
"""

import argparse
import concurrent.futures
import contextlib
import multiprocessing
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


def arguments():
    parser = argparse.ArgumentParser(prog="exported_models", description=__doc__.split("\n")[0])
    parser.add_argument("program", nargs="?", help="the dvm to check; without it models are exported only")
    parser.add_argument("--only", action="append", default=[], help="checks whose names contain this word")
    parser.add_argument("--all", action="store_true", help="all checks, which takes an hour")
    parser.add_argument("--jobs", type=int, default=1, help="this many checks at a time")
    parser.add_argument("--list", action="store_true", help="name the checks that would run")
    parser.add_argument("--keep", type=pathlib.Path, help="leave the exported files in this folder")
    parser.add_argument("--tensorflow", help="a Python with tensorflow and tf2onnx")
    return parser.parse_args()


def chosen(options):
    if options.only:
        return [c for c in CHECKS if any(word in c.name for word in options.only)]
    return [c for c in CHECKS if c.by_default or options.all]


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


def main():
    options = arguments()
    names = [check.name for check in chosen(options)]
    if options.list:
        print("\n".join(names))
        return
    if not names:
        print("no check has such a name", file=sys.stderr)
        sys.exit(1)
    tally = {"passed": 0, "failed": 0, "skipped": 0}
    # Spawned: a fork of a process that has PyTorch's threads may hang.
    workers = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(options.jobs, mp_context=workers) as pool:
        checks = [pool.submit(checked, name, options) for name in names]
        for name, check in zip(names, checks):
            outcome, words, seconds = check.result()
            tally[outcome] += 1
            print(f"{outcome:7} {name} ({seconds:.1f} s): {words}", flush=True)
    print(", ".join(f"{count} {outcome}" for outcome, count in tally.items()))
    sys.exit(1 if tally["failed"] else 0)


if __name__ == "__main__":
    main()
