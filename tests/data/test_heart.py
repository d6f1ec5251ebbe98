from pathlib import Path

import numpy as np
import pytest
from data_tools import column, read

from swarmhub.data import write_heart

SHARED = Path(__file__).parents[3] / "shared" / "data"
ROWS = {"Cleveland": 303, "Hungary": 294, "Switzerland": 123, "VA Long Beach": 200}


def hospitals(folder):
    return {name: read(path, "label")[0] for name, path in write_heart(folder).items()}


def test_four_hospitals_have_their_patients(tmp_path):
    sites = hospitals(tmp_path)
    assert {k: d.rows for k, d in sites.items()} == ROWS
    assert all(len(d.columns) == 10 for d in sites.values())
    assert np.isnan(column(sites["Switzerland"], "chol")).all()
    assert not any((column(d, c) == 0).any() for d in sites.values() for c in ("chol", "trestbps"))


@pytest.mark.shared
def test_the_shipped_values_are_those_of_the_uci_files(tmp_path):
    path = SHARED / "heart_four_hospitals" / "heart4.csv"
    if not path.exists():
        pytest.skip("the open data sets are not beside the checkout")
    reference, _ = read(path, "label")
    names = {"cleveland": "Cleveland", "hungarian": "Hungary", "switzerland": "Switzerland"}
    for site, hospital in (names | {"va": "VA Long Beach"}).items():
        ours = hospitals(tmp_path)[hospital]
        at = np.array([t == site for t in reference.categories["site"].texts()])
        theirs = reference.take(at)
        columns = ("age", "sex", "thalach", "chol")
        found = [ours.y, *(column(ours, c) for c in columns)]
        wanted = [theirs.y, *(column(theirs, c) for c in columns)]
        assert sorted(map(str, zip(*found, strict=True))) == sorted(
            map(str, zip(*wanted, strict=True))
        )
