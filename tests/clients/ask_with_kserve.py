"""Everything that KServe's client asks of a server: ask_with_kserve.py HOST:PORT CASE.json. Needs kserve only."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import InferResponse, RequestedOutput

MODEL = "tiny"
DTYPES = {"INT64": np.int64, "FP32": np.float32, "FP64": np.float64, "BYTES": np.object_}


def request_of(case: dict[str, Any], *, binary_in: bool, binary_out: bool, model: str = MODEL) -> InferRequest:
    inputs = []
    for tensor in case["inputs"]:
        values = np.array(tensor["data"], DTYPES[tensor["datatype"]]).reshape(tensor["shape"])
        inputs.append(InferInput(tensor["name"], tensor["shape"], tensor["datatype"]))
        inputs[-1].set_data_from_numpy(values, binary_data=binary_in)
    outputs = [RequestedOutput(name, {"binary_data": binary_out}) for name in case["expected"]]
    return InferRequest(model, inputs, request_id="7", request_outputs=outputs)


async def check_scores(client: InferenceRESTClient, url: str, case: dict[str, Any]) -> None:
    for binary_in in (False, True):
        for binary_out in (False, True):
            request = request_of(case, binary_in=binary_in, binary_out=binary_out)
            done = await client.infer(url, request, model_name=MODEL)
            assert isinstance(done, InferResponse)
            assert (done.id, done.model_name) == ("7", MODEL)  # this client drops the version
            for name, expected in case["expected"].items():
                found = done.get_output_by_name(name).as_numpy()
                np.testing.assert_allclose(found, np.array(expected, np.float32), atol=1e-6, rtol=0)


async def check_errors(client: InferenceRESTClient, url: str, case: dict[str, Any]) -> None:
    assert not await client.is_model_ready(url, "other")
    request = request_of(case, binary_in=True, binary_out=True, model="other")
    status, said = await refusal(client.infer(url, request, model_name="other"))
    assert status == 404, said
    assert "model 'other' is unknown" in said, said


async def refusal(call: Coroutine[Any, Any, object]) -> tuple[int, str]:
    """The status, and the server's sentence as the client finds it."""
    try:
        await call
    except httpx.HTTPStatusError as error:
        return error.response.status_code, str(error)
    return 200, "(not refused)"


async def ask(url: str, case: dict[str, Any]) -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, MODEL)
    await check_scores(client, url, case)
    await check_errors(client, url, case)
    await client.close()


def main(place: str, path: Path) -> None:
    asyncio.run(ask(f"http://{place}", json.loads(path.read_text())))
    print("kserve: live, ready, scores in every mix of JSON and binary, errors")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
