"""What the builders of all WorkChains share: one file of protocols, and how to start again."""

from __future__ import annotations

import pathlib
from typing import Any

from aiida.engine import ProcessBuilder
from aiida_quantumespresso.workflows.protocols.utils import ProtocolMixin


class CampaignProtocolMixin(ProtocolMixin):
    """Protocols of a campaign, of which each WorkChain takes its part."""

    @classmethod
    def get_protocol_filepath(cls) -> pathlib.Path:
        """Path of the YAML file that holds the protocols."""
        return pathlib.Path(__file__).with_name('campaign.yaml')

    @classmethod
    def get_builder_restart(cls, node: Any) -> ProcessBuilder:
        """Builder with the inputs of an earlier run; with caching on, nothing runs twice."""
        builder: ProcessBuilder = node.get_builder_restart()
        return builder
