#!/usr/bin/env python3
"""Prints the tables of src/tokenizer/character_classes.cpp: where the classes of the `tokenizers` library differ from
those of Debian 12's utf8proc (Unicode 15). Run with the peers' Python (make peers); needs libutf8proc.

The library asks three crates of different ages: `unicode_categories` (control characters, punctuation and accents of BERT),
`unicode_normalization_alignments` (accents of StripAccents, compatibility decompositions), and Rust's own tables
(lower case).
"""
import ctypes
import ctypes.util
import glob

from tokenizers import normalizers, pre_tokenizers

UTF8PROC = ctypes.CDLL(ctypes.util.find_library("utf8proc") or glob.glob("/usr/lib/*/libutf8proc.so*")[0])
UTF8PROC.utf8proc_category_string.restype = ctypes.c_char_p
UTF8PROC.utf8proc_map.restype = ctypes.c_ssize_t
UTF8PROC.utf8proc_get_property.restype = ctypes.POINTER(ctypes.c_int16)  # category, combining class, ...
SEPARATOR = "\u2603"  # in no class; left out of the comparison
CODES = [c for c in range(0x80, 0x110000) if not 0xD800 <= c < 0xE000 and c != ord(SEPARATOR)]


def category(code):
    return UTF8PROC.utf8proc_category_string(code).decode()


def normalized_alone(normalizer):
    """What becomes of each character, all of them in one text."""
    parts = normalizer.normalize_str(SEPARATOR.join(["x"] + ["y" + chr(c) + "z" for c in CODES])).split(SEPARATOR)[1:]
    assert len(parts) == len(CODES)
    return {c: part[1:-1] for c, part in zip(CODES, parts)}


def utf8proc_form(code, options):
    text, buffer = chr(code).encode(), ctypes.c_void_p()
    size = UTF8PROC.utf8proc_map(text, len(text), ctypes.byref(buffer), options)
    form = ctypes.string_at(buffer, size).decode()
    ctypes.CDLL(None).free(buffer)
    return form


def table(name, what, codes):
    ranges = []
    for code in sorted(codes):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    body = ", ".join(f"{{0x{first:X}, 0x{last:X}}}" for first, last in ranges)
    print(f"// {what}\nconstexpr auto {name} = std::to_array<Range>({{{body}}});\n")


def difference(name, what, library, categories):
    ours = {c for c in CODES if category(c) in categories}
    table(name, what, set(library) ^ ours)


def main():
    def bert(**flags):
        off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
        return normalized_alone(normalizers.BertNormalizer(**{**off, **flags}))

    difference("kNotBertControl", "Cc, Cf and Co that BERT's clean_text does not take for control characters.",
               {c for c, form in bert(clean_text=True).items() if form == "" and c != 0xFFFD}, ("Cc", "Cf", "Co"))
    difference("kNotBertAccent", "Where Mn and what BERT's strip_accents removes differ.",
               {c for c, form in bert(strip_accents=True).items() if form == ""}, ("Mn",))
    difference("kNotAccent", "Where M and what StripAccents removes differ.",
               {c for c, form in normalized_alone(normalizers.StripAccents()).items() if form == ""}, ("Mn", "Mc", "Me"))
    punctuation = pre_tokenizers.Punctuation("removed")
    text = "".join("y" + chr(c) for c in CODES)
    kept = set("".join(word for word, _ in punctuation.pre_tokenize_str(text)))
    difference("kNotPunctuation", "Where P and the library's punctuation differ.",
               {c for c in CODES if chr(c) not in kept}, ("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps"))
    theirs = normalized_alone(normalizers.NFKD())
    table("kNoDecomposition", "Characters that NFKD takes apart since, and the library does not.",
          {c for c in CODES if theirs[c] != utf8proc_form(c, 1 << 1 | 1 << 2 | 1 << 4)})
    # U+0345 has the highest class: all combining characters go in front of it, for who knows them.
    nfd = normalizers.NFD()
    table("kNotCombining", "Characters that combine since, and do not in the library's tables.",
          {c for c in CODES if UTF8PROC.utf8proc_get_property(c)[1] not in (0, 240) and
           nfd.normalize_str("z\u0345" + chr(c)) == "z\u0345" + chr(c)})
    lower = normalized_alone(normalizers.Lowercase())
    pairs = [(c, lower[c]) for c in CODES if lower[c] != chr(UTF8PROC.utf8proc_tolower(c)) and c != 0x130]
    runs = []
    for code, form in pairs:
        if runs and runs[-1][1] == code - 1 and ord(form) - code == runs[-1][2] - runs[-1][0]:
            runs[-1][1] = code
        else:
            runs.append([code, code, ord(form)])
    body = ", ".join(f"{{0x{first:X}, 0x{last:X}, 0x{to:X}}}" for first, last, to in runs)
    print(f"// First, last, and the lower case of the first, of letters newer than Unicode 15.\n"
          f"constexpr auto kNewLowerCase = std::to_array<LowerCase>({{{body}}});")


if __name__ == "__main__":
    main()
