"""Compares networks exported by PyTorch, timm, Keras and others with ONNX Runtime and the originals.

    python tests/exported_models target/release/dvm [--only WORD] [--all] [--jobs N] [--keep FOLDER] [--tensorflow PYTHON]

Needs torch, torchvision, timm, onnx, onnxruntime, onnxscript, onnxconverter-common, numpy and pillow. Checks that
need more (keras, skl2onnx and scikit-learn, onnxsim) are skipped if it is not installed. TensorFlow conflicts with
the others: `--tensorflow` names the Python of an environment with tensorflow and tf2onnx. Prints 'N passed, N
failed, N skipped'; the exit status is 1 if any failed.
"""

import argparse
import concurrent.futures
import multiprocessing
import pathlib
import sys

from running import CHECKS, checked


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
