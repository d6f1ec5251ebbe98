from pathlib import Path

import pytest

DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.shared
@pytest.mark.parametrize("inverts", [False, True])
@pytest.mark.parametrize("name", ["heart", "parkinson", "covid", "alzheimer"])
def test_the_swarm_is_as_good_as_one_place_on_open_data(name, inverts):
    penalty = pytest.importorskip("penalty", reason="needs scikit-learn")
    if not DATA.is_dir():
        pytest.skip(f"no open data sets at {DATA}")
    data = penalty.split(penalty.SETS[name](DATA), 0, inverts)
    whole = penalty.pool(data.hospitals)
    found = penalty.rehearse(data.hospitals, penalty.Rehearsal(still=1000))
    merged = penalty.np.append(found.parameters["weight"], found.parameters["bias"])
    pooled = penalty.fit_at(penalty.Axes.of(whole.x), whole.y, found.start.strength)
    assert abs(data.auc(merged) - data.auc(pooled)) < 0.005
    assert penalty.loss_gap(whole, merged, found.start.strength) < 0.01
