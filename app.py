"""The CDK app, for the CDK command line; alone, `python app.py` writes the same assembly to `cdk.out/`."""

from infra.synthesis import main

if __name__ == "__main__":
    main()
