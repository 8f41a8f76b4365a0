"""The weights of the re-rank are fitted to ranks, whatever the size of the features."""

import json
import subprocess
from pathlib import Path

import pytest

from services.intent.evaluate import training_python

ROOT = Path(__file__).parents[4]
# The second feature tells, in thousandths; the first and the last say nothing.
FITTED = """
import json
import numpy as np
from services.retrieval.training.ranking import List, fit, gain, measured

random = np.random.default_rng(3)

def question():
    rows = random.standard_normal((20, 3))
    truth = int(np.argmax(rows[:, 1] + 0.1 * random.standard_normal(20)))
    rows[:, 1] *= 0.001
    return List([str(n) for n in range(20)], rows, {str(truth)})

lists = [question() for _ in range(120)]
start = np.array([1.0, 300.0, 0.2])
slope = gain([lists], start, 0.3)[1]
moves = np.eye(3) * 1e-6
around = [gain([lists], start + m, 0.3)[0] - gain([lists], start - m, 0.3)[0] for m in moves]
rank = lambda w: float(np.mean([measured(item, w)["r@1"] for item in lists]))
print(json.dumps({
    "slope": slope.tolist(), "measured slope": [step / 2e-6 for step in around],
    "before": rank(np.eye(3)[0]), "after": rank(fit([lists])),
}))
"""


@pytest.mark.training
def test_the_slope_is_right_and_the_fit_finds_the_feature_that_tells() -> None:
    command = [str(training_python(ROOT)), "-c", FITTED]
    run = subprocess.run(command, cwd=ROOT, check=True, timeout=100, capture_output=True)
    found = json.loads(run.stdout)
    assert found["measured slope"] == pytest.approx(found["slope"], rel=1e-4, abs=1e-8)
    assert found["before"] < 0.2 and found["after"] > 0.8
