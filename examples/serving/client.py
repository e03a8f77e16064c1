"""The same request through tritonclient, in binary: python client.py [HOST:PORT] [MODEL]."""

import json
import sys
from pathlib import Path

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import triton_to_np_dtype


def main(address: str = "127.0.0.1:8080", model: str = "bundle") -> None:
    """Ask, and print one line per candidate."""
    request = json.loads((Path(__file__).parent / "request.json").read_text("utf-8"))
    names = [output["name"] for output in request["outputs"]]
    inputs = [tensor(**item) for item in request["inputs"]]
    answer = InferenceServerClient(address).infer(model, inputs, outputs=[InferRequestedOutput(name) for name in names])
    print(*names)
    for probs in zip(*(answer.as_numpy(name) for name in names), strict=True):
        print(*(f"{prob:.4f}" for prob in probs))


def tensor(name: str, shape: list[int], datatype: str, data: list[object]) -> InferInput:
    """One input; `data` is flat."""
    made = InferInput(name, shape, datatype)
    made.set_data_from_numpy(np.array(data, triton_to_np_dtype(datatype)).reshape(shape))
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])
