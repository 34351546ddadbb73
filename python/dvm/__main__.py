"""The command ``dvm``, also as ``python -m dvm``."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command with the arguments of this process, and return its exit status."""
    from dvm import _dvm

    return _dvm.command(["dvm", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
