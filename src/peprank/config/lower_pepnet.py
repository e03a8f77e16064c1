"""`pepnet` -> PEPNetSpec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from peprank.config.lower_groups import Groups
from peprank.config.lower_inputs import Inputs, note_no_group
from peprank.config.lower_towers import one_or_all
from peprank.config.place import Place
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.strings import activation
from peprank.spec.mlp import Activation
from peprank.spec.trunk import EPNetGate, EPNetSpec, PEPNetSpec, PPNetSpec, Wiring

EPNET_FIELDS: Final = ("epnet_hidden_unit", "epnet_gamma", "epnet_gate")
PPNET_FIELDS: Final = (
    "ppnet_hidden_units",
    "ppnet_activation",
    "ppnet_dropout_ratio",
    "ppnet_gamma",
    "ppnet_gate_hidden_unit",
    "wiring",
)


def pepnet(msg: pb.PEPNet, at: Place, known: Groups) -> tuple[PEPNetSpec, Inputs]:
    """PEPNet; as in the peer, a missing domain or uia group leaves out the half that reads it."""
    read = (msg.main_group_name, msg.domain_group_name, msg.uia_group_name)
    if msg.main_group_name not in known.names:
        note_no_group(msg.main_group_name, at["main_group_name"], known)
    epnet = _epnet(msg, at) if _has_group("domain_group_name", EPNET_FIELDS, "EPNet", at, known) else None
    ppnet = _ppnet(msg, at) if _has_group("uia_group_name", PPNET_FIELDS, "PPNet", at, known) else None
    trunk = PEPNetSpec(main_group=msg.main_group_name, epnet=epnet, ppnet=ppnet)
    _check_wiring(msg, at, trunk)
    return trunk, Inputs(groups=tuple(group for group in known.groups if group.name in read), names=read)


def _has_group(field: str, readers: Sequence[str], half: str, at: Place, known: Groups) -> bool:
    place = at[field]
    name = str(place.node)
    if name in known.names:
        return True
    if place.is_set:
        note_no_group(name, place, known)
        return False
    for reader in readers:
        if at[reader].is_set:
            at[reader].warn(f"has no effect: without a feature group '{name}' {half} is left out; add one, or {field}")
    return False


def _epnet(msg: pb.PEPNet, at: Place) -> EPNetSpec | None:
    return at.build(
        EPNetSpec,
        group=msg.domain_group_name,
        hidden_dim=_width("epnet_hidden_unit", at),
        gamma=msg.epnet_gamma,
        gate=EPNetGate(pb.EPNetGateKind.Name(msg.epnet_gate)),
    )


def _ppnet(msg: pb.PEPNet, at: Place) -> PPNetSpec | None:
    return at.build(
        PPNetSpec,
        group=msg.uia_group_name,
        hidden_dims=tuple(msg.ppnet_hidden_units),
        activation=activation(msg.ppnet_activation, at["ppnet_activation"]) or Activation.RELU,
        dropouts=one_or_all(msg.ppnet_dropout_ratio, len(msg.ppnet_hidden_units)),
        gamma=msg.ppnet_gamma,
        gate_hidden_dim=_width("ppnet_gate_hidden_unit", at),
        wiring=Wiring(pb.PEPNetWiring.Name(msg.wiring)),
    )


def _width(field: str, at: Place) -> int | None:
    width = at[field].node
    assert isinstance(width, int)
    if at[field].is_set and width == 0:
        at[field].error("must be at least 1; remove it for the default")
    return width or None


def _check_wiring(msg: pb.PEPNet, at: Place, trunk: PEPNetSpec) -> None:
    """The paper's wirings end in gated layers and one linear map, shared by all domains."""
    if trunk.ppnet is None or trunk.ppnet.wiring is Wiring.TZREC:
        return
    wiring = trunk.ppnet.wiring.value
    for index, tower in enumerate(msg.task_towers):
        if tower.HasField("mlp"):
            at["task_towers"][index]["mlp"].error(
                f"the {wiring} wiring has no ungated tower; put its widths into ppnet_hidden_units, "
                "or write wiring: TZREC"
            )
    if msg.task_domain_num > 1:
        at["task_domain_num"].error(
            f"the {wiring} wiring shares towers between domains; remove it, or write wiring: TZREC"
        )
