"""`pepnet` -> PEPNetSpec."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from peprank.config.lower_groups import Groups
from peprank.config.lower_inputs import Inputs, note_no_group
from peprank.config.lower_single_task import matrix_cross
from peprank.config.lower_towers import one_or_all
from peprank.config.place import Place, listing
from peprank.config.protos import pipeline_pb2 as pb
from peprank.config.strings import activation
from peprank.spec.embedding import GroupInput
from peprank.spec.mlp import Activation
from peprank.spec.trunk import EPNetGate, EPNetSpec, GeneralInput, PEPNetSpec, PPNetSpec, Wiring

EPNET_FIELDS: Final = ("epnet_hidden_unit", "epnet_gamma", "epnet_gate")
PPNET_FIELDS: Final = (
    "ppnet_hidden_units",
    "ppnet_activation",
    "ppnet_dropout_ratio",
    "ppnet_gamma",
    "ppnet_gate_hidden_unit",
    "wiring",
    "detached_priors",
)


def pepnet(msg: pb.PEPNet, at: Place, known: Groups) -> tuple[PEPNetSpec, Inputs]:
    """PEPNet; as in the peer, a missing domain or uia group leaves out the half that reads it."""
    read = (msg.main_group_name, msg.domain_group_name, msg.uia_group_name)
    if msg.main_group_name not in known.names:
        note_no_group(msg.main_group_name, at["main_group_name"], known)
    has_epnet = _has_group("domain_group_name", EPNET_FIELDS, "EPNet", at, known)
    has_ppnet = _has_group("uia_group_name", PPNET_FIELDS, "PPNet", at, known)
    if at["general_input"].is_set and not (has_epnet or has_ppnet):
        at["general_input"].warn("has no effect: without EPNet and PPNet there are no gates")
    trunk = PEPNetSpec(
        main_group=msg.main_group_name,
        epnet=_epnet(msg, at) if has_epnet else None,
        ppnet=_ppnet(msg, at) if has_ppnet else None,
        general_input=GeneralInput(pb.PEPNetGeneralInput.Name(msg.general_input)),
        cross=matrix_cross(msg.cross, at["cross"]) if msg.HasField("cross") else None,
    )
    _check_wiring(msg, at, trunk)
    if has_ppnet and msg.detached_priors:
        _warn_of_untrained(msg, at, known)
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
        detached_priors=msg.detached_priors,
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


def _warn_of_untrained(msg: pb.PEPNet, at: Place, known: Groups) -> None:
    """Embeddings that PPNet's gates alone read, behind a stop-gradient, keep their first values."""
    inputs = {group.name: group.inputs for group in known.groups}
    others = (msg.main_group_name, msg.domain_group_name)
    trained = {_embedding(item) for name in others for item in inputs.get(name, ())}
    frozen = {table.name for table in known.tables if not table.trainable}
    idle = [i.feature for i in inputs.get(msg.uia_group_name, ()) if _embedding(i) not in {"", *trained, *frozen}]
    if idle:
        at["detached_priors"].warn(
            f"leaves the embeddings of {listing(idle)} as they start, since no other group trains them; add these "
            f"features to '{msg.main_group_name}', or let the groups share their tables"
        )


def _embedding(item: GroupInput) -> str:
    """Name of the table or dense embedding; "" for plain numbers."""
    return item.table or item.weight_name
