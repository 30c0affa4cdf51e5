"""The CDK app. The CDK command line runs it; `python app.py` alone writes the same assembly to `cdk.out/`."""

from infra.synthesis import main

if __name__ == "__main__":
    main()
