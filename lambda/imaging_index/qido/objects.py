"""The objects of studies and series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imaging_index.qido import private, retrieving
from imaging_index.qido.common import Common
from imaging_index.qido.elements import Elements, element, has_values, in_order
from imaging_index.qido.selection import UIDS, attributes, is_addressed, is_always_read
from imaging_index.searching.judging import WHOLE
from imaging_index.searching.names import OF_STUDY
from imaging_index.searching.question import Level
from imaging_index.searching.rows import modalities_of

if TYPE_CHECKING:
    from imaging_index.profile.profile import Profile
    from imaging_index.qido.wanted import Wanted
    from imaging_index.searching.rows import Row

# HealthImaging serves all that it has within seconds (PS3.3, section C.4.23.1.1).
ONLINE: Final = element("InstanceAvailability", ["ONLINE"])


class Objects:
    """Makes the objects of one answer's rows."""

    def __init__(self, wanted: Wanted, profile: Profile) -> None:
        self._wanted, self._profile = wanted, profile
        selected = attributes(wanted, profile)
        self._of_whole = Common(selected, wanted)
        # Of what an index holds, if that is less.
        self._of_held = Common([each for each in selected if is_always_read(each, wanted)], wanted)
        self._addressed = is_addressed(wanted, profile)
        self._counted = Counted(wanted, profile)

    def of_row(self, row: Row) -> Elements:
        """The object of a study or a series.

        A required attribute without a value is an element without one. What the profile does not select, or stores no
        values of, is left out; so is what cannot be counted, since the study or series was not read as a whole.
        ModalitiesInStudy is never empty, which viewers cannot read.
        """
        whole = all(item.keys() >= WHOLE for item in row.entries)
        common = self._of_whole if whole else self._of_held
        found = common.elements(row.entries) | self._counted.elements(row)
        if self._addressed and retrieving.is_served(row):
            uids = [row.value(name) for name in UIDS[self._wanted.level]]
            if all(uids):
                named = retrieving.image_set_of(row)
                address = retrieving.url(self._wanted.retrieve_root, row.datastore_id, uids, named)
                found |= element("RetrieveURL", [address])
        return in_order(found | private.elements(row, self._wanted, common.names))


class Counted:
    """Makes what the answer computes besides addresses: how much there is, of which modalities, and that it is online.

    Of the levels above the answer's own it is there in relational queries, as far as the row has the whole study.
    """

    def __init__(self, wanted: Wanted, profile: Profile) -> None:
        self._wanted = wanted
        modality = profile.find("Modality")
        self._has_modalities = modality is not None and has_values(modality)

    def elements(self, row: Row) -> Elements:
        """The elements of a row, as far as they are known."""
        found: Elements = {}
        level, relational = self._wanted.level, self._wanted.relational
        if level is Level.SERIES or (relational and row.study is not None):
            found |= element("NumberOfSeriesRelatedInstances", [retrieving.instances_of_series(row)])
        if level is Level.STUDY or relational:
            study = row.whole if level is Level.STUDY else row.study
            series, instances = (None, None) if study is None else retrieving.series_and_instances(study)
            found |= ONLINE
            found |= element("NumberOfStudyRelatedSeries", [series])
            found |= element("NumberOfStudyRelatedInstances", [instances])
            if study is not None and self._has_modalities:
                found |= element(OF_STUDY, modalities_of(study))
        return found
