#!/usr/bin/env python3
"""Makes src/io/iq_grids.inc: the points of the IQ grids, as sets.

    ~/.cache/assay/peers/bin/python scripts/make_iq_grids.py

A grid is a list of points whose coordinates are levels 0 .. base - 1; its list is in the order of the numbers that the
coordinates are the digits of (the first the lowest), so the set of those numbers is the grid: a bit each. The points are those
of ggml's format, read from the gguf package.
"""
import importlib.metadata
from pathlib import Path

from gguf import quants

GRIDS = {"IQ2_XXS": 3, "IQ2_XS": 3, "IQ2_S": 3, "IQ3_XXS": 8, "IQ3_S": 8, "IQ1_S": 3}


def words_of(name, base):
    kind = getattr(quants, name)
    kind.init_grid()
    length = kind.grid_shape[1]
    level = {int(value): i for i, value in enumerate(kind.grid_map)}
    numbers = [sum(level[int(value)] * base**i for i, value in enumerate(point)) for point in kind.grid.reshape(-1, length)]
    assert numbers == sorted(set(numbers)), f"{name}: not in order"
    bits = sum(1 << number for number in numbers)
    count = (base**length + 63) // 64
    return [bits >> (64 * i) & (2**64 - 1) for i in range(count)]


def main():
    version = importlib.metadata.version("gguf")
    lines = [f"// Made by scripts/make_iq_grids.py from the grids of the gguf package {version}."]
    for name, base in GRIDS.items():
        words = [f"0x{word:x}" for word in words_of(name, base)]
        lines.append(f"constexpr std::array<uint64_t, {len(words)}> k{name.replace('_', '').title()}Set{{")
        line = "   "
        for word in words:
            if len(line) + len(word) > 97:
                lines.append(line)
                line = "   "
            line += f" {word},"
        lines += [line + "};"]
    (Path(__file__).parents[1] / "src/io/iq_grids.inc").write_text("\n".join(lines) + "\n")


main()
