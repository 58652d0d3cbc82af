#!/usr/bin/env python3
"""Writes pytorch_bin.json: small files of torch.save in hex, what is in them, and files that must be refused.

Usage: make_pytorch_bin.py   (needs torch; no model, no network)
"""
import collections
import io
import json
import os
import pathlib
import pickle
import zipfile

import torch

OUT = pathlib.Path(__file__).resolve().parent / "pytorch_bin.json"
DTYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64", torch.int64: "I64",
          torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL"}


def saved(state, **options):
    buffer = io.BytesIO()
    torch.save(state, buffer, **options)
    return buffer.getvalue()


def described(state):
    return [{"name": name, "dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape),
             "bytes": bytes(tensor.detach().contiguous().flatten().view(torch.uint8).tolist()).hex()}
            for name, tensor in state.items()]


def good_states():
    torch.manual_seed(0)
    base = torch.arange(24, dtype=torch.float32)
    yield "every type", {DTYPES[t]: (torch.rand(2, 3) * 4 - 1).abs().to(t) for t in DTYPES}, {}
    yield "views of one storage", {"a": base.view(4, 6), "b": base[6:12].view(2, 3), "c": base[23]}, {}
    yield "transposed", {"t": base.view(4, 6).t(), "p": base.view(2, 3, 4).permute(2, 0, 1), "one": base.view(1, 24).t()}, {}
    yield "empty and scalar", {"none": torch.zeros(0, 3), "scalar": torch.tensor(2.5)}, {}
    linear = torch.nn.Linear(3, 2, dtype=torch.bfloat16)
    yield "a module", linear.state_dict(), {}
    yield "parameters", collections.OrderedDict(linear.named_parameters()), {}
    yield "protocol 4", {"w": base[:4].clone()}, {"pickle_protocol": 4}


class Call:
    """Pickles as a call of a function with arguments."""
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Storage:
    def __init__(self, size, key="0", kind=torch.FloatStorage):
        self.id = ("storage", kind, key, "cpu", size)


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.id if isinstance(value, Storage) else None


def archive(state, storages=(b"\0" * 16,), compression=zipfile.ZIP_STORED, names=("data.pkl",), extra=()):
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(state)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as file:
        for name in names:
            file.writestr("archive/" + name, buffer.getvalue())
        for key, storage in enumerate(storages):
            file.writestr(f"archive/data/{key}", storage)
        for name, content in extra:
            file.writestr(name, content)
    return out.getvalue()


def tensor(storage=None, offset=0, shape=(2, 2), strides=(2, 1), hooks=None, *more):
    return Call(torch._utils._rebuild_tensor_v2, storage or Storage(4), offset, shape, strides, False,
                collections.OrderedDict() if hooks is None else hooks, *more)


def refused():
    """Name, bytes, a part of the message."""
    yield "os.system", archive({"w": Call(os.system, "true")}), "names posix.system"
    yield "eval", archive({"w": Call(eval, "1")}), "names __builtin__.eval"
    yield "another function of torch", archive({"w": Call(torch._utils._rebuild_qtensor, 1)}), "names torch._utils._rebuild_qtensor"
    yield "another storage", archive({"w": tensor(Storage(4, kind=torch.ComplexFloatStorage))}), "names torch.ComplexFloatStorage"
    yield "no dict", archive(tensor()), "holds no state_dict"
    yield "a number", archive({"w": 3}), "'w' is no tensor"
    yield "a nested dict", archive({"model": {"w": tensor()}}), "'model' is no tensor"
    yield "a key that is a number", archive({3: tensor()}), "a key of the state_dict is no text"
    yield "a list", archive({"w": [1]}), "the opcode 93"
    yield "a float", archive({"w": 1.5}), "the opcode 71"
    yield "too large a shape", archive({"w": tensor(shape=(3, 2))}), "not within a storage of 4"
    yield "a huge shape", archive({"w": tensor(shape=(1 << 40, 1 << 40))}), "its size overflows"
    yield "an offset behind the end", archive({"w": tensor(offset=5)}), "not within a storage of 4"
    yield "a negative offset", archive({"w": tensor(offset=-1)}), "its offset -1 is negative"
    yield "a negative size", archive({"w": tensor(shape=(-2, 2))}), "none negative"
    yield "a negative stride", archive({"w": tensor(strides=(-2, 1))}), "none negative"
    yield "shape and strides apart", archive({"w": tensor(strides=(1,))}), "as many integers"
    yield "an expanded view", archive({"w": tensor(strides=(0, 1))}), "gaps or repeated elements"
    yield "a view with gaps", archive({"w": tensor(shape=(2,), strides=(2,))}), "gaps or repeated elements"
    yield "a storage that is not there", archive({"w": tensor(Storage(4, "7"))}), "has no data/7"
    yield "a storage of another size", archive({"w": tensor(Storage(5))}), "has 16 bytes, 5 elements of F32"
    yield "metadata of a tensor", archive({"w": tensor(None, 0, (2, 2), (2, 1), None, {"a": 1})}), "a tensor with metadata"
    yield "compressed", archive({"w": tensor()}, compression=zipfile.ZIP_DEFLATED), "is compressed"
    yield "without data.pkl", archive({"w": tensor()}, names=("other.pkl",)), "has no data.pkl"
    yield "two folders", archive({"w": tensor()}, extra=[("else/x", b"")]), "is not in archive/"
    yield "big-endian", archive({"w": tensor()}, extra=[("archive/byteorder", b"big")]), "not little-endian"
    yield "before 1.6", saved({"w": torch.zeros(2)}, _use_new_zipfile_serialization=False), "before 1.6"
    yield "no archive", b"not an archive at all", "no zip archive"


def main():
    golden = {"good": [{"name": name, "file": saved(state, **options).hex(), "tensors": described(state)}
                       for name, state, options in good_states()],
              "refused": [{"name": name, "file": data.hex(), "message": message} for name, data, message in refused()]}
    rows = {key: ",\n".join(json.dumps(case) for case in cases) for key, cases in golden.items()}
    OUT.write_text("{" + ",\n".join(f'"{key}": [\n{text}\n]' for key, text in rows.items()) + "}\n")


if __name__ == "__main__":
    main()
