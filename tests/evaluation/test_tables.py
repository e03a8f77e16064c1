from __future__ import annotations

import numpy as np
from rich.console import Console

from peprank.evaluation import Results, render
from peprank.spec.model import L2, SoftmaxCrossEntropy, TaskSpec
from tests.evaluation.plan import BUY, CLICK, judged, plan


def printed(results: Results, *, everything: bool = False) -> list[str]:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(*render(results, everything=everything), sep="\n")
    return [line.rstrip() for line in captured.get().splitlines()]


def a_small_run() -> Results:
    logits = [[1, 1], [0, 0], [2, 0], [-1, 1]]
    labels = [[1, 0], [0, 0], [0, 0], [1, 1]]
    return judged(
        plan(CLICK, BUY),
        logits,
        labels,
        tab=[0, 0, 0, 1],
        users=[1, 1, 2, 2],
        spaces={"cvr": [True, False, False, True]},
    )


def test_the_whole_page_of_a_small_run() -> None:
    assert (
        printed(a_small_run())
        == """\
                   rows  positives     AUC    GAUC   plain  groups  logloss     NE  calib.
ctr                   4          2  0.2500  0.5000  0.5000       2   1.1116  1.604   1.190
cvr                   4          1  0.8333  1.0000  1.0000       1   0.7532  1.339   2.462
  where click > 0     2          1  0.5000       –       –       0   0.8133  1.173   1.462

ctr by tab
  0                   3          1  0.5000  1.0000  1.0000       1   1.0444  1.641   2.112
  1                   1          1       –       –       –       0   1.3133      –   0.269

cvr by tab
  0                   3          0       –       –       –       0   0.8999      –       –
  1                   1          1       –       –       –       0   0.3133      –   0.731

GAUC: AUC within each user_id that has both classes, weighted by rows; plain: each counts alike.
logloss in nats; NE: logloss / that of the mean label; calib.: mean prediction / mean label.
– cvr, click > 0: no user_id with both classes
– ctr, tab = 1: no negative among 1 row
– cvr, tab = 0: no positive among 3 rows
– cvr, tab = 1: no negative among 1 row""".splitlines()
    )


def many_domains(num_tasks: int) -> Results:
    draw = np.random.default_rng(0)
    tab = np.repeat(np.arange(12), np.arange(12, 0, -1) * 1000)
    tasks = [TaskSpec(name=f"task_{k}", label=f"label_{k}") for k in range(num_tasks)]
    x = draw.standard_normal((len(tab), num_tasks))
    y = draw.integers(0, 2, x.shape) * (tab[:, None] < 3)
    return judged(plan(*tasks), x.tolist(), y.tolist(), tab=tab, users=(tab // 2).tolist(), batch_rows=10**6)


def test_small_domains_and_further_reasons_are_folded_until_everything_is_asked_for() -> None:
    results = many_domains(2)
    short, whole = printed(results), printed(results, everything=True)
    assert short.count("  ... 7 smaller") == 2
    assert short[-1] == "– task_1, tab = 4: no positive among 8,000 rows"
    assert len(short) == 26
    assert not [line for line in whole if "smaller" in line]
    assert len([line for line in whole if line.startswith("  ")]) == 2 * 12 + 1  # and the heading
    assert len([line for line in whole if line.startswith("–")]) == 18


def test_more_reasons_than_a_few_are_folded_too() -> None:
    results = judged(plan(), np.zeros((7, 1)).tolist(), np.zeros((7, 1)).tolist(), tab=[1, 2, 3, 4, 5, 6, 6])
    assert printed(results)[-1] == "– and so on, 2 more"
    assert printed(results, everything=True)[-1] == "– ctr, tab = 5: no positive among 1 row"


def test_everything_fits_into_100_columns() -> None:
    lines = printed(many_domains(1), everything=True)
    assert max(map(len, lines)) <= 100


def test_everything_includes_domains_inside_a_space() -> None:
    lines = printed(a_small_run(), everything=True)
    assert "cvr by tab where click > 0" in lines
    assert "ctr by tab where click > 0" not in lines


def test_a_plan_without_groups_has_no_gauc_column_and_says_why() -> None:
    lines = printed(judged(plan(gauc_feature=None), [[0], [1]], [[0], [1]]))
    assert "GAUC" not in lines[0]
    assert "No GAUC: eval_config.gauc_feature does not say whose rows form a group." in lines
    assert not [line for line in lines if line.startswith("–")]


def test_each_kind_of_tower_has_its_own_table() -> None:
    stars = TaskSpec(name="stars", label="stars", num_class=3, losses=(SoftmaxCrossEntropy(),))
    watch = TaskSpec(name="watch", label="seconds", losses=(L2(),))
    logits, labels = [[1, 1, 0, 0, 2.5], [0, 0, 1, 0, 1.5]], [[1, 0, 3], [0, 1, 1]]
    lines = printed(judged(plan(CLICK, stars, watch, domain=None), logits, labels))
    headings = [line.split() for line in lines if line.lstrip().startswith("rows")]
    assert headings[1:] == [["rows", "AUC", "accuracy", "cross-entropy"], ["rows", "MAE", "MSE", "XAUC"]]
    assert [line.split() for line in lines if line.startswith("watch")] == [
        ["watch", "2", "0.5000", "0.2500", "1.0000"]
    ]
