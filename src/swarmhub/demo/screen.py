"""The terminal output of a demo."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table

from swarmhub.demo.outcome import Outcome, RoundLine, Screen
from swarmhub.evaluation.figures import Figure


class RichScreen(Screen):
    """Steps and rounds as lines, with a status line beneath."""

    def __init__(self, rounds: int, measure: str = "AUC") -> None:
        self.listener: Screen = self
        self._rounds, self._measure = rounds, measure
        self._console = Console()
        self._spinner = Spinner("dots", "starting the nodes")
        self._live = Live(self._spinner, console=self._console, transient=True)
        self._headed = False

    def __enter__(self) -> RichScreen:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def step(self, sentence: str) -> None:
        self._live.console.print(f"[green]✓[/] {sentence}", soft_wrap=True)  # links stay whole

    def warn(self, sentence: str) -> None:
        self._live.console.print(f"[yellow]![/] {escape(sentence)}")

    def waiting(self, sentence: str) -> None:
        self._spinner.update(text=sentence)

    def round(self, line: RoundLine) -> None:
        if not self._headed:
            self._headed = True
            head = f"{'round':>7}  {'leader':<16} {'contributed':<24} {'samples':>7}"
            self._live.console.print(f"[bold]{head}   loss {self._measure:>6}     s[/]")
        loss = "  –  " if line.loss is None else f"{line.loss:.3f}"
        score = "  –  " if line.score is None else f"{line.score:.3f}"
        number = f"{line.number}/{self._rounds}"
        leader = f"{line.leader[:16]:<16}"
        self._live.console.print(
            f"{number:>7}  {leader} {_who(line):<24} {line.samples:>7}  {loss}  {score}"
            f"  {line.seconds:.2f}",
            highlight=False,
        )


def _who(line: RoundLine) -> str:
    """Return the contributors, in a few words."""
    if not line.missing:
        return f"all {len(line.members)}"
    missing = line.missing[0] if len(line.missing) == 1 else f"{len(line.missing)} hospitals"
    return f"{len(line.members)}, without {missing}"[:24]


class _Quiet:
    """A screen that shows nothing (for --json)."""

    listener = Screen()

    def __enter__(self) -> _Quiet:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def quiet() -> _Quiet:
    """Return a screen that shows nothing."""
    return _Quiet()


def make_table(outcome: Outcome) -> Table:
    """Return the closing table: scores of the hospitals alone, the swarm, and all data pooled."""
    scores = outcome.scores

    def word(value: float | None) -> str:
        return "–" if value is None else f"{value:.3f}"

    table = Table(
        title=f"{outcome.measure} on the same {outcome.patients} held-out patients",
        title_justify="left",
    )
    table.add_column("trained on")
    table.add_column(outcome.measure, justify="right")
    for name, value in scores.local.items():
        table.add_row(f"{name} alone", word(value) if value is not None else "– (one class only)")
    table.add_row("mean of the hospitals alone", word(scores.local_mean), end_section=True)
    table.add_row("[bold]the swarm[/]", f"[bold]{word(scores.swarm)}[/]")
    table.add_row("all data pooled (for comparison)", word(scores.central))
    return table


def say_own(name: str, figure: Figure) -> str:
    """Return the swarm's AUC on a hospital's own test patients, with interval and support."""
    interval = "" if figure.low is None else f" ({figure.low:.2f} to {figure.high:.2f})"
    return f"the swarm at {name}: {figure.value:.3f}{interval}, {figure.support} patients"


def show_outcome(outcome: Outcome) -> None:
    """Print the closing table, and where all files are."""
    console = Console()
    console.print(make_table(outcome))
    for name, figure in outcome.scores.own.items():
        if figure.value is not None:
            console.print(f"  {say_own(name, figure)}", highlight=False)
    for sentence in outcome.hidden:
        console.print(f"  {sentence}", highlight=False)
    for t in outcome.takeovers:
        console.print(
            f"Takeover: {t.frm} was killed in round {t.round}; {t.to} settled it as term "
            f"{t.term}, {t.takeover_s:.2f} s later."
        )
    console.print(
        f"{outcome.rounds} round{'s' * (outcome.rounds != 1)}, {outcome.total_s:.1f} s in all "
        f"({outcome.startup_s:.1f} s to the first training step).",
        highlight=False,
    )
    root = outcome.ledger.parent
    for what, path in (
        ("ledger", outcome.ledger),
        ("model", outcome.model_folder),
        ("report", outcome.report),
        ("homes and logs", root / "sites"),
    ):
        console.print(f"  {what:<15}{path}", highlight=False, soft_wrap=True)
    console.print("What next:", style="bold")
    for line in (
        f"swarmhub ledger verify --file {outcome.ledger}",
        f"swarmhub ledger log --file {outcome.ledger} --last 20",
        f"swarmhub predict {outcome.model_folder} --data NEW.csv --out scores.csv",
        "swarmhub demo --kill-leader",
        "swarmhub demo --site A=a.csv --site B=b.csv --label COLUMN",
    ):
        console.print(f"  {line}", highlight=False, soft_wrap=True)
