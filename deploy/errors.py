"""Why a deployment ends."""


class DeployError(RuntimeError):
    """Nothing more was deployed. The message says why, and what to do."""
