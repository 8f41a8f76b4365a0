"""The weights of an int8 ONNX file as floats: what is shipped can be trained on."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

Floats = NDArray[np.float32]


class QuantizedWeights:
    """The initializers of a graph by name; quantized ones come back to within half a step."""

    def __init__(self, model: Path) -> None:
        self.graph = onnx.load(str(model)).graph
        self._arrays = {item.name: numpy_helper.to_array(item) for item in self.graph.initializer}

    def __getitem__(self, name: str) -> Floats:
        if name in self._arrays:
            return np.asarray(self._arrays[name], dtype=np.float32)
        whole = self._arrays[f"{name}_quantized"].astype(np.float32)
        zero = self._arrays[f"{name}_zero_point"].astype(np.float32)
        return np.asarray((whole - zero) * self._arrays[f"{name}_scale"], dtype=np.float32)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays or f"{name}_quantized" in self._arrays

    def matmuls(self) -> list[str]:
        """Names of the weights of plain matrix products, in graph order."""
        return [node.input[1].removesuffix("_quantized")
                for node in self.graph.node if node.op_type == "MatMulInteger"]  # fmt: skip
