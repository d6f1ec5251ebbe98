"""A report made by hand, for tests."""

import dataclasses
from html.parser import HTMLParser

import numpy as np

from swarmhub.contract.records import Declaration, Inputs, Outcome
from swarmhub.evaluation.counts import make_counts
from swarmhub.operations.report.compose import compose
from swarmhub.operations.report.features import Feature
from swarmhub.operations.report.gather import Reported, SiteReported

HOSTILE = '<script>alert("x")</script>\u202e' + "n" * 5000
FIGURES = {
    "samples": 40.0, "positives": 18.0, "loss": 0.5, "auc": 0.81, "recall": 13 / 18,
    "specificity": 17 / 22, "brier": 0.1831, "slope": 1.07, "local auc": 0.74, "left-out auc": 0.79,
}  # fmt: skip
DECLARED = Declaration(
    Outcome("diagnosis", positive=("AML",), negative=("ALL",)),
    inputs=(Inputs("blood", unit="mg/l", transform="log2"),), exclude=("survival",),
    subgroups=("sex",), threshold="0.4",
)  # fmt: skip


def counts(rows=200, cells=(87, 12, 88, 13), model="swarm"):
    """Settled counts: 87 of 100 patients with the outcome are found, 12 of 100 false alarms."""
    rng = np.random.default_rng(len(model))
    y = np.arange(rows) % 2
    p = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=rows))))
    made = {f"{model}/{n}": a.tolist() for n, a in make_counts(y, p).items()}
    return made | {f"{model}/threshold": list(cells)}


def site(name, curve=(0.7, None, 0.8), **figures):
    return SiteReported(name, 80, "numpy 2", "d" * 64, figures, list(curve), [True, False, True])


def reported(**changes):
    usual = Reported(
        study="aml", title="Relapse of AML", chain="chain-1", spec="5" * 64,
        terms=[("outcome", "'AML' in 'diagnosis'"), ("inputs", "block 'blood'")],
        outcome=dataclasses.asdict(DECLARED.outcome), recipe="logistic", model="a" * 64,
        layout="b" * 64, rounds=3, class_rows=(90, 70),
        sites=(site("Aldmoor", **FIGURES), site("Birkhall")), mean_curve=[0.7, 0.75, 0.8],
        metric="auc", threshold=0.4, features=(Feature("crp", 0.5, 12.0, 3.0, "number", "mg/l"),),
        unused={"the same value throughout": ["flat"]}, hospital="Aldmoor", declared=DECLARED,
        counts=counts() | counts(model="left-out") | {"swarm/subgroups": [[30, 4, 40, 6]]},
        subgroups=("sex=f",), settled_ms=1_700_000_000_000, results={"evaluation": "e" * 64},
        penalty={"strengths": [0.1, 1.0], "losses": [0.5, 0.6], "chosen": 0.1, "rounds": 4},
    )  # fmt: skip
    return dataclasses.replace(usual, **changes)


def composed(found):
    """The report of its kind of outcome."""
    return compose(found)


class Page(HTMLParser):
    """A page's text outside of charts and style, its sections, headings, tables and charts."""

    def __init__(self, page):
        super().__init__()
        self.texts, self.sections, self.levels, self.styles = [], [], [], []
        self.tables, self.charts, self.hrefs, self.attributes = [], [], [], set()
        self.inside = []
        self.feed(page)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attrs):
        self.attributes |= {name for name, _ in attrs}
        self.hrefs += [v for k, v in attrs if k in ("href", "src", "xlink:href")]
        if tag in ("table", "svg"):
            (self.tables if tag == "table" else self.charts).append(set())
        if self.tables and tag == "caption":
            self.tables[-1].add(tag)
        if self.charts and "svg" in self.inside and tag in ("title", "desc"):
            self.charts[-1].add(tag)
        if tag in ("h1", "h2", "h3"):
            self.levels.append(int(tag[1]))
            self.sections += [v for k, v in attrs if k == "id"]
        if tag in ("svg", "style"):
            self.inside.append(tag)

    def handle_endtag(self, tag):
        if tag in ("svg", "style"):
            self.inside.remove(tag)

    def handle_data(self, data):
        if "style" in self.inside:
            self.styles.append(data)
        elif not self.inside:
            self.texts.append(data)
