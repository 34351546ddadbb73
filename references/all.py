"""Writes every reference file anew: `python references/all.py`."""

import augmentations
import methods
import networks
import ops
import pictures
import weights

if __name__ == "__main__":
    for script in (pictures, augmentations, weights, ops, methods, networks):
        print(f"== {script.__name__}")
        script.main()
