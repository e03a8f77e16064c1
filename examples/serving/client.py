"""The same request through tritonclient, in binary: python client.py [HOST:PORT] [MODEL] [REQUEST.json]."""

import json
import sys
from pathlib import Path

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import triton_to_np_dtype


def main(address: str = "127.0.0.1:8080", model: str = "bundle", request_file: str | None = None) -> None:
    """Ask, and print one line per candidate."""
    file = Path(request_file) if request_file else Path(__file__).parent / "request.json"
    request = json.loads(file.read_text("utf-8"))
    inputs = [tensor(**item) for item in request["inputs"]]
    outputs = [InferRequestedOutput(output["name"]) for output in request.get("outputs", [])]
    answer = InferenceServerClient(address).infer(model, inputs, outputs=outputs)
    names = [output["name"] for output in answer.get_response()["outputs"]]
    print(*names)
    for scores in zip(*(answer.as_numpy(name) for name in names), strict=True):
        print(*(f"{score:.4f}" for score in scores))


def tensor(name: str, shape: list[int], datatype: str, data: list[object]) -> InferInput:
    """One input; `data` is flat."""
    made = InferInput(name, shape, datatype)
    made.set_data_from_numpy(np.array(data, triton_to_np_dtype(datatype)).reshape(shape))
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])
