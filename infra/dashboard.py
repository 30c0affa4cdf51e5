"""The dashboard: the objective and the alarms, and below them the rows that other constructs declare."""

# mypy: allow-subclassing-any

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from infra.graphs import HEIGHT, WIDTH

Rows = Mapping[str, Sequence[cloudwatch.IWidget]]


class Dashboard(Construct):
    """A CloudWatch dashboard.

    Attributes:
        url: where the console shows it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stack_name: str,
        objective: Sequence[cloudwatch.IWidget],
        alarms: Sequence[cloudwatch.Alarm],
        rows: Rows,
    ) -> None:
        """Make the dashboard.

        Args:
            stack_name: for the dashboard's name.
            objective: the widgets for the objective, which begin the first row.
            alarms: the alarms whose states are shown beside the objective.
            rows: the widgets of each row by its heading, from top to bottom.
        """
        super().__init__(scope, construct_id)
        region = Stack.of(self).region
        # A dashboard's name must be unique across all regions of the account.
        name = f"{stack_name}-{region}"
        states = cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms, width=11, height=HEIGHT)
        below = [row for heading, widgets in rows.items() for row in ([_heading(heading)], list(widgets))]
        cloudwatch.Dashboard(
            self,
            "Dashboard",
            dashboard_name=name,
            default_interval=Duration.days(1),
            widgets=[[*objective, states], *below],
        )
        self.url = (
            f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#dashboards/dashboard/{name}"
        )


def _heading(text: str) -> cloudwatch.TextWidget:
    background = cloudwatch.TextWidgetBackground.TRANSPARENT
    return cloudwatch.TextWidget(markdown=f"## {text}", width=WIDTH, height=1, background=background)
