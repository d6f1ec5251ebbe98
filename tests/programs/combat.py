"""ComBat and moderated t over hospitals, as one hospital of several: `--home H`.

The hospital's rows are those of `sums_driver.make_sites`; what it has computed is kept beside its
logs, as `made.npz`.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

import swarmhub
from swarmhub.data import harmonise

sys.path.insert(0, str(Path(__file__).parents[1]))
from harmonise.sums_driver import make_sites

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home")
    home = Path(parser.parse_args().home)
    site = make_sites()[int(home.name[1:]) - 1]
    genes, covariates = site.x.shape[1], site.z.shape[1]
    steps = {
        "combat": harmonise.combat_step(site.x, site.z),
        "expression": harmonise.expression_step(site.x, site.group, site.z),
    }
    sums = {}
    with swarmhub.join("s", home) as swarm:
        for name, step in steps.items():
            sums[name] = swarm.iterate(name, step).arrays
    combat = harmonise.read_combat(sums["combat"], genes, covariates)
    found = harmonise.read_expression(sums["expression"], genes, covariates)
    np.savez(
        home / "made.npz",
        adjusted=harmonise.adjust(combat, site.x, site.z),
        t=found.moderated.t,
        q=found.moderated.q,
    )
