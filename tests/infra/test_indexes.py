import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from imaging_index.profile import index_names, toml_file
from infra import indexes
from infra.config import ROOT
from infra.indexes import TypedIndex
from tests.infra.conftest import synthesize

INDEXES = {
    "weight": TypedIndex((("DatastoreId", "S"), ("PatientWeight", "N")), (("ImageSetId", "S"),)),
    "arrived": TypedIndex((("DatastoreId", "S"),), (("FirstIndexedAt", "S"), ("ImageSetId", "S")), ("Cause", "Pages")),
    "arrived.0a1b": TypedIndex((("DatastoreId", "S"),), (("FirstIndexedAt", "S"), ("ImageSetId", "S")), ()),
}


def table_of(template_file: Path) -> Mapping[str, Any]:
    resources = json.loads(template_file.read_text("utf-8"))["Resources"].values()
    (table,) = (each for each in resources if each["Type"] == "AWS::DynamoDB::GlobalTable")
    properties: Mapping[str, Any] = table["Properties"]
    return properties


def test_the_template_has_the_profiles_indexes(template_file: Path) -> None:
    declared = indexes.of_profile(toml_file.load(ROOT / "profiles" / "radiology.toml"))
    assert indexes.of_table(table_of(template_file)) == declared
    (patient,) = (index for name, index in declared.items() if index_names.declared(name) == "patient")
    assert patient.types["PatientID"] == "S"
    assert {"Modality", "IsPrimary"} < {*(patient.holds or ())}


def test_an_index_holds_all_of_an_entry_keys_alone_or_a_list(template_file: Path) -> None:
    projections = {
        index_names.declared(index["IndexName"]): index["Projection"]
        for index in table_of(template_file)["GlobalSecondaryIndexes"]
    }
    assert projections["date"] == {"ProjectionType": "ALL"}
    assert projections["series"] == {"ProjectionType": "KEYS_ONLY"}
    # DynamoDB adds the index's own key, StudyInstanceUID, by itself.
    assert projections["study"]["ProjectionType"] == "INCLUDE"
    assert len(projections["study"]["NonKeyAttributes"]) == 19
    assert sum(len(each.get("NonKeyAttributes", ())) for each in projections.values()) <= 100


def test_the_setting_goes_before_the_profile_and_changes_nothing_else(template_file: Path, tmp_path: Path) -> None:
    step = synthesize(tmp_path, {"indexes": indexes.to_setting(INDEXES)})
    assert indexes.of_table(table_of(step)) == INDEXES
    templates = [json.loads(file.read_text("utf-8")) for file in (step, template_file)]
    for template in templates:
        (table,) = (each for each in template["Resources"].values() if each["Type"] == "AWS::DynamoDB::GlobalTable")
        for properties in (table["Properties"], *table["Properties"]["Replicas"]):
            del properties["GlobalSecondaryIndexes"]
        del table["Properties"]["AttributeDefinitions"]
    assert templates[0] == templates[1]


def test_a_table_without_indexes_has_none() -> None:
    assert indexes.of_table({"AttributeDefinitions": []}) == {}
