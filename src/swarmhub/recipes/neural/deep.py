"""The recipe `deep`: the deep network of the Swarm Learning paper, or a small one for tables.

    initial     initial  random weights, from the study's seed
    training    train    some epochs at each hospital from the merged model, all rounds of the terms

Warnat-Herresthal et al., Nature 2021;594:265, methods: a dense layer of 256 units (dropout 40%),
then eight from 1,024 to 64 (dropout 30%, L2 0.005), ReLU, one sigmoid output, Adam, binary
cross-entropy, 100 epochs, batches of 8 to 128. The widths between 1,024 and 64 are those of the
authors' notebook (github.com/schultzelab/swarm_learning). That notebook has a tanh at the output;
the paper's sigmoid is taken. Chosen here, since the paper is silent: the start (`start`), Adam's
step, a batch's size by rows (`fitting`), weights that balance the classes, softmax of several
classes, half of the squared error of a standardised number.

The paper's 100 epochs are 5 in each of 20 rounds. `size = "small"` has 64 and 32 units, a dropout
of 20%, a decay of 0.02 on both, and 2 epochs a round: tables of some hundred patients are few for
four million weights.
"""

from __future__ import annotations

from swarmhub.contract.records import Spec, Stage
from swarmhub.recipes import plan
from swarmhub.recipes.neural import options
from swarmhub.recipes.neural.start import start_dense
from swarmhub.recipes.site import Site

KINDS, SCORED, check = options.KINDS, options.SCORED, options.check
CAN_BE_MASKED = True
need_packages = options.need_torch
WIDTHS = {"small": (64, 32), "paper": (256, 1024, 512, 512, 256, 256, 128, 128, 64)}
SCHEDULES = {"small": options.Schedule(2, 0.02), "paper": options.Schedule(5, 0.005)}
DROPOUT = {"small": (0.2, 0.2), "paper": (0.4, 0.3)}  # of the first layer, of the others
OPTIONS: dict[str, tuple[str, ...]] = {"size": tuple(WIDTHS), **options.OPTIONS}


def make_stages(spec: Spec) -> tuple[Stage, ...]:
    """Return the stages between the statistics and the evaluation."""
    return plan.make_training(spec)


def run(site: Site) -> None:
    """Go through the stages at a hospital."""
    from swarmhub.recipes.neural.networks import Dense
    from swarmhub.recipes.neural.training import run_network

    spec = site.swarm.spec
    size = spec.options.get("size", OPTIONS["size"][0])
    widths = (len(site.design.sources), *WIDTHS[size], site.loss.outputs)
    network = Dense(*DROPOUT[size], has_first_decay=size == "small")
    run_network(site, network, start_dense(widths, spec.seed), SCHEDULES[size].amend(spec))
