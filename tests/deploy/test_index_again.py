"""What a deployment says of entries that a changed profile leaves as they are."""

import re

from deploy.index_again import advice
from imaging_index.profile import toml_file
from infra.config import ROOT

RADIOLOGY = toml_file.load(ROOT / "profiles" / "radiology.toml")
TABLE = {
    "ItemCount": 2_500_000,  # pages as well
    "GlobalSecondaryIndexes": [{"ItemCount": 1_000_000}, {"ItemCount": 1_200}],
}


def test_it_says_what_indexing_all_entries_again_costs_and_how_to_begin() -> None:
    said = advice("ImagingIndex", RADIOLOGY, TABLE, "2.3", "3.3", keeps_documents=False)
    assert "generation 2.3 -> 3.3" in said
    assert "about 1,000,000 entries" in said
    # Six write units, a call and a hint; and 5 MB for a month in the dearer tier.
    assert re.findall(r"\$([\d,.]+\d)", said) == ["12.75", "483.40"]
    assert said.endswith("\n  imaging-index reconcile --full --plan")


def test_a_stack_of_another_name_is_named_and_an_old_one_has_no_generation() -> None:
    said = advice("Research", RADIOLOGY, {"ItemCount": 7}, None, "3.3", keeps_documents=False)
    assert "generation unknown -> 3.3" in said
    assert "about 7 entries" in said
    assert said.endswith("--plan --stack Research")


def test_where_documents_are_kept_they_are_said_to_cost_nothing_in_healthimaging() -> None:
    said = advice("ImagingIndex", RADIOLOGY, TABLE, "2.3", "3.3", keeps_documents=True)
    assert "What the stack keeps documents of takes neither calls nor storage." in said
