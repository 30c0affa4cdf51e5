"""What `make deploy` runs: the stack in AWS is brought to what cdk.json and the profile say."""
