"""`make synth`: the CloudFormation template, and where it is. It needs no credentials.

python -m deploy synth [--local] [settings and options of cdk synth]
"""

import argparse
import os
import sys
from pathlib import Path

from deploy import target
from deploy.cdk import PROGRAM, run
from deploy.command import ending_in_a_sentence
from deploy.progress import Progress
from deploy.terminal import say
from infra import assembly
from infra.config import ROOT


def main() -> None:
    """Synthesize with the arguments of the command line."""
    parser = argparse.ArgumentParser("python -m deploy synth", allow_abbrev=False)
    parser.add_argument("--local", action="store_true", help="with the settings of a local cloud")
    parser.add_argument("-o", "--output", default="cdk.out", help="the folder to write into")
    options, arguments = parser.parse_known_args()
    settings = target.local_settings() if options.local else []
    line = [str(PROGRAM), "synth", "--quiet", *settings, *arguments, "--output", options.output]
    with ending_in_a_sentence(Progress()):
        status, printed = run(line, os.environ, shown=False)
    say(printed.strip())
    if status != 0:
        sys.exit(status)
    template = assembly.read(ROOT / options.output).template
    shown = template.relative_to(Path.cwd()) if template.is_relative_to(Path.cwd()) else template
    say(f"The template is {shown}{os.linesep}make deploy shows what it would change in your account, and asks.")
