"""Score rows with an exported graph: encode, check, run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from peprank.batch import Features
from peprank.errors import ArtifactError
from peprank.onnx.arrays import Arrays, arrays_of, check
from peprank.onnx.requirements import require
from peprank.onnx.signature import Signature
from peprank.sealed import verify

MODEL, ABOUT, KEY = "model.onnx", "model.json", "peprank"  # files, and the metadata that holds the same as the second


class OnnxScorer:
    """Run an exported graph in ONNX Runtime.

    Args:
        model: path of the ONNX file, which is not checked; `load` does.
        threads: of one request; 0: as many as cores.

    Raises:
        ArtifactError: ONNX Runtime cannot read the file, or peprank did not write it.
        PeprankError: ONNX Runtime is not installed.
    """

    def __init__(self, model: Path, *, threads: int = 0) -> None:
        require(("onnxruntime",))
        import onnxruntime  # of the extra `onnx`

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no other base
            raise ArtifactError(f"{model}: ONNX Runtime cannot read it ({error}); export it again") from error
        try:
            self.signature = Signature.from_json(self._session.get_modelmeta().custom_metadata_map.get(KEY, ""))
        except ArtifactError as error:
            raise ArtifactError(f"{model}: its metadata '{KEY}' {error}") from error

    @staticmethod
    def load(directory: Path, *, threads: int = 0) -> OnnxScorer:
        """Check the hashes of what `export` wrote to `directory`, then load it.

        Raises:
            ArtifactError: no export is there, or a damaged one.
        """
        model = next((file for file in _places(directory) if file.is_file()), None)
        if model is None:
            raise ArtifactError(f"{directory}: holds no {MODEL}; make one with `peprank export --onnx`")
        verify(directory)
        return OnnxScorer(model, threads=threads)

    def run(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        """Outputs by name, of inputs by name.

        Raises:
            DataError: an array does not fit the graph, or an id lies outside its table.
        """
        check(self.signature.inputs, arrays)
        names = [output.name for output in self.signature.outputs]
        return dict(zip(names, self._session.run(names, dict(arrays)), strict=True))

    def score(self, features: Features) -> Arrays:
        """Outputs by name, of encoded rows."""
        return self.run(arrays_of(self.signature.inputs, features))


def _places(directory: Path) -> tuple[Path, ...]:
    """Where an export's graph may lie: the second is Triton's layout."""
    return directory / MODEL, directory / "1" / MODEL


def is_export(path: Path) -> bool:
    """Whether `path` claims to be an export; `OnnxScorer.load` finds out if it is a good one."""
    return any(place.is_file() for place in _places(path))
