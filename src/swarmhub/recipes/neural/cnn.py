"""The recipe `cnn`: a small network of convolutions over the images of a study.

    initial     initial  random weights, from the study's seed
    training    train    some epochs at each hospital from the merged model, all rounds of the terms

Two convolutions of 16 and 32 channels, three of 16, 32 and 64 for images of 16 pixels or more on
each side: kernels of 3 x 3 with a border of zeros, ReLU, pooling of 2 x 2. Their outputs and all
features that are no pixels (age, sex) go to a dense layer of 64 units, ReLU, dropout 30%, and the
output. Training is that of `deep`, 2 epochs a round with a weight decay of 0.0005.
"""

from __future__ import annotations

from swarmhub.contract.records import Spec, Stage
from swarmhub.recipes import plan
from swarmhub.recipes.neural import options
from swarmhub.recipes.neural.pixels import Grid
from swarmhub.recipes.neural.start import start_convolutions, start_dense
from swarmhub.recipes.site import Arrays, Site

KINDS, SCORED, OPTIONS, check = options.KINDS, options.SCORED, options.OPTIONS, options.check
CAN_BE_MASKED = True
need_packages = options.need_torch
CHANNELS, LARGE = (16, 32, 64), 16  # the third for images with so many pixels on each side
UNITS, DROPOUT, KERNEL = 64, 0.3, 3
SCHEDULE = options.Schedule(epochs=2, decay=0.0005)


def make_stages(spec: Spec) -> tuple[Stage, ...]:
    """Return the stages between the statistics and the evaluation."""
    return plan.make_training(spec)


def run(site: Site) -> None:
    """Go through the stages at a hospital. Raises BadInput if the study has no images."""
    from swarmhub.recipes.neural.networks import Convolutions, Dense
    from swarmhub.recipes.neural.training import run_network

    grid = Grid.of(site.design.sources)
    network = Convolutions(grid, Dense(DROPOUT, DROPOUT, has_first_decay=True))
    spec = site.swarm.spec
    start = start_images(grid, site.loss.outputs, spec.seed)
    run_network(site, network, start, SCHEDULE.amend(spec))


def start_images(grid: Grid, outputs: int, seed: int) -> Arrays:
    """Return the parameters before the first round."""
    channels = CHANNELS if min(grid.height, grid.width) >= LARGE else CHANNELS[:2]
    flat = grid.count_flat(len(channels), channels[-1]) + len(grid.others)
    return {
        **start_convolutions((grid.channels, *channels), KERNEL, seed),
        **start_dense((flat, UNITS, outputs), seed),
    }
