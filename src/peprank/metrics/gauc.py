"""AUC within groups: does the model order one user's rows, whatever it thinks of other users?"""

from __future__ import annotations

from peprank.metrics.wins import Floats, Grouped, Groups, Labels, count_wins, mean_over_groups


def gauc(score: Floats, label: Labels, group: Groups) -> Grouped:
    """Mean of the AUC within each group that has both classes: weighted by the group's rows, and plain.

    A tie counts one half. Groups of one class are left out; without any other the means are None.

    Raises:
        ValueError: lengths differ, a score is NaN, a label is neither 0 nor 1.
    """
    wins = count_wins(score, label, group)
    counted = wins.pairs > 0
    return mean_over_groups(wins.twice_won[counted] / (2 * wins.pairs[counted]), wins.rows[counted])
