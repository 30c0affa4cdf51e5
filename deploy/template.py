"""What a template of the app says of the index: its profile, the indexes, the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deploy.errors import DeployError
from imaging_index.profile import toml_file
from imaging_index.profile.profile import Profile
from infra import indexes
from infra.indexes import Indexes


@dataclass(frozen=True)
class Template:
    """A template that the app has made, deployed or to be deployed.

    Attributes:
        body: the template.
    """

    body: Mapping[str, Any]

    @classmethod
    def of_stack(cls, stack: str, body: object) -> "Template":
        """The template of a stack as CloudFormation returns it. One in YAML is returned as text.

        Raises:
            DeployError: the app did not make it.
        """
        metadata = body.get("Metadata") if isinstance(body, dict) else None
        if isinstance(body, dict) and isinstance(metadata, dict) and "Profile" in metadata:
            return cls(body)
        raise DeployError(f"The stack {stack} is not one of Imaging Index: set another stackName.")

    @property
    def resources(self) -> Mapping[str, Any]:
        """The resources by their names in the template."""
        resources: Mapping[str, Any] = self.body["Resources"]
        return resources

    @property
    def profile_text(self) -> str:
        """The profile's file."""
        text: str = self.body["Metadata"]["Profile"]
        return text

    @property
    def profile_name(self) -> str:
        """The name of the profile: of a shipped one as in the setting, else of its file."""
        return self.settings.get("profile", "")

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings by name, as an operator reads them; none in a template of an older version."""
        settings: Mapping[str, str] = self.body["Metadata"].get("Settings", {})
        return settings

    @cached_property
    def profile(self) -> Profile:
        """The profile, as this version understands it.

        Raises:
            ProfileError: this version cannot read it.
        """
        return toml_file.parse(self.profile_text)

    @property
    def profile_hash(self) -> str:
        """The hash of the profile that entries are made by, as the version that deployed it understood the profile."""
        return self._output("ProfileHash") or self.profile.hash

    @property
    def keeps_documents(self) -> bool:
        """Whether the stack keeps the documents that it indexes."""
        return "DocumentsBucketName" in self.body.get("Outputs", {})

    @property
    def generation(self) -> str | None:
        """The profile's revision and the format of entries; None for a stack without reconcile."""
        return self._output("Generation")

    @property
    def indexes(self) -> Indexes:
        """The indexes of the table."""
        (table,) = (each for each in self.resources.values() if each["Type"] == "AWS::DynamoDB::GlobalTable")
        return indexes.of_table(table["Properties"])

    @property
    def is_protected(self) -> bool:
        """Whether the table is protected from deletion."""
        return any(
            replica.get("DeletionProtectionEnabled", False)
            for each in self.resources.values()
            if each["Type"] == "AWS::DynamoDB::GlobalTable"
            for replica in each["Properties"]["Replicas"]
        )

    def _output(self, name: str) -> str | None:
        value: str | None = self.body.get("Outputs", {}).get(name, {}).get("Value")
        return value
