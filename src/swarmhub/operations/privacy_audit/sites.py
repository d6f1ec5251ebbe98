"""The attack on the site: the hospital from which a patient comes, by the models without each."""

from __future__ import annotations

import numpy as np

from swarmhub.contract.stages import find_stage
from swarmhub.data.frames import Floats
from swarmhub.data.matrix import SparseRows
from swarmhub.evaluation.figures import Figure, share
from swarmhub.leakage.attribution import attribute, measure_gains
from swarmhub.leakage.scores import measure_attack
from swarmhub.operations.privacy_audit.contents import Attack
from swarmhub.operations.privacy_audit.held import LINEAR, Held
from swarmhub.operations.privacy_audit.updates import measure_losses
from swarmhub.operations.privacy_audit.words import SITE, describe, give_up
from swarmhub.recipes import plan
from swarmhub.recipes.contribution import coalitions_of
from swarmhub.recipes.linear.sums import from_sums


def attack_site(held: Held) -> Attack:
    """Return the share of this hospital's patients that are named as its own."""
    if fault := held.find_fault() or _find_fault(held):
        return give_up(SITE, fault)
    points = read_left_out(held)
    if points is None:
        return give_up(
            SITE, "The models without each hospital are not held here, or a hospital was away when "
            "they were trained.",
        )  # fmt: skip
    me = held.study.enrolled.index(held.study.member)
    members, others = _measure(held, points)
    figures: dict[str, Figure] = {}
    for name, gains in (("trained", members), ("set aside", others)):
        figures[name] = share(int((attribute(gains) == me).sum()), gains.shape[1])
    figures["chance"] = Figure(1 / len(points), None, None, len(points))
    figures |= measure_attack(members[me], others[me])
    return describe(SITE, figures, f"{len(points)} hospitals.")


def _measure(held: Held, points: Floats) -> tuple[Floats, Floats]:
    """Return the gains of each patient that was trained on, and of each set aside, (N, u)."""
    site = held.site
    assert site.prepared.held is not None
    rows = ((site.x, site.y), (site.test_x, site.code_outcome(site.prepared.held)))
    of_all = held.losses(held.models[-1])
    gains = [
        measure_gains([measure_losses(site, point, x, y) for point in points], losses)
        for (x, y), losses in zip(rows, of_all, strict=True)
    ]
    by_hospital = [held.by_patient(*pair) for pair in zip(*gains, strict=True)]
    members, others = (np.stack(part) for part in zip(*by_hospital, strict=True))
    return members, others


def read_left_out(held: Held) -> Floats | None:
    """Return the model without each enrolled hospital, (N, e, p + 1); None if they are not all
    known here."""
    found, site = held.study.result(plan.LEFT_OUT), held.site
    hospitals, outputs = len(held.study.enrolled), site.loss.outputs
    if found is None:
        return None
    if held.recipe == "elastic_net":
        points = np.asarray(found.arrays["at"])
        is_whole = len(points) == hospitals and bool((found.arrays["rows"] > 0).all())
    else:
        coalitions, seen = coalitions_of(site), np.asarray(found.arrays["seen"])
        if len(seen) != len(coalitions):
            return None
        places = [
            int(np.flatnonzero((coalitions == (np.arange(hospitals) != h)).all(axis=1))[0])
            for h in range(hospitals)
        ]
        points, is_whole = from_sums(found.arrays).point[places], bool((seen[places] > 0).all())
    return points.reshape(hospitals, outputs, -1) if is_whole else None


def _find_fault(held: Held) -> str:
    if held.recipe not in LINEAR or find_stage(held.spec, plan.LEFT_OUT) is None:
        return "The study trains no models without each hospital, by which to tell hospitals apart."
    if isinstance(held.site.x, SparseRows) or isinstance(held.site.test_x, SparseRows):
        return "The rows are too many to be made dense, which this attack needs."
    return ""
