"""What to serve: the folder of one model, or TensorFlow Serving's `models.config` of several."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfbert.errors import InputError

CONFIG_NAME = "models.config"


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model.

    Args:
        name: by which clients ask for it.
        folder: whose subfolders with whole numbers for names are its versions.
        latest: so many of the highest versions are served; None for all.
        specific: these versions alone are served, where there are any.
        labels: names of versions.
    """

    name: str
    folder: Path
    latest: int | None = 1
    specific: tuple[int, ...] = ()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def wanted(self, present: Iterable[int]) -> list[int]:
        """The versions that may be served of those `present`, the first choice first."""
        return [version for version in sorted(present, reverse=True) if not self.specific or version in self.specific]

    @property
    def most(self) -> int | None:
        """How many versions are served at most; None for all."""
        return None if self.specific else self.latest


def versions_in(folder: Path) -> dict[int, Path]:
    """The subfolders of `folder` that are named with a whole number, 00000123 too, in the order of their numbers."""
    try:
        found = [entry for entry in folder.iterdir() if entry.name.isascii() and entry.name.isdecimal()]
    except OSError:
        return {}
    numbered = {int(entry.name): entry for entry in sorted(found) if len(entry.name) < 19 and entry.is_dir()}
    return dict(sorted(numbered.items()))


def read_model_configs(path: Path | str, *, all_versions: bool = False) -> list[ModelConfig]:
    """Find out what `path` asks to be served.

    Args:
        path: a model's folder, whose name is the model's; a `models.config`; or a folder with one. A base path in it
            that is not on this machine, such as one inside a container, is looked for by its last name beside the file.
        all_versions: of a model's folder, serve every version instead of the highest, which is TensorFlow Serving's
            default. A `models.config` has policies of its own.

    Raises:
        InputError: there is no such folder, or it holds neither versions nor a config that can be used.
    """
    path = Path(path).resolve()
    if path.is_dir() and not versions_in(path) and (path / CONFIG_NAME).is_file():
        path /= CONFIG_NAME
    if path.is_file():
        if all_versions:
            raise InputError(f"all versions: {path} says itself which versions to serve. Change its policy.")
        return _from_file(path)
    if not path.is_dir():
        raise InputError(f"{path} is not there. Give the folder of a model, such as runs/reviews/serving/reviews.")
    if not versions_in(path):
        raise InputError(
            f"{path} has no version of a model: a folder named with a whole number, such as {path / '1'}. Export one, "
            "or give the folder above it."
        )
    return [ModelConfig(path.name, path, None if all_versions else 1)]


def _from_file(path: Path) -> list[ModelConfig]:
    try:
        text = path.read_text(encoding="utf-8")
        message = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise InputError(f"{path} is no text of ModelServerConfig: {error}. Mend it.") from None
    found = []
    for config in message.model_config_list.config:
        if config.model_platform not in ("", "tensorflow"):
            raise InputError(
                f"{path}: the platform of model {config.name} must be tensorflow; received {config.model_platform}."
            )
        folders = [path.parent / config.base_path, path.parent / Path(config.base_path).name]
        folder = next((folder for folder in folders if config.base_path and folder.is_dir()), None)
        if not config.name or folder is None:
            raise InputError(
                f"{path}: a model needs a name and a base_path that is a folder; received name {config.name!r} and "
                f"base_path {config.base_path!r}."
            )
        policy = config.model_version_policy
        latest: int | None = policy.latest.num_versions or 1
        specific = tuple(policy.specific.versions) if policy.WhichOneof("policy_choice") == "specific" else ()
        if policy.WhichOneof("policy_choice") == "all":
            latest = None
        found.append(ModelConfig(config.name, folder, latest, specific, dict(config.version_labels)))
    names = [config.name for config in found]
    if not found or len({*names}) < len(names):
        raise InputError(f"{path}: needs models with different names; received {', '.join(names) or 'none'}.")
    return found
