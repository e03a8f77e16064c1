"""The config that a model was made from, kept beside the model: text, overrides, and the files it names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from peprank import config
from peprank.config import ConfigFile, Lowered
from peprank.errors import ArtifactError
from peprank.sealed import write_whole

_TEXT, _JSON, _CHANGES = "pipeline.config", "pipeline.json", "config_changes.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSource:
    """All that `lower` needs to make the same plan again, on any machine."""

    text: str  # the file as the user wrote it
    is_json: bool = False
    overrides: tuple[str, ...] = ()  # the --set of that run
    assets: dict[str, str]  # vocab_file path as written -> its contents

    def lower(self) -> Lowered:
        """The plan that the text and the overrides mean.

        Raises:
            ConfigError: the text does not check, say because another version of peprank wrote it.
        """
        return config.lower(self._file(), open_text=self._asset)

    def settings(self) -> dict[str, str]:
        """Every field that the text and the overrides set: its path, and its value as text.

        Raises:
            ConfigError: the text breaks the grammar.
        """
        return config.settings_of(self._file().message)

    def _file(self) -> ConfigFile:
        return config.parse(self.text, _TEXT, overrides=self.overrides, is_json=self.is_json)

    def _asset(self, path: str) -> str:
        if path not in self.assets:
            raise FileNotFoundError(f"{path} was not kept beside the model")
        return self.assets[path]

    def write(self, directory: Path) -> None:
        """Put the config's files into `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        write_whole(directory / (_JSON if self.is_json else _TEXT), self.text)
        changes = {"overrides": list(self.overrides), "assets": self.assets}
        write_whole(directory / _CHANGES, json.dumps(changes, indent=1) + "\n")

    @staticmethod
    def read(directory: Path) -> ConfigSource:
        """Read what `write` put into `directory`.

        Raises:
            ArtifactError: the files are missing or damaged.
        """
        is_json = (directory / _JSON).is_file()
        try:
            text = (directory / (_JSON if is_json else _TEXT)).read_text("utf-8")
            changes = json.loads((directory / _CHANGES).read_text("utf-8"))
            return ConfigSource(
                text=text, is_json=is_json, overrides=tuple(changes["overrides"]), assets=dict(changes["assets"])
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{directory}: holds no model of peprank, or a damaged one ({error})") from error
