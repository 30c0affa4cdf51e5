"""CreateDatastore, GetDatastore, ListDatastores, DeleteDatastore."""

import time
from typing import Any

from local.healthimaging.errors import Conflict, QuotaExceeded
from local.healthimaging.paging import page
from local.healthimaging.service import Call, Service
from local.healthimaging.store import DataStore, new_id

# Developer guide, "Endpoints and quotas".
_MOST = 100


async def create_datastore(call: Call) -> dict[str, Any]:
    """Make a data store, which is ACTIVE a little later. A repeated client token returns the same data store."""
    token = f"datastore/{call['clientToken']}"
    if token in call.account.tokens:
        data_store = call.account.data_stores[call.account.tokens[token]]
        return {"datastoreId": data_store.id, "datastoreStatus": data_store.status}
    if sum(data_store.status != "DELETED" for data_store in call.account.data_stores.values()) >= _MOST:
        raise QuotaExceeded(f"An account has at most {_MOST} data stores: delete one first.")
    identifier, now = new_id(), time.time()
    arn = f"arn:aws:medical-imaging:{call.region}:{call.account.id}:datastore/{identifier}"
    data_store = DataStore(
        id=identifier,
        # [U] The answer to GetDatastore requires a name even where none was given.
        name=call.get("datastoreName") or identifier,
        arn=arn,
        account=call.account.id,
        region=call.region,
        status="CREATING",
        created_at=now,
        updated_at=now,
        lossless=call.get("losslessStorageFormat") or "HTJ2K",
        kms_key_arn=call.get("kmsKeyArn"),
        lambda_authorizer_arn=call.get("lambdaAuthorizerArn"),
    )
    call.account.data_stores[identifier] = data_store
    call.account.tokens[token] = identifier
    call.account.tags[arn] = dict(call.get("tags") or {})
    call.service.bus.data_store(data_store)
    call.service.start(_become(call.service, data_store, "ACTIVE"))
    return {"datastoreId": identifier, "datastoreStatus": "CREATING"}


async def delete_datastore(call: Call) -> dict[str, Any]:
    """Delete an empty data store; its properties stay readable as DELETED."""
    data_store = call.account.active(call["datastoreId"])
    if any(image_set.deleted_at is None for image_set in data_store.image_sets.values()):
        raise Conflict("The data store holds image sets: delete them first.")
    data_store.status = "DELETING"
    call.service.bus.data_store(data_store)
    call.service.start(_become(call.service, data_store, "DELETED"))
    return {"datastoreId": data_store.id, "datastoreStatus": "DELETING"}


async def get_datastore(call: Call) -> dict[str, Any]:
    """The properties of a data store."""
    data_store = call.account.data_store(call["datastoreId"])
    properties = {
        **_summary(data_store),
        "kmsKeyArn": data_store.kms_key_arn,
        "lambdaAuthorizerArn": data_store.lambda_authorizer_arn,
        "losslessStorageFormat": data_store.lossless,
    }
    return {"datastoreProperties": properties}


async def list_datastores(call: Call) -> dict[str, Any]:
    """The account's data stores, newest first."""
    wanted = call.get("datastoreStatus")
    found, token = page(
        (store for store in call.account.data_stores.values() if wanted in (None, store.status)),
        lambda store: (store.created_at, store.id),
        descending=True,
        size=call.get("maxResults"),
        token=call.get("nextToken"),
    )
    return {"datastoreSummaries": [_summary(data_store) for data_store in found], "nextToken": token}


def _summary(data_store: DataStore) -> dict[str, Any]:
    return {
        "datastoreId": data_store.id,
        "datastoreName": data_store.name,
        "datastoreStatus": data_store.status,
        "datastoreArn": data_store.arn,
        "createdAt": data_store.created_at,
        "updatedAt": data_store.updated_at,
    }


async def _become(service: Service, data_store: DataStore, status: str) -> None:
    await service.job_time()
    data_store.status, data_store.updated_at = status, time.time()
    service.bus.data_store(data_store)
