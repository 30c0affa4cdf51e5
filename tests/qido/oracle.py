"""What an address asks for, found by looking at every document: without the index, its entries and its matching."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from pydicom.datadict import dictionary_VR, keyword_for_tag

from tests.qido.hospital import MADE, Made
from tests.qido.stored import INSTANCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Id = tuple[str, ...]

_OTHERS: Final = frozenset(
    {
        *("limit", "offset", "includefield", "fuzzymatching", "emptyvaluematching", "multiplevaluematching", "orderby"),
        *("allcopies", ""),
    }
)
# Keys that pages or entries have of single instances.
_OF_INSTANCES: Final = frozenset({"SOPInstanceUID", "InstanceNumber", "SOPClassUID", "Rows", "SliceThickness"})


def expected(address: str, made: Sequence[Made] = MADE) -> Counter[Id]:
    """The ids of the objects of an answer, of which there is no limit: the data store and the UIDs."""
    path, _, query = address.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    options = {name.lower(): value for name, value in pairs if name.lower() in _OTHERS}
    keys: dict[str, list[str]] = {}
    for name, value in pairs:
        if name.lower() not in _OTHERS and value.strip(" *"):
            keys.setdefault(_keyword(name), []).append(value)
    parts = path.strip("/").split("/")
    if parts[0] == "datastore":
        made = [each for each in made if each.store == parts[1]]
        parts = parts[2:]
    below = dict(zip(parts[:-1:2], parts[1::2], strict=False))
    made_below = [
        each
        for each in made
        if below.get("studies") in (None, each.study["StudyInstanceUID"])
        and below.get("series") in (None, each.series["SeriesInstanceUID"])
    ]
    everything = options.get("allcopies") == "true"
    found: Counter[Id] = Counter()
    for each in made_below:
        level = parts[-1]
        group = [other for other in made if _id(other, level) == _id(each, level)]
        if each not in _kept(group, everything=everything):
            continue
        study = [other for other in made if _id(other, "studies") == _id(each, "studies")]
        modalities = {other.series["Modality"] for other in _kept(study, everything=everything)}
        of_set = {name: value for name, value in keys.items() if name != "ModalitiesInStudy"}
        wanted = keys.get("ModalitiesInStudy")
        if wanted and not any(_is_one("CS", modality, ",".join(wanted)) for modality in modalities):
            continue
        for instance in each.instances:
            if _matches(each.values | INSTANCE | instance, of_set, options):
                found[(*_id(each, level), *([instance["SOPInstanceUID"]] if level == "instances" else []))] += 1
    of_copies = everything and parts[-1] == "instances"
    return found if of_copies else Counter(dict.fromkeys(found, 1))


def _id(made: Made, level: str) -> Id:
    """A study, or for series and instances a series."""
    study = (made.store, made.study["StudyInstanceUID"])
    return study if level == "studies" else (*study, made.series["SeriesInstanceUID"])


def _kept(group: Iterable[Made], *, everything: bool) -> list[Made]:
    group = [*group]
    return [each for each in group if everything or each.primary is not False] or group


def _keyword(name: str) -> str:
    spelled = [
        keyword_for_tag(int(each, 16)) if re.fullmatch("[0-9A-Fa-f]{8}", each) else each for each in name.split(".")
    ]
    return "PatientName" if spelled == ["PersonName"] else ".".join(spelled)


def _matches(values: dict[str, Any], keys: dict[str, list[str]], options: dict[str, str]) -> bool:
    keys = dict(keys)
    if all("-" in "".join(keys.get(name, [])) for name in ("StudyDate", "StudyTime")):
        (days,), (hours,) = keys.pop("StudyDate"), keys.pop("StudyTime")
        moment = f"{values['StudyDate']}{_time(values['StudyTime'])}" if values.get("StudyDate") else ""
        if not moment or not _is_between(moment, days, hours):
            return False
    for sequence in {name.split(".")[0] for name in keys if "." in name}:
        asked = {name.split(".")[1]: value for name, value in keys.items() if name.startswith(f"{sequence}.")}
        if not any(_matches(item, asked, options) for item in values.get(sequence) or []):
            return False
    return all(_has(values.get(name), name, value, options) for name, value in keys.items() if "." not in name)


def _has(stored: Any, name: str, asked: list[str], options: dict[str, str]) -> bool:
    vr = dictionary_VR(name)
    if asked == ['""'] and options.get("emptyvaluematching") == "true":
        return stored is None
    if stored is None:
        return False
    if vr == "PN" and options.get("fuzzymatching") == "true":
        return all(
            any(word.startswith(each) for word in words(stored)) for each in words(re.sub("[*?]", " ", asked[0]))
        )
    return _is_one(vr, str(stored), ",".join(asked) if vr in ("UI", "CS") else asked[0])


def _is_one(vr: str, stored: str, asked: str) -> bool:
    match vr:
        case "UI" | "CS":
            return any(_is_like(stored, each) for each in re.split(r"[,\\]", asked))
        case "PN":
            whole = (stored, *stored.split("="))
            return any(_is_like(" ".join(words(each)) + " ", _pattern(asked)) for each in whole if words(each))
        case "DA":
            low, _, high = asked.partition("-")
            return (low or "0") <= stored <= ((high or "99999999") if "-" in asked else low)
        case "TM":
            low, _, high = asked.partition("-")
            if "-" not in asked:
                return _time(stored) == _time(asked)
            return _time(low or "00") <= _time(stored) <= (_end(high) if high else "99")
        case "IS" | "DS" | "US":
            return float(stored) == float(asked)
    return _is_like(stored, asked.strip())


def _is_between(moment: str, days: str, hours: str) -> bool:
    (first, _, last), (begin, _, end) = days.partition("-"), hours.partition("-")
    low = f"{first}{_time(begin) if begin else ''}" if first else ""
    high = f"{last}{_end(end) if end else '~'}" if last else "~"
    return low <= moment <= high


def _time(written: str) -> str:
    whole, _, fraction = written.partition(".")
    return f"{whole.ljust(6, '0')}.{fraction.ljust(6, '0')}"


def _end(written: str) -> str:
    whole, _, fraction = written.partition(".")
    return f"{whole}{'5959'[len(whole) - 2 :]}.{fraction or '999999'}"


def _is_like(stored: str, asked: str) -> bool:
    return fnmatchcase(stored, asked.replace("[", "[[]"))


def words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return [
        *filter(None, re.split(r"[\^=,.\-\s]+", "".join(each for each in plain if not unicodedata.combining(each))))
    ]


def _pattern(asked: str) -> str:
    """A name, or a pattern of one, with a blank behind each word."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", asked).casefold() if not unicodedata.combining(each))
    pattern = re.sub(r"[\^=,.\-\s]+", " ", plain).lstrip()
    return pattern if pattern.endswith("*") else f"{pattern.rstrip()} "


def ids(objects: Iterable[dict[str, Any]], level: str) -> Iterator[Id]:
    """The ids of an answer's objects."""
    tags = {"studies": 1, "series": 2, "instances": 3}[level]
    for each in objects:
        uids = (each[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")[:tags])
        yield (each["00991001"]["Value"][0], *uids)
