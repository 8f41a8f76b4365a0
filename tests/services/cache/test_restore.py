"""What ships can be trained on: its weights come back from the int8 file."""

import shutil
import subprocess
from pathlib import Path

import pytest

from services.cache.likeness import Likeness
from services.cache.verifier import PairVerifier
from services.intent.evaluate import training_python

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "services" / "cache" / "model"
EXPORTED_AGAIN = """
import sys
from pathlib import Path
from services.cache.training import export, restore
export.export(restore.model_of(restore.read_state(Path(sys.argv[1]))), Path(sys.argv[2]))
"""
PAIRS = [
    Likeness("How do I cancel my plan?", "end my subscription", 0.6),
    Likeness("How do I cancel my plan?", "How do I change my plan?", 0.8),
    Likeness("where is my parcel", "Track my order", 0.5),
]


@pytest.mark.training
@pytest.mark.timeout(300)
def test_the_shipped_weights_restored_and_exported_again_say_the_same(tmp_path: Path) -> None:
    shutil.copy(SHIPPED / "config.json", tmp_path)
    command = [str(training_python(ROOT)), "-c", EXPORTED_AGAIN]
    command += [str(SHIPPED / "model.onnx"), str(tmp_path / "model.onnx")]
    subprocess.run(command, cwd=ROOT, check=True, timeout=240)
    before, after = (PairVerifier(folder).evidence(PAIRS) for folder in (SHIPPED, tmp_path))
    assert after == pytest.approx(before, abs=0.02)
