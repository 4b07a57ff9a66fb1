"""Tests of nbs/results/89_tasks.ipynb: written there, exported by `prism-repro export`. Edit the notebook."""


from prism_repro.results.sheets import to_csv
from prism_repro.results.statistics import pool
from prism_repro.results.tasks import HEADER, learned, task_row, task_sheet, tries


def episodes(k, n):
    return [dict(seed=i, success=i < k) for i in range(n)]


def found(k=20, chance=0, seeds=(0,)):
    cell = dict(cell="can-sspool-fm", config=dict(encoder=dict(name="SSPool"), objective=dict(name="FM"), seeds=list(seeds)),
                measurements=[dict(seed=seed, checkpoint="last", weights="ema", steps=9, episodes=episodes(k, 50)) for seed in seeds])
    baselines = dict(demonstrations=dict(n=100, attempts=104, mean_steps=131.4), measurements=[dict(policy="random", episodes=episodes(chance, 50)), dict(policy="mean action", episodes=episodes(0, 50))])
    return dict(cell=cell, baselines=baselines)


def test_a_row_and_what_is_missing():
    row = dict(zip(HEADER, task_row("can", found())))
    assert row["Success"] == "20/50" and row["Expert"] == "100/104" and row["Random"] == "0/50" and row["Learned"] == "yes" and row["Steps"] == "131"
    assert task_row("can", found(4))[-1] == task_row("can", found(20, chance=15))[-1] == "no"
    assert task_row("can", dict(cell=None, baselines=None)) == ["can", "not run", "-", "-", "-", "not run", "-", "-", "-", "-"]
    assert task_row("can", found() | dict(cell=None))[4:7] == ["-", "not run", "-"]


def test_the_stand_ins_are_called_so():
    sheet = task_sheet("tasks", {"key_pick": found(), "can": dict(cell=None, baselines=None)})
    assert "stand in" in sheet.notes[-1] and "stand in" not in " ".join(task_sheet("tasks", {"can": found()}).notes)
    assert to_csv(sheet).splitlines()[0].startswith("task,demonstrations,expert_attempts") and to_csv(sheet).splitlines()[2].startswith("can,,")


def test_learned_needs_intervals_apart():
    assert learned((0.9, 1.0), [(10, 50)]) and not learned((0.3, 0.5), [(10, 50)])


def test_seeds_that_agree_make_nothing_learned():
    one, six = (dict(zip(HEADER, task_row("can", found(6, seeds=range(n))))) for n in (1, 6))
    assert one["Learned"] == six["Learned"] == "no", "six networks on the same 50 episodes know as much as one: 6 of 50 is not above 0 of 50 for certain"
    assert six["Success"] == "36/300" and one["Rate % [95 %]"] == six["Rate % [95 %]"]
    assert "these networks only" in " ".join(task_sheet("tasks", {"can": found()}).notes)
    last = pool(found(20, seeds=(0, 1))["cell"])
    assert tries(last) == "40 of 100 tries succeed (2 training seeds on 50 episodes)" and tries(pool(found(20)["cell"])) == "20 of 50 episodes solved"
