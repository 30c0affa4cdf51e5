"""What the service answers when it refuses a request (its API reference, "Common Errors" and each operation's)."""

from typing import ClassVar


class ServiceError(Exception):
    """An answer other than 200. The message goes to the caller: it names members and keywords, never a DICOM value."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "InternalServerException"


class Invalid(ServiceError):  # noqa: N818  these names follow the service's own
    """The request violates the service's model, or asks for something that the service does not do."""

    status = 400
    code = "ValidationException"


class AccessDenied(ServiceError):  # noqa: N818
    """No policy of the caller's allows the action on the resource."""

    status = 403
    code = "AccessDeniedException"


class NotFound(ServiceError):  # noqa: N818
    """No such data store, job, image set or version."""

    status = 404
    code = "ResourceNotFoundException"


class NotAcceptable(ServiceError):  # noqa: N818
    """What is stored cannot be returned in any form that the request accepts."""

    status = 406
    code = "NotAcceptableException"


class Conflict(ServiceError):  # noqa: N818
    """The resource's state does not allow it: it is locked, has a newer version, or is not empty."""

    status = 409
    code = "ConflictException"


class QuotaExceeded(ServiceError):  # noqa: N818
    """More than the service's quotas allow (developer guide, "Endpoints and quotas")."""

    status = 402
    code = "ServiceQuotaExceededException"


class Throttled(ServiceError):  # noqa: N818
    """More calls a second than the action's throttle allows."""

    status = 429
    code = "ThrottlingException"
