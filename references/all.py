"""Writes every reference file anew: `python references/all.py`."""

import data_files
import methods
import networks
import ops
import pictures
import tensorboard_events
import weights

if __name__ == "__main__":
    for script in (pictures, weights, data_files, ops, methods, networks, tensorboard_events):
        print(f"== {script.__name__}")
        script.main()
