"""SentencePiece's ModelProto in the wire format of protocol buffers, as far as tests need it (the peers have no protobuf).

Format: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""
import struct
from collections import namedtuple

Piece = namedtuple("Piece", "piece score type")
Model = namedtuple("Model", "pieces trainer normalizer")  # the specs as {field number: last value}


def fields(message):
    """(number, value) of each field: integers, floats of 32 bits as float, bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            size = varint()
            yield key >> 3, message[at:at + size]
            at += size
        else:
            assert key & 7 == 5, f"wire type {key & 7}"
            yield key >> 3, struct.unpack_from("<f", message, at)[0]
            at += 4


def read(message):
    pieces, specs = [], {2: {}, 3: {}}
    for number, value in fields(message):
        if number == 1:
            piece = dict(fields(value))
            pieces.append(Piece(piece[1].decode(), piece.get(2, 0.0), piece.get(3, 1)))
        elif number in specs:
            specs[number] = dict(fields(value))
    return Model(pieces, specs[2], specs[3])


def encoded(number, value):
    def varint(n):
        out = b""
        while n >= 0x80:
            out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
        return out + bytes([n])

    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def write(model):
    def message(values):
        return b"".join(encoded(number, value) for number, value in values.items())

    return b"".join([encoded(1, message({1: p.piece.encode(), 2: float(p.score), 3: p.type})) for p in model.pieces] +
                    [encoded(2, message(model.trainer)), encoded(3, message(model.normalizer))])
