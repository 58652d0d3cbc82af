#!/usr/bin/env python3
"""Prints the table of src/tokenizer/regex_stand_ins.cpp: run with the peers' Python (make peers).

Compares the classes of every code point between Oniguruma (inside of `tokenizers`) and PCRE2 (pcre2grep's library through
ctypes), and gives each character that only Oniguruma classifies an older one of the same category and UTF-8 size.
"""
import ctypes
import ctypes.util

from tokenizers import Regex, pre_tokenizers

CLASSES = ["Lu", "Ll", "Lm", "Lo", "M", "Nd", "N", "P", "S"]  # the first that holds a character is its category
STAND_INS = {3: dict(Lu=0x1E00, Ll=0x1E01, Lm=0x1D2C, M=0x20D0, P=0x2016, S=0x2100),
             4: dict(Lu=0x10400, Ll=0x10428, Lm=0x16B40, Lo=0x10000, Han=0x20000, M=0x101FD, Nd=0x104A0, N=0x10107,
                     P=0x10100, S=0x1F300)}
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
PCRE2_UTF_UCP = 0x00080000 | 0x00020000


def oniguruma(name):
    """The code points of \\p{name}: what a Split that removes them leaves out."""
    split = pre_tokenizers.Split(Regex(rf"\p{{{name}}}"), behavior="removed")
    found = set()
    for i in range(0, len(SCALARS), 4096):
        chunk = set(SCALARS[i:i + 4096])
        left = split.pre_tokenize_str("".join(map(chr, sorted(chunk))))
        found |= chunk - {ord(c) for word, _ in left for c in word}
    return found


def pcre2(name):
    lib = ctypes.CDLL(ctypes.util.find_library("pcre2-8"))
    for function in (lib.pcre2_compile_8, lib.pcre2_match_data_create_8):
        function.restype = ctypes.c_void_p
    error, offset, pattern = ctypes.c_int(), ctypes.c_size_t(), rf"\p{{{name}}}".encode()
    code = ctypes.c_void_p(lib.pcre2_compile_8(pattern, ctypes.c_size_t(len(pattern)), PCRE2_UTF_UCP, ctypes.byref(error),
                                               ctypes.byref(offset), None))
    data = ctypes.c_void_p(lib.pcre2_match_data_create_8(1, None))

    def matches(c):
        text = chr(c).encode()
        return lib.pcre2_match_8(code, text, ctypes.c_size_t(len(text)), ctypes.c_size_t(0), 0, data, None) > 0

    return {c for c in SCALARS if matches(c)}


def main():
    newer, known = {name: oniguruma(name) for name in CLASSES}, {name: pcre2(name) for name in CLASSES}
    han = oniguruma("Han")
    ranges = []
    for c in SCALARS:
        if all((c in newer[name]) <= (c in known[name]) for name in CLASSES):
            continue
        category = next(name for name in CLASSES if c in newer[name])
        if c in han and category == "Lo":
            category = "Han"
        older = STAND_INS[3 if c < 0x10000 else 4][category]
        if ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == older:
            ranges[-1][1] = c
        else:
            ranges.append([c, c, older])
    for first, last, older in ranges:
        print(f"{{0x{first:X}, 0x{last:X}, 0x{older:X}}},")


if __name__ == "__main__":
    main()
