"""The same random numbers as crates/dvm-attribution/src/random.rs, computed from a name and a seed."""

import seeded


class Stream:
    """The stream `"<name> <seed>"` of `seeded.unit`, one number after another."""

    def __init__(self, name: str, seed: int):
        self.name = f"{name} {seed}"
        self.at = 0
        self.values = seeded.unit(self.name, 64)

    def uniform(self) -> float:
        """The next number in [0, 1)."""
        if self.at == len(self.values):
            self.values = seeded.unit(self.name, 2 * len(self.values))
        self.at += 1
        return float(self.values[self.at - 1])

    def below(self, bound: int) -> int:
        """The next whole number below `bound`."""
        return min(int(self.uniform() * bound), bound - 1)

    def permutation(self, count: int) -> list[int]:
        """The numbers `0 … count − 1` in a random order, by Fisher and Yates from the last down."""
        order = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return order
