"""The published runs, trained by torch.optim once for all tests of a process."""

from functools import cache

from beyond import limit_cycle
from manual_grad import compare, torch_optim
from manual_grad.published_runs import published_runs

RUNS = published_runs()


@cache
def by_torch(name, epochs=None):
    """Return a run's Trajectory. It can't be written to: other tests read it too."""
    run = RUNS[name]._replace(epochs=epochs or RUNS[name].epochs)
    return read_only(run.train(torch_optim.train))


@cache
def by_all():
    """Return the Trajectory of each trainer on each run, as `compare` trains them."""
    trained = compare.train_all(RUNS)
    return {
        name: {trainer: read_only(trajectory) for trainer, trajectory in trajectories.items()}
        for name, trajectories in trained.items()
    }


def states_of(name):
    """Return the states A, B, ... of the cycle of an MAE run."""
    trajectory = by_torch(name, limit_cycle.mae_runs()[name].epochs)
    epochs = limit_cycle.cycle_epochs(trajectory, limit_cycle.EVERY[name])
    return [limit_cycle.state_after(trajectory, epoch) for epoch in epochs]


def read_only(trajectory):
    for column in trajectory:
        column.flags.writeable = False
    return trajectory
