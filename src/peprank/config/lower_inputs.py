"""Which feature groups a trunk reads, and how several of them become one input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from peprank.config.lower_groups import Groups
from peprank.config.place import Place, listing, meant
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.embedding import GroupSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a trunk reads. A group with mistakes in it, which have been noted, is not among `groups`."""

    groups: tuple[GroupSpec, ...]
    names: tuple[str, ...]  # of the file's groups that they are made of

    @property
    def name(self) -> str:
        """What the plan calls a group that is made of all of them."""
        return " + ".join(self.names)


def one_input(names: Sequence[str], at: Place, known: Groups) -> Inputs:
    """The named groups side by side, by default the first of the file.

    A feature that several of them take from the same table is there once. `at` is the model's place.
    """
    if not known.names:
        at.error("there is no feature group to read; add feature_groups { ... } beside it")
    for index, name in enumerate(names if known.names else ()):
        if name not in known.names:
            note_no_group(name, at["input_group_names"][index], known)
        elif name in names[:index]:
            at["input_group_names"][index].error("is in this list already; name each group once")
    read = tuple(names) or known.names[:1]
    parts = [group for name in read for group in known.groups if group.name == name]
    columns = dict.fromkeys(item for group in parts for item in group.inputs)
    inputs = Inputs(groups=(), names=read)
    return replace(inputs, groups=(GroupSpec(name=inputs.name, inputs=tuple(columns)),)) if columns else inputs


def group_called(name: str, at: Place, known: Groups) -> Inputs:
    """The group that a part of the model always reads. `at` is the model's place."""
    if name not in known.names:
        note_no_group(name, at, known)
    return Inputs(groups=tuple(group for group in known.groups if group.name == name), names=(name,))


def all_of(*parts: Inputs) -> Inputs:
    """What several parts of a model read, each group once."""
    groups = dict.fromkeys(group for part in parts for group in part.groups)
    return Inputs(groups=tuple(groups), names=tuple(dict.fromkeys(name for part in parts for name in part.names)))


def note_no_group(name: str, at: Place, known: Groups) -> None:
    """Note a name that no feature group has."""
    at.error(
        f"there is no feature group '{name}'{meant(name, known.names)}; "
        f"add one, or name another (there are: {listing(known.names)})"
    )


def warn_of_idle_groups(configs: Sequence[pb.FeatureGroupConfig], at: Place, model: str, inputs: Inputs) -> None:
    """Note each group that the trunk does not read."""
    for index, group in enumerate(configs):
        if group.group_name not in inputs.names:
            at[index]["group_name"].warn(
                f"no part of {model} reads this group{meant(group.group_name, inputs.names)}; it is left out"
            )
