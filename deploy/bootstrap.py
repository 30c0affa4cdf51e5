"""`make bootstrap`: what the CDK needs in an account and region, once before the first deployment.

python -m deploy bootstrap [--profile NAME] [--local] [options of cdk bootstrap]
"""

import boto3

from deploy import target
from deploy.cdk import Cdk, is_bootstrapped
from deploy.command import ending_in_a_sentence, options_of
from deploy.progress import Progress
from deploy.terminal import say


def main() -> None:
    """Bootstrap with the arguments of the command line."""
    options, arguments = options_of("python -m deploy bootstrap")
    with ending_in_a_sentence(Progress("Run make bootstrap again: it does the rest.")):
        target.check_endpoint("bootstrap", local=options.local)
        session = boto3.Session(profile_name=options.profile)
        region = target.region("bootstrap", session, arguments)
        if warned := target.warning(region):
            say(warned)
        account = session.client("sts", region_name=region).get_caller_identity()["Account"]
        # `imaging-index local up` has prepared its cloud already, in a way that the CDK's own stack would not get past.
        if options.local and is_bootstrapped(session, region):
            say(f"The local cloud is ready for the CDK in {region}.")
            return
        say(f"Bootstrapping {region} of account {account} ...")
        Cdk(session, arguments).bootstrap(account, region)
