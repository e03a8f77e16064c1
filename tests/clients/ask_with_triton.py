"""Everything that tritonclient asks of a server: ask_with_triton.py HOST:PORT CASE.json. Needs tritonclient[http]."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

MODEL = "tiny"


def inputs_of(case: dict[str, Any], *, binary: bool) -> list[InferInput]:
    found = []
    for tensor in case["inputs"]:
        dtype = triton_to_np_dtype(tensor["datatype"])
        values = np.array(tensor["data"], dtype).reshape(tensor["shape"])
        found.append(InferInput(tensor["name"], tensor["shape"], tensor["datatype"]))
        found[-1].set_data_from_numpy(values, binary_data=binary)
    return found


def check_health(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, "1")
    assert not client.is_model_ready("other")


def check_descriptions(client: InferenceServerClient, case: dict[str, Any]) -> None:
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    about = client.get_model_metadata(MODEL)
    assert (about["name"], about["versions"]) == (MODEL, ["1"])
    names = {tensor["name"] for tensor in about["inputs"]}
    assert names == {tensor["name"] for tensor in case["inputs"] if not tensor["name"].endswith(".lengths")}
    assert {tensor["name"] for tensor in about["outputs"]} == case["expected"].keys()
    config = client.get_model_config(MODEL)
    assert {tensor["name"] for tensor in config["input"]} == names
    (entry,) = client.get_model_repository_index()
    assert (entry["name"], entry["state"]) == (MODEL, "READY")


def check_scores(client: InferenceServerClient, case: dict[str, Any]) -> None:
    """All mixes of JSON and binary; outputs named, and not named, which asks for all of them in binary."""
    for binary_in in (False, True):
        for outputs in (
            None,
            [InferRequestedOutput(name, binary_data=False) for name in case["expected"]],
            [InferRequestedOutput(name, binary_data=True) for name in case["expected"]],
        ):
            done = client.infer(MODEL, inputs_of(case, binary=binary_in), outputs=outputs, request_id="7")
            response = done.get_response()
            assert (response["id"], response["model_version"]) == ("7", "1")
            for name, expected in case["expected"].items():
                np.testing.assert_allclose(done.as_numpy(name), np.array(expected, np.float32), atol=1e-6, rtol=0)
    (stats,) = client.get_inference_statistics(MODEL)["model_stats"]
    assert stats["inference_count"] == 6 * len(case["expected"]["probs_ctr"])


def check_errors(client: InferenceServerClient, case: dict[str, Any]) -> None:
    inputs = inputs_of(case, binary=True)
    nothing = [InferRequestedOutput("nothing")]
    for why, call in {
        "model 'other' is unknown": lambda: client.infer("other", inputs),
        "no version '7'": lambda: client.infer(MODEL, inputs, model_version="7"),
        "output 'nothing' is unknown": lambda: client.infer(MODEL, inputs, outputs=nothing),
        "deadline": lambda: client.infer(MODEL, inputs, timeout=1),
        "gzip": lambda: client.infer(MODEL, inputs, request_compression_algorithm="gzip"),
        "the admin port": lambda: client.load_model(MODEL),
        "at the admin port only": lambda: client.unload_model(MODEL),
    }.items():
        assert why in (said := refusal(call)), f"{said!r} has no {why!r}"


def refusal(call: Callable[[], object]) -> str:
    """The server's sentence, as the client finds it."""
    try:
        call()
    except InferenceServerException as error:
        return str(error.message())
    return "(not refused)"


def main(place: str, path: Path) -> None:
    case = json.loads(path.read_text())
    with InferenceServerClient(place) as client:
        check_health(client)
        check_descriptions(client, case)
        check_scores(client, case)
        check_errors(client, case)
    print("tritonclient: live, ready, metadata, scores in every mix of JSON and binary, errors")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
