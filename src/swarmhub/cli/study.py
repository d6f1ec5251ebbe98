"""`swarmhub study ...`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from swarmhub import codec
from swarmhub.cli.files import (
    DecimalOption,
    FormatOption,
    ReadOption,
    SeparatorOption,
    SheetOption,
    read_options,
)
from swarmhub.cli.shared import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    YesOption,
    ask,
    lines,
    need_answer,
    run,
    show,
    whole,
)
from swarmhub.cli.study_show import StudyArgument, catalogue, list_studies, show_study
from swarmhub.errors import BadInput, plain
from swarmhub.home.home import Home
from swarmhub.operations import studies
from swarmhub.operations.documents_page import look_at_documents, say_documents
from swarmhub.operations.forgetting import STAYS, check_over, forget_study
from swarmhub.operations.proposals import read_proposal
from swarmhub.operations.studies import StudyShown
from swarmhub.operations.terms import (
    say_terms,
)
from swarmhub.words import say_bytes

app = typer.Typer(help="Propose, approve, join and follow studies.", no_args_is_help=True)
ReasonOption = Annotated[
    str, typer.Option(help="Why, in one line that all members can read (up to 500 bytes).")
]
CodeOption = Annotated[
    Path | None,
    typer.Option(help="A folder (or file) of the code, which all members can read from now on."),
]
EthicsOption = Annotated[
    Path | None,
    typer.Option(help="The ethics or data-use document (PDF or text), which all members can read."),
]
LossOption = Annotated[
    bool,
    typer.Option(
        "--accept-utility-loss",
        help="Also if noise spoils the model here: it has more features than patients.",
    ),
]


@app.command("new")
def new(
    from_: Annotated[
        list[Path] | None,
        typer.Option("--from", help="A file of this hospital's data; may be given again."),
    ] = None,
    example: Annotated[str, typer.Option(help="Start from an example ('swarmhub example').")] = "",
    out: Annotated[Path, typer.Option(help="The new file.")] = Path("study.toml"),
    outcome: Annotated[str, typer.Option(help="The outcome's column; default: guessed.")] = "",
    name: Annotated[str, typer.Option(help="The study's name; default: like the file.")] = "",
    privacy: Annotated[
        str,
        typer.Option(help="plain, masked (sums and training), dp (noise), or masked,dp."),
    ] = "plain",
    separator: SeparatorOption = "",
    decimal: DecimalOption = "",
    sheet: SheetOption = "",
    format_: FormatOption = "",
    read: ReadOption = None,
    json_: JsonOption = False,
) -> None:
    """Write a first draft of a study's terms, with comments: guessed from a hospital's files, from
    an example, or empty. Nothing leaves this machine, and no file is overwritten."""
    from swarmhub.data.reading import Files
    from swarmhub.examples.new_study import draft_example
    from swarmhub.operations.new_study import new_study, with_privacy, write_new
    from swarmhub.operations.privacy_terms import read_mode

    mode = read_mode(privacy)

    if from_ and example:
        raise BadInput("Expected --from or --example, got both; leave one out.")
    if example:
        made = draft_example(example, name)
    else:
        options = read_options(read)
        files = Files(tuple(from_ or ()), separator, decimal, sheet, format_, options)
        made = new_study(files if from_ else None, outcome, name)
    made = with_privacy(made, mode) if privacy != "plain" else made
    write_new(made, out)
    if json_:
        print(json.dumps({**codec.to_json(made), "out": str(out)}, indent=2, ensure_ascii=False))
        return
    lines(f"Draft of '{made.name}' in {out}", list(made.guesses))
    for problem in made.problems:
        print(f"! {plain(problem, 1000)}")
    look = f"swarmhub data check {' '.join(map(str, from_))} --study {out}; " if from_ else ""
    print(f"Read and correct it. Next: {look}swarmhub study propose {out}")


@app.command("propose")
def propose(
    spec: Annotated[Path, typer.Argument(help="The study's terms, a TOML file.")],
    code: CodeOption = None,
    ethics: EthicsOption = None,
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Propose a study to the members, which can read its code and its ethics document."""
    given = read_proposal(spec, code, ethics)
    made = run(studies.propose(Home.open(home), given.spec, given.attached))
    show(made, json_, say_terms_of("Proposed", made))


def say_terms_of(done: str, made: studies.Proposed) -> str:
    """Return what was done to a study's terms, and what members do with them."""
    return (
        f"{done} '{made.study}' (terms {made.spec[:16]}…). Members approve or refuse exactly these."
    )


@app.command("amend")
def amend(
    spec: Annotated[Path, typer.Argument(help="The new terms, a TOML file with the same name.")],
    code: CodeOption = None,
    ethics: EthicsOption = None,
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Replace the terms of a study that is proposed or suspended."""
    given = read_proposal(spec, code, ethics)
    made = run(studies.amend(Home.open(home), given.spec, given.attached))
    show(made, json_, f"{say_terms_of('Amended', made)} 'study start' goes on after that.")


@app.command("approve")
def approve(
    study: StudyArgument,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="Also if the code or the ethics document is not here.")
    ] = False,
    accepts_loss: LossOption = False,
    home: HomeOption = DEFAULT_HOME,
    yes: YesOption = False,
) -> None:
    """Show a study's terms, ask, and approve exactly these for this hospital."""
    opened = Home.open(home)
    shown = run(studies.look(opened, study))
    need_answer(yes)
    lines(f"Study '{study}'", say_terms(shown))
    found = run(look_at_documents(opened, study))
    if found.documents:
        lines("Documents", say_documents(found))
    ask("Allow exactly these terms to run at this hospital?", yes)
    consent = studies.Consent(unseen, accepts_loss)
    run(studies.approve(opened, study, shown.study.spec, consent))
    print(f"Approved '{study}'.{say_next(shown, opened)}")


@app.command("refuse")
def refuse(
    study: StudyArgument, reason: ReasonOption = "", home: HomeOption = DEFAULT_HOME
) -> None:
    """Refuse the study at this hospital."""
    run(studies.refuse(Home.open(home), study, reason))
    print(f"Refused '{study}': nothing of it runs at this hospital.")


@app.command("enrol")
def enrol(
    study: StudyArgument,
    samples: Annotated[
        int, typer.Option(parser=whole(1), help="Training samples here: the most it may weigh.")
    ],
    accepts_loss: LossOption = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Enrol in an approved study."""
    run(studies.enrol(Home.open(home), study, samples, accepts_loss))
    print(f"Enrolled in '{study}' with at most {samples} samples.")


@app.command("withdraw")
def withdraw(study: StudyArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Leave the study; an unsettled contribution is void."""
    run(studies.withdraw(Home.open(home), study))
    print(f"Withdrew from '{study}'. Settled models keep this hospital's part.")


@app.command("start")
def start(study: StudyArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Open the first round (of a suspended study: go on, as 'study resume')."""
    run(studies.start(Home.open(home), study))
    print(f"Started '{study}'. Each hospital now runs its node and a trainer.")


@app.command("pause")
def pause(study: StudyArgument, reason: ReasonOption = "", home: HomeOption = DEFAULT_HOME) -> None:
    """Pause a running study for all hospitals; what its open round has collected is void."""
    run(studies.pause(Home.open(home), study, reason))
    print(f"Paused '{study}'. Trainers wait; 'swarmhub study resume {study}' goes on.")


@app.command("resume")
def resume(study: StudyArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Go on with a suspended study, from the model that it had."""
    run(studies.resume(Home.open(home), study))
    print(f"Resumed '{study}' from its newest settled model.")


@app.command("finish")
def finish(study: StudyArgument, home: HomeOption = DEFAULT_HOME, yes: YesOption = False) -> None:
    """End a study before its last round, for all members."""
    ask(f"'{study}' ends for all hospitals and cannot be started again. Go on?", yes)
    run(studies.finish(Home.open(home), study))
    print(f"Finished '{study}'. Its models stay until each node forgets them.")


@app.command("forget")
def forget(study: StudyArgument, home: HomeOption = DEFAULT_HOME, yes: YesOption = False) -> None:
    """Delete a study's models, statistics and private state from this node, once it is over."""
    opened = Home.open(home)
    run(check_over(opened, study))
    print(f"What stays: {STAYS}.")
    ask(f"Delete all models, statistics and trainers' private state of '{study}' here?", yes)
    gone = run(forget_study(opened, study))
    print(
        f"Forgot '{study}': deleted {say_bytes(gone.nbytes)} of models and statistics, and "
        f"{gone.files} files of trainers and the journal. This node neither fetches nor serves it "
        "any more."
    )


@app.command("release")
def release(
    study: StudyArgument,
    model: Annotated[str, typer.Option(help="Digest (or its beginning) of current or best model.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Open a motion to release a model, with this hospital's vote; the enrolled members vote."""
    if run(studies.release(Home.open(home), study, model)).released:
        print("Released.")
    else:
        print(
            "Moved, and voted for it; the other enrolled members vote with 'swarmhub consortium "
            "vote'."
        )


def say_next(shown: StudyShown, home: Home) -> str:
    """Return what follows an approval: enrolment, the start of an amended study, or nothing if it
    was renewed."""
    enrolled = {shown.name(e.member) for e in shown.study.enrolled}
    if home.config.name not in enrolled:
        return f" Next: 'swarmhub study enrol {shown.study.name} --samples N'."
    if shown.study.status == "running":
        return ""
    return f" Next: 'swarmhub study start {shown.study.name}'."


app.command("list")(list_studies)
app.command("show")(show_study)
app.command("catalogue")(catalogue)
