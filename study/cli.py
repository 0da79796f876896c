"""The command line: what each command takes, and whom it asks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from reachgym.envs.errors import InputError, ReachgymError
from reachgym.study.cli_envs import envs_app

_INTERRUPTED = 130

app = typer.Typer(
    name="reachgym",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Does post-training bring tasks within a model's reach, or only make likely what it
    could already do?

    Start with the study that trains a small model from scratch and measures it, in minutes:

        reachgym study configs/quickstart.yaml --out runs/quickstart

    Look at the environments with `reachgym envs list`, and play one by hand with
    `reachgym envs play reachgym/Lookup-v0`.
    """,
)
app.add_typer(envs_app, name="envs")
console = Console()

OverridesOption = Annotated[
    list[str],
    typer.Option("--set", metavar="KEY=VALUE", help="Change one value, e.g. `world.seed=7`."),
]
TrackOption = Annotated[
    list[str],
    typer.Option(metavar="TARGET", help="`tensorboard` or `wandb`; may be given twice."),
]


@app.command()
def study(
    config: Annotated[Path, typer.Argument(help="YAML or TOML; see configs/quickstart.yaml.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to; default runs/NAME-OF-CONFIG.")
    ] = None,
    overrides: OverridesOption = [],  # noqa: B006 - typer copies its defaults
    track: TrackOption = [],  # noqa: B006
) -> None:
    """Run a study: base, arms, measurement, report. Run again to continue an interrupted one."""
    from reachgym.study.config.loading import load_config

    settings = load_config(config, overrides)
    target = out or Path("runs") / config.stem
    console.print(f"Writing to [bold]{target.resolve()}[/bold]", soft_wrap=True)
    from reachgym.study.run import run_study
    from reachgym.study.summary import print_summary

    results = run_study(settings, target, console, track)
    print_summary(results, target, console)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A study's folder, with its results.json.")],
) -> None:
    """Draw report.html again from a study's results.json."""
    from reachgym.study.report.html import read_results, write_report

    target = run / "report.html"
    write_report(read_results(run / "results.json"), target)
    console.print(f"Wrote {target.resolve()}", soft_wrap=True)


@app.command()
def rollout(
    env: Annotated[str, typer.Argument(help="An environment id, or `module:ns/Id-v0`.")],
    out: Annotated[Path, typer.Option(help="Folder of the trajectory store; continued if there.")],
    agent: Annotated[
        str,
        typer.Option(
            help="`oracle`, `random`, a checkpoint's folder, `module:Class`, or a model there."
        ),
    ] = "oracle",
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible server that has the model."),
    ] = None,
    server: Annotated[
        str, typer.Option(help="Which: openai, vllm, sglang, llama.cpp or other.")
    ] = "other",
    api_key_env: Annotated[
        str, typer.Option(metavar="NAME", help="The variable that holds the endpoint's key.")
    ] = "OPENAI_API_KEY",
    dtype: Annotated[
        str, typer.Option(help="Of a checkpoint's weights: float32 or bfloat16.")
    ] = "float32",
    tasks: Annotated[int, typer.Option(min=1, help="How many tasks.")] = 8,
    attempts: Annotated[int, typer.Option(min=1, help="Attempts of each.")] = 1,
    split: Annotated[str, typer.Option(help="train, validation or held_out.")] = "held_out",
    workers: Annotated[int, typer.Option(min=1, help="Ray workers.")] = 1,
    slots: Annotated[int, typer.Option(min=1, help="Episodes in flight in each.")] = 64,
    num_gpus: Annotated[
        float, typer.Option(min=0, help="GPUs of each worker; a fraction shares one.")
    ] = 0.0,
    resources: Annotated[
        list[str],
        typer.Option("--resource", metavar="NAME=AMOUNT", help="What else each needs of Ray."),
    ] = [],  # noqa: B006 - typer copies its defaults
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster, e.g. `auto`; default: start Ray here.")
    ] = None,
    working_dir: Annotated[
        Path | None, typer.Option(help="A folder that every worker can import from.")
    ] = None,
    dashboard: Annotated[bool, typer.Option(help="Start Ray's dashboard.")] = False,
    kwargs: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="An argument of the environment."),
    ] = [],  # noqa: B006
    track: TrackOption = [],  # noqa: B006
) -> None:
    """Make attempts at an environment's tasks with an agent, and keep the trajectories."""
    from reachgym.study.acting import NamedAgent
    from reachgym.study.cli_rollout import (
        Place,
        RolloutRequest,
        parse_resources,
        run_rollout,
    )

    request = RolloutRequest(
        env=env,
        kwargs=tuple(kwargs),
        agent=NamedAgent(agent, endpoint, server, api_key_env, dtype),
        tasks=tasks,
        attempts=attempts,
        split=split,
        place=Place(
            workers, slots, num_gpus, parse_resources(resources), address, working_dir, dashboard
        ),
        out=out,
        track=tuple(track),
    )
    run_rollout(request, console)


@app.command()
def bench(
    config: Annotated[
        Path | None, typer.Argument(help="YAML or TOML; see configs/baselines.yaml.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write to; continued if there.")] = Path(
        "runs/bench"
    ),
    agents: Annotated[
        list[str],
        typer.Option(
            "--agent",
            help="`oracle`, `random`, a checkpoint's folder, `module:Class`, or with --endpoint a "
            "model's name; may be given several times.",
        ),
    ] = [],  # noqa: B006 - typer copies its defaults
    envs: Annotated[
        list[str], typer.Option("--env", help="An environment id; may be given several times.")
    ] = [],  # noqa: B006
    tasks: Annotated[int | None, typer.Option(min=1, help="Tasks of an environment.")] = None,
    attempts: Annotated[int | None, typer.Option(min=1, help="Attempts at each task.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Only look whether it works: so many tasks, one attempt each."),
    ] = None,
    endpoint: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An OpenAI-compatible server that has the models."),
    ] = None,
    server: Annotated[
        str, typer.Option(help="Which: openai, vllm, sglang, llama.cpp or other.")
    ] = "other",
    api_key_env: Annotated[
        str, typer.Option(metavar="NAME", help="The variable that holds the endpoint's key.")
    ] = "OPENAI_API_KEY",
    dtype: Annotated[
        str, typer.Option(help="Of a checkpoint's weights: float32 or bfloat16.")
    ] = "float32",
    workers: Annotated[int | None, typer.Option(min=1, help="Ray workers.")] = None,
    address: Annotated[
        str | None, typer.Option(help="A Ray cluster, e.g. `auto`; default: start Ray here.")
    ] = None,
    into: Annotated[
        Path | None, typer.Option(help="A file to put the leaderboard into, between its marks.")
    ] = None,
    overrides: OverridesOption = [],  # noqa: B006
) -> None:
    """Ask agents the same tasks with the same seeds, and rank them; run again to continue."""
    from reachgym.study.acting import NamedAgent
    from reachgym.study.cli_bench import BenchRequest, run

    flags = {
        "tasks": tasks,
        "attempts": attempts,
        "resources.workers": workers,
        "resources.address": address,
    }
    request = BenchRequest(
        config=config,
        overrides=tuple(overrides),
        agents=[NamedAgent(name, endpoint, server, api_key_env, dtype) for name in agents],
        envs=envs,
        numbers=[f"{key}={value}" for key, value in flags.items() if value is not None],
        out=out,
        limit=limit,
        into=into,
    )
    run(request, console)


@app.command()
def view(
    run: Annotated[Path, typer.Argument(help="A store, a bench's folder or a study's.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any.")] = 0,
    tokenizer: Annotated[
        Path | None, typer.Option(help="A folder whose tokenizer tells tokens' texts.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Write the page and all episodes to this new folder.")
    ] = None,
) -> None:
    """Look at what agents did, in a browser on this machine, until told to end."""
    from reachgym.study.cli_view import run_view

    run_view(run, port=port, tokenizer=tokenizer, export=export, console=console)


@app.command(name="export")
def export_attempts(
    store: Annotated[Path, typer.Argument(help="A trajectory store, or a file of tasks.")],
    form: Annotated[str, typer.Option("--format", help="jsonl, trl-sft, skyrl or verl.")],
    out: Annotated[Path, typer.Option(help="The file to write; it must not exist yet.")],
    policy: Annotated[str | None, typer.Option(help="Only attempts of this policy.")] = None,
    family: Annotated[str | None, typer.Option(help="Only tasks of this family.")] = None,
    passed: Annotated[bool, typer.Option("--passed", help="Only attempts that passed.")] = False,
) -> None:
    """Write attempts, or the tasks behind them, in the format of another trainer."""
    from reachgym.rollout.formats.transfer import Choice
    from reachgym.study.cli_formats import run_export

    run_export(store, form, out, Choice(policy, family, passed), console)


@app.command(name="import")
def import_attempts(
    path: Annotated[Path, typer.Argument(help="A file in one of the formats.")],
    form: Annotated[str, typer.Option("--format", help="jsonl, trl-sft, skyrl or verl.")],
    out: Annotated[
        Path, typer.Option(help="The store to make, or of rows the file of tasks; must not exist.")
    ],
) -> None:
    """Make a trajectory store, or of rows a file of tasks, of what another program wrote."""
    from reachgym.study.cli_formats import run_import

    run_import(path, form, out, console)


@app.command()
def replay(
    store: Annotated[Path, typer.Argument(help="A trajectory store.")],
    live: Annotated[
        bool, typer.Option("--live", help="Run the tools, instead of telling what they told.")
    ] = False,
    policy: Annotated[str | None, typer.Option(help="Only its attempts.")] = None,
    family: Annotated[str | None, typer.Option(help="Only attempts at its tasks.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="JSON", help="Write every difference to this file.")
    ] = None,
) -> None:
    """Play stored attempts again, and tell where they come out otherwise; status 1 if any does."""
    from reachgym.study.cli_replay import ReplayRequest, run_replay

    if not run_replay(ReplayRequest(store, live, policy, family, out), console):
        raise typer.Exit(1)


@app.command()
def rescore(
    store: Annotated[Path, typer.Argument(help="A trajectory store; it is left as it is.")],
    out: Annotated[Path, typer.Option(help="Folder of the store with the new verdicts.")],
    kwargs: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="Another argument of the environments."),
    ] = [],  # noqa: B006 - typer copies its defaults
) -> None:
    """Judge stored attempts by the verifier of today, without sampling anything again."""
    from reachgym.study.cli_rescore import RescoreRequest, run_rescore

    run_rescore(RescoreRequest(store, out, tuple(kwargs)), console)


@app.command(name="search-server")
def search_server(
    source: Annotated[
        Path, typer.Argument(help="An index's folder, or a corpus: rows, or a folder of texts.")
    ],
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any.")] = 8765,
) -> None:
    """Serve a search index over HTTP, without a password, until told to end."""
    from reachgym.study.cli_search import run_search_server

    run_search_server(source, host, port, console)


@app.command(name="serve")
def serve_env(
    env: Annotated[str, typer.Argument(help="An environment id, or `module:ns/Id-v0`.")],
    kwargs: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="An argument of the environment."),
    ] = [],  # noqa: B006 - typer copies its defaults
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any.")] = 8000,
    sessions: Annotated[int, typer.Option(min=1, help="Open at once, at most.")] = 500,
    idle_s: Annotated[
        float, typer.Option(min=1, help="Seconds without a request that end a session.")
    ] = 600.0,
    threads: Annotated[int, typer.Option(min=1, help="Environments at work at once.")] = 32,
    token_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The variable with the token that clients must show."),
    ] = None,
    mcp: Annotated[
        str | None, typer.Option(help="Serve MCP clients instead, over `stdio` or `http`.")
    ] = None,
) -> None:
    """Serve an environment to other trainers and agents, until told to end."""
    from reachgym.envs.serving.server import ServerSettings
    from reachgym.study.cli_serve import run_serve

    settings = ServerSettings(host, port, sessions, idle_s, threads, token_env)
    run_serve(env, kwargs, settings, mcp, console)


@app.command(name="check-env")
def check_env(
    env: Annotated[str, typer.Argument(help="An environment id, or `module:ns/Id-v0`.")],
    tasks: Annotated[int, typer.Option(min=1, help="Tasks of every split to look at.")] = 4,
    kwargs: Annotated[
        list[str],
        typer.Option("--set", metavar="KEY=VALUE", help="An argument of the environment."),
    ] = [],  # noqa: B006 - typer copies its defaults
    as_json: Annotated[bool, typer.Option("--json", help="Tell it to a program.")] = False,
) -> None:
    """Check an environment for what training and measuring rely on; status 1 if it lacks any."""
    from reachgym.study.cli_check_env import run_check_env

    if not run_check_env(env, kwargs, tasks, console, as_json=as_json):
        raise typer.Exit(1)


@app.command(name="new-env")
def new_env(
    name: Annotated[str, typer.Argument(help="The package's name, such as my-boxes.")],
    path: Annotated[Path, typer.Option(help="The folder to put it into.")] = Path(),
) -> None:
    """Write a package with an environment of your own, its oracle and its tests, to be changed."""
    from reachgym.study.cli_new_env import run_new_env

    run_new_env(name, path, console)


@app.command()
def doctor(
    image: Annotated[
        str | None, typer.Option(help="An image with Python, for Docker levels.")
    ] = None,
) -> None:
    """Try every sandbox level; tell which this machine gives, and how to get the others."""
    from reachgym.study.cli_doctor import run_doctor

    if not run_doctor(console, image):
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; errors a user can mend are one line and exit status 2."""
    try:
        app()
    except InputError as error:
        _fail(str(error), 2)
    except ReachgymError as error:
        _fail(f"{type(error).__name__}: {error}", 1)
    except SystemExit as leaving:
        # Typer turns Ctrl-C in a command into this silent exit.
        if leaving.code != _INTERRUPTED:
            raise
        _fail("stopped; run the same command again to continue", _INTERRUPTED)


def _fail(text: str, status: int) -> None:
    Console(stderr=True).print(f"reachgym: {text}", markup=False, highlight=False, soft_wrap=True)
    sys.exit(status)
