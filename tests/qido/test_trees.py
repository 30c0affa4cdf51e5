"""A study with everything below it, in one answer."""

import json

from tests.qido.asking import get
from tests.qido.hospital import service
from tests.qido.stored import OTHER


def test_a_study_is_answered_with_its_series_image_sets_and_instances_for_each_data_store() -> None:
    response = get(service(), "/studies/1.2.3.1?tree", "*/*")
    (study,) = json.loads(response.body)
    assert response.headers["Content-Type"] == "application/json"
    assert [len(series["imageSets"][0]["instances"]) for series in study["series"]] == [3, 2, 1]
    assert len(json.loads(get(service(), "/studies/1.2.3.5?tree=true").body)) == 2
    assert len(json.loads(get(service(), f"/datastore/{OTHER}/studies/1.2.3.5?tree").body)) == 1


def test_a_study_that_there_is_not_has_no_tree() -> None:
    assert get(service(), "/studies/7.7?tree").status == 404
    assert get(service(), "/studies/1.2.3.1?tree=false").status == 404


def test_copies_are_in_a_tree_if_they_are_asked_for() -> None:
    for query, sets in (("tree", [1]), ("tree&allcopies=true", [2, 1])):
        (study,) = json.loads(get(service(), f"/studies/1.2.3.6?{query}").body)
        assert [len(series["imageSets"]) for series in study["series"]] == sets
