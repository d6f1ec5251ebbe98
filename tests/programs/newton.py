"""Logistic regression by Newton's method over sums, as one hospital of several: `--home H`.

Each round adds the gradient and the Hessian at `at`, the point that all have; a trainer that comes
late goes on from the newest result. Then the model is set, evaluated, and its scores are counted.
"""

import argparse

import numpy as np

import swarmhub


def data(site):
    rng = np.random.default_rng(site)
    x = np.column_stack([np.ones(60 * site), rng.normal(size=(60 * site, 2))])
    return x, (x @ [0.2, 1.0, -0.7] + rng.logistic(size=len(x)) > 0).astype(float)


def slopes(x, y, at):
    p = 1 / (1 + np.exp(-x @ at))
    return x.T @ (y - p), (x * (p * (1 - p))[:, None]).T @ x


def scores(x, at):
    counts = np.histogram(1 / (1 + np.exp(-x @ at)), 5, (0, 1))[0]
    return {"auc": 0.5, "scores": counts}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--home")
    home = parser.parse_args().home
    x, y = data(int(home[-1]))
    at = np.zeros(3)
    with swarmhub.join("s", home) as swarm:
        n = swarm.sum("size", {"rows": len(x), "mean": x.mean(0)}).arrays["rows"]
        step = swarm.result("newton")
        while step is None or not step.is_last:
            if step is not None:
                at = step.arrays["at"] + np.linalg.solve(
                    step.arrays["hessian"], step.arrays["gradient"]
                )
            gradient, hessian = slopes(x, y, at)
            step = swarm.sum("newton", {"at": at, "gradient": gradient, "hessian": hessian})
        model = {"weights": step.arrays["at"].copy()}
        turn = swarm.sync(model, evaluate=lambda: scores(x, model["weights"]))
        while turn is not None:
            turn = swarm.sync(model, samples=len(x))
        counts = swarm.result("evaluation")
    print("rows", int(n), "met", step.met, "turns", step.turn, flush=True)
    print("scores", *counts.arrays["scores"], flush=True)
    print("weights", *(w.hex() for w in model["weights"]), flush=True)
