"""What the index promises, checked at every write, at every read, at every hint that is settled, and in the end."""

import gzip
import json
from collections.abc import Mapping
from typing import Any, Final

from imaging_index.entry import entry
from imaging_index.table import generation
from imaging_index.table.layout import Key
from imaging_index.table.reading import Damaged
from proof.simulation import environments, memory, objects
from proof.simulation.environments import DATASTORE, NEW
from proof.simulation.happenings import EVENT_TIME, Happenings, Promise, expected, instances
from proof.simulation.timeline import Timeline

# After these, pages may stay that no event's sweep can know of: reconcile looks for them.
LATE: Final = {"dynamodb": "a write landed late", "s3": "a document landed late"}
NOT_REDELIVERED: Final = "a run failed whose message somebody else settles"

# By now whatever was made is readable, and a version that is not there will not come.
_READABLE_BY: Final = 1_000  # seconds

_TOMBSTONE: Final = {"ImageSet", "Part", "Generation", "DatastoreId", "ImageSetId", "IndexedAt"}


class Promises:
    """The checks of one seed; each raises `Violation`.

    Attributes:
        damaged: partition keys of image sets that lost a page by no fault of the index.
        writes: how often the table was written.
        began: at which of these writes the run began that is going on; None when none is.
    """

    def __init__(self, timeline: Timeline, happenings: Happenings) -> None:
        self.damaged: set[str] = set()
        self.writes = 0
        self.began: int | None = None
        self._timeline = timeline
        self._happenings = happenings
        self._written: dict[str, int] = {}  # of each entry, at which write
        self._table: memory.Table | None = None
        self._bucket: objects.Bucket | None = None

    def connect(self, table: memory.Table, bucket: objects.Bucket) -> None:
        """Look at these."""
        self._table, self._bucket = table, bucket

    def changed(self, key: str, before: memory.Partition, after: memory.Partition) -> None:
        """A partition was written: the entry never goes back, tells the truth and has its pages, which nobody takes."""
        self.writes += 1
        old, new = before.get("entry"), after.get("entry")
        if new is not old:
            self._check_step(key, old, after)
            self._written[key] = self.writes
            self.damaged.discard(key)
        elif old is not None and "Attempt" in old and key not in self.damaged:
            current = _pages(old)
            for part, item in before.items():
                if part.startswith(current) and after.get(part) != item:
                    self._timeline.violated(f"page {part} of {key[-2:]} was taken from under its entry")

    def _check_step(self, key: str, old: memory.Item | None, after: memory.Partition) -> None:
        image_set = key[-32:]
        if "entry" not in after:
            self._timeline.violated(f"the entry of {image_set[-2:]} is gone")
        new = after["entry"]
        if old is not None and not old["Generation"]["S"] < new["Generation"]["S"]:
            self._timeline.violated(
                f"{image_set[-2:]} went from {old['Generation']['S']} to {new['Generation']['S']}",
            )
        self._check_entry(image_set, new)
        if new["Generation"]["S"] == generation.TOMBSTONE:
            return
        if sum(part.startswith(_pages(new)) for part in after) != int(new["Pages"]["N"]):
            self._timeline.violated(f"the entry of {image_set[-2:]} stands before its pages")
        if "DocumentIn" in new and int(new["ImageSetVersion"]["N"]) not in self._kept(image_set):
            self._timeline.violated(f"the entry of {image_set[-2:]} names a document that is not there")
        known = old is not None and self.began is not None and self._written.get(key, 0) <= self.began
        if old is not None and known and new["FirstIndexedAt"] != old["FirstIndexedAt"]:
            self._timeline.violated(f"{image_set[-2:]} forgot when it was first indexed")

    def _check_entry(self, image_set: str, item: memory.Item) -> None:
        """That an entry says what HealthImaging says of the version it names."""
        violated = self._timeline.violated
        if item["Generation"]["S"] == generation.TOMBSTONE:
            if not self._happenings.gone(image_set):
                violated(f"{image_set[-2:]} is live, and was buried")
            if item.keys() != _TOMBSTONE:
                violated(f"the tombstone of {image_set[-2:]} holds more than its keys")
            return
        version, revision, _, _ = map(int, item["Generation"]["S"].split("."))
        content = self._happenings.contents[image_set][version - 1]
        for name, value in expected(image_set, content, version, revision).items():
            if item.get(name) != value:
                violated(f"{name} of {image_set[-2:]} is not that of version {version}, revision {revision}")
        is_primary = self._happenings.service.image_sets[image_set].is_primary
        if item.get("IsPrimary") != {"BOOL": is_primary}:
            violated(f"{image_set[-2:]} is primary or not, and its entry does not say so")
        if item.get("EventTime") != {"S": EVENT_TIME}:
            violated(f"the entry of {image_set[-2:]} does not say when its event was sent")

    def check_read(self, image_set: str, item: memory.Item, found: list[dict[str, Any]]) -> None:
        """A reader has got the entry and the instances of one version, whole."""
        self._check_entry(image_set, item)
        content = self._happenings.contents[image_set][int(item["ImageSetVersion"]["N"]) - 1]
        uids = instances(image_set, content)
        if [instance["SOPInstanceUID"] for instance in found] != uids:
            self._timeline.violated(f"a torn read of {image_set[-2:]}: {len(found)} instances of {len(uids)}")

    def check_settled(
        self, promise: Promise, before: memory.Partition, now: memory.Partition, revision: int | None
    ) -> None:
        """A hint was acknowledged: by a run of `revision` that saw the partition `before`, or parked (None)."""
        image_set = promise.image_set[-2:]
        for part in now:
            if part in before and _litter(part, before) and self._sweeps_suffice:
                self._timeline.violated(f"a hint of {image_set} was acknowledged, and page {part} was left behind")
        if revision is None or not promise.reached:
            return
        tombstone = promise.reached == generation.TOMBSTONE
        if (reached := _generation(now)) < (promise.reached if tombstone else f"{promise.reached}.{revision:06d}"):
            self._timeline.violated(f"a hint of {image_set} was acknowledged, and the entry is at '{reached}'")

    def check_parked(self, body: str, age: float) -> None:
        """A hint was given up after `age` seconds, though AWS refused nothing: not of an image set that is there."""
        if age < _READABLE_BY or not body.startswith('{"id"'):
            return
        detail = json.loads(body)["detail"]
        name = detail.get("imagesetId", "")
        image_set = self._happenings.service.image_sets.get(name)
        if image_set is None or (name, str(image_set.version)) in self._happenings.unreadable:
            return
        if image_set.state == "ACTIVE" and int(detail["imageSetVersion"]) > image_set.version:
            self._timeline.violated("a version that never came was waited for, and what is there was not indexed")

    def check_what_events_did(self, table: memory.Table) -> None:
        """Before reconcile: no litter, and the truth unless something went wrong that only reconcile mends."""
        for key, partition in table.partitions.items():
            for part in partition:
                if (_litter(part, partition) and self._sweeps_suffice) or not (
                    self._timeline.marred or owned(part, partition)
                ):
                    self._timeline.violated(f"page {part} of {key[-2:]} is left behind")
        if not self._timeline.marred:
            self.check_everything(table)

    # --- kept documents

    def document_changed(self, key: str, _: objects.Object | None, after: objects.Object | None) -> None:
        """A document was written or deleted: it is that of its version, and nobody takes what an entry may need."""
        image_set, version = objects.version_of(key)
        if after is None:
            if not self._is_orphan(image_set, version):
                self._timeline.violated(f"the document of version {version} of {image_set[-2:]} was taken")
        # Not byte by byte: a bit between two blocks of deflate may be anything.
        elif gzip.decompress(after.content) != gzip.decompress(
            self._happenings.service.image_sets[image_set].documents[version - 1] or b""
        ):
            self._timeline.violated(f"what is kept of {image_set[-2:]} is not the document of version {version}")

    def check_documents_after_events(self) -> None:
        """Before reconcile: no document is left behind, unless it landed late."""
        excused = not self._timeline.marred.isdisjoint((LATE["s3"], NOT_REDELIVERED))
        for image_set in self._happenings.contents:
            for version in self._kept(image_set):
                if self._is_orphan(image_set, version) and not excused:
                    self._timeline.violated(f"the document of version {version} of {image_set[-2:]} is left behind")
        if not self._timeline.marred:
            self.check_documents()

    def check_documents(self) -> None:
        """No document but those of the entries' versions."""
        for image_set, contents in self._happenings.contents.items():
            wanted = set() if self._happenings.gone(image_set) else {len(contents)}
            if not self._kept(image_set) <= wanted:
                self._timeline.violated(f"documents of {image_set[-2:]} are left behind: {self._kept(image_set)}")

    def _kept(self, image_set: str) -> set[int]:
        assert self._bucket
        found = map(objects.version_of, self._bucket.objects)
        return {version for name, version in found if name == image_set}

    def _is_orphan(self, image_set: str, version: int) -> bool:
        """Whether no entry can need a document again."""
        assert self._table
        reached = _generation(self._table.partitions.get(f"{DATASTORE}/{image_set}", {}))
        return reached >= generation.make(version + 1, 0, 0)

    def check_everything(self, table: memory.Table) -> None:
        """The index is what HealthImaging says, and nothing else."""
        violated = self._timeline.violated
        for image_set, contents in self._happenings.contents.items():
            partition = table.partitions.get(f"{DATASTORE}/{image_set}", {})
            if "entry" not in partition:
                violated(f"{image_set[-2:]} is not in the index")
            if not all(owned(part, partition) for part in partition):
                violated(f"pages of {image_set[-2:]} are left behind")
            reached = _generation(partition)
            if self._happenings.gone(image_set):
                if reached != generation.TOMBSTONE:
                    violated(f"{image_set[-2:]} is deleted, and still in the index")
                continue
            if not generation.same_but_for_repair(reached, latest := generation.make(len(contents), NEW, entry.FORMAT)):
                violated(f"{image_set[-2:]} is at {reached} instead of {latest}")
            try:
                found = environments.reading().read(Key(DATASTORE, image_set))
            except Damaged:
                violated(f"{image_set[-2:]} stays damaged")
            if found is None:
                violated(f"{image_set[-2:]} cannot be read")
            self.check_read(image_set, found.entry, found.instances)

    def check_dead_letters(self, letters: list[memory.Message], sent: set[str]) -> None:
        """A dead letter is a message as it came, and why: of the classes that are parked at all."""
        for letter in letters:
            if letter.body not in sent or letter.attributes.keys() != {"ErrorClass", "Attempts", "RequestId"}:
                self._timeline.violated("a dead letter is not the message that came")
            if (fault := letter.attributes["ErrorClass"]["StringValue"]) not in ("Permanent", "Poison", "NotReady"):
                self._timeline.violated(f"parked for {fault}")

    @property
    def _sweeps_suffice(self) -> bool:
        """Whether every page that was written is known to a run that has swept, or will."""
        return self._timeline.marred.isdisjoint((LATE["dynamodb"], NOT_REDELIVERED))


def owned(part: str, partition: memory.Partition) -> bool:
    """Whether a part is the entry or one of its pages."""
    return part == "entry" or ("entry" in partition and part.startswith(_pages(partition["entry"])))


def _pages(item: Mapping[str, Any]) -> str:
    """How the pages of an entry begin; a tombstone has none."""
    return f"page/{item['Generation']['S']}/{item['Attempt']['S']}/" if "Attempt" in item else "none"


def _litter(part: str, partition: memory.Partition) -> bool:
    """Whether a page is one that a sweep has to take: no entry can name it again."""
    return not owned(part, partition) and part.split("/")[1] <= _generation(partition)


def _generation(partition: memory.Partition) -> str:
    return partition["entry"]["Generation"]["S"] if "entry" in partition else ""
