"""What a deployment says of entries that a changed profile leaves as they are."""

import re

from deploy.index_again import advice
from deploy.template import Template
from infra.config import ROOT

RADIOLOGY = (ROOT / "profiles" / "radiology.toml").read_text("utf-8")
TABLE = {
    "ItemCount": 2_500_000,  # pages as well
    "GlobalSecondaryIndexes": [{"ItemCount": 1_000_000}, {"ItemCount": 1_200}],
}


def deployed(**outputs: str) -> Template:
    """The template of a stack with radiology."""
    values = {name: {"Value": value} for name, value in outputs.items()}
    return Template({"Metadata": {"Profile": RADIOLOGY}, "Outputs": values})


def test_it_says_what_indexing_all_entries_again_costs_and_how_to_begin() -> None:
    said = advice("ImagingIndex", deployed(Generation="2.3"), deployed(Generation="3.3"), TABLE)
    assert "generation 2.3 -> 3.3" in said
    assert "about 1,000,000 entries" in said
    # Six write units, a call and a hint; and 5 MB for a month in the dearer tier.
    assert re.findall(r"\$([\d,.]+\d)", said) == ["12.75", "483.40"]
    assert "\n  imaging-index reconcile --full --plan  " in said
    assert "\n  imaging-index reconcile --full --apply  " in said
    assert "They keep the values" not in said


def test_a_stack_of_another_name_is_named_and_an_old_one_has_no_generation() -> None:
    said = advice("Research", deployed(), deployed(Generation="3.3"), {"ItemCount": 7})
    assert "generation unknown -> 3.3" in said
    assert "about 7 entries" in said
    assert "--apply --stack Research" in said


def test_where_documents_are_kept_they_are_said_to_cost_nothing_in_healthimaging() -> None:
    keeping, without = deployed(DocumentsBucketName="documents"), deployed(Generation="3.3")
    sentence = "What the stack keeps documents of takes neither calls nor storage."
    assert sentence in advice("ImagingIndex", keeping, keeping, TABLE)
    # With the setting off, the function reads none that are there.
    assert sentence not in advice("ImagingIndex", keeping, without, TABLE)


def test_values_that_the_new_profile_protects_are_named_with_how_long_backups_keep_them() -> None:
    private = Template(
        {"Metadata": {"Profile": 'revision = 3\nattributes = ["Modality"]\n[privacy]\nPatientName = "drop"\n'}}
    )
    said = advice("ImagingIndex", deployed(), private, TABLE)
    assert "They keep the values of PatientName, which the new profile does not keep as they are" in said
    assert "35 days more.\n" in said
    said = advice("ImagingIndex", deployed(DocumentsBucketName="documents"), private, TABLE)
    assert "35 days more, and kept documents have them until you delete their bucket.\n" in said
