"""Sentences on each attack: what it does, what its figures show, and what they do not."""

from __future__ import annotations

from swarmhub.evaluation.figures import Figure
from swarmhub.operations.privacy_audit.contents import Attack
from swarmhub.operations.results import NamedFigure

LOSS, TRAJECTORY, SHADOWS = (
    "membership by loss",
    "membership by trajectory",
    "membership by shadows",
)
UPDATE, CONTRIBUTED = "inversion of an update", "membership by contribution"
SITE = "site by models without a hospital"

NO_BOUND = "It is no upper bound: a stronger attack may find more."
# attack -> what it does, shows, does not show
SENTENCES = {
    LOSS: (
        "Takes patients with a small loss under the settled model for members (Yeom et al. 2018).",
        "How well anybody with the model and a patient's full record, outcome included, can tell "
        "whether this hospital trained on it; .5 is chance.",
        f"Nothing of somebody who lacks the record. {NO_BOUND}",
    ),
    TRAJECTORY: (
        "The same with the mean loss under all settled models of the training that this node still "
        "holds (after Liu et al. 2022).",
        "What several models of one training tell more than the last one.",
        f"Members that kept every round's model can do more. {NO_BOUND}",
    ),
    SHADOWS: (
        "Compares the confidence in a patient with that of linear models of halves of this "
        "hospital's patients that have not seen it (offline LiRA, Carlini et al. 2022).",
        "What an attacker with patients like these can tell; patients that are easy for every "
        "model are not mistaken for members.",
        f"Shadow models are of this hospital's patients alone, and few. {NO_BOUND}",
    ),
    UPDATE: (
        "Reads the gradient behind this hospital's first update, as any member that may read "
        "contributions can, and takes it for the inputs: divided by the intercept's for their "
        "mean, as it is for the difference between the outcomes; then ranks patients by it.",
        "'contrast' and 'mean': correlation, over the model's features, of what is read with the "
        "truth (1: it is read exactly). 'auroc', 'tpr': whether a patient's membership can be told "
        "from that one update.",
        "Intervals take features for independent, which they are not. The means of the columns are "
        "in this hospital's statistics document in any case. Later updates are not inverted.",
    ),
    CONTRIBUTED: (
        "Takes patients whose loss falls from the training's start to this hospital's first "
        "contribution for this hospital's training patients.",
        "'auroc', 'tpr': whether its training patients can be told from its others by a "
        "contribution; 'trained', 'set aside': shares of them whose loss falls.",
        f"It is about the first round; later contributions are near the merged model. {NO_BOUND}",
    ),
    SITE: (
        "Names, for each patient, the hospital whose absence raises the loss most, by the settled "
        "models without each hospital, which every enrolled member holds.",
        "'trained', 'set aside': shares of this hospital's patients that are named as its own, "
        "where 'chance' is one of the hospitals; 'auroc', 'tpr': whether training on them is seen.",
        "There are no patients of other hospitals here, so a share above chance may also come from "
        "this hospital's size: it does not say how often others are named wrongly.",
    ),
}


def describe(name: str, figures: dict[str, Figure], note: str = "") -> Attack:
    """Return an attack that has run."""
    found = tuple(NamedFigure(n, f.value, f.low, f.high, f.support) for n, f in figures.items())
    return Attack(name, *SENTENCES[name], found, "", note)


def give_up(name: str, reason: str) -> Attack:
    """Return an attack that could not run, and why."""
    return Attack(name, *SENTENCES[name], reason=reason)
