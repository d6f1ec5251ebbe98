"""The sentences of a report on several classes: figures as counts of a hundred samples."""

from __future__ import annotations

from swarmhub.errors import plain
from swarmhub.operations.report.answers import list_names
from swarmhub.operations.report.features import Feature
from swarmhub.operations.report.kinds import shared
from swarmhub.operations.report.kinds.classes.contents import OfClass, ReportOfClasses
from swarmhub.operations.report.private import UNKNOWN
from swarmhub.operations.report.say import LEFT, say_count, say_hospitals, say_interval

NAMES = {
    "accuracy": "accuracy (share named rightly)",
    "balanced_accuracy": "balanced accuracy (mean share found of each class)",
    "macro_f1": "macro-F1 (mean over the classes that are published, 1 is perfect)",
    "macro_auc": "mean AUROC of each class against all others (0.5 is a coin's toss)",
    "loss": "log loss (0 is perfect)",
}
METRICS = {
    "accuracy": "accuracy", "macro_f1": "macro-F1", "balanced_accuracy": "balanced accuracy",
    "loss": "log loss",
}  # fmt: skip
ROWS = "samples"  # test rows in a sentence
WEIGHING = " with a ridge penalty, all classes weighing the same"
FEW = (
    "Fewer than 10 test samples of a class: figures of it describe these, and say little of others."
)
MIDDLE = ("classes", "Each class")  # section between hospitals and subgroups
FEATURES = (
    "Between the class that a higher value favours most and the one that it favours least: the "
    "change of their odds. Weights are against the mean of all classes; other features are held "
    "fixed",
    "direction", "change of the odds", "largest weight per standard deviation",
)  # fmt: skip
SHOWN = 12  # classes of a confusion matrix on the page; of more, the most frequent mistakes
MISTAKES = 20


def name_class(name: str) -> str:
    """Return a class's name in quotes."""
    return f"'{plain(name, 40)}'"


def say_predicts(report: ReportOfClasses) -> str:
    """Return the prediction in one sentence."""
    o = report.outcome
    return (
        f"The model names one of {len(o.classes)} classes of '{plain(o.column, 60)}' for a sample, "
        f"with a probability of each: {list_names(map(name_class, o.classes))}."
    )


def say_trained(report: ReportOfClasses) -> str:
    """Return the numbers of hospitals and samples in one sentence."""
    o = report.outcome
    parts = [f"{n} of {name_class(c)}"
             for n, c in zip(o.trained_by_class, o.classes, strict=False)]  # fmt: skip
    if not parts:
        return f"{say_hospitals(report)} samples; {UNKNOWN}. {LEFT}"
    return f"{say_hospitals(report)} samples: {list_names(parts)}. {LEFT}"


# how good it is


def say_right(report: ReportOfClasses) -> str:
    """Return the accuracy as a count of a hundred samples."""
    right = report.swarm.figure("accuracy")
    if right.value is None:
        return f"It is not known how often the model names the right class: {right.reason}."
    return (
        f"The model names the right one of {len(report.outcome.classes)} classes in "
        f"{say_count(right.value)} of 100 samples{say_interval(right, ROWS)}."
    )


def say_baseline(report: ReportOfClasses) -> str:
    """Return what naming the most frequent class is worth, beside which the model is read."""
    right, baseline = report.swarm.figure("accuracy"), report.most_frequent
    if right.value is None or right.low is None or right.high is None or baseline.value is None:
        return ""
    verdict = "the interval of the model includes that: it is not shown to be better"
    if right.low > baseline.value:
        verdict = "the model is right more often"
    elif right.high < baseline.value:
        verdict = "the model is right less often"
    return (
        f"Naming {name_class(report.most_frequent_class)}, the most frequent class, for all would "
        f"be right in {say_count(baseline.value)} of 100; {verdict}."
    )


def say_balanced(report: ReportOfClasses) -> str:
    """Return the balanced accuracy."""
    balanced = report.swarm.figure("balanced_accuracy")
    if balanced.value is None:
        return f"How well each class is found is not known: {balanced.reason}."
    return (
        f"If each class counts the same, it is right in {say_count(balanced.value)} of 100 "
        "(balanced accuracy)."
    )


def say_extremes(report: ReportOfClasses) -> str:
    """Return the classes that are found most and least often."""
    known = [(c.recall.value, c.name) for c in report.classes if c.recall.value is not None]
    if len(known) < 2:
        return ""
    (low, worst), (high, best) = min(known), max(known)
    return (
        f"Most often found is {name_class(best)} ({say_count(high)} of 100 samples of it), least "
        f"often {name_class(worst)} ({say_count(low)} of 100)."
    )


def say_mistake(report: ReportOfClasses) -> str:
    """Return the most frequent mistake."""
    found = list_mistakes(report)
    if not found:
        return ""
    true, named, count, of = found[0]
    return (
        f"The most frequent mistake: {name_class(true)} is taken for {name_class(named)}, in "
        f"{say_count(count / of)} of 100 samples of {name_class(true)}."
    )


def say_newcomer(report: ReportOfClasses) -> str:
    """Return what to expect at a hospital that took no part."""
    right = report.left_out.figure("accuracy")
    if right.value is None:
        return f"How it would do at a hospital that took no part is not known: {right.reason}."
    return (
        "At a hospital that took no part: models that were trained without the hospital of the "
        f"tested samples are right in {say_count(right.value)} of 100."
    )


def list_mistakes(report: ReportOfClasses) -> list[tuple[str, str, int, int]]:
    """Return the most frequent mistakes: true class, named class, samples, and samples of the true
    class."""
    names = report.outcome.classes
    found = [
        (names[i], names[j], count, sum(row))
        for i, row in enumerate(report.confusion.cells)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(found, key=lambda m: -m[2])[:MISTAKES]


def say_withheld(report: ReportOfClasses) -> str:
    """Return which test samples are not in the figures by class."""
    few = report.conditions.min_count
    if not report.confusion.withheld:
        return f"All test samples are in it: no hospital has 1 to {few - 1} patients of a class."
    return (
        f"{report.confusion.withheld} test samples are not in it: a hospital withholds a class "
        f"with 1 to {few - 1} patients, and all of them if it has few test patients."
    )


def say_class(one: OfClass) -> str:
    """Return a class's name as a row's."""
    return plain(one.name, 60)


# at each hospital


def say_range(report: ReportOfClasses) -> str:
    """Return the lowest and the highest accuracy of the hospitals."""
    known = [(f.value, h.name) for h in report.hospitals
             if (f := h.swarm.figure("accuracy")).value is not None]  # fmt: skip
    if len(known) < 2:
        return "Fewer than two hospitals have enough test samples to compare them."
    (low, worst), (high, best) = min(known), max(known)
    return (
        f"The accuracy ranges from {low:.3f} ({plain(worst, 60)}) to {high:.3f} "
        f"({plain(best, 60)}): mixtures of classes differ between hospitals, too."
    )


def say_gain(report: ReportOfClasses) -> str:
    """Return at how many hospitals the joint model is above the hospital's own one."""
    return shared.say_gain(report.hospitals, "accuracy", "accuracy")


# features


def say_effect(feature: Feature, report: ReportOfClasses) -> tuple[str, str]:
    """Return (direction, effect) of a feature: the odds of the class that it favours most against
    the one that it favours least."""
    names, weights = report.outcome.classes, feature.weights
    if len(weights) != len(names) or not any(weights):
        return "none", "no effect"
    most, least = weights.index(max(weights)), weights.index(min(weights))
    direction = f"towards {name_class(names[most])}, away from {name_class(names[least])}"
    return direction, shared.say_ratio(feature, weights[most] - weights[least])


def say_weight(feature: Feature, report: ReportOfClasses) -> str:
    """Return a feature's largest weight, and its class."""
    name = find_class(feature, report)
    return f"{feature.weight:+.3f}" + (f" ({plain(name, 30)})" if name else "")


def find_class(feature: Feature, report: ReportOfClasses) -> str:
    """Return the class of a feature's largest weight; "" if its weights are of other classes."""
    names, weights = report.outcome.classes, feature.weights
    if len(weights) != len(names) or feature.weight not in weights:
        return ""
    return names[weights.index(feature.weight)]
