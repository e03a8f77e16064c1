"""Names that a config may refer to outside the message that it stands in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from peprank.config.lower_features import EmbeddedFeature
from peprank.config.place import Place, meant
from peprank.spec.feature import IdFeature


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a tower may refer to."""

    labels: Sequence[str]  # data_config.label_fields
    weights: Sequence[str]  # data_config.sample_weight_fields
    features: Mapping[str, EmbeddedFeature]
    broken: Set[str]  # features that could not be lowered

    def check_id_feature(self, name: str, at: Place) -> None:
        """Note a name that is not the name of an id feature."""
        if name in self.features and not isinstance(self.features[name].spec, IdFeature):
            at.error("is a raw feature; name an id feature, whose equal values make a group")
        elif name not in self.features and name not in self.broken:
            at.error(f"is not the name of a feature{meant(name, self.features)}; name an id feature")
