"""Search for the best architecture of a network: keras-tuner over any network and any data set.

    python network_models/architecture_search/search.py --network fdl1 --search FOLDER [--trials 30] [--method bayesian]

--network takes a network's file as well, PATH/architecture.py. Options that are given are fixed, the others of the
network's space are varied (--show_space lists them). Every trial is
a run folder like that of a training, in FOLDER/trials. The same command goes on with a search that was interrupted; more
--trials extend it. --workers 2 tries two networks at a time; README.md beside this script has several machines. At the
end FOLDER holds trials.csv, the pictures, the importance of each option, TensorBoard's HParams under hparams/, and the
best network, trained anew, under best/.
"""

import contextlib
import dataclasses
import os
import pathlib
import socket
import subprocess
import sys

from dataset_models.solar_data import load_solar_data
from network_models.architecture_search import spaces, trials
from network_models.distribution.cluster import train_alone
from network_models.run_folder import resolve_dataset
from network_models.settings import DEFAULT_DATASET, refuse_clashes
from tools import command_line, options
from tools.errors import UserError
from tools.options import add_number

METHODS = ("bayesian", "hyperband", "random")
RESTARTS = 10  # of workers that die, before the search gives up


def search(plan):
    """Run a search, or the rest of one.

    Where keras-tuner's environment (KERASTUNER_TUNER_ID, KERASTUNER_ORACLE_IP, KERASTUNER_ORACLE_PORT) is set, this
    process is the chief, who proposes, or one of the workers, who train.

    Parameters
    ----------
    plan : trials.Search

    Returns
    -------
    bool
        Whether this process has seen the end: False for a worker, whose chief reports.

    Raises
    ------
    UserError
        The folder holds another search; five trials in a row failed.
    """
    import keras_tuner

    from network_models.architecture_search.oracles import oracle

    processes = trials.Processes(plan)

    class Tuner(keras_tuner.engine.base_tuner.BaseTuner):
        def run_trial(self, trial):
            return {plan.objective: processes.run(trial.trial_id, trial.hyperparameters.values)}

        def on_trial_end(self, trial):
            super().on_trial_end(trial)
            outcome = (trial.message or "").strip().splitlines()[-1:] or ["done"]
            print(f"trial {trial.trial_id}: {outcome[0]}", flush=True)

    chief = _is_chief()
    if chief:
        plan.claim()
    elif not (plan.folder / trials.STORED).is_file():
        raise UserError(f"{plan.folder}: no search here; start the chief first, with the same --search folder")
    trials.require_sound(plan.folder)
    strategy = oracle(
        plan.method,
        plan.parameters,
        objective=plan.objective,
        direction=plan.direction,
        trials=plan.trials,
        epochs=plan.epochs,
        seed=plan.seed,
        folder=plan.folder,
        problem=lambda values: trials.problem(plan, values),
    )
    try:
        with contextlib.redirect_stdout(sys.stderr):  # keras-tuner prints that it reloads
            tuner = Tuner(strategy, directory=str(plan.folder), project_name="tuner")
        tuner.search()
    except RuntimeError as error:
        if "consecutive failures" in str(error):
            last = str(error).strip().splitlines()[-1]
            raise UserError(f"{plan.folder}: five trials in a row failed; the last: {last}") from error
        raise
    finally:
        processes.close()
    return chief


def search_in_parallel(workers, arguments, plan):
    """Start a chief and workers of this very command on this machine; a worker that dies is started again.

    Parameters
    ----------
    workers : int
    arguments : list of str
        Flags of this script, without ``--workers``.
    plan : trials.Search
        As parsed from the flags.

    Raises
    ------
    UserError
        A part failed; the lines that it printed have the reason.
    """
    plan.claim()
    with plan.owned():
        pass  # refused here in one line; the chief, which may outlive this process, is the owner
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}

    def start(name):
        return subprocess.Popen([sys.executable, __file__, *arguments], env={**shared, "KERASTUNER_TUNER_ID": name})

    names = [f"worker_{number}" for number in range(workers)]
    running = {name: start(name) for name in ("chief", *names)}
    restarts = 0
    try:
        while running["chief"].poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                running["chief"].wait(1)
            fallen = [name for name in names if running[name].poll() not in (None, 0)]
            if restarts + len(fallen) > RESTARTS:
                break
            for name in fallen:
                restarts += 1
                running[name] = start(name)  # under the same name it is given the trial that it had
    finally:
        for process in running.values():
            if process.poll() is None:
                process.terminate()
        for process in running.values():
            process.wait()
    if running["chief"].returncode:
        raise UserError(f"{plan.folder}: the search stopped early, see the lines above; the same command goes on with it")


def parse(arguments):
    """Read the flags: (trials.Search, number of workers, whether only the space is shown)."""
    first = command_line.parser("", add_help=False)
    first.add_argument("--network", default="fdl1")
    first.add_argument("--dataset")
    early, _ = first.parse_known_args(arguments)

    dataset = pathlib.Path(early.dataset) if early.dataset else resolve_dataset(DEFAULT_DATASET)
    (network_name, space), data_class = spaces.of(early.network), load_solar_data(dataset)
    owners = (space.training_options, space.network_options, data_class)
    refuse_clashes(owners, dataset)
    parser = _parser(space, network_name, owners)
    flags = parser.parse_args(arguments)
    if flags.search is None and not flags.show_space:
        parser.error("the following arguments are required: --search")
    given = {owner: options.take(owner, flags) for owner in owners}
    given[data_class] = _data_defaults(space, network_name, data_class, given[data_class]) | given[data_class]
    given[data_class] = options.with_places(data_class, given[data_class])
    checked = {owner: options.build(owner, values, origin="command line") for owner, values in given.items()}
    training, network = (
        {name: value for name, value in options.as_dictionary(checked[owner]).items() if name in given[owner]}
        for owner in owners[:2]
    )
    plan = trials.Search(
        folder=flags.search or pathlib.Path(),
        network=network_name,
        space=space,
        data=checked[data_class],
        dataset=dataset,
        network_values=network,
        training_values=training,
        method=flags.method,
        objective=flags.objective or "val_loss",
        trials=flags.trials,
        seed=training.get("seed", 0),
        parameter_limit=flags.parameter_limit,
    )
    if training.get("schedule") == "onecycle":
        raise UserError("--schedule onecycle: takes its rate from --max_lr, which is not varied; choose another schedule")
    if _loss_is_varied(plan) and flags.objective is None:
        plan = dataclasses.replace(plan, objective="brier_skill")
    _require_searchable(plan)
    return plan, flags.workers, flags.show_space


def _parser(space, network_name, owners):
    """Make the parser of all flags, for the options of `owners`: training, network and data set."""
    parser = command_line.parser(__doc__, draws=True)
    text = f"{', '.join(spaces.SPACES)}, or a network's .py file (default: %(default)s)"
    parser.add_argument("--network", metavar="NAME", default="fdl1", help=text)
    parser.add_argument("--dataset", help=f"a .py file that defines a SolarData class (default: {DEFAULT_DATASET})")
    parser.add_argument("--search", type=pathlib.Path, metavar="FOLDER", help="of the search, new or to go on with")
    parser.add_argument("--method", choices=METHODS, default="bayesian", help="(default: %(default)s)")
    add_number(parser, "--trials", int, least=1, most=100_000, default=30, help="networks tried at most (default: %(default)s)")
    text = "val_loss, or a score of the run (default: val_loss; brier_skill where --balance, which changes the loss, is varied)"
    parser.add_argument("--objective", help=text)
    text = "larger networks are skipped (default: %(default)s)"
    add_number(parser, "--parameter_limit", int, least=1, most=10**9, default=5_000_000, help=text)
    text = "trials at a time on this machine (default: %(default)s)"
    add_number(parser, "--workers", int, least=1, most=1024, default=1, help=text)
    parser.add_argument("--show_space", action="store_true", help="print what is varied, and stop")
    data_defaults = _data_defaults(space, network_name, owners[-1], {})
    titles = ("training", f"network: {space.title} (fixed when given)", f"data set: {owners[-1].title}")
    for owner, title in zip(owners, titles, strict=True):
        defaults = data_defaults if owner is owners[-1] else space.training
        options.add_flags(parser, owner, title=title, defaults=defaults)
    return parser


def _loss_is_varied(plan):
    """Check whether the losses of trials are different quantities: with class weights and without."""
    return any(parameter.name == "balance" for parameter in plan.parameters)


def _require_searchable(plan):
    """Raise a `UserError` unless the objective is a score of the data set and something is left to vary."""
    scores = trials.objectives(plan.data)
    if plan.objective not in scores:
        raise UserError(f"--objective {plan.objective}: one of {', '.join(scores)}")
    if plan.objective == "val_loss" and _loss_is_varied(plan):
        raise UserError("--objective val_loss: is another loss for each --balance, which is varied; give --balance, or a score")
    if not plan.parameters:
        raise UserError("every option of the space is given; leave one out to search for it (--show_space lists them)")


def _data_defaults(space, network, data_class, given):
    """Return the data set options that the training script of a full-disk network sets: dict."""
    if not space.full_disk:
        return {}
    from network_models.full_disk_flare_forecast.train import data_defaults

    return {name: value for name, value in data_defaults(network, given).items() if name in options.fields(data_class)}


def main(arguments=None):
    """Search with the given flags; the last line printed is the best trial as JSON."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    plan, workers, only_show = parse(arguments)
    if only_show:
        for parameter in plan.parameters:
            print(f"{parameter.name:20s} {parameter.described()}")
        return
    plan.data.require_downloaded()
    train_alone()  # a trial is no part of a cluster, also where SLURM has started several workers of a search
    if workers > 1:
        at = next(index for index, text in enumerate(arguments) if text.split("=")[0] == "--workers")
        search_in_parallel(workers, arguments[:at] + arguments[at + 1 + ("=" not in arguments[at]) :], plan)
    else:
        _search_and_report(plan)


def _search_and_report(plan):
    """Search, and as the chief, whose the search is until its end, report."""
    if not _is_chief():
        search(plan)
        return
    from network_models.architecture_search import report

    plan.claim()
    with plan.owned():
        search(plan)
        report.write(plan)


def _is_chief():
    """Check whether this process proposes, for itself or for the workers of keras-tuner's environment."""
    return "chief" in os.environ.get("KERASTUNER_TUNER_ID", "chief")


if __name__ == "__main__":
    command_line.run(main)
